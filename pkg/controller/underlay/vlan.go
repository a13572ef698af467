package underlay

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

type vlans struct {
	Deps
	own       reconcile.Writer[*v1.Vlan]
	providers listers.ProviderNetworkLister
	index     cache.Indexer // of Vlans
	subnets   cache.Indexer
}

func newVlans(deps Deps, sources Sources) *reconcile.Loop {
	c := &vlans{Deps: deps, index: sources.Vlans.Informer().GetIndexer(), subnets: sources.Subnets.Informer().GetIndexer()}
	loop := reconcile.New(VlanName, 1, c.sync)
	c.own = reconcile.NewWriter(VlanName, deps.Vlans, reconcile.WatchFresh(loop, sources.Vlans, c.keysForVlan, specMatters))
	c.providers = reconcile.Watch(loop, sources.Providers, func(pn *v1.ProviderNetwork) []string {
		return keysOf(c.index, providerIndex, pn.Name)
	}, func(before, after *v1.ProviderNetwork) bool { return before.UID != after.UID })
	reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string { return []string{s.Spec.Vlan} },
		func(before, after *v1.Subnet) bool { return before.Spec.Vlan != after.Spec.Vlan })
	return loop
}

// keysForVlan: a Vlan may be what its neighbours are in conflict with.
func (c *vlans) keysForVlan(vlan *v1.Vlan) []string {
	return append(keysOf(c.index, providerIndex, vlan.Spec.Provider), vlan.Name)
}

// vlanInputs are everything one Vlan depends on.
type vlanInputs struct {
	vlan *v1.Vlan
	// provider is whether the provider network exists.
	provider bool
	siblings []*v1.Vlan // on the same provider network
	subnets  []string   // that use it, by name
}

func (c *vlans) gather(name string) (vlanInputs, error) {
	var in vlanInputs
	own, ok := c.own.Get(name)
	if !ok {
		return in, nil
	}
	in.vlan = own
	in.subnets = keysOf(c.subnets, vlanIndex, name)
	in.siblings = reconcile.Indexed[*v1.Vlan](c.index, providerIndex, own.Spec.Provider)
	_, err := c.providers.Get(own.Spec.Provider)
	if err != nil && !apierrors.IsNotFound(err) {
		return in, fmt.Errorf("provider network %s of vlan %s: %w", own.Spec.Provider, name, err)
	}
	in.provider = err == nil
	return in, nil
}

func (c *vlans) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil || in.vlan == nil {
		return err
	}
	if !in.vlan.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, in)
	}
	if written, err := c.own.Patch(ctx, in.vlan, normalized(in.vlan, c.DefaultProvider)); err != nil || written != in.vlan {
		return err // the watch brings the key back for the rest
	}
	return c.publish(ctx, in, check(in))
}

// finalize lets the object go when no Subnet uses it any more.
func (c *vlans) finalize(ctx context.Context, in vlanInputs) error {
	if len(in.subnets) > 0 {
		return c.publish(ctx, in, reconcile.Blocked(util.ReasonVlanInUse, "the removal of subnets: %s", strings.Join(in.subnets, ", ")))
	}
	return c.own.Free(ctx, in.vlan)
}

// publish tells the outcome of a sync and returns it.
func (c *vlans) publish(ctx context.Context, in vlanInputs, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonVlanReconciled, util.ReasonVlanInvalid)
	if !tell {
		return outcome
	}
	after := vlanStatus(in, verdict)
	reconcile.SetOutcome(&after.Conditions, in.vlan.Generation, verdict, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, in.vlan, in.vlan.Status, after)
	if err != nil {
		return err
	}
	if wrote && !verdict.Ready && verdict.News(in.vlan.Status.Conditions) {
		c.Events.Event(in.vlan, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
