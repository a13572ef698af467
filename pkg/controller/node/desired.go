package node

import (
	"fmt"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// rows are the join port, the group of the node's pods, and per family the policy that sends traffic for the node's own
// address to the node instead of to the physical gateway.
func rows(in inputs, lease ipam.Lease) []ovs.Row {
	addresses := []string{lease.MAC}
	for _, a := range lease.Addresses() {
		addresses = append(addresses, a.String())
	}
	rows := []ovs.Row{
		ovs.LogicalSwitchPort{
			Switch:      in.JoinSubnet,
			Name:        util.NodePortName(in.name),
			Addresses:   []string{strings.Join(addresses, " ")},
			ExternalIDs: map[string]string{util.ExtSwitch: in.JoinSubnet},
		},
		ovs.PortGroup{
			Name:        util.NodePortGroup(in.name),
			ExternalIDs: map[string]string{util.ExtNode: in.name, util.ExtNP: "node/" + in.name},
		},
	}
	for _, join := range lease.Addresses() {
		address, ok := internalIP(in, join.Is4())
		if !ok {
			continue
		}
		family, field := "4", "ip4"
		if join.Is6() {
			family, field = "6", "ip6"
		}
		rows = append(rows, ovs.RouterPolicy{
			Router:      in.DefaultVpc,
			Priority:    util.NodePolicyPriority,
			Match:       fmt.Sprintf("%s.dst == %s", field, address),
			Action:      "reroute",
			Nexthops:    []string{join.String()},
			ExternalIDs: map[string]string{util.ExtNode: in.name, util.ExtAddressFamily: family},
		})
	}
	return append(rows, localDNS(in, lease)...)
}

// localDNS sends what the node's pods ask its DNS cache to the node: the address is the same on each node, and no router
// knows it (northbound.md 2.5).
func localDNS(in inputs, lease ipam.Lease) []ovs.Row {
	var rows []ovs.Row
	for _, text := range in.LocalDNS {
		server, err := netip.ParseAddr(text)
		if err != nil {
			continue // the flag is checked at the start
		}
		for _, join := range lease.Addresses() {
			if join.Is4() != server.Is4() {
				continue
			}
			family, field := "4", "ip4"
			if join.Is6() {
				family, field = "6", "ip6"
			}
			rows = append(rows, ovs.RouterPolicy{
				Router:   in.DefaultVpc,
				Priority: util.NodeLocalDNSPolicyPriority,
				Match:    fmt.Sprintf("%[1]s.src == $%[2]s_%[1]s && %[1]s.dst == %[3]s", field, util.NodePortGroup(in.name), server),
				Action:   "reroute",
				Nexthops: []string{join.String()},
				ExternalIDs: map[string]string{
					util.ExtNode: in.name, util.ExtAddressFamily: family, util.ExtLocalDNS: "true",
				},
			})
		}
	}
	return rows
}

// chassis marks the Southbound row the node's daemon named; none before it did.
func chassis(in inputs) []ovs.Row {
	name := in.node.Annotations[util.ChassisAnnotation]
	if name == "" {
		return nil
	}
	return []ovs.Row{ovs.Chassis{Name: name}}
}

// annotations are what the node's daemon reads to make ovn0.
func annotations(in inputs, lease ipam.Lease) map[string]string {
	key := func(suffix string) string { return util.Key(util.OvnProvider, suffix) }
	return map[string]string{
		key(util.IPAddress):     util.FormatAddrs(lease.Addresses()),
		key(util.MACAddress):    lease.MAC,
		key(util.CIDR):          in.join.Spec.CIDRBlock,
		key(util.Gateway):       in.join.Spec.Gateway,
		key(util.LogicalSwitch): in.JoinSubnet,
		key(util.Allocated):     "true",
		util.PortNameAnnotation: util.NodePortName(in.name),
	}
}

// ipObject is the node's IP object. The owner reference lets the API server remove it with the node.
func ipObject(in inputs, lease ipam.Lease) *v1.IP {
	text := func(a netip.Addr) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	port := util.NodePortName(in.name)
	object := util.PortLease{
		Port: port, Pod: in.name, Node: in.name, Subnet: in.JoinSubnet, V4: text(lease.V4), V6: text(lease.V6), MAC: lease.MAC,
	}.Object()
	object.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: in.name, UID: in.node.UID}}
	return object
}

// internalIP is the node's first InternalIP of a family.
func internalIP(in inputs, v4 bool) (netip.Addr, bool) {
	for _, a := range util.InternalIPs(in.node) {
		if a.Is4() == v4 {
			return a, true
		}
	}
	return netip.Addr{}, false
}
