package ovnnat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// rule is one of the three kinds of objects that use an OvnEip.
type rule[T any] interface {
	reconcile.Copied[T]
	runtime.Object
}

// kind is what the three kinds of rules differ in.
type kind[T any] struct {
	name  string // of the queue
	rules cache.Indexer
	// resolve says what the rule comes to, or why it cannot.
	resolve func(T) (*binding, error)
	// rows of a rule in effect.
	rows func(T, *binding) []ovs.Row
	// kin are the names of the rules that can wait for this one.
	kin func(T) []string
	// conditions of the rule's status.
	conditions func(T) *[]v1.Condition
	// fill writes a binding, nil for none, into the status of the caller's copy.
	fill func(T, *binding)
	// status is the part to be compared and written.
	status func(T) any
}

type ruleController[T rule[T]] struct {
	*world
	kind[T]
	own reconcile.Writer[T]
}

func newRules[T rule[T], L any](w *world, k kind[T], sources Sources, source reconcile.Source[L], api reconcile.Patcher[T]) *reconcile.Loop {
	c := &ruleController[T]{world: w, kind: k}
	loop := reconcile.New(k.name, w.Workers, c.sync)
	read := reconcile.WatchFresh(loop, source, func(r T) []string { return append(k.kin(r), r.GetName()) }, func(before, now T) bool {
		// What we wrote ourselves is known here: it is news for those that wait for this rule only.
		return !c.own.Echo(now) || c.contested(before) || c.contested(now)
	})
	c.own = reconcile.NewWriter(k.name, api, read)
	watchInputs(loop, w, k.rules, sources)
	return loop
}

// contested says whether other rules want what a rule has.
func (c *ruleController[T]) contested(r T) bool {
	return slices.ContainsFunc(c.kin(r), func(name string) bool { return name != r.GetName() })
}

func (c *ruleController[T]) sync(ctx context.Context, name string) error {
	r, ok := c.own.Get(name)
	switch {
	case !ok:
		c.ports.need(ruleRef{c.kind.name, name}, "")
		return c.apply(ctx, name, nil)
	case !r.GetDeletionTimestamp().IsZero():
		return c.finalize(ctx, r)
	}
	b, outcome := c.resolve(r)
	if err := c.connected(ruleRef{c.kind.name, name}, b); err != nil {
		outcome = err // the rows wait for the port, and the rule for both
	}
	if len(*c.conditions(r)) == 0 {
		outcome = reconcile.Soon(outcome, r, time.Now())
	}
	if _, tell := reconcile.OutcomeOf(outcome, "", ""); !tell {
		return outcome
	}
	var err error
	if b != nil && !reconcile.HasFinalizer(r) {
		if r, err = c.own.Patch(ctx, r, marked(r, b)); err != nil {
			return err
		}
	}
	var want []ovs.Row
	if b != nil {
		want = append(c.kind.rows(r, b), b.routes...)
	}
	if err := c.apply(ctx, name, want); err != nil {
		b, outcome = nil, err // to be tried again, whatever else is wrong
	} else if r, err = c.own.Patch(ctx, r, marked(r, b)); err != nil {
		return err
	}
	return c.publish(ctx, r, b, outcome)
}

// finalize removes the rows and lets the object go.
func (c *ruleController[T]) finalize(ctx context.Context, r T) error {
	if err := c.apply(ctx, r.GetName(), nil); err != nil {
		return err
	}
	return c.own.Finish(ctx, r)
}

func (c *ruleController[T]) apply(ctx context.Context, name string, want []ovs.Row) error {
	_, err := c.NB.Apply(ctx, ovs.Owner{Kind: c.kind.name, Key: name}, want)
	var owned *ovs.OwnedError
	switch {
	case errors.As(err, &owned) && c.wakeHolder(owned.Owner):
		return reconcile.Wait("%s to give up %s %q", owned.Owner, owned.Table, owned.Name)
	case errors.As(err, &owned):
		return reconcile.Blocked(util.ReasonNatConflict, "the removal of a row of somebody else: %v", err)
	case err != nil:
		return fmt.Errorf("apply rows of %s %s: %w", c.kind.name, name, err)
	}
	return nil
}

// marked is a rule with finalizer, labels and annotation for what it has. Without a binding it keeps its finalizer only.
func marked[T rule[T]](r T, b *binding) T {
	after := r.DeepCopy()
	if b == nil {
		b = &binding{}
	} else {
		reconcile.AddFinalizer(after)
	}
	labels, annotations := after.GetLabels(), after.GetAnnotations()
	util.SetKey(&labels, util.EipV4Label, b.v4Eip)
	util.SetKey(&labels, util.EipV6Label, util.AddressLabel(b.v6Eip))
	util.SetKey(&annotations, util.VpcEipAnnotation, b.eip)
	after.SetLabels(labels)
	after.SetAnnotations(annotations)
	return after
}

// publish tells the outcome of a sync and returns it.
func (c *ruleController[T]) publish(ctx context.Context, r T, b *binding, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonNatReconciled, util.ReasonNatFailed)
	if !tell {
		return outcome
	}
	after := r.DeepCopy()
	c.fill(after, b)
	reconcile.SetOutcome(c.conditions(after), r.GetGeneration(), verdict, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, r, c.kind.status(r), c.kind.status(after))
	if err != nil {
		return err
	}
	if wrote && !verdict.Ready {
		c.Events.Event(r, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
