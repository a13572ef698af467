package ovs_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// driftLog collects the keys of OnDrift.
type driftLog struct {
	mu   sync.Mutex
	keys []string
}

func recordDrift(c *ovs.Client, kinds ...string) *driftLog {
	l := &driftLog{}
	for _, kind := range kinds {
		c.OnDrift(kind, func(key string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.keys = append(l.keys, kind+"/"+key)
		})
	}
	return l
}

func (l *driftLog) seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.keys)
	slices.Sort(out)
	return slices.Compact(out)
}

func (l *driftLog) waitFor(t testing.TB, keys ...string) {
	t.Helper()
	ovstest.Eventually(t, deadline, "drift of "+strings.Join(keys, ", "), func() bool {
		for _, k := range keys {
			if !slices.ContainsFunc(l.seen(), func(s string) bool { return strings.HasSuffix(s, "/"+k) }) {
				return false
			}
		}
		return true
	})
}

func TestDrift(t *testing.T) {
	where := func(col, val string) string { return `"where":[["` + col + `","==","` + val + `"]]` }
	tests := []struct {
		name string
		op   string
		want []string
	}{
		{"port addresses", `{"op":"update","table":"Logical_Switch_Port",` + where("name", "a.default") + `,"row":{"addresses":"dynamic"}}`,
			[]string{"pod/default/a"}},
		{"our mark taken away", `{"op":"update","table":"Port_Group",` + where("name", "net1.node2") + `,"row":{"external_ids":["map",[]]}}`,
			[]string{"subnet/net1"}},
		{"route nexthop", `{"op":"update","table":"Logical_Router_Static_Route",` + where("ip_prefix", "0.0.0.0/0") + `,"row":{"nexthop":"1.1.1.1"}}`,
			[]string{"vpc/vpc1"}},
		{"switch with its ports", `{"op":"delete","table":"Logical_Switch",` + where("name", "net1") + `}`,
			[]string{"pod/default/a", "subnet/net1"}},
		{"group of a port", `{"op":"delete","table":"Port_Group",` + where("name", "net1.node1") + `}`,
			[]string{"pod/default/a", "subnet/net1"}},
		{"everything", `{"op":"delete","table":"Logical_Router","where":[]},{"op":"delete","table":"Logical_Switch","where":[]},` +
			`{"op":"delete","table":"Port_Group","where":[]},{"op":"delete","table":"DHCP_Options","where":[]}`,
			[]string{"pod/default/a", "subnet/net1", "vpc/vpc1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ovstest.Start(t, ovs.Northbound)
			c := s.Connect(t)
			drift := recordDrift(c, "vpc", "subnet", "pod")
			small(t, c)
			s.Transact(t, tt.op)
			for _, k := range tt.want {
				_, key, _ := strings.Cut(k, "/")
				drift.waitFor(t, key)
			}
			if got := drift.seen(); !slices.Equal(got, tt.want) {
				t.Fatalf("drift of %v, want %v", got, tt.want)
			}
			small(t, c)
			same(t, s, smallDump)
		})
	}
}

// TestOwnWritesDoNotDrift: what the engine writes itself, also through shared parents, wakes nobody.
func TestOwnWritesDoNotDrift(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	drift := recordDrift(c, "vpc", "subnet", "pod", "lb", "last")
	small(t, c)
	apply(t, c, "lb/vpc1", ovs.LoadBalancer{Name: "lb1", Protocol: "tcp", VIPs: map[string]string{"1.1.1.1:80": "10.0.1.10:80"},
		Routers: []string{"vpc1"}})
	apply(t, c, "pod/default/b", podRow("b"))
	apply(t, c, "pod/default/b")
	apply(t, c, "lb/vpc1")
	// A last change by somebody else proves that the callbacks before it have run.
	apply(t, c, "last/one", ovs.PortGroup{Name: "last"})
	s.Transact(t, `{"op":"delete","table":"Port_Group","where":[["name","==","last"]]}`)
	drift.waitFor(t, "one")
	if got := drift.seen(); !slices.Equal(got, []string{"last/one"}) {
		t.Fatalf("drift of %v, want only the foreign change", got)
	}
}

// TestEmptiedDatabase: the server goes away and comes back with an empty database.
func TestEmptiedDatabase(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	drift := recordDrift(c, "vpc", "subnet", "pod")
	small(t, c)
	s.Empty(t)
	drift.waitFor(t, "vpc1", "net1", "default/a")
	small(t, c)
	same(t, s, smallDump)
}

// TestServerRestart: while the server is away Apply refuses; afterwards nothing is different and nobody is woken.
func TestServerRestart(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	drift := recordDrift(c, "vpc", "subnet", "pod")
	small(t, c)
	s.Stop(t)
	ovstest.Eventually(t, deadline, "Apply refuses", func() bool {
		_, err := tryApply(t, c, "pod/default/b", podRow("b"))
		return errors.Is(err, ovs.ErrDisconnected)
	})
	s.Restart(t)
	ovstest.Eventually(t, deadline, "Apply works again", func() bool {
		_, err := tryApply(t, c, "pod/default/b", podRow("b"))
		return err == nil
	})
	before := c.Stats().Transactions
	small(t, c)
	apply(t, c, "pod/default/b")
	if got := c.Stats().Transactions - before; got != 1 {
		t.Errorf("%d transactions after the restart, want only the removal", got)
	}
	same(t, s, smallDump)
	if got := drift.seen(); len(got) != 0 {
		t.Errorf("drift of %v without a change", got)
	}
}
