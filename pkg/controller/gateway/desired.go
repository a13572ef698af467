package gateway

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// active are the nodes that carry a centralized subnet's traffic: with ECMP every chosen node that is ready, else one: the
// present one while it is ready, then the first of the chosen that is. A distributed subnet has none.
func (in inputs) active() []gatewayNode {
	if in.subnet == nil || in.subnet.Spec.GatewayType != util.GatewayCentralized || util.ServicesByNode(in.subnet) {
		return nil
	}
	var ready []gatewayNode
	for _, name := range in.chosen {
		i := slices.IndexFunc(in.nodes, func(n gatewayNode) bool { return n.name == name })
		if i >= 0 && in.nodes[i].ready && len(in.nodes[i].join) > 0 {
			ready = append(ready, in.nodes[i])
		}
	}
	if in.subnet.Spec.EnableEcmp || len(ready) < 2 {
		return ready
	}
	present := slices.IndexFunc(ready, func(n gatewayNode) bool { return n.name == in.subnet.Status.ActivateGateway })
	return ready[max(present, 0):][:1]
}

// rows are the group of every node and the policies of one gateway type; changing the type replaces the other one's rows
// in the same transaction.
func (in inputs) rows(active []gatewayNode) []ovs.Row {
	if in.subnet == nil {
		return nil
	}
	if util.ServicesByNode(in.subnet) {
		return in.serviceRows()
	}
	var rows []ovs.Row
	distributed := in.subnet.Spec.GatewayType != util.GatewayCentralized
	for _, node := range in.nodes {
		rows = append(rows, in.group(node))
		if distributed {
			rows = append(rows, in.distributed(node)...)
		}
	}
	return append(rows, in.centralized(active)...)
}

// group holds the subnet's ports on one node; the pods' owners put them in. northd makes the address sets
// `<group>_ip4` and `<group>_ip6` of it.
func (in inputs) group(node gatewayNode) ovs.Row {
	return ovs.PortGroup{
		Name: util.SubnetNodePortGroup(in.subnet.Name, node.name),
		ExternalIDs: map[string]string{
			util.ExtSubnet: in.subnet.Name,
			util.ExtNode:   node.name,
			util.ExtNP:     in.subnet.Name + "/" + node.name,
		},
	}
}

// distributed sends each pod's traffic to the join address of its own node.
func (in inputs) distributed(node gatewayNode) []ovs.Row {
	var rows []ovs.Row
	for _, cidr := range in.cidrs {
		join, ok := sameFamily(node.join, cidr)
		if !ok {
			continue
		}
		rows = append(rows, ovs.RouterPolicy{
			Router:   in.router,
			Priority: util.GatewayPolicyPriority,
			Match: fmt.Sprintf("%s.src == $%s_%s", util.MatchFamily(cidr), util.SubnetNodePortGroup(in.subnet.Name, node.name),
				util.MatchFamily(cidr)),
			Action:      "reroute",
			Nexthops:    []string{join.String()},
			ExternalIDs: map[string]string{util.ExtSubnet: in.subnet.Name, util.ExtNode: node.name},
		})
	}
	return rows
}

// centralized sends the whole subnet's traffic to the join addresses of the active nodes.
func (in inputs) centralized(active []gatewayNode) []ovs.Row {
	var rows []ovs.Row
	for _, cidr := range in.cidrs {
		policy := ovs.RouterPolicy{
			Router:      in.router,
			Priority:    util.GatewayPolicyPriority,
			Match:       util.SourceMatch(cidr.String()),
			Action:      "reroute",
			ExternalIDs: map[string]string{util.ExtSubnet: in.subnet.Name},
		}
		for _, node := range active {
			if join, ok := sameFamily(node.join, cidr); ok {
				policy.Nexthops = append(policy.Nexthops, join.String())
				policy.ExternalIDs[node.name] = join.String()
			}
		}
		if len(policy.Nexthops) > 0 {
			rows = append(rows, policy)
		}
	}
	return rows
}

// serviceRows lead from the ports of an interconnected underlay subnet to Services by the join address of the port's node,
// where kube-proxy answers.
func (in inputs) serviceRows() []ovs.Row {
	var rows []ovs.Row
	for _, node := range in.nodes {
		group := util.SubnetNodePortGroup(in.subnet.Name, node.name)
		rows = append(rows, ovs.PortGroup{Name: group, ExternalIDs: map[string]string{
			util.ExtRouter: in.router, util.ExtSwitch: in.subnet.Name, util.ExtU2OGroup: "true",
		}})
		for _, service := range in.services {
			join, ok := sameFamily(node.join, service)
			if _, has := sameFamily(addrsOf(in.cidrs), service); !ok || !has {
				continue
			}
			rows = append(rows, ovs.RouterPolicy{
				Router:   in.router,
				Priority: util.U2OSubnetPolicyPriority,
				Match:    fmt.Sprintf("%[1]s.src == $%[2]s_%[1]s && %[1]s.dst == %[3]s", util.MatchFamily(service), group, service),
				Action:   "reroute",
				Nexthops: []string{join.String()},
				ExternalIDs: map[string]string{
					util.ExtSubnet: in.subnet.Name, util.ExtNode: node.name, util.ExtU2ONoLB: "true", util.ExtServiceCIDR: service.String(),
				},
			})
		}
	}
	return rows
}

func addrsOf(prefixes []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, p := range prefixes {
		out = append(out, p.Addr())
	}
	return out
}

// sameFamily picks the address of the prefix's family.
func sameFamily(addrs []netip.Addr, p netip.Prefix) (netip.Addr, bool) {
	i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is4() == p.Addr().Is4() })
	if i < 0 {
		return netip.Addr{}, false
	}
	return addrs[i], true
}
