package vip

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name and the kind of the owner of its rows.
const Name = "vip"

// Deps are what the controller may write.
type Deps struct {
	// DefaultVpc is the VPC of subnets that name none.
	DefaultVpc string
	NB         *ovs.Client
	IPAM       *ipam.IPAM
	Vips       typed.VipInterface
	Events     record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Vips    informers.VipInformer
	Subnets informers.SubnetInformer
	Pods    coreinformers.PodInformer
}

type controller struct {
	Deps
	loop    *reconcile.Loop
	own     reconcile.Writer[*v1.Vip]
	vips    listers.VipLister
	index   cache.Indexer // Vips
	byUser  cache.Indexer // pods
	subnets listers.SubnetLister
	pods    corelisters.PodLister
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{
		Deps: deps, vips: sources.Vips.Lister(), index: sources.Vips.Informer().GetIndexer(), byUser: sources.Pods.Informer().GetIndexer(),
	}
	loop := reconcile.New(Name, 1, c.sync)
	c.loop = loop
	if err := sources.Vips.Informer().AddIndexers(cache.Indexers{subnetIndex: bySubnet, addressIndex: byAddress}); err != nil {
		loop.Fail(err)
	}
	if err := sources.Pods.Informer().AddIndexers(cache.Indexers{userIndex: byUser}); err != nil {
		loop.Fail(err)
	}
	c.own = reconcile.NewWriter(Name, deps.Vips, reconcile.WatchFresh(loop, sources.Vips, c.keysForVip))
	c.subnets = reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string { return c.inSubnet(s.Name) }, subnetMatters)
	c.pods = reconcile.Watch(loop, sources.Pods, keysForPod, podMatters)
	deps.IPAM.OnRelease(c.released)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	vip, ok := c.own.Get(name)
	switch {
	case !ok:
		if err := c.apply(ctx, name, nil); err != nil {
			return err
		}
		c.IPAM.ReleaseOwner(util.VipLeaseOwner(name))
		return nil
	case !vip.DeletionTimestamp.IsZero():
		return c.finalize(ctx, vip)
	}
	after := vip.DeepCopy()
	in, err := c.gather(vip)
	if err == nil {
		in.lease, err = c.claim(in)
		in.user = c.userOf(name, in.lease)
	}
	if err == nil {
		if !reconcile.HasFinalizer(vip) && len(rows(in)) > 0 {
			if vip, err = c.own.Patch(ctx, vip, granted(in)); err != nil {
				return err
			}
			in.vip = vip
		}
		err = c.apply(ctx, name, rows(in))
		after = granted(in)
	}
	return c.publish(ctx, vip, after, err)
}

// claim takes the address. A vip whose port got another name moves its lease with it.
func (c *controller) claim(in inputs) (ipam.Lease, error) {
	request, err := request(in)
	if err != nil {
		return ipam.Lease{}, err
	}
	for _, old := range c.IPAM.Leases(request.Owner) {
		if old.NIC != request.NIC || old.Subnet != in.subnet.Name {
			c.IPAM.Release(old.Subnet, old.Owner, old.NIC)
		}
	}
	lease, err := c.IPAM.Claim(in.subnet.Name, request)
	switch {
	case err == nil && len(lease.Addresses()) == 0:
		c.IPAM.ReleaseOwner(lease.Owner)
		return lease, invalid("subnet %s has no addresses", in.subnet.Name)
	case err == nil:
		return lease, nil
	case errors.Is(err, ipam.ErrConflict), errors.Is(err, ipam.ErrNoAvailable), errors.Is(err, ipam.ErrNoSubnet):
		return lease, reconcile.Blocked(util.EventAcquireAddressFailed, "an address: %v", err)
	}
	return lease, invalid("%v", err)
}

// finalize gives the address back when no pod has it any more, and then lets the object go.
func (c *controller) finalize(ctx context.Context, vip *v1.Vip) error {
	for _, lease := range c.IPAM.Leases(util.VipLeaseOwner(vip.Name)) {
		if port := c.userOf(vip.Name, lease); port != "" {
			return c.publish(ctx, vip, vip.DeepCopy(), reconcile.Blocked(util.ReasonVipInUse, "vip '%s' is in use by pod %s", vip.Name, port))
		}
	}
	if err := c.apply(ctx, vip.Name, nil); err != nil {
		return err
	}
	c.IPAM.ReleaseOwner(util.VipLeaseOwner(vip.Name))
	return c.own.Finish(ctx, vip)
}

func (c *controller) apply(ctx context.Context, name string, want []ovs.Row) error {
	if _, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: name}, want); err != nil {
		return fmt.Errorf("apply rows of vip %s: %w", name, err)
	}
	return nil
}

// publish tells the outcome of a sync in after, a copy of the caller's, and returns it. One patch writes all, because the
// kind has no status of its own in the API.
func (c *controller) publish(ctx context.Context, vip, after *v1.Vip, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonVipReconciled, util.ReasonVipFailed)
	if !tell {
		return outcome
	}
	after.Status.Ready = verdict.Ready
	same := after.DeepCopy()
	reconcile.SetOutcome(&same.Status.Conditions, vip.Generation, verdict, metav1.Now())
	// Without a status of its own in the API every change makes a new generation, this one too.
	if equality.Semantic.DeepEqual(vip.Spec, same.Spec) && equality.Semantic.DeepEqual(vip.Status, same.Status) {
		after = same
	} else {
		reconcile.SetOutcome(&after.Status.Conditions, vip.Generation+1, verdict, metav1.Now())
	}
	written, err := c.own.Patch(ctx, vip, after)
	if err != nil {
		return err
	}
	if !verdict.Ready && written != vip {
		c.Events.Event(vip, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
