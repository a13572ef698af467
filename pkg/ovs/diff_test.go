package ovs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// TestDifference shows the operations of typical changes to the small VPC, as a dry run prints them.
func TestDifference(t *testing.T) {
	podWith := func(change func(*ovs.LogicalSwitchPort)) []ovs.Row {
		p := podRow("a")
		change(&p)
		return []ovs.Row{p}
	}
	with := func(rows []ovs.Row, more ...ovs.Row) []ovs.Row { return append(rows[:len(rows):len(rows)], more...) }
	tests := []struct {
		name, owner string
		rows        []ovs.Row
		want        string
	}{
		{"equal", "pod/default/a", []ovs.Row{podRow("a")}, ""},
		{"new address", "pod/default/a", podWith(func(p *ovs.LogicalSwitchPort) { p.Addresses = []string{"router"} }),
			"~ Logical_Switch_Port a.default addresses=router"},
		{"other group", "pod/default/a", podWith(func(p *ovs.LogicalSwitchPort) { p.PortGroups = []string{"net1.node2"} }),
			`~ Logical_Switch_Port a.default external_ids -port_groups, external_ids +{port_groups=net1.node2:MARK}
~ Port_Group net1.node2 ports +a.default
~ Port_Group net1.node1 ports -a.default`},
		{"no external ids and no DHCP", "pod/default/a", podWith(func(p *ovs.LogicalSwitchPort) { p.ExternalIDs, p.DHCPv4 = nil, "" }),
			`~ Logical_Switch_Port a.default dhcpv4_options=[]
~ Logical_Switch_Port a.default external_ids -pod`},
		{"nothing wanted", "pod/default/a", nil, "~ Logical_Switch net1 ports -a.default"},
		{"another pod", "pod/default/b", []ovs.Row{podRow("b")},
			`+ Logical_Switch_Port b.default addresses=00:00:00:00:00:0A 10.0.1.10 dhcpv4_options=net1/IPv4 external_ids={ls=net1, owner=pod/default/b, pod=default/b, port_groups=net1.node1:MARK, vendor=kube-ovn} name=b.default
~ Logical_Switch net1 ports +b.default
~ Port_Group net1.node1 ports +b.default`},
		{"changed route is a new row", "vpc/vpc1", with(vpcRows()[:1], vpcRows()[2], ovs.StaticRoute{Router: "vpc1", Prefix: "0.0.0.0/0", Nexthop: "10.0.1.253"}),
			`+ Logical_Router_Static_Route Logical_Router/vpc1  dst-ip 0.0.0.0/0 10.0.1.253 external_ids={lr=vpc1, owner=vpc/vpc1, vendor=kube-ovn} ip_prefix=0.0.0.0/0 nexthop=10.0.1.253 policy=dst-ip
~ Logical_Router vpc1 static_routes -Logical_Router/vpc1  dst-ip 0.0.0.0/0 10.0.1.254, static_routes +Logical_Router/vpc1  dst-ip 0.0.0.0/0 10.0.1.253`},
		{"changed policy stays", "vpc/vpc1", with(vpcRows()[:2], ovs.RouterPolicy{Router: "vpc1", Priority: 31000, Match: "ip4.dst == 10.0.1.0/24", Action: "drop"}),
			"~ Logical_Router_Policy Logical_Router/vpc1 31000 ip4.dst == 10.0.1.0/24 action=drop"},
		{"set member", "set/s", []ovs.Row{ovs.AddressSet{Name: "s", Addresses: []string{"1.1.1.1", "1.1.1.3"}}},
			"~ Address_Set s addresses -1.1.1.2, addresses +1.1.1.3"},
	}
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	apply(t, c, "set/s", ovs.AddressSet{Name: "s", Addresses: []string{"1.1.1.1", "1.1.1.2"}})
	before := s.Dump(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			dry := s.Connect(t, func(cfg *ovs.Config) { cfg.DryRun = &out })
			n := apply(t, dry, tt.owner, tt.rows...)
			if (n == 0) != (tt.want == "") {
				t.Errorf("%d operations", n)
			}
			got := strings.ReplaceAll(strings.TrimSpace(out.String()), tt.owner+": ", "")
			for _, g := range []string{"net1.node1", "net1.node2"} {
				u, _ := c.UUID(ovs.PortGroup{Name: g})
				got = strings.ReplaceAll(got, g+":"+u[:8], g+":MARK")
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("difference (-want +got):\n%s", d)
			}
			if got := dry.Stats().Transactions; got != 0 {
				t.Errorf("a dry run sent %d transactions", got)
			}
		})
	}
	same(t, s, before)
}

// TestGroupCommit: callers at once share transactions; calls of one owner keep their order; a port may come with its
// switch in one transaction though they have different owners.
func TestGroupCommit(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	before := c.Stats().Transactions
	const pods, rounds = 50, 4
	var wg sync.WaitGroup
	for i := range pods {
		wg.Go(func() {
			name := fmt.Sprintf("p%d", i)
			for round := range rounds {
				row := podRow(name)
				row.Addresses = []string{fmt.Sprintf("00:00:00:00:00:%02d", round)}
				if _, err := tryApply(t, c, "pod/default/"+name, row); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := c.Stats().Transactions - before; got > pods*rounds/4 {
		t.Errorf("%d transactions for %d writes", got, pods*rounds)
	}
	if got := strings.Count(s.Dump(t), "addresses=00:00:00:00:00:03"); got != pods {
		t.Errorf("%d pods have their last address, want %d", got, pods)
	}
}

// TestApplyEnds: an Apply whose context is over before its turn returns.
func TestApplyEnds(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // a ready commit loop and a cancelled context are both allowed to win
		if _, err := c.Apply(ctx, ovs.Owner{Kind: "x", Key: "y"}, []ovs.Row{ovs.PortGroup{Name: "x"}}); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
	}
}
