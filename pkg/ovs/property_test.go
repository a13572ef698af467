package ovs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

const (
	steps   = 1000
	compare = 100 // steps between two comparisons with a database written from scratch
)

// world makes random rows of a few owners and remembers what each wants at last.
type world struct {
	rnd  *rand.Rand
	want map[string][]ovs.Row
}

func owners() []string {
	return []string{"infra/all", "group/a", "pod/a", "pod/b", "pod/c", "route/a", "nat/a", "lb/a", "acl/a", "set/a", "gw/a"}
}

func (w *world) pick(list ...string) string { return list[w.rnd.IntN(len(list))] }
func (w *world) chance(percent int) bool    { return w.rnd.IntN(100) < percent }

func (w *world) some(prefix string, n int) []string {
	var out []string
	for i := range n {
		if w.chance(50) {
			out = append(out, fmt.Sprint(prefix, i))
		}
	}
	return out
}

// rows are what an owner may want. Names carry the owner, so that owners meet only in parents and groups.
func (w *world) rows(owner string) []ovs.Row {
	if owner == "infra/all" {
		return w.infra()
	}
	if owner == "group/a" {
		return []ovs.Row{ovs.PortGroup{Name: "g0"}, ovs.PortGroup{Name: "g1"}, ovs.PortGroup{Name: "g2", ExternalIDs: w.ext()}}
	}
	var out []ovs.Row
	for i := range w.rnd.IntN(5) {
		out = append(out, w.row(owner, fmt.Sprintf("%s-%d", owner[:len(owner)-2]+owner[len(owner)-1:], i))...)
	}
	return out
}

func (w *world) infra() []ovs.Row {
	var out []ovs.Row
	for i := range 3 {
		out = append(out, ovs.LogicalSwitch{Name: fmt.Sprint("s", i), ExternalIDs: w.ext()})
	}
	for i := range 2 {
		name := fmt.Sprint("r", i)
		port := ovs.LogicalRouterPort{Router: name, Name: name + "-port", MAC: "00:00:00:00:00:01", Networks: []string{"10.0.0.1/24"},
			Options: map[string]string{"route_table": w.pick("", "t1")}}
		for _, c := range w.some("c", 3) {
			port.GatewayChassis = append(port.GatewayChassis, ovs.GatewayChassis{Chassis: c, Priority: w.rnd.IntN(100)})
		}
		out = append(out, ovs.LogicalRouter{Name: name, Options: map[string]string{"mac_binding_age_threshold": w.pick("1", "2")}}, port)
	}
	return out
}

func (w *world) ext() map[string]string {
	out := map[string]string{}
	for _, k := range w.some("k", 3) {
		out[k] = w.pick("v1", "v2")
	}
	return out
}

func (w *world) row(owner, name string) []ovs.Row {
	router, sw := w.pick("r0", "r1"), w.pick("s0", "s1", "s2")
	switch owner[:2] {
	case "po":
		return []ovs.Row{ovs.LogicalSwitchPort{Switch: sw, Name: name, Type: w.pick("", "virtual"), Addresses: w.some("00:00:00:00:00:0", 3),
			Tag: w.rnd.IntN(3), PortGroups: w.some("g", 3), Options: map[string]string{"virtual-ip": w.pick("1", "2"), "own": "x"}, ExternalIDs: w.ext()}}
	case "ro":
		r := ovs.StaticRoute{Router: router, Table: w.pick("", "t1"), Policy: w.pick("", "src-ip"), Prefix: name, Nexthop: w.pick("1.1.1.1", "1.1.1.2")}
		if w.chance(50) {
			return []ovs.Row{r}
		}
		r.BFD = ovs.BFDRef{LogicalPort: name, DstIP: r.Nexthop}
		return []ovs.Row{r, ovs.BFD{LogicalPort: name, DstIP: r.Nexthop, MinTX: 100 + w.rnd.IntN(3)}}
	case "na":
		return []ovs.Row{ovs.NAT{Router: router, Type: w.pick("snat", "dnat_and_snat"), ExternalIP: "1.1.1.1", LogicalIP: name,
			LogicalPort: w.pick("", "p")}}
	case "lb":
		lb := ovs.LoadBalancer{Name: name, Protocol: w.pick("tcp", "udp"), VIPs: w.ext(), Routers: w.some("r", 2)}
		for _, vip := range w.some("vip", 3) {
			lb.HealthChecks = append(lb.HealthChecks, ovs.LoadBalancerHealthCheck{VIP: vip, Options: w.ext()})
		}
		return []ovs.Row{lb}
	case "ac":
		acl := ovs.ACL{Switch: sw, Direction: w.pick("to-lport", "from-lport"), Priority: 1 + w.rnd.IntN(3), Match: name, Action: w.pick("drop", "allow")}
		if w.chance(50) {
			acl.Switch, acl.PortGroup = "", w.pick("g0", "g1", "g2")
		}
		return []ovs.Row{acl}
	case "se":
		return []ovs.Row{ovs.AddressSet{Name: name, Addresses: w.some("10.0.0.", 30)}}
	}
	group := ovs.HAChassisGroup{Name: name}
	for _, c := range w.some("c", 3) {
		group.Chassis = append(group.Chassis, ovs.GatewayChassis{Chassis: c, Priority: w.rnd.IntN(100)})
	}
	return []ovs.Row{group, ovs.LogicalRouterPort{Router: router, Name: name, MAC: "00:00:00:00:00:02", Networks: []string{"10.1.0.1/24"},
		HAChassisGroup: name}, ovs.RouterPolicy{Router: router, Priority: 1 + w.rnd.IntN(3), Match: name, Action: "reroute",
		Nexthops: w.some("1.1.1.", 3)}}
}

// tamper changes the database behind the engine's back in one of many ways.
func (w *world) tamper(t *testing.T, s *ovstest.Server) {
	table := w.pick("Logical_Switch_Port", "Logical_Router_Policy", "ACL", "Load_Balancer", "Address_Set", "NAT", "HA_Chassis", "Port_Group")
	col := `{"op":"update","table":"` + table + `","where":[],"row":{"external_ids":["map",[["tampered","1"]]]}}`
	s.Transact(t, w.pick(col,
		`{"op":"mutate","table":"Logical_Switch_Port","where":[],"mutations":[["external_ids","delete",["set",["ls","port_groups"]]]]}`,
		`{"op":"mutate","table":"NAT","where":[],"mutations":[["external_ids","delete",["set",["lr","vendor"]]]]}`,
		`{"op":"update","table":"Logical_Switch_Port","where":[["tag","==",1]],"row":{"addresses":"dynamic"}}`,
		`{"op":"update","table":"Logical_Router_Policy","where":[],"row":{"nexthops":["set",[]]}}`,
		`{"op":"delete","table":"Logical_Switch","where":[["name","==","s1"]]}`,
		`{"op":"delete","table":"Logical_Router","where":[["name","==","r0"]]}`,
		`{"op":"delete","table":"Port_Group","where":[["name","==","g1"]]}`,
		`{"op":"update","table":"Logical_Router","where":[],"row":{"policies":["set",[]],"nat":["set",[]]}}`,
		`{"op":"delete","table":"Load_Balancer","where":[]}`))
}

// TestRandomDiffsConverge: whatever the wishes before, and whatever others did, the database ends as if the last wishes
// had been written into an empty one, and equal wishes send nothing.
func TestRandomDiffsConverge(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &world{rnd: rand.New(rand.NewPCG(seed, 0)), want: map[string][]ovs.Row{}}
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t, unbatched)
	for _, o := range owners()[:2] {
		w.want[o] = w.rows(o)
		apply(t, c, o, w.want[o]...)
	}
	for step := 1; step <= steps; step++ {
		o := w.pick(owners()...)
		w.want[o] = w.rows(o)
		apply(t, c, o, w.want[o]...)
		if n := apply(t, c, o, w.want[o]...); n != 0 {
			t.Fatalf("step %d: %d operations for equal rows of %s", step, n, o)
		}
		if step%compare != 0 {
			continue
		}
		if step%(2*compare) == 0 {
			w.tamper(t, s)
			w.settle(t, s, c)
		}
		fresh := ovstest.Start(t, ovs.Northbound)
		fc := fresh.Connect(t)
		for _, o := range owners() {
			apply(t, fc, o, w.want[o]...)
		}
		if d := cmp.Diff(fresh.Dump(t), s.Dump(t)); d != "" {
			t.Fatalf("step %d: a database written from scratch differs (-scratch +diffs):\n%s", step, d)
		}
		fresh.Stop(t)
	}
}

// settle waits until the client has seen everything the server did before, then applies all wishes.
func (w *world) settle(t *testing.T, s *ovstest.Server, c *ovs.Client) {
	t.Helper()
	s.Transact(t, `{"op":"insert","table":"Address_Set","row":{"name":"marker"}}`)
	ovstest.Eventually(t, deadline, "the client sees the marker", func() bool { _, ok := c.Get("Address_Set", "marker"); return ok })
	s.Transact(t, `{"op":"delete","table":"Address_Set","where":[["name","==","marker"]]}`)
	for range 2 { // rows whose mark was taken away may block others for one round
		for _, o := range owners() {
			apply(t, c, o, w.want[o]...)
		}
	}
}
