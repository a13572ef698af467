package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// OwnerKind is the owner of a bridge's rows; the key is its name.
const OwnerKind = "bridge"

// attachDeadline bounds the wait for vswitchd to make a device or to open a NIC.
const attachDeadline = 30 * time.Second

// Spec is one bridge with its NIC.
type Spec struct {
	Name string
	NIC  string
	// Userspace: the datapath is netdev. The NIC then carries the node's traffic only while vswitchd runs.
	Userspace   bool
	Trunks      []int
	OtherConfig map[string]string
	ExternalIDs map[string]string
	// Protected are addresses that the node must reach without vswitchd, for example the API server's.
	Protected []netip.Addr
}

// RefusedError says why a NIC was left alone; only another choice of NIC helps.
type RefusedError struct{ NIC, Reason string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("NIC %s stays out of Open vSwitch: %s", e.NIC, e.Reason)
}

// Manager attaches NICs.
type Manager struct {
	vswitch *ovs.Client

	mu   sync.Mutex
	last map[string][]netip.Prefix // by NIC: what its bridge had, for the case that the row is lost too
}

// New returns a manager that writes to the node's vswitch database.
func New(vswitch *ovs.Client) *Manager {
	return &Manager{vswitch: vswitch, last: map[string][]netip.Prefix{}}
}

// Attach makes the bridge exist with the NIC as a port and the NIC's addresses and routes on the bridge. It changes only what
// differs, resumes after a crash, and moves everything back when it fails before the NIC was ever a port. Errors:
// *RefusedError, no such NIC, vswitchd did not open the NIC.
func (m *Manager) Attach(ctx context.Context, s Spec) error {
	nic, err := netlink.LinkByName(s.NIC)
	if err != nil {
		return fmt.Errorf("NIC %s of bridge %s: %w", s.NIC, s.Name, err)
	}
	bridges := m.Bridges()
	attached := bridges[s.NIC] == s.Name
	if err := m.refuse(s, nic); err != nil {
		return err
	}
	for other, bridge := range bridges {
		if bridge == s.Name && other != s.NIC {
			// Its addresses must not become those of the new NIC.
			if err := m.Detach(ctx, Spec{Name: s.Name, NIC: other, Userspace: s.Userspace}); err != nil {
				return err
			}
		}
	}
	addresses, err := m.addresses(s, nic)
	if err != nil {
		return err
	}
	if _, err := m.vswitch.Apply(ctx, s.owner(), s.rows(nic.Attrs().HardwareAddr, addresses)); err != nil {
		return fmt.Errorf("write bridge %s: %w", s.Name, err) // nothing has moved
	}
	if err := m.take(ctx, s, nic, addresses); err != nil {
		err = fmt.Errorf("attach %s to bridge %s: %w", s.NIC, s.Name, err)
		if attached {
			return err // vswitchd may be restarting: the next pass goes on
		}
		// The end of our context is one of the reasons to come here.
		return errors.Join(err, m.Detach(context.WithoutCancel(ctx), s))
	}
	return nil
}

// take waits for vswitchd to open the devices of a bridge and moves what belongs to the NIC.
func (m *Manager) take(ctx context.Context, s Spec, nic netlink.Link, addresses []netlink.Addr) error {
	if err := netlink.LinkSetUp(nic); err != nil {
		return fmt.Errorf("set %s up: %w", s.NIC, err)
	}
	for _, name := range []string{s.Name, s.NIC} {
		if err := m.waitOpen(ctx, name); err != nil {
			return err
		}
	}
	if s.Userspace {
		for _, name := range []string{s.Name, s.NIC} {
			if err := link.DisableOffloads(name, link.TxChecksum, link.TSO, link.GSO, link.GRO, link.LRO); err != nil {
				return err
			}
		}
	}
	bridge, err := netlink.LinkByName(s.Name)
	if err != nil {
		return fmt.Errorf("find device %s: %w", s.Name, err)
	}
	// vswitchd takes the MAC from other_config some time after it made the device; neighbours must not see another one.
	if err := (link.Driver{}).Sync(link.Device{Name: s.Name, MAC: nic.Attrs().HardwareAddr}); err != nil {
		return err
	}
	if err := setAddresses(bridge, addresses); err != nil {
		return err
	}
	if err := move(nic, bridge); err != nil {
		return err
	}
	m.remember(s.NIC, addresses)
	if s.Userspace {
		return ingress.Drop(s.NIC)
	}
	return nil
}

func (m *Manager) remember(nic string, addresses []netlink.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[nic] = nil
	for _, a := range addresses {
		m.last[nic] = append(m.last[nic], prefixOf(a))
	}
}

// Lost are the addresses that a NIC brought into a bridge which is gone with them.
func (m *Manager) Lost(nic string) []netip.Prefix {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.last[nic])
}

// addresses are those that the bridge must have: what is on either device, and after both lost them (a reboot, a tap that was
// made anew) what the bridge's row remembers. An address on the NIC that the row does not know was configured since (DHCP): it
// takes the place of the bridge's addresses of that family.
func (m *Manager) addresses(s Spec, nic netlink.Link) ([]netlink.Addr, error) {
	out, err := movable(nic)
	if err != nil {
		return nil, err
	}
	known := m.Remembered(s.Name)
	replaced := map[bool]bool{} // by "is IPv6"
	for _, a := range out {
		p := prefixOf(a)
		replaced[p.Addr().Is6()] = replaced[p.Addr().Is6()] || len(known) > 0 && !slices.Contains(known, p)
	}
	if bridge, err := netlink.LinkByName(s.Name); err == nil {
		more, err := movable(bridge)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(more, func(a netlink.Addr) bool { return replaced[prefixOf(a).Addr().Is6()] })...)
	}
	if len(out) > 0 {
		return out, nil
	}
	if len(known) == 0 {
		known = m.Lost(s.NIC)
	}
	for _, p := range known {
		a, err := netlink.ParseAddr(p.String())
		if err != nil {
			return nil, fmt.Errorf("remembered address %s: %w", p, err)
		}
		out = append(out, *a)
	}
	return out, nil
}

// Remembered are the addresses that a bridge had when a NIC was attached last.
func (m *Manager) Remembered(bridge string) []netip.Prefix {
	o, _ := m.vswitch.Get("Bridge", bridge)
	var out []netip.Prefix
	for _, text := range strings.Fields(o.ExternalIDs[util.BridgeAddresses]) {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Detach gives the NIC its addresses and routes back and removes the bridge. What is gone already is no error.
func (m *Manager) Detach(ctx context.Context, s Spec) error {
	nic, errNIC := netlink.LinkByName(s.NIC)
	bridge, errBridge := netlink.LinkByName(s.Name)
	if errNIC == nil {
		if err := ingress.Accept(s.NIC); err != nil {
			return fmt.Errorf("detach %s: %w", s.NIC, err)
		}
		if err := netlink.LinkSetUp(nic); err != nil {
			return fmt.Errorf("detach %s: set up: %w", s.NIC, err)
		}
	}
	if errNIC == nil && errBridge == nil {
		if err := move(bridge, nic); err != nil {
			return fmt.Errorf("detach %s from bridge %s: %w", s.NIC, s.Name, err)
		}
	}
	if _, err := m.vswitch.Apply(ctx, s.owner(), nil); err != nil {
		return fmt.Errorf("remove bridge %s: %w", s.Name, err)
	}
	m.remember(s.NIC, nil)
	return nil
}

// Bridges maps the ports of our bridges to their bridge, the bridge's own port left out.
func (m *Manager) Bridges() map[string]string {
	out := map[string]string{}
	bridges := m.vswitch.Owners(OwnerKind)
	if len(bridges) == 0 {
		return out
	}
	links, err := netlink.LinkList()
	if err != nil {
		return out
	}
	for _, l := range links {
		name := l.Attrs().Name
		o, _ := m.vswitch.Get("Port", name)
		bridge, ours := strings.CutPrefix(o.ExternalIDs[util.ExtOwner], OwnerKind+"/")
		if ours && bridge != name && slices.Contains(bridges, bridge) {
			out[name] = bridge
		}
	}
	return out
}

func (s Spec) owner() ovs.Owner { return ovs.Owner{Kind: OwnerKind, Key: s.Name} }

func (s Spec) rows(mac net.HardwareAddr, addresses []netlink.Addr) []ovs.Row {
	other := map[string]string{"hwaddr": mac.String()}
	maps.Copy(other, s.OtherConfig)
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.IPNet.String())
	}
	slices.Sort(texts)
	ids := map[string]string{util.BridgeAddresses: strings.Join(slices.Compact(texts), " ")}
	maps.Copy(ids, s.ExternalIDs)
	b := ovs.Bridge{Name: s.Name, OtherConfig: other, ExternalIDs: ids}
	if s.Userspace {
		b.DatapathType = util.DatapathNetdev
	}
	return []ovs.Row{b, ovs.VSwitchPort{Bridge: s.Name, Name: s.NIC, Trunks: s.Trunks}}
}

// waitOpen waits until vswitchd has opened a device as a port.
func (m *Manager) waitOpen(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, attachDeadline)
	defer cancel()
	var last ovs.Observation
	err := m.vswitch.WaitFor(ctx, "Interface", name, func(o ovs.Observation) bool {
		last = o
		n, ok := o.Columns["ofport"].(int)
		return ok && n > 0
	})
	if err != nil {
		return fmt.Errorf("vswitchd has not opened %s (error %v): %w", name, last.Columns["error"], err)
	}
	return nil
}

// refuse protects the node from losing its API server. A NIC that is in the bridge already has passed before.
func (m *Manager) refuse(s Spec, nic netlink.Link) error {
	if nic.Attrs().Flags&net.FlagLoopback != 0 {
		return &RefusedError{s.NIC, "it is the loopback device"}
	}
	if master := nic.Attrs().MasterIndex; master != 0 {
		if l, err := netlink.LinkByIndex(master); err == nil && l.Attrs().Name != "ovs-system" {
			return &RefusedError{s.NIC, "it belongs to " + l.Attrs().Name}
		}
	}
	bridge, attached := m.Bridges()[s.NIC]
	if attached && bridge != s.Name {
		return &RefusedError{s.NIC, "bridge " + bridge + " has it already"}
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
			return &RefusedError{s.NIC, "it carries the default route, which would fail whenever vswitchd restarts; choose another NIC with --iface or the node annotation " + util.TunnelInterfaceAnnotation}
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
				return &RefusedError{s.NIC, fmt.Sprintf("%s is reached through it, which would fail whenever vswitchd restarts", ip)}
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
