package controllertest

import (
	"context"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// given is the name of the loops of Given.
const given = "given"

// Given is a controller that keeps rows of other kinds in the database, which those under test refer to.
func (f *Fixture) Given(rows ...ovs.Row) *reconcile.Loop {
	owner := ovs.Owner{Kind: given, Key: "rows"}
	loop := reconcile.New(owner.Kind, 1, func(ctx context.Context, _ string) error {
		_, err := f.NB.Apply(ctx, owner, rows)
		return err
	})
	f.NB.OnDrift(owner.Kind, loop.Add)
	loop.Add(owner.Key)
	return loop
}
