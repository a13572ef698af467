package ovs_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// earlier is the same small VPC as an earlier release, or a hand, writes it: vendor marks only here and there, no owner,
// no record of parents and groups, and some content that has changed since.
func earlier(s *ovstest.Server, t *testing.T) {
	t.Helper()
	vendor := `"external_ids":["map",[["vendor","kube-ovn"]]]`
	s.Transact(t,
		`{"op":"insert","table":"Logical_Router_Port","uuid-name":"lrp","row":{"name":"vpc1-net1","mac":"00:00:00:11:22:33","networks":"10.0.1.1/16","external_ids":["map",[["lr","vpc1"],["vendor","kube-ovn"]]]}}`,
		`{"op":"insert","table":"Logical_Router_Static_Route","uuid-name":"route","row":{"ip_prefix":"0.0.0.0/0","nexthop":"10.0.1.254"}}`,
		`{"op":"insert","table":"Logical_Router_Policy","uuid-name":"policy","row":{"priority":31000,"match":"ip4.dst == 10.0.1.0/24","action":"drop",`+vendor+`}}`,
		`{"op":"insert","table":"Logical_Router_Policy","uuid-name":"other","row":{"priority":31000,"match":"ip4.dst == 10.0.1.0/24","action":"drop",`+vendor+`}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc1",`+vendor+`,"ports":["named-uuid","lrp"],"static_routes":["named-uuid","route"],"policies":["named-uuid","policy"]}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc2","policies":["named-uuid","other"]}}`,
		`{"op":"insert","table":"ACL","uuid-name":"acl","row":{"priority":1000,"direction":"to-lport","match":"ip","action":"drop","log":false,"external_ids":["map",[["parent","net1"]]]}}`,
		`{"op":"insert","table":"DHCP_Options","row":{"cidr":"10.0.0.0/24","external_ids":["map",[["ls","net1"],["protocol","IPv4"],["vendor","kube-ovn"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"router","row":{"name":"net1-vpc1","type":"router","addresses":"router","options":["map",[["router-port","vpc1-net1"],["requested-tnl-key","7"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"a","row":{"name":"a.default","addresses":"old","external_ids":["map",[["ls","net9"],["pod","default/a"],["vendor","kube-ovn"],["associated_sg_x","true"]]]}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"net1",`+vendor+`,"ports":["set",[["named-uuid","router"],["named-uuid","a"]]],"acls":["named-uuid","acl"]}}`,
		`{"op":"insert","table":"Port_Group","row":{"name":"net1.node1","ports":["named-uuid","a"]}}`,
		`{"op":"insert","table":"Port_Group","row":{"name":"net1.node2","ports":["named-uuid","a"]}}`,
	)
}

// TestAdoption: rows that earlier releases wrote become ours in place, wherever their parent is; UUIDs stay.
func TestAdoption(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	earlier(s, t)
	before := s.UUIDs(t)
	c := s.Connect(t)
	if ports := c.LivePorts(); len(ports) != 2 || ports[0].Switch != "net1" {
		t.Errorf("live ports of an unmarked database: %+v", ports)
	}
	small(t, c)

	after := s.UUIDs(t)
	for uuid, name := range before {
		if after[uuid] == "" {
			t.Errorf("%s lost its UUID %s", name, uuid)
		}
	}
	want := strings.Replace(smallDump, "options={router-port=vpc1-net1}", "options={requested-tnl-key=7, router-port=vpc1-net1}", 1)
	vpc2 := `Logical_Router vpc2: name=vpc2 policies=Logical_Router_Policy:31000,ip4.dst == 10.0.1.0/24
Logical_Router_Policy 31000,ip4.dst == 10.0.1.0/24: action=allow external_ids={lr=vpc1, owner=vpc/vpc1} match=ip4.dst == 10.0.1.0/24 priority=31000
Logical_Router_Policy 31000,ip4.dst == 10.0.1.0/24: action=drop match=ip4.dst == 10.0.1.0/24 priority=31000
`
	const policy = "Logical_Router_Policy 31000"
	i := strings.Index(want, policy)
	end := i + strings.Index(want[i:], "\n") + 1
	same(t, s, want[:i]+vpc2+want[end:])

	n := c.Stats().Transactions
	small(t, c)
	if got := c.Stats().Transactions - n; got != 0 {
		t.Errorf("%d transactions after adoption, want 0", got)
	}
}

// TestAdoptionOfLaterRows: a row that a hand made after we connected is adopted too.
func TestAdoptionOfLaterRows(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	apply(t, c, "vpc/vpc1", vpcRows()[:1]...)
	s.Transact(t, `{"op":"insert","table":"Logical_Router_Policy","uuid-name":"p","row":{"priority":31000,"match":"ip4.dst == 10.0.1.0/24","action":"drop"}}`,
		`{"op":"mutate","table":"Logical_Router","where":[["name","==","vpc1"]],"mutations":[["policies","insert",["named-uuid","p"]]]}`)
	ovstest.Eventually(t, deadline, "the policy is adopted, not doubled", func() bool {
		apply(t, c, "vpc/vpc1", vpcRows()...)
		dump := s.Dump(t)
		if strings.Count(dump, "Logical_Router_Policy 31000") != 1 {
			t.Fatalf("the policy is doubled:\n%s", dump)
		}
		return strings.Contains(dump, "action=allow external_ids={lr=vpc1, owner=vpc/vpc1}")
	})
}

// TestEarlierRoutes: of the unmarked routes on a router only those that an earlier release made for the VPC go (D-02).
func TestEarlierRoutes(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	route := func(name, prefix, nexthop, more string) string {
		return `{"op":"insert","table":"Logical_Router_Static_Route","uuid-name":"` + name + `","row":{"ip_prefix":"` + prefix + `","nexthop":"` + nexthop + `"` + more + `}}`
	}
	s.Transact(t, route("kept", "0.0.0.0/0", "10.0.1.254", ""), route("stale", "0.0.0.0/0", "10.0.1.253", ""),
		route("v6", "::/0", "fd00::1", ""), route("manual", "0.0.0.0/0", "9.9.9.9", ""), route("other", "9.0.0.0/8", "10.0.1.253", ""),
		route("learned", "::/0", "10.0.1.253", `,"external_ids":["map",[["ic-learned-route","x"]]]`),
		`{"op":"insert","table":"BFD","uuid-name":"b","row":{"logical_port":"vpc1-net1","dst_ip":"10.0.1.9"}}`,
		route("bfd", "7.0.0.0/8", "10.0.1.9", `,"bfd":["named-uuid","b"]`), route("elsewhere", "0.0.0.0/0", "10.0.1.253", ""),
		`{"op":"insert","table":"Logical_Router_Port","uuid-name":"p","row":{"name":"vpc1-net1","networks":"10.0.1.1/24","mac":"00:00:00:00:00:01"}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc2","static_routes":["named-uuid","elsewhere"]}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc1","ports":["named-uuid","p"],"static_routes":["set",[`+
			`["named-uuid","kept"],["named-uuid","stale"],["named-uuid","v6"],["named-uuid","manual"],["named-uuid","other"],["named-uuid","learned"],["named-uuid","bfd"]`+`]]}}`)
	c := s.Connect(t)
	rows := vpcRows()
	rows[0] = ovs.LogicalRouter{Name: "vpc1", Gateways: []string{"10.0.1.254", "10.0.1.253", "fd00::1"}}
	apply(t, c, "vpc/vpc1", rows...)
	var got []string
	for _, l := range strings.Split(s.Dump(t), "\n") {
		if name, ok := strings.CutPrefix(l, "Logical_Router_Static_Route "); ok {
			name, _, _ = strings.Cut(name, ": ")
			got = append(got, name)
		}
	}
	want := []string{"0.0.0.0/0,10.0.1.253", "0.0.0.0/0,9.9.9.9", "9.0.0.0/8,10.0.1.253", "::/0,10.0.1.253", "dst-ip,0.0.0.0/0,10.0.1.254"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("routes (-want +got):\n%s", d)
	}
}

// TestForeignRows: rows of others are left alone and reported, with everything they hold.
func TestForeignRows(t *testing.T) {
	ext := func(pairs string) string { return `"external_ids":["map",[` + pairs + `]]` }
	tests := []struct {
		name, op string
		row      ovs.Row
		holder   string
	}{
		{"switch of another vendor", `{"op":"insert","table":"Logical_Switch","row":{"name":"net1",` + ext(`["vendor","neutron"]`) + `}}`,
			ovs.LogicalSwitch{Name: "net1"}, "neutron"},
		{"set of another owner", `{"op":"insert","table":"Address_Set","row":{"name":"set1","addresses":"1.1.1.1",` +
			ext(`["vendor","kube-ovn"],["owner","netpol/x"]`) + `}}`, ovs.AddressSet{Name: "set1"}, "netpol/x"},
		{"learned route", `{"op":"insert","table":"Logical_Router_Static_Route","uuid-name":"r","row":{"ip_prefix":"1.0.0.0/8","nexthop":"1.1.1.1",` +
			ext(`["ic-learned-route","abc"]`) + `}},{"op":"insert","table":"Logical_Router","row":{"name":"r1",` + ext(`["vendor","kube-ovn"]`) +
			`,"static_routes":["named-uuid","r"]}}`, ovs.StaticRoute{Router: "r1", Prefix: "1.0.0.0/8", Nexthop: "1.1.1.1"}, "ic-learned-route=abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ovstest.Start(t, ovs.Northbound)
			s.Transact(t, tt.op)
			before := s.Dump(t)
			c := s.Connect(t)
			_, err := tryApply(t, c, "subnet/net1", tt.row)
			var owned *ovs.OwnedError
			if !errors.As(err, &owned) || owned.Owner != tt.holder {
				t.Errorf("error %v, want an OwnedError of %s", err, tt.holder)
			}
			apply(t, c, "subnet/net1")
			same(t, s, before)
		})
	}
}

// TestForeignKeysAndMembers: keys and members of others in shared columns of our own rows stay.
func TestForeignKeysAndMembers(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	lb := func(name string) ovs.LoadBalancer { return ovs.LoadBalancer{Name: name, Protocol: "tcp"} }
	apply(t, c, "lb/vpc1", lb("lb1"), lb("lb2"))
	sw := ovs.LogicalSwitch{Name: "net1", LoadBalancers: []string{"lb1"}, OtherConfig: map[string]string{"mcast_snoop": "true"}}
	router := ovs.LogicalRouter{Name: "vpc1", Options: map[string]string{"mac_binding_age_threshold": "300"}}
	global := ovs.NBGlobal{Options: map[string]string{"use_ct_inv_match": "false", "node_local_dns_ip": ""}}
	apply(t, c, "subnet/net1", sw)
	apply(t, c, "vpc/vpc1", router)
	apply(t, c, "config/nb", global)
	s.Transact(t,
		`{"op":"insert","table":"Load_Balancer","uuid-name":"f","row":{"name":"foreign"}}`,
		`{"op":"mutate","table":"Logical_Switch","where":[],"mutations":[["load_balancer","insert",["named-uuid","f"]],["other_config","insert",["map",[["subnet","1.0.0.0/8"]]]]]}`,
		`{"op":"mutate","table":"Logical_Router","where":[],"mutations":[["load_balancer","insert",["named-uuid","f"]],["options","insert",["map",[["chassis","x"],["foreign","1"]]]]]}`,
		`{"op":"mutate","table":"NB_Global","where":[],"mutations":[["options","insert",["map",[["mac_prefix","aa"],["node_local_dns_ip","1.1.1.1"]]]]]}`)
	sw.LoadBalancers, sw.OtherConfig = []string{"lb2"}, nil
	ovstest.Eventually(t, deadline, "the foreign change arrives", func() bool { return apply(t, c, "config/nb", global) > 0 })
	apply(t, c, "subnet/net1", sw)
	apply(t, c, "vpc/vpc1", router)
	one := lb("lb1")
	one.Routers = []string{"vpc1"}
	apply(t, c, "lb/vpc1", one, lb("lb2"))
	want := `Load_Balancer foreign: name=foreign
Load_Balancer lb1: external_ids={owner=lb/vpc1} name=lb1 protocol=tcp
Load_Balancer lb2: external_ids={owner=lb/vpc1} name=lb2 protocol=tcp
Logical_Router vpc1: external_ids={owner=vpc/vpc1} load_balancer=[Load_Balancer:foreign Load_Balancer:lb1] name=vpc1 options={foreign=1, mac_binding_age_threshold=300}
Logical_Switch net1: external_ids={owner=subnet/net1} load_balancer=[Load_Balancer:foreign Load_Balancer:lb2] name=net1 other_config={subnet=1.0.0.0/8}
NB_Global : options={mac_prefix=aa, use_ct_inv_match=false}
`
	same(t, s, want)
	apply(t, c, "lb/vpc1", lb("lb1"), lb("lb2"))
	if dump := s.Dump(t); !strings.Contains(dump, "load_balancer=Load_Balancer:foreign name=vpc1") {
		t.Errorf("the router did not lose lb1:\n%s", dump)
	}
}

// TestDuplicates: of equal rows that nobody owns the one with the lowest UUID stays (northbound.md R5).
func TestDuplicates(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	s.Transact(t, `{"op":"insert","table":"Load_Balancer","uuid":"00000000-0000-4000-8000-000000000002","row":{"name":"lb1"}}`,
		`{"op":"insert","table":"Load_Balancer","uuid":"00000000-0000-4000-8000-000000000001","row":{"name":"lb1"}}`)
	c := s.Connect(t)
	apply(t, c, "lb/vpc1", ovs.LoadBalancer{Name: "lb1"})
	if u, _ := c.UUID(ovs.LoadBalancer{Name: "lb1"}); u != "00000000-0000-4000-8000-000000000001" {
		t.Errorf("kept %s", u)
	}
	same(t, s, "Load_Balancer lb1: external_ids={owner=lb/vpc1} name=lb1\n")
}

// TestRace: many clients insert the same rows, of tables without a unique index too, at once: one of each remains.
func TestRace(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	const n = 6
	clients := make([]*ovs.Client, n)
	for i := range clients {
		clients[i] = s.Connect(t, unbatched)
	}
	for round := range 10 {
		name := fmt.Sprintf("r%d", round)
		rows := []ovs.Row{ovs.LogicalRouter{Name: name}, ovs.LogicalSwitch{Name: name}, ovs.LoadBalancer{Name: name},
			ovs.RouterPolicy{Router: name, Priority: 1, Match: "ip", Action: "drop"}, ovs.PortGroup{Name: name},
			ovs.ACL{PortGroup: name, Direction: "to-lport", Priority: 1, Match: "ip", Action: "drop"}}
		var wg sync.WaitGroup
		won := make([]bool, n)
		for i, c := range clients {
			wg.Go(func() {
				ops, err := tryApply(t, c, fmt.Sprintf("race/%d-%d", round, i), rows...)
				won[i] = err == nil && ops > 0
			})
		}
		wg.Wait()
		winners := 0
		for _, w := range won {
			if w {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("round %d: %d winners, want 1", round, winners)
		}
	}
	for _, table := range []string{"Logical_Router ", "Logical_Switch ", "Load_Balancer ", "Logical_Router_Policy ", "Port_Group ", "ACL "} {
		if got := strings.Count("\n"+s.Dump(t), "\n"+table); got != 10 {
			t.Errorf("%d rows in %s, want 10", got, table)
		}
	}
}
