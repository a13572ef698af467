package ovs_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// TestDryRun: rows may refer to rows that were only printed, what was printed counts as written, and the database stays as it
// is.
func TestDryRun(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	var out bytes.Buffer
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.DryRun = &out })
	small(t, c)
	first := out.String()
	for _, want := range []string{"vpc/vpc1: + Logical_Router vpc1 ", "subnet/net1: ~ Logical_Router vpc1 ports +vpc1-net1",
		"pod/default/a: ~ Logical_Switch net1 ports +a.default"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	small(t, c)
	if out.String() != first {
		t.Errorf("printed again:\n%s", strings.TrimPrefix(out.String(), first))
	}
	if ports := c.LivePorts(); len(ports) != 2 || ports[0].Switch != "net1" {
		t.Errorf("ports are %+v, want those that were printed", ports)
	}
	// The server takes a row that goes out of the rows that refer to it.
	without := slices.DeleteFunc(subnetRows(), func(r ovs.Row) bool { _, dhcp := r.(ovs.DHCPOptions); return dhcp })
	apply(t, c, "subnet/net1", without...)
	bare := podRow("a")
	bare.DHCPv4 = ""
	if n := apply(t, c, "pod/default/a", bare); n != 0 {
		t.Errorf("%d operations on a port that has lost its DHCP options already", n)
	}
	apply(t, c, "subnet/net1")
	if ports := c.LivePorts(); len(ports) != 0 {
		t.Errorf("ports %+v outlive their switch", ports)
	}
	if got := c.Stats().Transactions; got != 0 {
		t.Errorf("a dry run sent %d transactions", got)
	}
	same(t, s, "\n")
}

// TestDryRunHandsOver: a row that one owner releases is adopted by the next, as it would be in the database.
func TestDryRunHandsOver(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	apply(t, s.Connect(t), "bare/x", ovs.LogicalSwitch{Name: "x"})
	before := s.Dump(t)
	var out bytes.Buffer
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.DryRun = &out })
	if _, err := tryApply(t, c, "subnet/x", ovs.LogicalSwitch{Name: "x"}); err == nil {
		t.Error("a row of another owner was taken")
	}
	if err := c.Release(t.Context(), ovs.Owner{Kind: "bare", Key: "x"}); err != nil {
		t.Fatal(err)
	}
	apply(t, c, "subnet/x", ovs.LogicalSwitch{Name: "x"})
	want := "bare/x: ~ Logical_Switch x external_ids -owner\nsubnet/x: ~ Logical_Switch x external_ids +{owner=subnet/x}\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	same(t, s, before)
}

// TestDryRunAgreesWithTheServer: whatever is wanted one after the other, a dry run that starts from the same database needs
// the same operations as the real thing.
func TestDryRunAgreesWithTheServer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &world{rnd: rand.New(rand.NewPCG(seed, 0))}
	s := ovstest.Start(t, ovs.Northbound)
	still := ovstest.Start(t, ovs.Northbound)
	c, dry := s.Connect(t, unbatched), still.Connect(t, unbatched, func(cfg *ovs.Config) { cfg.DryRun = io.Discard })
	for step := range steps {
		o := owners()[min(step, 1)]
		if step > 1 {
			o = w.pick(owners()...)
		}
		rows := w.rows(o)
		if o != "infra/all" && o != "group/a" && w.chance(10) {
			rows = nil
		}
		n, err := tryApply(t, c, o, rows...)
		pretended, other := tryApply(t, dry, o, rows...)
		if n != pretended || (err == nil) != (other == nil) {
			t.Fatalf("step %d, %s: %d operations and %v, pretended %d and %v", step, o, n, err, pretended, other)
		}
	}
	same(t, still, "\n")
	for _, o := range []string{"pod", "route", "nat", "lb", "acl", "set", "gw"} {
		if d := cmp.Diff(c.Owners(o), dry.Owners(o)); d != "" {
			t.Errorf("owners of kind %s (-real +pretended)\n%s", o, d)
		}
	}
}
