package pod

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

const (
	natEip  = "dnat_and_snat"
	natSnat = "snat"
)

// rows are the switch ports of the interfaces that have a switch, and what leads the pod out by another way.
func rows(in inputs, ports []port) []ovs.Row {
	var rows []ovs.Row
	for _, p := range ports {
		if util.IsOvnProvider(p.subnet.Spec.Provider) {
			rows = append(rows, switchPort(in, p))
		}
	}
	if p, ok := translated(in, ports); ok {
		rows = append(rows, natRows(in.nat, p)...)
	}
	return rows
}

// natRows lead what the pod sends to its next hop, and translate its addresses on the way.
func natRows(t translation, p port) []ovs.Row {
	var rows []ovs.Row
	for i, inside := range (pair{p.lease.V4, p.lease.V6}) {
		if !inside.IsValid() || !t.hops[i].IsValid() {
			continue
		}
		rows = append(rows, ovs.RouterPolicy{
			Router: p.subnet.Spec.Vpc, Priority: util.NorthGatewayPolicyPriority, Match: util.SourceMatch(inside.String()),
			Action: "reroute", Nexthops: []string{t.hops[i].String()}, ExternalIDs: map[string]string{util.ExtSubnet: p.subnet.Name},
		})
		if t.eip[i].IsValid() {
			nat := ovs.NAT{Router: p.subnet.Spec.Vpc, Type: natEip, ExternalIP: t.eip[i].String(), LogicalIP: inside.String()}
			if t.distributed {
				nat.LogicalPort, nat.ExternalMAC = p.name, p.lease.MAC
				nat.Options = map[string]string{"stateless": "true"}
			}
			rows = append(rows, nat)
		}
		if t.snat[i].IsValid() {
			rows = append(rows, ovs.NAT{Router: p.subnet.Spec.Vpc, Type: natSnat, ExternalIP: t.snat[i].String(), LogicalIP: inside.String()})
		}
	}
	return rows
}

func switchPort(in inputs, p port) ovs.Row {
	get := func(suffix string) string { return in.pod.Annotations[util.Key(p.prefix, suffix)] }
	own := strings.Join(append([]string{p.lease.MAC}, texts(p.lease.Addresses())...), " ")
	row := ovs.LogicalSwitchPort{
		Switch:     p.subnet.Name,
		Name:       p.name,
		Addresses:  []string{own},
		PortGroups: portGroups(in, p),
		ExternalIDs: map[string]string{
			util.ExtPod:    in.pod.Namespace + "/" + in.pod.Name,
			util.ExtSwitch: p.subnet.Name,
		},
	}
	if get(util.Layer2Forward) == "true" {
		row.Addresses = append(row.Addresses, "unknown")
	}
	vips := portVips(in.pod, p.prefix)
	if get(util.PortSecurity) == "true" {
		vips = append(vips, allowedAddresses(in, p)...)
		row.PortSecurity = []string{strings.Join(append([]string{own}, vips...), " ")}
	}
	if len(vips) > 0 {
		row.ExternalIDs[util.ExtVips] = strings.Join(vips, ",")
		row.ExternalIDs[util.ExtAttachVips] = "true"
	}
	if p.subnet.Spec.EnableDHCP {
		if p.lease.V4.IsValid() {
			row.DHCPv4 = util.DHCPOptionsName(p.subnet.Name, util.ProtocolIPv4)
		}
		if p.lease.V6.IsValid() {
			row.DHCPv6 = util.DHCPOptionsName(p.subnet.Name, util.ProtocolIPv6)
		}
	}
	return row
}

// portGroups are the group of the node, for ports of the default VPC and of underlay subnets, and the group of the subnet
// on the node where the node carries its traffic, unless the pod leaves by another way.
func portGroups(in inputs, p port) []string {
	var groups []string
	spec := p.subnet.Spec
	if spec.Vpc == in.DefaultVpc || spec.Vlan != "" {
		groups = append(groups, util.NodePortGroup(in.pod.Spec.NodeName))
	}
	steered := p.prefix == util.OvnProvider && in.nat.steers()
	if spec.Vpc == in.DefaultVpc && util.HasNodeGroups(p.subnet) && !steered {
		groups = append(groups, util.SubnetNodePortGroup(p.subnet.Name, in.pod.Spec.NodeName))
	}
	return groups
}

// written are the annotations of an interface that this package writes.
var written = []string{
	util.IPAddress, util.MACAddress, util.CIDR, util.Gateway, util.LogicalSwitch, util.LogicalRouter, util.PodNicType,
	util.VlanID, util.ProviderNet, util.Allocated, util.Routed,
}

// routed says whether OVN routes for the subnet: overlay, or underlay with OVN's own gateway.
func routed(s *v1.Subnet) bool { return s.Spec.Vlan == "" || s.Spec.LogicalGateway }

// annotations are the pod's with what each interface got, for the daemon and the user. Of a port that is no more only the
// user's own remain.
func annotations(in inputs, ports []port, dropped []string) map[string]string {
	all := maps.Clone(in.pod.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	for _, name := range dropped {
		prefix := strings.TrimPrefix(name, in.pod.Name+"."+in.pod.Namespace+".")
		for _, suffix := range written {
			delete(all, util.Key(prefix, suffix))
		}
	}
	for _, p := range ports {
		set := func(suffix, value string) {
			if value != "" {
				all[util.Key(p.prefix, suffix)] = value
			}
		}
		set(util.IPAddress, util.FormatAddrs(p.lease.Addresses()))
		set(util.MACAddress, p.lease.MAC)
		set(util.CIDR, p.subnet.Spec.CIDRBlock)
		set(util.Gateway, p.subnet.Spec.Gateway)
		set(util.LogicalSwitch, p.subnet.Name)
		set(util.Allocated, "true")
		if !util.IsOvnProvider(p.subnet.Spec.Provider) {
			continue
		}
		if in.pod.Annotations[util.Key(p.prefix, util.PodNicType)] == "" {
			set(util.PodNicType, in.NicType)
		}
		if routed(p.subnet) || p.subnet.Spec.U2OInterconnection {
			set(util.LogicalRouter, p.subnet.Spec.Vpc)
		}
		tellVlan(all, p, in.vlans[p.subnet.Spec.Vlan])
		set(util.Routed, "true")
	}
	return all
}

// tellVlan says on which network an interface is, and no more when it is on none.
func tellVlan(all map[string]string, p port, vlan *v1.Vlan) {
	id, network := util.Key(p.prefix, util.VlanID), util.Key(p.prefix, util.ProviderNet)
	if vlan == nil {
		delete(all, id)
		delete(all, network)
		return
	}
	all[id], all[network] = strconv.Itoa(vlan.Spec.ID), vlan.Spec.Provider
}

// ipObject is the durable form of one port's lease.
func ipObject(in inputs, p port) *v1.IP {
	lease := util.PortLease{
		Port: p.name, Pod: in.pod.Name, Namespace: in.pod.Namespace, Node: in.pod.Spec.NodeName, Subnet: p.subnet.Name,
		V4: text(p.lease.V4), V6: text(p.lease.V6), MAC: p.lease.MAC,
	}
	if in.set == nil {
		return lease.Object()
	}
	lease.PodType = util.PodTypeStatefulSet
	object := lease.Object()
	object.Annotations = map[string]string{util.SetUIDAnnotation: string(in.set.UID)}
	return object
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func texts(addrs []netip.Addr) []string {
	list := make([]string, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}
