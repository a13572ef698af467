package ippool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
const Name = "ippool"

// Deps are what the controller may write.
type Deps struct {
	// ExternalSubnet is what an OvnEip without a subnet is from.
	ExternalSubnet string
	// CountDelay bounds how often the counters in the status follow the addresses in use.
	CountDelay time.Duration
	NB         *ovs.Client
	IPAM       *ipam.IPAM
	Pools      typed.IPPoolInterface
	Events     record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Pools   informers.IPPoolInformer
	Subnets informers.SubnetInformer
	IPs     informers.IPInformer
	Vips    informers.VipInformer
	Eips    informers.OvnEipInformer
}

type controller struct {
	Deps
	own     reconcile.Writer[*v1.IPPool]
	index   cache.Indexer // IPPools
	subnets listers.SubnetLister

	mu  sync.Mutex
	set map[string]string // subnet in whose book a pool was set, by pool
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, index: sources.Pools.Informer().GetIndexer(), set: map[string]string{}}
	loop := reconcile.New(Name, 1, c.sync)
	if err := sources.Pools.Informer().AddIndexers(cache.Indexers{subnetIndex: reconcile.IndexBy(subnetOf)}); err != nil {
		loop.Fail(err)
	}
	c.own = reconcile.NewWriter(Name, deps.Pools, reconcile.WatchFresh(loop, sources.Pools, c.keysForPool, poolMatters))
	c.subnets = reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string { return c.inSubnet(s.Name) }, subnetMatters)
	reconcile.Watch(loop, sources.IPs, countLater(c, loop, func(ip *v1.IP) string { return ip.Spec.Subnet }))
	reconcile.Watch(loop, sources.Vips, countLater(c, loop, func(vip *v1.Vip) string { return vip.Spec.Subnet }))
	reconcile.Watch(loop, sources.Eips, countLater(c, loop, func(eip *v1.OvnEip) string {
		return cmp.Or(eip.Spec.ExternalSubnet, c.ExternalSubnet)
	}))
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	pool, ok := c.own.Get(name)
	if !ok || !pool.DeletionTimestamp.IsZero() {
		if err := c.remove(ctx, name, pool); err != nil || !ok {
			return err
		}
		return c.own.Finish(ctx, pool)
	}
	finalized := pool.DeepCopy()
	reconcile.AddFinalizer(finalized)
	pool, err := c.own.Patch(ctx, pool, finalized)
	if err != nil {
		return err
	}
	in, err := c.gather(pool)
	if err == nil {
		err = c.render(ctx, in)
	}
	return c.publish(ctx, pool, err)
}

// render sets the pool apart and mirrors it.
func (c *controller) render(ctx context.Context, in inputs) error {
	if err := validate(in); err != nil {
		return err
	}
	name, subnet := in.pool.Name, in.subnet.Name
	if old := c.book(name, subnet); old != subnet {
		c.IPAM.DeletePool(old, name)
	}
	var conflict *ipam.ConflictError
	switch err := c.IPAM.SetPool(subnet, name, in.pool.Spec.IPs); {
	case errors.As(err, &conflict):
		return reconcile.Blocked(util.ReasonPoolFailed, "its addresses: %v", err)
	case errors.Is(err, ipam.ErrNoSubnet):
		return reconcile.Wait("addresses of subnet %s", subnet)
	case err != nil:
		return invalid("%v", err)
	}
	want, err := rows(in)
	if err != nil {
		return err
	}
	return c.apply(ctx, name, want)
}

// remove gives the pool's addresses back to its subnet. Who holds one keeps it (northbound.md 4.3).
func (c *controller) remove(ctx context.Context, name string, pool *v1.IPPool) error {
	if err := c.apply(ctx, name, nil); err != nil {
		return err
	}
	subnet := c.book(name, "")
	if subnet == "" && pool != nil { // set by an earlier process
		subnet = pool.Spec.Subnet
	}
	c.IPAM.DeletePool(subnet, name)
	return nil
}

// book remembers in which subnet's book a pool is now, "" for none, and returns in which it was.
func (c *controller) book(name, subnet string) (before string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.set[name]
	c.set[name] = subnet
	if subnet == "" {
		delete(c.set, name)
	}
	return before
}

func (c *controller) apply(ctx context.Context, name string, want []ovs.Row) error {
	_, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: name}, want)
	var owned *ovs.OwnedError
	switch {
	case errors.As(err, &owned):
		return reconcile.Blocked(util.ReasonPoolAddressSetFailed, "address set %s, which %s has", owned.Name, owned.Owner)
	case err != nil:
		return fmt.Errorf("apply address set of ippool %s: %w", name, err)
	}
	return nil
}

// publish tells the outcome of a sync with the present counters, in one write, and returns the outcome.
func (c *controller) publish(ctx context.Context, pool *v1.IPPool, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonPoolUpdated, util.ReasonPoolAddressSetFailed)
	if !tell {
		return outcome
	}
	stats, _ := c.IPAM.PoolStats(pool.Spec.Subnet, pool.Name)
	wanted := status(pool, stats)
	reconcile.SetOutcome(&wanted.Conditions, pool.Generation, verdict, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, pool, pool.Status, wanted)
	if err != nil {
		return err
	}
	switch {
	case !wrote || !verdict.News(pool.Status.Conditions):
	case verdict.Ready:
		c.Events.Event(pool, corev1.EventTypeNormal, verdict.Reason, "the pool is set apart")
	default:
		c.Events.Event(pool, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
