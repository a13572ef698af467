package ip

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name.
const Name = "ip"

// Deps are what the controller may write.
type Deps struct {
	IPAM   *ipam.IPAM
	IPs    typed.IPInterface
	Events record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	IPs     informers.IPInformer
	Subnets informers.SubnetInformer
	Pods    coreinformers.PodInformer
}

type controller struct {
	Deps
	ips     reconcile.Writer[*v1.IP]
	subnets listers.SubnetLister
	pods    corelisters.PodLister
	open    *openList
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, open: newOpenList()}
	loop := reconcile.New(Name, 1, c.sync)
	c.ips = reconcile.NewWriter(Name, deps.IPs, reconcile.WatchFresh(loop, sources.IPs, c.keysForIP))
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	c.pods = reconcile.Watch(loop, sources.Pods, c.keysForPod)
	return loop
}

// keysForIP leaves out the objects of running pods, which are nearly all and need nothing from here. One that goes may
// leave its address to a reservation that waits for it.
func (c *controller) keysForIP(ip *v1.IP) []string {
	switch {
	case !ip.DeletionTimestamp.IsZero():
		return append(c.open.in(ip.Spec.Subnet), ip.Name)
	case util.IsReservation(ip), slices.Contains(ip.Finalizers, util.LegacyFinalizer):
		return []string{ip.Name}
	}
	return nil
}

// keysForSubnet maps a subnet to the reservations in it that could not be served.
func (c *controller) keysForSubnet(subnet *v1.Subnet) []string { return c.open.in(subnet.Name) }

func subnetMatters(before, after *v1.Subnet) bool {
	return util.InEffectChanged(before, after)
}

// keysForPod maps a pod to its reservations that could not be served.
func (c *controller) keysForPod(pod *corev1.Pod) []string { return c.open.of(pod.Namespace, pod.Name) }

func (c *controller) sync(ctx context.Context, name string) error {
	ip, exists := c.ips.Get(name)
	switch {
	case !exists:
		c.open.close(name)
		return nil
	case !ip.DeletionTimestamp.IsZero():
		c.open.close(name)
		return c.finalize(ctx, ip)
	case util.IsReservation(ip):
		c.open.enter(ip)
		return c.tell(ip, c.reserve(ctx, ip))
	case slices.Contains(ip.Finalizers, util.LegacyFinalizer):
		after := ip.DeepCopy()
		reconcile.AddFinalizer(after)
		_, err := c.ips.Patch(ctx, ip, after)
		return err
	}
	return nil
}

// finalize lets a deleted object go. The addresses of a pod or node are their controllers' to give back: they may by now
// serve the next pod of the same name.
func (c *controller) finalize(ctx context.Context, ip *v1.IP) error {
	if util.IsReservation(ip) {
		if err := c.giveBack(ip); err != nil {
			return err
		}
	}
	return c.ips.Finish(ctx, ip)
}

// giveBack ends the lease of a reservation, unless a pod lives on it. A pod that appears after this looked finds the
// object already deleted, and waits for its end before it uses the address.
func (c *controller) giveBack(ip *v1.IP) error {
	lease, held := c.IPAM.Lookup(ip.Spec.Subnet, ip.Name)
	if !held {
		return nil
	}
	lives, err := c.lives(lease.Owner)
	if err == nil && !lives {
		c.IPAM.Release(lease.Subnet, lease.Owner, lease.NIC)
	}
	return err
}

// reserve claims the addresses of a reservation and records them.
func (c *controller) reserve(ctx context.Context, ip *v1.IP) error {
	in, err := c.gather(ip)
	if err != nil || in.older {
		return err
	}
	request, err := request(in)
	if err != nil {
		return err
	}
	_, held := c.IPAM.Lookup(in.subnet.Name, ip.Name)
	lease, err := c.IPAM.Claim(in.subnet.Name, request)
	if err != nil {
		return refusal(in, err)
	}
	_, err = c.ips.Patch(ctx, ip, desired(ip, lease))
	if err != nil && !held {
		err = errors.Join(err, c.giveBack(ip)) // without record it would be held for ever
	}
	return err
}

// refusal sorts the errors of a claim: what can become possible is waited for.
func refusal(in inputs, err error) error {
	switch {
	case errors.Is(err, ipam.ErrNoSubnet):
		return reconcile.Wait("addresses of subnet %s", in.subnet.Name)
	case errors.Is(err, ipam.ErrConflict), errors.Is(err, ipam.ErrNoAvailable):
		return reconcile.Blocked(util.EventAcquireAddressFailed, "an address for the reservation: %v", err)
	}
	return invalid("%v", err)
}

// tell keeps the list of reservations that are not served, and tells their users why, once per reason.
func (c *controller) tell(ip *v1.IP, err error) error {
	var wait *reconcile.WaitError
	reason := ""
	switch refused, isInvalid := reconcile.AsInvalid(err); {
	case err == nil:
		c.open.close(ip.Name)
		return nil
	case isInvalid:
		reason = refused.Reason
	case errors.As(err, &wait):
		reason = wait.Reason
	}
	if reason != "" && c.open.news(ip.Name, err.Error()) {
		c.Events.Event(ip, corev1.EventTypeWarning, reason, err.Error())
	}
	return err
}
