package util

import (
	"testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// Only a subnet that is connected and has no load balancers of its own needs the nodes to reach Services.
func TestNodeGroups(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		change                                func(*v1.SubnetSpec)
		interconnected, byNode, hasNodeGroups bool
	}{
		"no word on load balancers": {func(*v1.SubnetSpec) {}, true, true, true},
		"without load balancers":    {func(s *v1.SubnetSpec) { s.EnableLb = &no }, true, true, true},
		"with load balancers":       {func(s *v1.SubnetSpec) { s.EnableLb = &yes }, true, false, false},
		"not connected":             {func(s *v1.SubnetSpec) { s.U2OInterconnection = false }, false, false, false},
		"logical gateway":           {func(s *v1.SubnetSpec) { s.LogicalGateway = true }, false, false, true},
		"overlay":                   {func(s *v1.SubnetSpec) { s.Vlan = "" }, false, false, true},
		"another provider":          {func(s *v1.SubnetSpec) { s.Provider = "mac.ns" }, false, false, false},
		"without prefixes":          {func(s *v1.SubnetSpec) { s.CIDRBlock = "" }, false, false, false},
	} {
		s := &v1.Subnet{Spec: v1.SubnetSpec{Provider: OvnProvider, CIDRBlock: "10.5.0.0/24", Vlan: "vlan10", U2OInterconnection: true}}
		c.change(&s.Spec)
		if a, b, g := IsInterconnected(s), ServicesByNode(s), HasNodeGroups(s); a != c.interconnected || b != c.byNode || g != c.hasNodeGroups {
			t.Errorf("%s: interconnected %v, services by node %v, groups %v", name, a, b, g)
		}
	}
}
