package controllertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/controller/sweep"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// Scenario is what the laws are checked on.
type Scenario struct {
	// Build makes the controllers under test, with those whose rows they need; it is called once per (re)start.
	Build func(f *Fixture) []*reconcile.Loop
	// Objects are the API's content. The final rows must not depend on the order in which they appear, so whatever is
	// handed out first come first served has to be fixed by them.
	Objects []runtime.Object
	// Removed are those of Objects whose removal the third law looks at. What they depend on stays.
	Removed []runtime.Object
}

// Laws checks that the controllers of a scenario obey the four laws of design.md section 8: a second sync writes nothing;
// the order of events does not matter; what is removed leaves nothing, also when it is removed while we are down, and
// foreign rows stay; an emptied database is restored.
func Laws(t *testing.T, s Scenario) {
	t.Helper()
	for i, object := range s.Objects { // the API server's number would tell the order
		if accessor, err := meta.Accessor(object); err != nil {
			t.Fatal(err)
		} else if accessor.GetUID() == "" {
			accessor.SetUID(types.UID(fmt.Sprintf("00000000-0000-0000-0001-%012d", i)))
		}
	}
	t.Run("second sync writes nothing", s.idempotent)
	t.Run("order does not matter", s.commutative)
	t.Run("removal leaves nothing", s.removal)
	t.Run("removal while down leaves nothing", s.removalWhileDown)
	t.Run("emptied database is restored", s.restored)
}

// world runs the scenario's controllers until they settle.
func (s Scenario) world(t *testing.T, objects ...runtime.Object) *Fixture {
	t.Helper()
	f := New(t, objects...)
	f.Run(s.Build)
	f.Settle()
	return f
}

// Run starts the controllers that build makes, and sweeps after their first pass as the program does.
func (f *Fixture) Run(build func(f *Fixture) []*reconcile.Loop) {
	loops := build(f)
	f.Start(loops...)
	f.done.Go(func() { sweep.Run(f.ctx, f.NB, loops) })
}

func (s Scenario) idempotent(t *testing.T) {
	f := s.world(t, s.Objects...)
	dump := f.Dump()
	check := func(what string, transactions int) {
		t.Helper()
		f.Settle()
		if writes := f.Writes(); len(writes) > 0 {
			t.Errorf("%s: API writes:\n%s", what, strings.Join(writes, "\n"))
		}
		if n := f.Transactions() - transactions; n != 0 {
			t.Errorf("%s: %d transactions", what, n)
		}
		if diff := cmp.Diff(dump, f.Dump()); diff != "" {
			t.Errorf("%s: rows changed (-before +after)\n%s", what, diff)
		}
		if n := len(f.Events.Events); n > 0 {
			t.Errorf("%s: %d events, first %q", what, n, <-f.Events.Events)
		}
	}
	f.drainEvents()
	f.Forget()
	before := f.Transactions()
	f.Resync()
	check("second sync", before)
	f.Restart(s.Build)
	check("restart", 0)
}

func (s Scenario) commutative(t *testing.T) {
	want := s.world(t, s.Objects...).Dump()
	reversed := slices.Clone(s.Objects)
	slices.Reverse(reversed)
	for name, objects := range map[string][]runtime.Object{"one by one": s.Objects, "one by one reversed": reversed} {
		t.Run(name, func(t *testing.T) {
			f := s.world(t)
			for _, object := range objects {
				f.Create(object)
				f.Settle()
			}
			f.WaitDump(want)
		})
	}
}

func (s Scenario) removal(t *testing.T) {
	want := s.remaining(t)
	f := New(t, s.Objects...)
	f.addForeign()
	f.Run(s.Build)
	f.Settle()
	for _, object := range s.Removed {
		f.Delete(object)
	}
	for _, object := range s.Removed {
		f.Eventually(fmt.Sprintf("%T is finalized", object), func() bool { return !f.Exists(object) })
	}
	f.WaitDump(want)
}

func (s Scenario) removalWhileDown(t *testing.T) {
	want := s.remaining(t)
	f := New(t, s.Objects...)
	f.addForeign()
	f.Run(s.Build)
	f.Settle()
	f.Stop()
	for _, object := range s.Removed {
		f.Vanish(object)
	}
	f.Restart(s.Build)
	f.WaitDump(want)
}

// remaining is the state of a world that never had the removed objects.
func (s Scenario) remaining(t *testing.T) string {
	t.Helper()
	f := New(t, s.without()...)
	f.addForeign()
	f.Run(s.Build)
	f.Settle()
	return f.Dump()
}

func (s Scenario) without() []runtime.Object {
	return slices.DeleteFunc(slices.Clone(s.Objects), func(o runtime.Object) bool { return slices.Contains(s.Removed, o) })
}

func (s Scenario) restored(t *testing.T) {
	f := s.world(t, s.Objects...)
	want := f.Dump()
	f.Empty()
	f.WaitDump(want)
}

// foreign are rows that no controller under test owns.
var foreign = []ovs.Row{
	ovs.LogicalSwitch{Name: "foreign-switch", ExternalIDs: map[string]string{"neutron:network": "x"}},
	ovs.LogicalSwitchPort{Switch: "foreign-switch", Name: "foreign-port", Addresses: []string{"00:00:00:00:00:09 192.0.2.9"}},
	ovs.LogicalRouter{Name: "foreign-router"},
	ovs.StaticRoute{Router: "foreign-router", Policy: "dst-ip", Prefix: "0.0.0.0/0", Nexthop: "192.0.2.1"},
	ovs.RouterPolicy{Router: "foreign-router", Priority: 1, Match: "ip4.dst == 192.0.2.0/24", Action: "drop"},
}

func (f *Fixture) addForeign() {
	f.t.Helper()
	if _, err := f.NB.Apply(f.ctx, ovs.Owner{Kind: "foreign", Key: "rows"}, foreign); err != nil {
		f.t.Fatal(err)
	}
}

// WaitDump waits until the database looks like want.
func (f *Fixture) WaitDump(want string) {
	f.t.Helper()
	defer func() {
		f.t.Helper()
		if diff := cmp.Diff(want, f.Dump()); f.t.Failed() && diff != "" {
			f.t.Errorf("rows (-want +got)\n%s", diff)
		}
	}()
	f.Eventually("the expected rows", func() bool { return f.Dump() == want })
}

func (f *Fixture) drainEvents() {
	for len(f.Events.Events) > 0 {
		<-f.Events.Events
	}
}
