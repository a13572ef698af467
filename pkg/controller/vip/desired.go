package vip

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.ReasonVipInvalid, format, args...)
}

// isVirtual: the address has no port of its own but answers at those of pods. Without a namespace it is an address only.
func isVirtual(vip *v1.Vip) bool { return vip.Spec.Type == "" && vip.Spec.Namespace != "" }

// portName is the Vip's switch port, also of one that has none (northbound.md 1.4).
func portName(vip *v1.Vip) string {
	if vip.Spec.Type == "" || vip.Spec.Namespace == "" {
		return vip.Name
	}
	return util.PodPortName(vip.Name, vip.Spec.Namespace, util.OvnProvider)
}

// request is what a Vip asks of IPAM. What was granted cannot be changed.
func request(in inputs) (ipam.Request, error) {
	vip := in.vip
	r := ipam.Request{Owner: util.VipLeaseOwner(vip.Name), NIC: portName(vip), MAC: vip.Spec.MacAddress}
	r.ShareWith = func(l ipam.Lease) bool { return slices.Contains(in.users, l.Owner) }
	if vip.Spec.Type == util.VipTypeSwitchLB { // the MAC is the router's
		r.MAC, r.NoMAC = "", true
	}
	for _, field := range []struct{ name, spec, status string }{
		{"subnet", vip.Spec.Subnet, vip.Labels[util.SubnetLabel]},
		{"v4ip", vip.Spec.V4ip, vip.Status.V4ip},
		{"v6ip", vip.Spec.V6ip, vip.Status.V6ip},
		{"macAddress", strings.ToUpper(r.MAC), strings.ToUpper(vip.Status.Mac)},
	} {
		if field.spec != "" && field.status != "" && field.spec != field.status {
			return r, invalid("vip has been assigned, does not support change of %s from %s to %s", field.name, field.status, field.spec)
		}
	}
	var err error
	if r.Addresses, err = util.ParseAddrs(util.JoinDual(vip.Spec.V4ip, vip.Spec.V6ip)); err != nil {
		return r, invalid("%v", err)
	}
	return r, nil
}

// granted is a Vip with its lease written down in spec and status. A text that was given keeps its spelling: the field
// cannot be changed.
func granted(in inputs) *v1.Vip {
	text := func(a netip.Addr, given string) string {
		if given != "" || !a.IsValid() {
			return given
		}
		return a.String()
	}
	after := in.vip.DeepCopy()
	reconcile.AddFinalizer(after)
	spec := &after.Spec
	spec.V4ip, spec.V6ip = text(in.lease.V4, spec.V4ip), text(in.lease.V6, spec.V6ip)
	spec.MacAddress = cmp.Or(spec.MacAddress, portMAC(in))
	if after.Labels == nil {
		after.Labels = map[string]string{}
	}
	after.Labels[util.SubnetLabel] = in.subnet.Name
	after.Labels[util.IPReservedLabel] = in.user
	s := &after.Status
	s.Type, s.V4ip, s.V6ip, s.Mac = spec.Type, spec.V4ip, spec.V6ip, portMAC(in)
	s.Selector = slices.Clone(spec.Selector)
	return after
}

// portMAC is the MAC that answers for the address: as it was given, but the router's for the front of a load balancer,
// whatever the spec, which cannot follow it, says.
func portMAC(in inputs) string {
	if in.vip.Spec.Type == util.VipTypeSwitchLB {
		return in.routerMAC
	}
	return cmp.Or(in.vip.Spec.MacAddress, in.lease.MAC)
}

// rows are the Vip's port, if its type has one and its subnet a switch.
func rows(in inputs) []ovs.Row {
	if !util.IsOvnProvider(in.subnet.Spec.Provider) || in.vip.Spec.Type == "" && !isVirtual(in.vip) {
		return nil
	}
	address := util.FormatAddrs(in.lease.Addresses())
	port := ovs.LogicalSwitchPort{Switch: in.subnet.Name, Name: portName(in.vip)}
	if isVirtual(in.vip) {
		parents := make([]string, 0, len(in.pods))
		for _, pod := range in.pods {
			parents = append(parents, util.PodPortName(pod.Name, pod.Namespace, in.subnet.Spec.Provider))
		}
		port.Type = "virtual"
		port.Options = map[string]string{"virtual-ip": in.lease.Addresses()[0].String()} // OVN takes one, IPv4 first
		if len(parents) > 0 {
			port.Options["virtual-parents"] = strings.Join(parents, ",")
		}
		return []ovs.Row{port}
	}
	port.Addresses = []string{portMAC(in) + " " + strings.ReplaceAll(address, ",", " ")}
	if in.vip.Spec.Type == util.VipTypeSwitchLB {
		port.Options = map[string]string{"arp_proxy": "true"}
	}
	return []ovs.Row{port}
}

// Holdings are the leases that Vips held when the controller last ran, older objects first.
func Holdings(vips []*v1.Vip) []ipam.Holding {
	sorted := slices.SortedFunc(slices.Values(vips), func(a, b *v1.Vip) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	held := make([]ipam.Holding, 0, len(sorted))
	for _, vip := range sorted {
		h := ipam.Holding{
			Lease:       ipam.Lease{Subnet: vip.Spec.Subnet, Owner: util.VipLeaseOwner(vip.Name), NIC: portName(vip), MAC: vip.Status.Mac},
			AllowShared: vip.Labels[util.IPReservedLabel] != "", // with the pod that uses it
		}
		if vip.Spec.Type == util.VipTypeSwitchLB {
			h.MAC = ""
		}
		h.V4, _ = netip.ParseAddr(vip.Status.V4ip) // what was never granted is not held
		h.V6, _ = netip.ParseAddr(vip.Status.V6ip)
		held = append(held, h)
	}
	return held
}
