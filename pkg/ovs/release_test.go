package ovs_test

import (
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// Rows that are given up stay as they are, belong to nobody, and are adopted with their UUIDs by who wants them next. What
// others attached to them stays attached.
func TestRowsChangeHandsInPlace(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	first, second := ovs.Owner{Kind: "first", Key: "x"}, ovs.Owner{Kind: "second", Key: "y"}
	rows := []ovs.Row{
		ovs.LogicalSwitch{Name: "external"},
		ovs.LogicalSwitchPort{Switch: "external", Name: "localnet.external", Type: "localnet", Addresses: []string{"unknown"}, Tag: 1},
	}
	apply := func(owner ovs.Owner, rows ...ovs.Row) error {
		_, err := c.Apply(t.Context(), owner, rows)
		return err
	}
	for _, err := range []error{
		apply(first, rows...),
		apply(ovs.Owner{Kind: "guest", Key: "z"}, ovs.LogicalSwitchPort{Switch: "external", Name: "guest", Type: "router"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := s.UUIDs(t)
	if err := apply(second, rows...); err == nil {
		t.Fatal("rows of another owner were taken")
	}
	if err := c.Release(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if keys := c.Owners("first"); len(keys) != 0 {
		t.Errorf("%v still owns rows", keys)
	}
	if err := c.Release(t.Context(), first); err != nil {
		t.Errorf("a second time: %v", err)
	}
	rows[1] = ovs.LogicalSwitchPort{Switch: "external", Name: "localnet.external", Type: "localnet", Addresses: []string{"unknown"}, Tag: 204}
	if err := apply(second, rows...); err != nil {
		t.Fatal(err)
	}
	for uuid, name := range s.UUIDs(t) {
		if before[uuid] != name {
			t.Errorf("%s was made anew", name)
		}
	}
	dump := s.Dump(t)
	for _, want := range []string{"tag=204", "owner=second/y", "Logical_Switch_Port guest"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %s in\n%s", want, dump)
		}
	}
}
