package vpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name and the kind of the owner of its rows.
const Name = "vpc"

// Config is the part of the program's flags that shapes VPCs.
type Config struct {
	DefaultVpc    string
	DefaultSubnet string
	JoinSubnet    string
	// LoadBalancers are the names of those of the default VPC.
	LoadBalancers LoadBalancers
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB     *ovs.Client
	Vpcs   typed.VpcInterface
	Events record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Vpcs    informers.VpcInformer
	Subnets informers.SubnetInformer
}

type controller struct {
	Deps
	own     *reconcile.Fresh[*v1.Vpc]
	vpcs    listers.VpcLister
	subnets listers.SubnetLister
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps}
	loop := reconcile.New(Name, 1, c.sync)
	c.own = reconcile.WatchFresh(loop, sources.Vpcs, reconcile.Self[*v1.Vpc])
	c.vpcs = sources.Vpcs.Lister()
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil {
		return err
	}
	if in.vpc == nil {
		return c.apply(ctx, name, nil)
	}
	if !in.vpc.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, in)
	}
	if patch, err := reconcile.LockedMergePatch(in.vpc, normalized(in.vpc)); err != nil || patch != nil {
		return c.patch(ctx, name, patch, err)
	}
	want, err := rows(in)
	if err == nil {
		err = c.apply(ctx, name, want)
	}
	wanted := in.vpc.Status.DeepCopy()
	if err == nil {
		*wanted, err = status(in, c.Config), missing(in.vpc)
	}
	if err := c.publish(ctx, in, wanted, err); err != nil {
		return err
	}
	if in.join != nil && !in.joined {
		return reconcile.Wait("router port of subnet %s", in.join.Name)
	}
	return nil
}

// finalize removes the router when no subnet needs it any more, and then lets the object go.
func (c *controller) finalize(ctx context.Context, in inputs) error {
	if len(in.subnets) > 0 {
		return c.publish(ctx, in, in.vpc.Status.DeepCopy(), reconcile.Blocked(util.ReasonVpcInUse, "the removal of its subnets %s", strings.Join(names(in.subnets), ", ")))
	}
	if err := c.apply(ctx, in.vpc.Name, nil); err != nil {
		return err
	}
	free := in.vpc.DeepCopy()
	reconcile.RemoveFinalizer(free)
	patch, err := reconcile.LockedMergePatch(in.vpc, free)
	return c.patch(ctx, in.vpc.Name, patch, err)
}

func (c *controller) apply(ctx context.Context, name string, want []ovs.Row) error {
	_, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: name}, want)
	var contradiction *ovs.ContradictionError
	switch {
	case errors.As(err, &contradiction): // all rows come from the spec
		return invalid("%s", err)
	case err != nil:
		return fmt.Errorf("apply rows of vpc %s: %w", name, err)
	}
	return nil
}

// patch writes the object itself; the watch brings the key back for the rest.
func (c *controller) patch(ctx context.Context, name string, patch []byte, err error) error {
	if err != nil || patch == nil {
		return err
	}
	written, err := c.Vpcs.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("patch vpc %s: %w", name, err)
	}
	c.own.Wrote(written)
	return nil
}

// publish tells the outcome of a sync in wanted, a status of the caller's, and returns it.
func (c *controller) publish(ctx context.Context, in inputs, wanted *v1.VpcStatus, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonVpcReconciled, util.ReasonVpcFailed)
	if !tell {
		return outcome
	}
	reconcile.SetOutcome(&wanted.Conditions, in.vpc.Generation, verdict, metav1.Now())
	patch, err := reconcile.StatusPatch(in.vpc.Status, *wanted)
	if err != nil || patch == nil {
		return errors.Join(outcome, err)
	}
	written, err := c.Vpcs.Patch(ctx, in.vpc.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("patch status of vpc %s: %w", in.vpc.Name, err)
	}
	c.own.Wrote(written)
	if !verdict.Ready {
		c.Events.Event(in.vpc, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
