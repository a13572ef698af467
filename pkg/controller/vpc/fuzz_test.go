package vpc

import (
	"net/netip"
	"testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// Whatever a route says, it becomes a row that OVN can read or a mistake that is told.
func FuzzStaticRoute(f *testing.F) {
	f.Add("policyDst", "0.0.0.0/0", "10.0.1.254", "", "")
	f.Add("policySrc", "172.31.0.0/24", "10.0.1.253", "rtb1", "ecmp_symmetric_reply")
	f.Add("", "fd00::1", " fd00::2 ", "", "")
	f.Add("", "10.0.0.1/024", "::ffff:10.0.0.1", "", "")
	f.Add("", "fe80::%eth0", "fe80::1%eth0", "", "")
	f.Fuzz(func(t *testing.T, policy, cidr, nexthop, table, mode string) {
		route, err := staticRoute("v", &v1.StaticRoute{Policy: v1.RoutePolicy(policy), CIDR: cidr, NextHopIP: nexthop, RouteTable: table, ECMPMode: mode})
		if err != nil {
			if _, ok := reconcile.AsInvalid(err); !ok {
				t.Errorf("not the user's mistake: %v", err)
			}
			return
		}
		if route.Policy != policyDstIP && route.Policy != policySrcIP {
			t.Errorf("policy %q", route.Policy)
		}
		hop, err := netip.ParseAddr(route.Nexthop)
		if err != nil || hop.Zone() != "" {
			t.Errorf("next hop %q", route.Nexthop)
		}
		prefix, err := netip.ParsePrefix(route.Prefix)
		if host, hostErr := netip.ParseAddr(route.Prefix); err != nil {
			if hostErr != nil || host.Zone() != "" {
				t.Errorf("prefix %q", route.Prefix)
			}
		} else if prefix.Addr().Is4() != hop.Is4() {
			t.Errorf("%s via %s", prefix, hop)
		}
	})
}

func FuzzPolicyRoute(f *testing.F) {
	f.Add(11, "ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250", "drop", "")
	f.Add(10, "ip4.src==10.0.1.0/24", "reroute", "10.0.1.252, 10.0.1.253,")
	f.Add(-1, "", "allow", "x")
	f.Add(1, "ip6", "reroute", "fe80::1%eth0")
	f.Fuzz(func(t *testing.T, priority int, match, action, nexthop string) {
		spec := v1.VpcSpec{PolicyRoutes: []*v1.PolicyRoute{{Priority: priority, Match: match, Action: v1.PolicyRouteAction(action), NextHopIP: nexthop}}}
		vpc := normalized(controllertest.Vpc("v", func(s *v1.VpcSpec) { *s = spec }))
		rows, err := policyRoutes(inputs{vpc: vpc})
		if err != nil {
			if _, ok := reconcile.AsInvalid(err); !ok {
				t.Errorf("not the user's mistake: %v", err)
			}
			return
		}
		policy := rows[0].(ovs.RouterPolicy)
		if policy.Match != match || policy.Priority < 0 || policy.Priority > maxPolicyPriority {
			t.Errorf("%+v", policy)
		}
		if (policy.Action == "reroute") != (len(policy.Nexthops) > 0) {
			t.Errorf("action %s with next hops %q", policy.Action, policy.Nexthops)
		}
		for _, hop := range policy.Nexthops {
			if addr, err := netip.ParseAddr(hop); err != nil || addr.Zone() != "" {
				t.Errorf("next hop %q", hop)
			}
		}
	})
}
