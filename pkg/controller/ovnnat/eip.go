package ovnnat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

type eipController struct {
	*world
	own  reconcile.Writer[*v1.OvnEip]
	uses *uses
}

func newEips(w *world, sources Sources) *reconcile.Loop {
	c := &eipController{world: w}
	loop := reconcile.New(EipName, w.Workers, c.sync)
	c.uses = &uses{delay: w.UsesDelay, busy: w.busy, wake: loop.Add}
	// What we wrote ourselves is known here and nothing follows from it.
	read := reconcile.WatchFresh(loop, sources.Eips, c.keysForEip, func(_, now *v1.OvnEip) bool { return !c.own.Echo(now) })
	c.own = reconcile.NewWriter("ovn eip", w.API.OvnEips(), read)
	reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string { return c.inSubnet(s.Name) }, subnetMatters)
	w.IPAM.OnRelease(func(lease ipam.Lease) { c.released(loop, lease) })
	reconcile.Watch(loop, sources.Fips, func(r *v1.OvnFip) []string { return c.used(r.Spec.OvnEip, r.Annotations) })
	reconcile.Watch(loop, sources.Snats, func(r *v1.OvnSnatRule) []string { return c.used(r.Spec.OvnEip, r.Annotations) })
	reconcile.Watch(loop, sources.Dnats, func(r *v1.OvnDnatRule) []string { return c.used(r.Spec.OvnEip, r.Annotations) })
	return loop
}

// used wakes the OvnEips of a rule: at once those that wait for its end and those whose IPv6 address a daemon has to announce at
// its new place, the others only to tell who uses them.
func (c *eipController) used(spec string, annotations map[string]string) (now []string) {
	for _, name := range eipNames(spec, annotations) {
		if eip, ok := c.own.Get(name); c.UsesDelay == 0 || ok && (!eip.DeletionTimestamp.IsZero() || eip.Spec.V6Ip != "") {
			now = append(now, name)
			continue
		}
		c.uses.later(name)
	}
	return now
}

// keysForEip: one that goes may leave its address to those that wait for one.
func (c *eipController) keysForEip(eip *v1.OvnEip) []string {
	if eip.DeletionTimestamp.IsZero() {
		return []string{eip.Name}
	}
	waiting := objects(c.index.eips, c.inSubnet(eip.Spec.ExternalSubnet), func(e *v1.OvnEip) bool { return grantOf(e) == grant{} })
	keys := []string{eip.Name}
	for _, e := range waiting {
		keys = append(keys, e.Name)
	}
	return keys
}

// released wakes the OvnEips that wait for an address when somebody else gives one back. Of OvnEips keysForEip knows.
func (c *eipController) released(loop *reconcile.Loop, lease ipam.Lease) {
	if strings.HasPrefix(lease.Owner, util.EipLeaseOwner("")) {
		return
	}
	for _, eip := range objects(c.index.eips, c.inSubnet(lease.Subnet), func(e *v1.OvnEip) bool { return grantOf(e) == grant{} }) {
		loop.Add(eip.Name)
	}
}

// inSubnet are the names of the OvnEips of a subnet.
func (c *eipController) inSubnet(name string) []string {
	keys := c.index.keys(c.index.eips, subnetIndex, subnetRef(name))
	if name == c.ExternalSubnet {
		keys = append(keys, c.index.keys(c.index.eips, subnetIndex, subnetRef(""))...)
	}
	return keys
}

func subnetMatters(before, after *v1.Subnet) bool { return util.InEffectChanged(before, after) }

func (c *eipController) sync(ctx context.Context, name string) error {
	eip, ok := c.own.Get(name)
	switch {
	case !ok:
		if err := c.apply(ctx, name, nil); err != nil {
			return err
		}
		c.IPAM.ReleaseOwner(util.EipLeaseOwner(name))
		return nil
	case !eip.DeletionTimestamp.IsZero():
		return c.finalize(ctx, eip)
	}
	return c.serve(ctx, eip)
}

func (c *eipController) serve(ctx context.Context, eip *v1.OvnEip) error {
	lease, outcome := c.claim(eip)
	if outcome != nil {
		if len(eip.Status.Conditions) == 0 {
			outcome = reconcile.Soon(outcome, eip, time.Now())
		}
		status := eip.Status
		if c.lost(eip) {
			status.V4Ip, status.V6Ip, status.MacAddress, status.OutsideMac = "", "", "", ""
		}
		return c.publish(ctx, eip, eipStatus(eip, status, c.users(eip.Name)), outcome)
	}
	users := c.users(eip.Name)
	eip, err := c.own.Patch(ctx, eip, granted(eip, lease, users))
	if err != nil {
		return err
	}
	if err := c.apply(ctx, eip.Name, eipRows(eip)); err != nil {
		return c.publish(ctx, eip, *eip.Status.DeepCopy(), err)
	}
	if eip.Spec.Type == util.EipTypeLSP && !eip.Status.Ready {
		outcome = reconcile.Blocked(util.ReasonEipNotReady, "the daemon of node %s to bring the port up", eip.Name)
	}
	return c.publish(ctx, eip, eipStatus(eip, v1.OvnEipStatus{
		Ready: true,
		V4Ip:  eip.Spec.V4Ip, V6Ip: eip.Spec.V6Ip, MacAddress: eip.Spec.MacAddress, OutsideMac: c.outsideMAC(eip, users),
		Conditions: eip.Status.Conditions,
	}, users), outcome)
}

// outsideMAC is where the outside finds an address: at the port that has it, or where the rules are that use it.
func (c *eipController) outsideMAC(eip *v1.OvnEip, users []user) string {
	if eip.Spec.Type == util.EipTypeLRP || eip.Spec.Type == util.EipTypeLSP {
		return eip.Spec.MacAddress
	}
	i := slices.IndexFunc(users, func(u user) bool { return u.bound })
	if i < 0 {
		return ""
	}
	router, _ := c.NB.RouterPortMAC(util.RouterPortName(users[i].vpc, eip.Spec.ExternalSubnet))
	return cmp.Or(users[i].mac, router)
}

// claim takes the address. What is not written down is given back when the object cannot be patched: a restart forgets it.
func (c *eipController) claim(eip *v1.OvnEip) (ipam.Lease, error) {
	if err := unchanged(eip); err != nil {
		return ipam.Lease{}, err
	}
	name := cmp.Or(eip.Spec.ExternalSubnet, c.ExternalSubnet)
	subnet, err := c.subnets.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return ipam.Lease{}, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which does not exist", name)
	case err != nil:
		return ipam.Lease{}, fmt.Errorf("subnet %s of ovn eip %s: %w", name, eip.Name, err)
	case util.InEffect(subnet) == nil: // and so without an address book
		return ipam.Lease{}, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which is not ready", name)
	case util.InEffect(subnet).Spec.Vlan == "":
		return ipam.Lease{}, reconcile.Invalid(util.ReasonEipInvalid, "subnet %s is not of an outside network: it has no vlan", name)
	}
	addresses, err := util.ParseAddrs(util.JoinDual(eip.Spec.V4Ip, eip.Spec.V6Ip))
	if err != nil {
		return ipam.Lease{}, reconcile.Invalid(util.ReasonEipInvalid, "%v", err)
	}
	lease, err := c.IPAM.Claim(name, ipam.Request{
		Owner: util.EipLeaseOwner(eip.Name), NIC: eip.Name, Addresses: addresses, MAC: eip.Spec.MacAddress,
	})
	switch {
	case err == nil && len(lease.Addresses()) == 0:
		c.IPAM.ReleaseOwner(lease.Owner)
		return lease, reconcile.Invalid(util.ReasonEipInvalid, "subnet %s has no addresses", name)
	case err == nil:
		return lease, nil
	case errors.Is(err, ipam.ErrConflict), errors.Is(err, ipam.ErrNoAvailable), errors.Is(err, ipam.ErrNoSubnet):
		return lease, reconcile.Blocked(util.EventAcquireAddressFailed, "an address: %v", err)
	}
	return lease, reconcile.Invalid(util.ReasonEipInvalid, "%v", err)
}

// lost says that somebody else has what the status promises.
func (c *eipController) lost(eip *v1.OvnEip) bool {
	addresses, _ := util.ParseAddrs(util.JoinDual(eip.Status.V4Ip, eip.Status.V6Ip)) // written by us
	return slices.ContainsFunc(addresses, func(a netip.Addr) bool {
		holders := c.IPAM.Holders(eip.Spec.ExternalSubnet, a)
		return len(holders) > 0 && !slices.ContainsFunc(holders, func(l ipam.Lease) bool { return l.Owner == util.EipLeaseOwner(eip.Name) })
	})
}

// finalize gives the address back when nobody uses it any more, and then lets the object go.
func (c *eipController) finalize(ctx context.Context, eip *v1.OvnEip) error {
	users := slices.DeleteFunc(c.users(eip.Name), func(u user) bool { return u.refused })
	if len(users) > 0 {
		return c.publish(ctx, eip, eipStatus(eip, *eip.Status.DeepCopy(), users),
			reconcile.Blocked(util.ReasonEipInUse, "the removal of %s, still using it", strings.Join(titles(users), ", ")))
	}
	if _, exists := c.NB.UUID(ovs.LogicalRouterPort{Name: eip.Name}); exists && eip.Spec.Type == util.EipTypeLRP {
		return c.publish(ctx, eip, eipStatus(eip, *eip.Status.DeepCopy(), nil),
			reconcile.Blocked(util.ReasonEipInUse, "the removal of router port %s", eip.Name))
	}
	if err := c.apply(ctx, eip.Name, nil); err != nil {
		return err
	}
	c.IPAM.ReleaseOwner(util.EipLeaseOwner(eip.Name))
	return c.own.Finish(ctx, eip)
}

func (c *eipController) apply(ctx context.Context, name string, want []ovs.Row) error {
	if _, err := c.NB.Apply(ctx, ovs.Owner{Kind: EipName, Key: name}, want); err != nil {
		return fmt.Errorf("apply rows of ovn eip %s: %w", name, err)
	}
	return nil
}

// publish tells the outcome of a sync in wanted, a status of the caller's, and returns it.
func (c *eipController) publish(ctx context.Context, eip *v1.OvnEip, wanted v1.OvnEipStatus, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, util.ReasonEipReconciled, util.ReasonEipFailed)
	if !tell {
		return outcome
	}
	wanted.Ready = wanted.Ready && verdict.Ready
	reconcile.SetOutcome(&wanted.Conditions, eip.Generation, verdict, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, eip, eip.Status, wanted)
	if err != nil {
		return err
	}
	if wrote && !verdict.Ready {
		c.Events.Event(eip, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	return outcome
}
