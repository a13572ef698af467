package ovs_test

import (
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// A load balancer that goes leaves no UUID behind in its routers and switches, also when the same transaction changes
// another of their columns, which is where ovsdb-server 3.1 forgets to collect it.
func TestDeletedLoadBalancerIsTakenOffItsHolders(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	apply := func(key string, rows ...ovs.Row) {
		t.Helper()
		if _, err := c.Apply(t.Context(), ovs.Owner{Kind: "test", Key: key}, rows); err != nil {
			t.Fatal(err)
		}
	}
	apply("router", ovs.LogicalRouter{Name: "r"})
	lb := ovs.LoadBalancer{Name: "lb", Protocol: "tcp", VIPs: map[string]string{"10.0.0.1:80": "10.1.0.1:80"}, Routers: []string{"r"}}
	apply("rule", lb, ovs.NAT{Router: "r", Type: "snat", ExternalIP: "10.0.0.1", LogicalIP: "10.1.0.1"})
	apply("switch", ovs.LogicalSwitch{Name: "s"})
	s.Transact(t, `{"op":"mutate","table":"Logical_Switch","where":[],"mutations":[["load_balancer","insert",["uuid","`+uuidOf(t, c, lb)+`"]]]}`)
	apply("rule")
	for _, table := range []string{"Logical_Router", "Logical_Switch"} {
		got := s.Transact(t, `{"op":"select","table":"`+table+`","where":[],"columns":["load_balancer"]}`)
		if !strings.Contains(got, `"load_balancer":["set",[]]`) {
			t.Errorf("%s still holds it: %s", table, got)
		}
	}
}

func uuidOf(t *testing.T, c *ovs.Client, row ovs.Row) string {
	t.Helper()
	u, ok := c.UUID(row)
	if !ok {
		t.Fatalf("no row %v", row)
	}
	return u
}
