package ovs_test

import (
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

func apply(t testing.TB, c *ovs.Client, kind, key string, rows ...ovs.Row) int {
	t.Helper()
	res, err := c.Apply(t.Context(), ovs.Owner{Kind: kind, Key: key}, rows)
	if err != nil {
		t.Fatal(err)
	}
	return res.Operations
}

// small is a VPC with a subnet and one pod in it, by the owners that will write them.
func small(t testing.TB, c *ovs.Client) {
	t.Helper()
	apply(t, c, "vpc", "vpc1", ovs.LogicalRouter{Name: "vpc1", Options: map[string]string{"always_learn_from_arp_request": "false"}},
		ovs.StaticRoute{Router: "vpc1", Prefix: "0.0.0.0/0", Nexthop: "10.0.1.254"})
	apply(t, c, "subnet", "net1", ovs.LogicalSwitch{Name: "net1"},
		ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-net1", MAC: "00:00:00:11:22:33", Networks: []string{"10.0.1.1/24"}},
		ovs.LogicalSwitchPort{Switch: "net1", Name: "net1-vpc1", Type: "router", Addresses: []string{"router"},
			Options: map[string]string{"router-port": "vpc1-net1"}},
		ovs.PortGroup{Name: "net1.node1"})
	apply(t, c, "pod", "default/a", pod("a"))
}

func pod(name string) ovs.LogicalSwitchPort {
	return ovs.LogicalSwitchPort{Switch: "net1", Name: name + ".default", Addresses: []string{"00:00:00:00:00:0A 10.0.1.10"},
		PortGroups: []string{"net1.node1"}, ExternalIDs: map[string]string{"pod": "default/" + name}}
}

const smallDump = `Logical_Router vpc1: external_ids={owner=vpc/vpc1} name=vpc1 options={always_learn_from_arp_request=false} ports=[Logical_Router_Port:vpc1-net1] static_routes=[Logical_Router_Static_Route:dst-ip,0.0.0.0/0,10.0.1.254]
`

func TestApply(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	t.Log("\n" + s.Dump(t))
	_ = smallDump
	apply(t, c, "pod", "default/a")
	apply(t, c, "subnet", "net1")
	apply(t, c, "vpc", "vpc1")
	t.Log("\n" + s.Dump(t))
}
