package vpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
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
	// ExternalSwitch is the default external network's switch, and the Subnet that manages it where there is one.
	ExternalSwitch string
	// GatewayConfigNamespace has the ConfigMap of the default VPC's external gateway.
	GatewayConfigNamespace string
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB     *ovs.Client
	Vpcs   typed.VpcInterface
	Eips   typed.OvnEipInterface
	Events record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Vpcs    informers.VpcInformer
	Subnets informers.SubnetInformer
	Eips    informers.OvnEipInformer
	Fips    informers.OvnFipInformer
	Snats   informers.OvnSnatRuleInformer
	Dnats   informers.OvnDnatRuleInformer
	Nodes   coreinformers.NodeInformer
	Vlans   informers.VlanInformer
	// ConfigMaps need to have no more than the external gateway's.
	ConfigMaps coreinformers.ConfigMapInformer
}

type controller struct {
	Deps
	own        reconcile.Writer[*v1.Vpc]
	eips       *reconcile.Fresh[*v1.OvnEip]
	vpcs       listers.VpcLister
	subnets    listers.SubnetLister
	nodes      corelisters.NodeLister
	vlans      listers.VlanLister
	configMaps corelisters.ConfigMapLister
	index      indexers
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps}
	loop := reconcile.New(Name, 1, c.sync)
	var err error
	if c.index, err = c.newIndexers(sources); err != nil {
		loop.Fail(err)
	}
	c.own = reconcile.NewWriter(Name, deps.Vpcs, reconcile.WatchFresh(loop, sources.Vpcs, c.keysForVpc))
	c.vpcs = sources.Vpcs.Lister()
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	c.watchExternal(loop, sources)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil {
		return err
	}
	if in.vpc == nil {
		return errors.Join(c.apply(ctx, name, nil), c.retireAll(ctx, name))
	}
	if !in.vpc.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, in)
	}
	if written, err := c.own.Patch(ctx, in.vpc, governed(normalized(in.vpc), in.gateway)); err != nil || written != in.vpc {
		return err // the watch brings the key back for the rest
	}
	want, err := rows(in)
	if err == nil {
		err = c.apply(ctx, name, want)
	}
	wanted := in.vpc.Status.DeepCopy()
	if err == nil {
		*wanted, err = status(in, c.Config), c.exchange(ctx, in)
	}
	if err := c.publish(ctx, in, wanted, err); err != nil {
		return err
	}
	if in.join != nil && !in.joined {
		return reconcile.Wait("router port of subnet %s", in.join.Name)
	}
	return nil
}

// exchange asks for the addresses that are missing and gives back those that are not needed any more, both after the rows
// are written, and says what is in the way of the whole spec.
func (c *controller) exchange(ctx context.Context, in inputs) error {
	if err := errors.Join(c.ask(ctx, in.external.create), c.retire(ctx, in.external.retire)); err != nil {
		return err
	}
	if err := in.external.err(); err != nil {
		return err
	}
	if err := cmp.Or(unrouted(in), unlinked(in)); err != nil {
		return err
	}
	return missing(in.vpc)
}

// finalize removes the router when no subnet needs it any more, and then lets the object go.
func (c *controller) finalize(ctx context.Context, in inputs) error {
	if len(in.subnets) > 0 {
		return c.publish(ctx, in, in.vpc.Status.DeepCopy(), reconcile.Blocked(util.ReasonVpcInUse, "the removal of its subnets %s", strings.Join(names(in.subnets), ", ")))
	}
	if rules := c.ruleTitles(natIndex, in.vpc.Name, nil); len(rules) > 0 {
		return c.publish(ctx, in, in.vpc.Status.DeepCopy(), reconcile.Blocked(util.ReasonVpcInUse, "the removal of its nat rules %s", strings.Join(rules, ", ")))
	}
	if err := c.apply(ctx, in.vpc.Name, nil); err != nil {
		return err
	}
	if err := c.retireAll(ctx, in.vpc.Name); err != nil {
		return err
	}
	return c.own.Free(ctx, in.vpc)
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

// publish tells the outcome of a sync in wanted, a status of the caller's, and returns it.
func (c *controller) publish(ctx context.Context, in inputs, wanted *v1.VpcStatus, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonVpcReconciled, util.ReasonVpcFailed)
	switch {
	case tell:
		reconcile.SetOutcome(&wanted.Conditions, in.vpc.Generation, verdict, metav1.Now())
	case in.vpc.Status.Standby: // what passes by itself is not worth a write; others wait for a standby
		return outcome
	}
	wrote, err := c.own.PatchStatus(ctx, in.vpc, in.vpc.Status, *wanted)
	if err != nil {
		return err
	}
	if wrote && tell && !verdict.Ready {
		c.announce(in, verdict)
	}
	return outcome
}

// announce makes an event of a verdict that is new, not of other news in the status. What is wrong with the ConfigMap is told
// there, too.
func (c *controller) announce(in inputs, verdict reconcile.Outcome) {
	if !verdict.News(in.vpc.Status.Conditions) {
		return
	}
	c.Events.Event(in.vpc, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	if verdict.Reason == util.ReasonGatewayConfigInvalid && in.gateway.object != nil {
		c.Events.Event(in.gateway.object, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
}
