// Package sweep removes the rows of owners that no longer exist, for all controllers in one place.
package sweep

import (
	"context"
	"slices"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
)

// Rows is what the sweep needs of the database: the keys of a kind of owner that have rows.
type Rows interface{ Owners(kind string) []string }

// Databases are several databases whose rows are swept together.
type Databases []Rows

// Owners are the keys with rows in any of the databases, each once.
func (d Databases) Owners(kind string) []string {
	var keys []string
	for _, rows := range d {
		keys = append(keys, rows.Owners(kind)...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Run waits until every loop has synced all keys it knew at the start, and then wakes the other keys that own rows. The
// sync of a key whose object is gone wants nothing, which deletes what it left behind while the controller was down. Run
// returns when the keys are enqueued or ctx ends.
func Run(ctx context.Context, rows Rows, loops []*reconcile.Loop) {
	for _, loop := range loops {
		select {
		case <-loop.FirstPass():
		case <-ctx.Done():
			return
		}
	}
	klog.FromContext(ctx).V(1).Info("First pass is over, sweeping rows without an object")
	for _, loop := range loops {
		loop.AddForgotten(rows.Owners(loop.Name()))
	}
}
