package controllertest

import "github.com/kubeovn/kube-ovn/pkg/ovs"

// Base keeps rows in the database that controllers not under test would write, so that the rows under test have parents.
// They are restored like those when the database is emptied.
func (f *Fixture) Base(rows ...ovs.Row) {
	f.t.Helper()
	owner := ovs.Owner{Kind: "base", Key: "rows"}
	apply := func() error {
		_, err := f.NB.Apply(f.ctx, owner, rows)
		return err
	}
	if err := apply(); err != nil {
		f.t.Fatal(err)
	}
	f.NB.OnDrift(owner.Kind, func(string) {
		f.done.Go(func() {
			if err := apply(); err != nil && f.ctx.Err() == nil {
				f.t.Logf("base rows: %v", err)
			}
		})
	})
}
