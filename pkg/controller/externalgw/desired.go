package externalgw

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// bare says whether the switch is ours to make: the gateway has an address of its own and no Subnet manages the switch. One
// that is there stays until a Subnet is accepted.
func (in inputs) bare() bool {
	wanted := driven(in.vpc) && in.gateway.Enabled && len(in.gateway.RouterPort) > 0
	return wanted && (in.subnet == nil || in.owned && !isValid(in.subnet))
}

// handedOver: an underlay Subnet manages the switch and its localnet port from now on. An overlay one of that name has no
// use for the port, which would lead from it to the physical network.
func (in inputs) handedOver() bool {
	return in.subnet != nil && isValid(in.subnet) && util.Effective(in.subnet).Spec.Vlan != ""
}

// renames: the localnet port still has its other name.
func (in inputs) renames() bool { return in.bare() && in.other }

// portNames are the name of the bare switch's localnet port and the one that it has without, or with, FormerPortName.
func (c Config) portNames() (name, other string) {
	name, other = util.LocalnetPortName(c.ExternalSwitch), util.FormerLocalnetPortName(c.ExternalSwitch)
	if c.FormerPortName {
		return other, name
	}
	return name, other
}

// rows are the bare switch and its way to the physical network.
func rows(in inputs) []ovs.Row {
	name, _ := in.portNames()
	return bareRows(in, name)
}

// otherRows are those of an earlier release or of another setting.
func otherRows(in inputs) []ovs.Row {
	_, other := in.portNames()
	return bareRows(in, other)
}

func bareRows(in inputs, port string) []ovs.Row {
	if !in.bare() {
		return nil
	}
	return []ovs.Row{
		ovs.LogicalSwitch{Name: in.ExternalSwitch},
		ovs.LogicalSwitchPort{
			Switch: in.ExternalSwitch, Name: port, Type: "localnet", Addresses: []string{"unknown"}, Tag: in.ExternalVlanID,
			Options: map[string]string{"network_name": in.ExternalNet},
		},
	}
}

// labelled is a node as it should be. Only a listed node gets its label here; what the user labelled keeps it until the
// gateway is switched off. A node that leaves the list, and every gateway when it is switched off, gets "false".
func labelled(in inputs, node *corev1.Node) *corev1.Node {
	is, by := node.Labels[util.ExternalGWLabel] == "true", node.Annotations[util.ExternalGWByAnnotation]
	listed := slices.Contains(in.gateway.Nodes, node.Name)
	wanted, because := is, ""
	switch {
	case !driven(in.vpc):
		return node
	case in.gateway.Enabled && listed:
		wanted, because = true, util.ExternalGWByList
	case in.gateway.Enabled && by == util.ExternalGWByList && !in.gateway.Distributed:
		wanted = false
	case in.gateway.Enabled && is:
		because = util.ExternalGWByLabel
	case !in.gateway.Enabled && by != "":
		wanted = false
	}
	if wanted == is && because == by {
		return node
	}
	after := node.DeepCopy()
	if wanted != is {
		util.SetKey(&after.Labels, util.ExternalGWLabel, map[bool]string{true: "true", false: "false"}[wanted])
	}
	util.SetKey(&after.Annotations, util.ExternalGWByAnnotation, because)
	return after
}

// Book is the address book of the bare switch, for pods' outside addresses and for the rebuild at start. It is false when
// the settings in effect give the switch no network. Where a Subnet of that name exists its own book is the one.
func Book(vpc *v1.Vpc, name string) (ipam.Spec, bool) {
	g, on := util.DecodeExternalGateway(vpc.Annotations)
	if !on || !driven(vpc) || len(g.RouterPort) == 0 {
		return ipam.Spec{}, false
	}
	networks := make([]netip.Prefix, 0, len(g.RouterPort))
	for _, port := range g.RouterPort {
		networks = append(networks, port.Masked())
	}
	gateways := slices.DeleteFunc(g.NextHops(""), func(a netip.Addr) bool { return !util.ContainsAddr(networks, a) })
	return ipam.Spec{Name: name, CIDRBlock: util.FormatCIDRs(networks), Gateway: util.FormatAddrs(gateways)}, true
}

// Holding is the lease of the router port in that book. It is the one that an OvnEip of a Subnet of the same name takes over.
// portMAC is the MAC that the port has in the database, "" for none.
func Holding(vpc *v1.Vpc, name, portMAC string) (ipam.Holding, bool) {
	g, on := util.DecodeExternalGateway(vpc.Annotations)
	if !on || len(g.RouterPort) == 0 {
		return ipam.Holding{}, false
	}
	return ipam.Holding{Lease: leaseOf(vpc, name, portMAC, g)}, true
}

func leaseOf(vpc *v1.Vpc, name, portMAC string, g util.ExternalGateway) ipam.Lease {
	port := util.RouterPortName(vpc.Name, name)
	lease := ipam.Lease{Subnet: name, Owner: util.EipLeaseOwner(port), NIC: port, MAC: g.PortMAC(port, portMAC)}
	for _, address := range g.RouterPort {
		if address.Addr().Is4() {
			lease.V4 = address.Addr()
		} else {
			lease.V6 = address.Addr()
		}
	}
	return lease
}
