package vpc

import (
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Values of Logical_Router_Static_Route and Logical_Router_Policy (ovn-nb(5)).
const (
	policyDstIP       = "dst-ip"
	policySrcIP       = "src-ip"
	ecmpSymmetric     = "ecmp_symmetric_reply"
	maxPolicyPriority = 32767
)

// staticRoutes are those that are told to us and, after them, those by which interconnected subnets reach their policies.
func staticRoutes(in inputs) ([]ovs.Row, error) {
	want, err := givenRoutes(in)
	if err != nil {
		return nil, err
	}
	source, _ := sourceRoutes(in, want)
	return append(want, source...), nil
}

// givenRoutes are those of the spec, in the default VPC the default routes to the join network in every route table in use,
// and in others those to the outside (northbound.md 4.1.1).
func givenRoutes(in inputs) ([]ovs.Row, error) {
	var want []ovs.Row
	tables := []string{""}
	for _, spec := range in.vpc.Spec.StaticRoutes {
		route, err := staticRoute(in.vpc.Name, spec)
		if err != nil {
			return nil, err
		}
		want = append(want, route)
		if !slices.Contains(tables, route.Table) {
			tables = append(tables, route.Table)
		}
	}
	for _, table := range tables {
		want = append(want, joinDefaults(in, table)...)
	}
	return append(want, externalDefaults(in, want)...), nil
}

// routePolicies keep the spec's routes in effect where rules of outside addresses have policies, which go before routes: what
// leaves for such a prefix does not leave for the outside. Default routes are what those policies are there to replace.
func routePolicies(in inputs) ([]ovs.Row, error) {
	if in.isDefault || len(extras(in.vpc)) == 0 || len(in.external.links) == 0 {
		return nil, nil
	}
	var want []ovs.Row
	for _, spec := range in.vpc.Spec.StaticRoutes {
		route, err := staticRoute(in.vpc.Name, spec)
		if err != nil {
			return nil, err
		}
		if prefix, err := netip.ParsePrefix(route.Prefix); err == nil && prefix.Bits() == 0 || route.Policy != policyDstIP || route.Table != "" {
			continue
		}
		want = append(want, ovs.RouterPolicy{
			Router: in.vpc.Name, Priority: util.StaticRoutePolicyPriority, Match: util.DestinationMatch(route.Prefix), Action: "allow",
		})
	}
	return want, nil
}

func staticRoute(router string, spec *v1.StaticRoute) (ovs.StaticRoute, error) {
	route := ovs.StaticRoute{
		Router:  router,
		Table:   spec.RouteTable,
		Prefix:  strings.TrimSpace(spec.CIDR),
		Nexthop: strings.TrimSpace(spec.NextHopIP),
	}
	switch spec.Policy {
	case v1.PolicyDst, "":
		route.Policy = policyDstIP
	case v1.PolicySrc:
		route.Policy = policySrcIP
	default:
		return route, invalid("static route %s: unknown policy %s", spec.CIDR, spec.Policy)
	}
	prefix, err := netip.ParsePrefix(route.Prefix)
	if err != nil {
		// The text is kept: a host prefix may stand without its mask.
		host, ok := address(route.Prefix)
		if !ok {
			return route, invalid("static route: invalid cidr %q", spec.CIDR)
		}
		prefix = netip.PrefixFrom(host, host.BitLen())
	}
	nexthop, ok := address(route.Nexthop)
	if !ok {
		return route, invalid("static route %s: invalid nextHopIP %q", spec.CIDR, spec.NextHopIP)
	}
	if prefix.Addr().Is4() != nexthop.Is4() {
		return route, invalid("static route %s: invalid nextHopIP %s, it is of the other address family", spec.CIDR, nexthop)
	}
	switch spec.ECMPMode {
	case "":
	case ecmpSymmetric:
		route.Options = map[string]string{ecmpSymmetric: "true"}
	default:
		return route, invalid("static route %s: unknown ecmpMode %s", spec.CIDR, spec.ECMPMode)
	}
	return route, nil
}

// address reads exactly one address, without a zone: that means something only on one host.
func address(text string) (netip.Addr, bool) {
	addrs, err := util.ParseAddrs(text)
	if err != nil || len(addrs) != 1 {
		return netip.Addr{}, false
	}
	return addrs[0], true
}

// joinDefaults send what no other route of a table knows to the nodes, over the join network's gateway.
func joinDefaults(in inputs, table string) []ovs.Row {
	if in.join == nil || !in.joined {
		return nil
	}
	gateways, err := util.ParseAddrs(in.join.Spec.Gateway)
	if err != nil {
		return nil // the subnet's own conditions tell the mistake
	}
	var want []ovs.Row
	for _, gateway := range gateways {
		want = append(want, defaultRoute(in.vpc.Name, table, gateway))
	}
	return want
}

func defaultRoute(router, table string, gateway netip.Addr) ovs.StaticRoute {
	prefix := "0.0.0.0/0"
	if gateway.Is6() {
		prefix = "::/0"
	}
	return ovs.StaticRoute{Router: router, Table: table, Policy: policyDstIP, Prefix: prefix, Nexthop: gateway.String()}
}

// policyRoutes are those of the spec; their match stays as the user wrote it.
func policyRoutes(in inputs) ([]ovs.Row, error) {
	var want []ovs.Row
	for _, spec := range in.vpc.Spec.PolicyRoutes {
		policy, err := policyRoute(in.vpc.Name, spec)
		if err != nil {
			return nil, err
		}
		want = append(want, policy)
	}
	return want, nil
}

func policyRoute(router string, spec *v1.PolicyRoute) (ovs.RouterPolicy, error) {
	policy := ovs.RouterPolicy{Router: router, Priority: spec.Priority, Match: spec.Match, Action: string(spec.Action)}
	if spec.Priority < 0 || spec.Priority > maxPolicyPriority {
		return policy, invalid("policy route %q: invalid priority %d, it must be 0 to %d", spec.Match, spec.Priority, maxPolicyPriority)
	}
	if strings.TrimSpace(spec.Match) == "" {
		return policy, invalid("policy route of priority %d: invalid match, it is empty", spec.Priority)
	}
	if err := util.CheckMatch(spec.Match); err != nil {
		return policy, invalid("policy route %q: invalid match: %v", spec.Match, err)
	}
	switch spec.Action {
	case v1.PolicyRouteActionAllow, v1.PolicyRouteActionDrop:
		return policy, nil
	case v1.PolicyRouteActionReroute:
	default:
		return policy, invalid("policy route %q: unknown action %q", spec.Match, spec.Action)
	}
	policy.Nexthops = trimmed(spec.NextHopIP)
	if len(policy.Nexthops) == 0 {
		return policy, invalid("policy route %q: invalid nextHopIP, reroute needs one", spec.Match)
	}
	for _, hop := range policy.Nexthops {
		if _, ok := address(hop); !ok {
			return policy, invalid("policy route %q: invalid nextHopIP %q", spec.Match, hop)
		}
	}
	return policy, nil
}

// peerings are this side's ports of the links to other VPCs; the other side belongs to the other VPC.
func peerings(in inputs) ([]ovs.Row, error) {
	var want []ovs.Row
	for _, spec := range in.vpc.Spec.VpcPeerings {
		if spec.RemoteVpc == "" || spec.RemoteVpc == in.vpc.Name {
			return nil, invalid("vpc peering: invalid remoteVpc %q", spec.RemoteVpc)
		}
		networks := trimmed(spec.LocalConnectIP)
		if len(networks) == 0 {
			return nil, invalid("vpc peering with %s: invalid localConnectIP, it is empty", spec.RemoteVpc)
		}
		for _, network := range networks {
			if _, err := netip.ParsePrefix(network); err != nil {
				return nil, invalid("vpc peering with %s: invalid localConnectIP %q, it must be a CIDR", spec.RemoteVpc, network)
			}
		}
		port, peer := util.RouterPortName(in.vpc.Name, spec.RemoteVpc), util.RouterPortName(spec.RemoteVpc, in.vpc.Name)
		want = append(want, ovs.LogicalRouterPort{
			Router: in.vpc.Name, Name: port, MAC: peeringMAC(port, peer), Networks: networks, Peer: peer,
		})
	}
	return want, nil
}

// peeringMAC is the address of one side of a link. It is the hash whatever the port had before: the other side knows it from
// the databases, not from a neighbour table that would have to forget (ovn-northd(8), "ARP/ND Resolution"). Of two sides with equal hashes the one that sorts last moves on.
func peeringMAC(port, peer string) string {
	mac := util.HashMAC(port, 0)
	if port > peer && mac == util.HashMAC(peer, 0) {
		return util.HashMAC(port, 1)
	}
	return mac
}
