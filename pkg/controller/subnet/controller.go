package subnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
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
const Name = "subnet"

// Deps are what the controller may write.
type Deps struct {
	Config
	NB      *ovs.Client
	IPAM    *ipam.IPAM
	Subnets typed.SubnetInterface
	IPs     typed.IPInterface
	Events  record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Subnets   informers.SubnetInformer
	Vpcs      informers.VpcInformer
	Vlans     informers.VlanInformer
	Providers informers.ProviderNetworkInformer
	IPs       informers.IPInformer
	Eips      informers.OvnEipInformer
	Vips      informers.VipInformer
	Nodes     coreinformers.NodeInformer
}

type controller struct {
	Deps
	own       reconcile.Writer[*v1.Subnet]
	ips       *reconcile.Fresh[*v1.IP]
	ipIndex   cache.Indexer
	index     cache.Indexer // of subnets
	subnets   listers.SubnetLister
	vpcs      listers.VpcLister
	vlans     listers.VlanLister
	providers listers.ProviderNetworkLister
	nodes     corelisters.NodeLister
	refused   refused
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, ipIndex: sources.IPs.Informer().GetIndexer(), index: sources.Subnets.Informer().GetIndexer()}
	loop := reconcile.New(Name, 3, c.sync)
	if err := addIndexes(sources); err != nil {
		loop.Fail(err)
	}
	c.own = reconcile.NewWriter(Name, deps.Subnets, reconcile.WatchFresh(loop, sources.Subnets, c.keysForSubnet, subnetMatters))
	c.subnets = sources.Subnets.Lister()
	c.vpcs = reconcile.Watch(loop, sources.Vpcs, c.keysForVpc, vpcMatters)
	c.nodes = reconcile.Watch(loop, sources.Nodes, c.keysForNode, nodeMatters)
	c.vlans = reconcile.Watch(loop, sources.Vlans, func(v *v1.Vlan) []string { return c.onVlan(v.Name) }, vlanMatters)
	c.providers = reconcile.Watch(loop, sources.Providers, c.keysForProvider, providerMatters)
	c.ips = reconcile.WatchFresh(loop, sources.IPs, countLater(c, loop, func(ip *v1.IP) string { return ip.Spec.Subnet }))
	reconcile.Watch(loop, sources.Vips, countLater(c, loop, func(vip *v1.Vip) string { return vip.Spec.Subnet }))
	reconcile.Watch(loop, sources.Eips, countLater(c, loop, func(eip *v1.OvnEip) string {
		return cmp.Or(eip.Spec.ExternalSubnet, c.ExternalSubnet)
	}))
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	// It counts as refused before the caches are read, so that what changes from here on brings the key back.
	c.refused.add(name)
	err := c.reconcile(ctx, name)
	if _, refused := reconcile.AsInvalid(err); !refused {
		c.refused.remove(name)
	}
	return err
}

func (c *controller) reconcile(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil {
		return err
	}
	if in.subnet == nil {
		c.IPAM.DeleteSubnet(name)
		return c.apply(ctx, name, nil)
	}
	if !in.subnet.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, in)
	}
	normal, err := normalized(in.subnet, c.Config)
	if err == nil {
		if written, err := c.own.Patch(ctx, in.subnet, normal); err != nil || written != in.subnet {
			return err // the watch brings the key back for the rest
		}
		err = c.accept(in)
	}
	if err == nil {
		err = c.render(ctx, in)
	}
	if err := c.publish(ctx, in, err); err != nil {
		if _, refused := reconcile.AsInvalid(err); refused {
			return cmp.Or(c.keep(ctx, in.subnet), err)
		}
		return err
	}
	return nil
}

// accept says why the spec cannot come into effect.
func (c *controller) accept(in inputs) error {
	if err := validate(in.subnet, c.Config); err != nil {
		return err
	}
	if err := conflicts(in); err != nil {
		return err
	}
	_, err := rows(in) // what no address changes about
	return err
}

// keep restores what is in effect of a subnet whose edit is refused.
func (c *controller) keep(ctx context.Context, s *v1.Subnet) error {
	effective := util.InEffect(s)
	if effective == nil || effective == s {
		return nil
	}
	in, err := c.inputsOf(effective)
	if err != nil {
		return err
	}
	return c.render(ctx, in)
}

// render makes IPAM and the rows agree with an accepted spec.
func (c *controller) render(ctx context.Context, in inputs) error {
	if err := c.IPAM.SetSubnet(addresses(in)); err != nil {
		return fmt.Errorf("addresses of subnet %s: %w", in.subnet.Name, err)
	}
	if err := attached(in); err != nil {
		return err
	}
	lease, err := c.claimU2O(ctx, in)
	if err != nil {
		return err
	}
	in.u2o = lease
	want, err := rows(in)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, in.subnet.Name, want); err != nil {
		return err
	}
	if err := c.releaseU2O(ctx, in.subnet, in.interconnected()); err != nil {
		return err
	}
	return cmp.Or(connected(in), missing(in.subnet))
}

// addresses is what IPAM has to know of the subnet.
func addresses(in inputs) ipam.Spec {
	spec := ipam.Spec{
		Name: in.subnet.Name, CIDRBlock: in.subnet.Spec.CIDRBlock, Gateway: in.subnet.Spec.Gateway, ExcludeIPs: in.subnet.Spec.ExcludeIps,
	}
	if in.hasRouterPort() {
		spec.GatewayMAC = routerMAC(in)
	}
	return spec
}

// Book is the subnet as IPAM keeps it, for the rebuild at start before any sync. The gateway's MAC is that of a router port
// that is there already (northbound.md 2.6).
func Book(s *v1.Subnet, nb *ovs.Client) ipam.Spec {
	return addresses(inputs{subnet: s, portMAC: portMAC(s, nb)})
}

// connected says why a subnet with its rows leads nowhere yet. Of a centralized one the gateway controller, which chooses
// the node, writes activateGateway.
func connected(in inputs) error {
	spec := &in.subnet.Spec
	switch {
	case !in.centralized() || in.subnet.Status.ActivateGateway != "":
		return nil
	case strings.TrimSpace(spec.GatewayNode) == "" && len(spec.GatewayNodeSelectors) == 0:
		return reconcile.Blocked(util.ReasonNoReadyGateway, "gatewayNode or gatewayNodeSelectors: a centralized subnet needs one")
	}
	return reconcile.Blocked(util.ReasonNoActiveGateway, "a ready gateway node")
}

// finalize removes switch and book when nothing uses an address any more, and then lets the object go.
func (c *controller) finalize(ctx context.Context, in inputs) error {
	name := in.subnet.Name
	if users, err := c.users(name); err != nil || len(users) > 0 {
		if err == nil {
			err = reconcile.Blocked(util.ReasonSubnetInUse, "the release of %d addresses: %s", len(users), summary(users))
		}
		return c.publish(ctx, in, err)
	}
	if err := c.apply(ctx, name, nil); err != nil {
		return err
	}
	if err := c.releaseU2O(ctx, in.subnet, false); err != nil {
		return err
	}
	c.IPAM.DeleteSubnet(name)
	return c.own.Free(ctx, in.subnet)
}

func (c *controller) apply(ctx context.Context, name string, want []ovs.Row) error {
	_, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: name}, want)
	var contradiction *ovs.ContradictionError
	switch {
	case errors.As(err, &contradiction): // two rules of the spec that OVN takes for one
		return invalid("%v", contradiction)
	case err != nil:
		return fmt.Errorf("apply rows of subnet %s: %w", name, err)
	}
	return nil
}

// publish tells the outcome of a sync with the present counters, in one write, and returns the outcome.
func (c *controller) publish(ctx context.Context, in inputs, outcome error) error {
	verdict, tell := reconcile.OutcomeOf(outcome, in.success(), util.ReasonSubnetFailed)
	if !tell {
		return outcome
	}
	leaving := !in.subnet.DeletionTimestamp.IsZero()
	if leaving && !verdict.Invalid { // a deletion accepts nothing that was refused before
		effective := util.InEffect(in.subnet)
		verdict.Invalid = effective == nil || !reflect.DeepEqual(effective.Spec, in.subnet.Spec)
	}
	wanted := *in.subnet.Status.DeepCopy()
	if !verdict.Invalid {
		wanted = status(in, c.facts(in))
	}
	// What a release without records had accepted is in effect, too, although it is refused now.
	inherited := in.subnet.Status.Accepted == nil && util.InEffect(in.subnet) != nil
	if !leaving && (!verdict.Invalid || inherited) {
		wanted.Accepted = &v1.AcceptedSubnet{Generation: in.subnet.Generation, Spec: in.subnet.Spec}
	}
	reconcile.SetOutcome(&wanted.Conditions, in.subnet.Generation, verdict, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, in.subnet, in.subnet.Status, wanted)
	if err != nil {
		return err
	}
	if wrote {
		c.announce(in, verdict)
		if former := in.subnet.Status.Accepted; former != nil && wanted.Accepted.Generation != former.Generation {
			c.announceEdit(in.subnet, &former.Spec, &wanted.Accepted.Spec)
		}
	}
	return outcome
}

// announceEdit makes events of what an accepted edit changed about the way out, and of addresses in use that it left outside
// (northbound.md 4.3 accepts that): they stay with their ports until those are made anew.
func (c *controller) announceEdit(s *v1.Subnet, before, after *v1.SubnetSpec) {
	if before.CIDRBlock != after.CIDRBlock {
		if outside := c.outside(s.Name, after.CIDRBlock); len(outside) > 0 {
			c.Events.Eventf(s, corev1.EventTypeWarning, util.EventAddressOutOfRange, "%d addresses in use are not in %s any more: %s",
				len(outside), after.CIDRBlock, summary(outside))
		}
	}
	for _, change := range []struct{ reason, from, to string }{
		{util.EventGatewayTypeChanged, before.GatewayType, after.GatewayType},
		{util.EventGatewayNodeChanged, before.GatewayNode, after.GatewayNode},
	} {
		if change.from != change.to {
			c.Events.Eventf(s, corev1.EventTypeNormal, change.reason, "from %q to %q", change.from, change.to)
		}
	}
}

// announce makes an event of a verdict that is new, not of a counter that moved.
func (c *controller) announce(in inputs, verdict reconcile.Outcome) {
	if !verdict.News(in.subnet.Status.Conditions) {
		return
	}
	if verdict.Ready {
		c.Events.Event(in.subnet, corev1.EventTypeNormal, verdict.Reason, "the subnet is ready")
		return
	}
	c.Events.Event(in.subnet, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
}

func (c *controller) facts(in inputs) facts {
	var known facts
	known.stats, _ = c.IPAM.Stats(in.subnet.Name)
	known.dhcpV4UUID, _ = c.NB.UUID(ovs.DHCPOptions{Name: util.DHCPOptionsName(in.subnet.Name, util.ProtocolIPv4)})
	known.dhcpV6UUID, _ = c.NB.UUID(ovs.DHCPOptions{Name: util.DHCPOptionsName(in.subnet.Name, util.ProtocolIPv6)})
	if in.interconnected() {
		known.u2o, _ = c.IPAM.Lookup(in.subnet.Name, util.RouterPortName(in.subnet.Spec.Vpc, in.subnet.Name))
	}
	return known
}

// success is the reason that stands with Ready=True.
func (in inputs) success() string {
	switch {
	case !in.hasSwitch():
		return util.ReasonSubnetNotOvn
	case in.centralized():
		return util.ReasonCentralizedGateway
	case in.subnet.Spec.Private:
		return util.ReasonSubnetPrivate
	}
	return util.ReasonSubnetPublic
}
