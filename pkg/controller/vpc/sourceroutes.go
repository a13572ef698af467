package vpc

import (
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// sourceRoutes lead what comes from the interconnected subnets of a custom VPC to their physical gateways (northbound.md
// D-03): a router drops what it has no route for before it looks at the policies. The given routes come before them.
// unrouted are the subnets that can have neither.
func sourceRoutes(in inputs, given []ovs.Row) (want []ovs.Row, unrouted []string) {
	if in.isDefault {
		return nil, nil
	}
	for _, s := range in.subnets {
		if !util.IsInterconnected(s) || s.Status.U2OInterconnectionVPC != in.vpc.Name || spreads(in.vpc, s) {
			continue
		}
		for _, prefix := range routerPrefixes(s) {
			if covered(given, s.Spec.RouteTable, prefix) || covered(want, s.Spec.RouteTable, prefix) {
				continue
			}
			route, ok := sourceRoute(in, s, prefix)
			if ok {
				want = append(want, route)
			} else if !slices.Contains(unrouted, s.Name) {
				unrouted = append(unrouted, s.Name)
			}
		}
	}
	return want, unrouted
}

// unrouted tells the subnets whose traffic to the outside is lost, nil for none.
func unrouted(in inputs) error {
	given, err := givenRoutes(in)
	if err != nil {
		return err
	}
	if _, names := sourceRoutes(in, given); len(names) > 0 {
		return reconcile.Blocked(util.ReasonVpcUnrouted, "a default route to the physical gateways of subnets %s: a route from them would win "+
			"over larger subnets of the vpc, and a wider one would lead others there", strings.Join(names, ", "))
	}
	return nil
}

// spreads says whether a subnet's traffic leaves by several addresses of the VPC, each with a route from the subnet. One
// more would join their group.
func spreads(vpc *v1.Vpc, s *v1.Subnet) bool {
	return vpc.Spec.EnableExternal && vpc.Spec.EnableBfd && s.Spec.EnableEcmp
}

// routerPrefixes are the prefixes of an interconnected subnet that the router has an address in.
func routerPrefixes(s *v1.Subnet) []netip.Prefix {
	prefixes, err := util.ParseCIDRs(s.Spec.CIDRBlock)
	if err != nil {
		return nil // the subnet's own conditions tell the mistake
	}
	addresses, err := util.ParseAddrs(s.Status.U2OInterconnectionIP)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(prefixes, func(p netip.Prefix) bool { return !slices.ContainsFunc(addresses, p.Contains) })
}

// sourceRoute is the route of one prefix; ok is false when the subnet has no gateway there, and when the route would draw in
// what belongs to others.
func sourceRoute(in inputs, s *v1.Subnet, prefix netip.Prefix) (route ovs.StaticRoute, ok bool) {
	gateways, err := util.ParseAddrs(s.Spec.Gateway)
	if err != nil {
		return route, false
	}
	i := slices.IndexFunc(gateways, prefix.Contains)
	source, ok := sourceOf(in, prefix)
	if i < 0 || !ok {
		return route, false
	}
	return ovs.StaticRoute{
		Router: in.vpc.Name, Table: s.Spec.RouteTable, Policy: policySrcIP, Prefix: source.String(), Nexthop: gateways[i].String(),
	}, true
}

// sourceOf is the prefix that the route of a subnet's prefix matches. A longer mask wins over the connected network of an
// overlay subnet, whatever the kind of route, and would lead its traffic outside; of equal masks the destination's wins. So
// the mask is at most as long as the shortest of them. Other interconnected subnets may match, too: their policies know
// their own gateways. ok is false when any other subnet's addresses would.
func sourceOf(in inputs, prefix netip.Prefix) (source netip.Prefix, ok bool) {
	bits := prefix.Bits()
	var others []netip.Prefix
	for _, s := range in.subnets {
		prefixes, err := util.ParseCIDRs(s.Spec.CIDRBlock)
		if err != nil || util.IsInterconnected(s) {
			continue
		}
		for _, p := range prefixes {
			if p.Addr().Is4() != prefix.Addr().Is4() {
				continue
			}
			others = append(others, p)
			if s.Spec.Vlan == "" || s.Spec.LogicalGateway {
				bits = min(bits, p.Bits())
			}
		}
	}
	source = netip.PrefixFrom(prefix.Addr(), bits).Masked()
	return source, !slices.ContainsFunc(others, source.Overlaps)
}

// covered says whether one of the routes of a table leads out what comes from a prefix: a default route, or one from it.
func covered(routes []ovs.Row, table string, source netip.Prefix) bool {
	return slices.ContainsFunc(routes, func(row ovs.Row) bool {
		route, ok := row.(ovs.StaticRoute)
		if !ok || route.Table != table {
			return false
		}
		prefix, err := netip.ParsePrefix(route.Prefix)
		if err != nil || prefix.Addr().Is4() != source.Addr().Is4() {
			return false
		}
		return prefix.Bits() == 0 || route.Policy == policySrcIP && prefix.Bits() <= source.Bits() && prefix.Contains(source.Addr())
	})
}
