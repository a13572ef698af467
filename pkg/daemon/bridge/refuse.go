package bridge

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// RefusedError says why a NIC was left alone; only another choice of NIC helps.
type RefusedError struct{ NIC, Reason string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("NIC %s stays out of Open vSwitch: %s", e.NIC, e.Reason)
}

// refuse protects the node from losing its API server. A NIC that is in the bridge already has passed before.
func (m *Manager) refuse(s Spec, nic netlink.Link) error {
	name := nic.Attrs().Name
	if nic.Attrs().Flags&net.FlagLoopback != 0 {
		return &RefusedError{name, "it is the loopback device"}
	}
	if master := nic.Attrs().MasterIndex; master != 0 {
		if l, err := netlink.LinkByIndex(master); err == nil && l.Attrs().Name != "ovs-system" {
			return &RefusedError{name, "it belongs to " + l.Attrs().Name}
		}
	}
	bridges, err := m.Bridges()
	if err != nil {
		return err
	}
	bridge, attached := bridges[name]
	if attached && bridge != s.Name {
		return &RefusedError{name, "bridge " + bridge + " has it already"}
	}
	if err := m.refuseForeign(s, nic); err != nil {
		return err
	}
	if !s.Userspace || attached {
		return nil
	}
	routes, err := routesOf(nic)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if ones, _ := maskOf(r.Dst).Size(); ones == 0 && r.Table == unix.RT_TABLE_MAIN {
			return &RefusedError{name, "it carries the default route, which would fail whenever vswitchd restarts" + s.advice()}
		}
	}
	for _, ip := range s.Protected {
		routes, err := netlink.RouteGet(ip.AsSlice())
		if err != nil {
			klog.V(3).InfoS("No route to a protected address", "address", ip, "err", err)
			continue
		}
		for _, r := range routes {
			if r.LinkIndex == nic.Attrs().Index {
				return &RefusedError{name, fmt.Sprintf("%s is reached through it, which would fail whenever vswitchd restarts", ip)}
			}
		}
	}
	return nil
}

// maskOf is the mask of a destination; the default route has none.
func maskOf(dst *net.IPNet) net.IPMask {
	if dst == nil {
		return net.IPMask{}
	}
	return dst.Mask
}

// refuseForeign leaves alone what somebody else made in the vswitch database. Rows of earlier releases carry the vendor and
// no owner; those are adopted.
func (m *Manager) refuseForeign(s Spec, nic netlink.Link) error {
	name := nic.Attrs().Name
	if s.Name == util.TunnelBridge {
		return nil // an operator may have made it, and it is adopted
	}
	if o, found := m.vswitch.Get("Bridge", name); found && isOVS(nic) {
		return &RefusedError{name, "it is itself a bridge of Open vSwitch, owner " + describe(o)}
	}
	if o, found := m.vswitch.Get("Bridge", s.Name); found && foreign(o, s) {
		return &RefusedError{name, "a bridge " + s.Name + " exists and is not ours, owner " + describe(o)}
	}
	for _, port := range []string{name, s.NIC} {
		if o, found := m.vswitch.Get("Port", port); found && foreign(o, s) {
			return &RefusedError{name, "it is in a bridge of Open vSwitch that is not ours, owner " + describe(o)}
		}
	}
	return nil
}

func foreign(o ovs.Observation, s Spec) bool {
	owner := o.ExternalIDs[util.ExtOwner]
	if owner == "" {
		return o.ExternalIDs[util.ExtVendor] != util.Vendor
	}
	return owner != s.owner().String()
}

func describe(o ovs.Observation) string {
	if owner := o.ExternalIDs[util.ExtOwner]; owner != "" {
		return owner
	}
	return "unknown"
}

// advice says who chose the NIC.
func (s Spec) advice() string {
	if s.Name != util.TunnelBridge {
		return ""
	}
	return "; choose another NIC with --iface or the node annotation " + util.TunnelInterfaceAnnotation
}
