package ovs_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

const deadline = 20 * time.Second

func apply(t testing.TB, c *ovs.Client, owner string, rows ...ovs.Row) int {
	t.Helper()
	n, err := tryApply(t, c, owner, rows...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tryApply(t testing.TB, c *ovs.Client, owner string, rows ...ovs.Row) (int, error) {
	t.Helper()
	kind, key, _ := strings.Cut(owner, "/")
	res, err := c.Apply(t.Context(), ovs.Owner{Kind: kind, Key: key}, rows)
	return res.Operations, err
}

// unbatched makes every Apply its own transaction.
func unbatched(cfg *ovs.Config) { cfg.GroupWindow = -1 }

func vpcRows() []ovs.Row {
	return []ovs.Row{
		ovs.LogicalRouter{Name: "vpc1", Options: map[string]string{"always_learn_from_arp_request": "false"}},
		ovs.StaticRoute{Router: "vpc1", Prefix: "0.0.0.0/0", Nexthop: "10.0.1.254"},
		ovs.RouterPolicy{Router: "vpc1", Priority: 31000, Match: "ip4.dst == 10.0.1.0/24", Action: "allow"},
	}
}

func subnetRows() []ovs.Row {
	return []ovs.Row{
		ovs.LogicalSwitch{Name: "net1"},
		ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-net1", MAC: "00:00:00:11:22:33", Networks: []string{"10.0.1.1/24"},
			GatewayChassis: []ovs.GatewayChassis{{Chassis: "c1", Priority: 100}, {Chassis: "c2", Priority: 99}}},
		ovs.LogicalSwitchPort{Switch: "net1", Name: "net1-vpc1", Type: "router", Addresses: []string{"router"},
			Options: map[string]string{"router-port": "vpc1-net1"}},
		ovs.PortGroup{Name: "net1.node1", ExternalIDs: map[string]string{"node": "node1"}},
		ovs.PortGroup{Name: "net1.node2"},
		ovs.DHCPOptions{Name: "net1/IPv4", CIDR: netip.MustParsePrefix("10.0.1.0/24"), Options: map[string]string{"lease_time": "3600"},
			ExternalIDs: map[string]string{"ls": "net1", "protocol": "IPv4"}},
		ovs.ACL{Switch: "net1", Direction: "to-lport", Priority: 1000, Match: "ip", Action: "drop", Log: true, Severity: "warning"},
	}
}

func podRow(name string) ovs.LogicalSwitchPort {
	return ovs.LogicalSwitchPort{Switch: "net1", Name: name + ".default", Addresses: []string{"00:00:00:00:00:0A 10.0.1.10"},
		PortGroups: []string{"net1.node1"}, DHCPv4: "net1/IPv4", ExternalIDs: map[string]string{"pod": "default/" + name}}
}

// small writes a VPC with a subnet and one pod, by the owners that will write them.
func small(t testing.TB, c *ovs.Client) {
	t.Helper()
	apply(t, c, "vpc/vpc1", vpcRows()...)
	apply(t, c, "subnet/net1", subnetRows()...)
	apply(t, c, "pod/default/a", podRow("a"))
}

const smallDump = `ACL 1000,to-lport,ip: action=drop direction=to-lport external_ids={ls=net1, owner=subnet/net1, parent=net1} log=true match=ip priority=1000 severity=warning
DHCP_Options net1/IPv4: cidr=10.0.1.0/24 external_ids={ls=net1, name=net1/IPv4, owner=subnet/net1, protocol=IPv4} options={lease_time=3600}
Gateway_Chassis vpc1-net1-c1: chassis_name=c1 external_ids={lrp=vpc1-net1, owner=subnet/net1} name=vpc1-net1-c1 priority=100
Gateway_Chassis vpc1-net1-c2: chassis_name=c2 external_ids={lrp=vpc1-net1, owner=subnet/net1} name=vpc1-net1-c2 priority=99
Logical_Router vpc1: external_ids={owner=vpc/vpc1} name=vpc1 options={always_learn_from_arp_request=false} policies=Logical_Router_Policy:31000,ip4.dst == 10.0.1.0/24 ports=Logical_Router_Port:vpc1-net1 static_routes=Logical_Router_Static_Route:dst-ip,0.0.0.0/0,10.0.1.254
Logical_Router_Policy 31000,ip4.dst == 10.0.1.0/24: action=allow external_ids={lr=vpc1, owner=vpc/vpc1} match=ip4.dst == 10.0.1.0/24 priority=31000
Logical_Router_Port vpc1-net1: external_ids={lr=vpc1, owner=subnet/net1} gateway_chassis=[Gateway_Chassis:vpc1-net1-c1 Gateway_Chassis:vpc1-net1-c2] mac=00:00:00:11:22:33 name=vpc1-net1 networks=10.0.1.1/24
Logical_Router_Static_Route dst-ip,0.0.0.0/0,10.0.1.254: external_ids={lr=vpc1, owner=vpc/vpc1} ip_prefix=0.0.0.0/0 nexthop=10.0.1.254 policy=dst-ip
Logical_Switch net1: acls=ACL:1000,to-lport,ip external_ids={owner=subnet/net1} name=net1 ports=[Logical_Switch_Port:a.default Logical_Switch_Port:net1-vpc1]
Logical_Switch_Port a.default: addresses=00:00:00:00:00:0A 10.0.1.10 dhcpv4_options=DHCP_Options:net1/IPv4 external_ids={ls=net1, owner=pod/default/a, pod=default/a, port_groups=net1.node1} name=a.default
Logical_Switch_Port net1-vpc1: addresses=router external_ids={ls=net1, owner=subnet/net1} name=net1-vpc1 options={router-port=vpc1-net1} type=router
Port_Group net1.node1: external_ids={node=node1, owner=subnet/net1} name=net1.node1 ports=Logical_Switch_Port:a.default
Port_Group net1.node2: external_ids={owner=subnet/net1} name=net1.node2
`

func same(t testing.TB, s *ovstest.Server, want string) {
	t.Helper()
	if d := cmp.Diff(want, s.Dump(t)); d != "" {
		t.Fatalf("database differs (-want +got):\n%s", d)
	}
}

func TestApply(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	same(t, s, smallDump)

	before := c.Stats()
	for owner, rows := range map[string][]ovs.Row{"vpc/vpc1": vpcRows(), "subnet/net1": subnetRows(), "pod/default/a": {podRow("a")}} {
		if n := apply(t, c, owner, rows...); n != 0 {
			t.Errorf("%s applied again: %d operations, want 0", owner, n)
		}
	}
	if c.Stats() != before {
		t.Errorf("equal rows were sent: %+v, want %+v", c.Stats(), before)
	}

	for _, owner := range []string{"pod/default/a", "subnet/net1", "vpc/vpc1"} {
		if n := apply(t, c, owner); n == 0 {
			t.Errorf("nothing wanted for %s: no operation sent", owner)
		}
	}
	same(t, s, "\n")
}

// TestRestartWritesNothing: a new process finds equal rows and sends nothing.
func TestRestartWritesNothing(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	small(t, s.Connect(t))
	c := s.Connect(t)
	small(t, c)
	if got := c.Stats().Transactions; got != 0 {
		t.Fatalf("%d transactions after a restart with equal rows, want 0", got)
	}
}

func TestReadsItsOwnWrites(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	for i := range 50 {
		name := fmt.Sprintf("p%d", i)
		apply(t, c, "pod/default/"+name, podRow(name))
		if _, ok := c.UUID(podRow(name)); !ok {
			t.Fatalf("%s has no UUID right after Apply", name)
		}
		if got := len(c.Owners("pod")); got != i+2 {
			t.Fatalf("%d owners after %d pods, want %d", got, i+2, i+2)
		}
	}
	ports := c.LivePorts()
	if len(ports) != 52 {
		t.Fatalf("%d live ports, want 52", len(ports))
	}
	want := ovs.LivePort{Name: "p0.default", Switch: "net1", Addresses: []string{"00:00:00:00:00:0A 10.0.1.10"}}
	got := ports[2]
	got.ExternalIDs = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("live port (-want +got):\n%s", d)
	}
	apply(t, c, "pod/default/p0")
	if _, ok := c.UUID(podRow("p0")); ok {
		t.Fatal("p0 still has a UUID after it went")
	}
}

// TestMove: a port that changes its switch keeps its UUID and moves in one transaction.
func TestMove(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	apply(t, c, "subnet/net2", ovs.LogicalSwitch{Name: "net2"})
	before, _ := c.UUID(podRow("a"))
	moved := podRow("a")
	moved.Switch, moved.PortGroups = "net2", []string{"net1.node2"}
	n := c.Stats().Transactions
	apply(t, c, "pod/default/a", moved)
	if got := c.Stats().Transactions - n; got != 1 {
		t.Errorf("%d transactions, want 1", got)
	}
	if after, _ := c.UUID(moved); after != before {
		t.Errorf("UUID is %s after the move, want %s", after, before)
	}
	dump := s.Dump(t)
	for _, want := range []string{"name=net2 ports=Logical_Switch_Port:a.default", "name=net1 ports=Logical_Switch_Port:net1-vpc1",
		"name=net1.node2 ports=Logical_Switch_Port:a.default", "external_ids={node=node1, owner=subnet/net1} name=net1.node1\n"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q in\n%s", want, dump)
		}
	}
}

// TestGroupMadeAnew: a port group that is deleted and made again has lost its ports, though they still record it.
func TestGroupMadeAnew(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	drift := recordDrift(c, "pod")
	rows := subnetRows()
	apply(t, c, "subnet/net1", append(rows[:3:3], rows[4:]...)...) // without net1.node1
	apply(t, c, "subnet/net1", rows...)
	drift.waitFor(t, "default/a")
	if n := apply(t, c, "pod/default/a", podRow("a")); n == 0 {
		t.Error("the membership in the old group was believed")
	}
	same(t, s, smallDump)
}

func TestErrors(t *testing.T) {
	lsp := podRow("b")
	lsp.Switch = "nowhere"
	stray := podRow("b")
	stray.PortGroups = []string{"nobody"}
	twice := podRow("b")
	twice.Addresses = []string{"00:00:00:00:00:0B"}
	tests := []struct {
		name string
		rows []ovs.Row
		want error
	}{
		{"switch missing", []ovs.Row{lsp}, &ovs.MissingError{Table: "Logical_Switch", Name: "nowhere"}},
		{"group missing", []ovs.Row{stray}, &ovs.MissingError{Table: "Port_Group", Name: "nobody"}},
		{"BFD missing", []ovs.Row{ovs.StaticRoute{Router: "vpc1", Prefix: "1.0.0.0/8", Nexthop: "10.0.1.9",
			BFD: ovs.BFDRef{LogicalPort: "vpc1-net1", DstIP: "10.0.1.9"}}}, &ovs.MissingError{Table: "BFD", Name: "vpc1-net1 10.0.1.9"}},
		{"port of another owner", []ovs.Row{podRow("a")},
			&ovs.OwnedError{Table: "Logical_Switch_Port", Name: "a.default", Owner: "pod/default/a"}},
		{"contradiction", []ovs.Row{podRow("b"), twice}, &ovs.ContradictionError{Table: "Logical_Switch_Port", Name: "b.default",
			First:  "addresses=00:00:00:00:00:0A 10.0.1.10 by {pod=default/b}",
			Second: "addresses=00:00:00:00:00:0B by {pod=default/b}"}},
	}
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApply(t, c, "pod/default/b", tt.rows...)
			if err == nil {
				t.Fatal("no error")
			}
			target := errors.Unwrap(err)
			if d := cmp.Diff(tt.want, target); d != "" {
				t.Fatalf("error (-want +got):\n%s", d)
			}
		})
	}
	same(t, s, smallDump)
	if n := apply(t, c, "pod/default/b", podRow("b"), podRow("b")); n == 0 {
		t.Error("equal rows did not collapse into one")
	}
}

// TestBadRowInBatch: one row that the server refuses does not fail the neighbours in its transaction.
func TestBadRowInBatch(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.GroupWindow = 50 * time.Millisecond })
	small(t, c)
	before := c.Stats()
	const n, bad = 40, 17
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		row := podRow(fmt.Sprintf("p%d", i))
		if i == bad {
			row.Tag = 5000 // the schema allows 1 to 4095
		}
		wg.Go(func() { _, errs[i] = tryApply(t, c, "pod/"+row.ExternalIDs["pod"], row) })
	}
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == bad) {
			t.Errorf("pod %d: error %v", i, err)
		}
	}
	var refused *ovs.TransactError
	if !errors.As(errs[bad], &refused) || refused.Reason != "constraint violation" {
		t.Errorf("error of the bad row: %v", errs[bad])
	}
	if got := len(c.Owners("pod")); got != n {
		t.Errorf("%d pods are there, want %d and the first", got, n)
	}
	if got := c.Stats().Transactions - before.Transactions; got > n/2 {
		t.Errorf("%d transactions for %d pods: not shared", got, n)
	}
}

// TestBFDOutlivesItsRoutes: a BFD row cannot go before the routes of other owners that rely on it.
func TestBFDOutlivesItsRoutes(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	small(t, c)
	session := ovs.BFDRef{LogicalPort: "vpc1-net1", DstIP: "10.0.1.9"}
	route := ovs.StaticRoute{Router: "vpc1", Prefix: "1.0.0.0/8", Nexthop: "10.0.1.9", BFD: session}
	bfd := ovs.BFD{LogicalPort: session.LogicalPort, DstIP: session.DstIP, MinTX: 100, MinRX: 100, DetectMult: 3}
	apply(t, c, "gateway/bfd", bfd)
	apply(t, c, "gateway/route", route)
	var inUse *ovs.InUseError
	if _, err := tryApply(t, c, "gateway/bfd"); !errors.As(err, &inUse) {
		t.Fatalf("error %v, want InUseError", err)
	}
	route.BFD = ovs.BFDRef{}
	apply(t, c, "gateway/route", route)
	apply(t, c, "gateway/bfd")
	// One owner of both drops both in one transaction.
	route.BFD = session
	apply(t, c, "gateway/route")
	apply(t, c, "gateway/both", bfd, route)
	apply(t, c, "gateway/both")
	same(t, s, smallDump)
}
