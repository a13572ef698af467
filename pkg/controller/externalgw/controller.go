package externalgw

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name and the kind of its rows' owner.
const Name = "externalgw"

// key is the only one of the queue.
const key = util.ExternalGatewayConfig

// secondLook after an event of the Subnet: its controller ends the address book of the same name at some time after it.
const secondLook = time.Second

// Config is the part of the program's flags that shapes the external gateway.
type Config struct {
	DefaultVpc string
	// ExternalSwitch is the external switch and, when a Subnet manages it, that Subnet.
	ExternalSwitch string
	// ExternalNet and ExternalVlanID are network name and tag of the bare switch's localnet port; tag 0 is none.
	ExternalNet    string
	ExternalVlanID int
	// FormerPortName gives that port the name that earlier releases gave (northbound.md D-05).
	FormerPortName bool
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB    *ovs.Client
	IPAM  *ipam.IPAM
	Nodes typedcore.NodeInterface
}

// Sources are what the controller may read.
type Sources struct {
	Vpcs    informers.VpcInformer
	Subnets informers.SubnetInformer
	Nodes   coreinformers.NodeInformer
}

type controller struct {
	Deps
	vpcs    listers.VpcLister
	subnets listers.SubnetLister
	lister  corelisters.NodeLister
	nodes   *reconcile.Fresh[*corev1.Node]
	// booked: the address book of the switch's name may be ours.
	booked bool
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, booked: true, lister: sources.Nodes.Lister()}
	loop := reconcile.New(Name, 1, c.sync)
	only := func(relevant bool) []string {
		if !relevant {
			return nil
		}
		return []string{key}
	}
	c.vpcs = reconcile.Watch(loop, sources.Vpcs, func(vpc *v1.Vpc) []string { return only(vpc.Name == c.DefaultVpc) }, vpcMatters)
	c.subnets = reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string {
		if s.Name == c.ExternalSwitch {
			loop.AddAfter(key, secondLook)
		}
		return only(s.Name == c.ExternalSwitch)
	}, subnetMatters)
	c.nodes = reconcile.WatchFresh(loop, sources.Nodes, func(*corev1.Node) []string { return only(true) }, nodeMatters)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	if name != key {
		return nil
	}
	in, err := c.gather()
	if err != nil || in.vpc == nil {
		return err
	}
	if err := c.label(ctx, in); err != nil {
		return err
	}
	owner := ovs.Owner{Kind: Name, Key: key}
	if in.handedOver() { // its controller adopts switch and port where they are
		c.booked = false
		if in.owned && c.FormerPortName { // a port that its controller does not know
			if _, err := c.NB.Apply(ctx, owner, []ovs.Row{ovs.LogicalSwitch{Name: c.ExternalSwitch}}); err != nil {
				return fmt.Errorf("take the former port from switch %s: %w", c.ExternalSwitch, err)
			}
		}
		if err := c.NB.Release(ctx, owner); err != nil {
			return fmt.Errorf("hand switch %s over: %w", c.ExternalSwitch, err)
		}
		return nil
	}
	if in.renames() { // the engine replaces in one transaction what it has adopted before
		if _, err := c.NB.Apply(ctx, owner, otherRows(in)); err != nil {
			return fmt.Errorf("adopt the ports of switch %s under their other name: %w", c.ExternalSwitch, err)
		}
	}
	if _, err := c.NB.Apply(ctx, owner, rows(in)); err != nil {
		return fmt.Errorf("apply rows of switch %s: %w", c.ExternalSwitch, err)
	}
	return c.book(in)
}

// book keeps the address book of the bare switch, in which pods' outside addresses are leased, too.
func (c *controller) book(in inputs) error {
	spec, ok := Book(in.vpc, c.ExternalSwitch)
	switch {
	case in.subnet != nil:
		return nil
	case !ok || !in.bare():
		if c.booked {
			c.IPAM.DeleteSubnet(c.ExternalSwitch)
		}
		c.booked = false
		return nil
	}
	c.booked = true
	if err := c.IPAM.SetSubnet(spec); err != nil {
		return fmt.Errorf("addresses of switch %s: %w", c.ExternalSwitch, err)
	}
	lease := leaseOf(in.vpc, c.ExternalSwitch, in.portMAC, in.gateway)
	_, err := c.IPAM.Claim(c.ExternalSwitch, ipam.Request{Owner: lease.Owner, NIC: lease.NIC, Addresses: lease.Addresses(), MAC: lease.MAC})
	if err != nil {
		return reconcile.Wait("%s: %v", util.ExternalGatewayConfigNICIP, err)
	}
	return nil
}

// label makes the nodes carry what they should.
func (c *controller) label(ctx context.Context, in inputs) error {
	for _, node := range in.nodes {
		if err := c.nodes.Merge(ctx, c.Nodes, node, labelled(in, node)); err != nil {
			return fmt.Errorf("label node %s: %w", node.Name, err)
		}
	}
	return nil
}

// vpcMatters: the settings in effect, and whether they decide.
func vpcMatters(before, after *v1.Vpc) bool {
	return before.Annotations[util.ExternalGatewayInEffect] != after.Annotations[util.ExternalGatewayInEffect] || driven(before) != driven(after)
}

func subnetMatters(before, after *v1.Subnet) bool { return util.InEffectChanged(before, after) }

func nodeMatters(before, after *corev1.Node) bool {
	return before.Labels[util.ExternalGWLabel] != after.Labels[util.ExternalGWLabel] ||
		before.Annotations[util.ExternalGWByAnnotation] != after.Annotations[util.ExternalGWByAnnotation]
}

// isValid says whether the subnet controller accepted the Subnet, and so makes the switch.
func isValid(s *v1.Subnet) bool { return util.InEffect(s) != nil }

// owns says whether rows of ours are there.
func (c *controller) owns() bool { return slices.Contains(c.NB.Owners(Name), key) }
