package gateway

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name and the kind of its rows' owner.
const Name = "gateway"

// Config is the part of the program's flags that shapes gateways.
type Config struct {
	DefaultVpc string
	JoinSubnet string
	// ServiceCIDR are the prefixes of ClusterIPs, "v4", "v6" or "v4,v6".
	ServiceCIDR string
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB      *ovs.Client
	Subnets typed.SubnetInterface
}

// Sources are what the controller may read.
type Sources struct {
	Subnets informers.SubnetInformer
	Nodes   coreinformers.NodeInformer
}

type controller struct {
	Deps
	subnets listers.SubnetLister
	nodes   corelisters.NodeLister
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps}
	loop := reconcile.New(Name, 1, c.sync)
	c.subnets = reconcile.Watch(loop, sources.Subnets, reconcile.Self[*v1.Subnet], subnetChanged)
	c.nodes = reconcile.Watch(loop, sources.Nodes, c.allSubnets, nodeChanged)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

// subnetChanged says whether a subnet's update can change its rows. Status counts only where rows are made of it.
func subnetChanged(before, after *v1.Subnet) bool {
	return util.InEffectChanged(before, after) || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		before.Status.ActivateGateway != after.Status.ActivateGateway
}

// nodeChanged says whether a node's update can change any gateway; kubelet writes its status every few seconds.
func nodeChanged(before, after *corev1.Node) bool {
	return joinAddresses(before) != joinAddresses(after) || ready(before) != ready(after) ||
		!maps.Equal(before.Labels, after.Labels)
}

// allSubnets maps a node to every subnet: each has a group on each node.
func (c *controller) allSubnets(*corev1.Node) []string {
	list, err := c.subnets.List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, s := range list {
		if c.applies(util.Effective(s)) {
			keys = append(keys, s.Name)
		}
	}
	return keys
}

func (c *controller) sync(ctx context.Context, key string) error {
	in, err := c.gather(key)
	if err != nil {
		return err
	}
	active := in.active()
	if _, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: key}, in.rows(active)); err != nil {
		return fmt.Errorf("apply gateway of subnet %s: %w", key, err)
	}
	if in.subnet == nil {
		return nil
	}
	return c.publish(ctx, in.subnet, active)
}

// publish writes the one status field this package owns.
func (c *controller) publish(ctx context.Context, subnet *v1.Subnet, active []gatewayNode) error {
	name := ""
	if len(active) > 0 {
		name = active[0].name
	}
	if subnet.Status.ActivateGateway == name {
		return nil
	}
	patch := fmt.Appendf(nil, `{"status":{"activateGateway":%q}}`, name)
	_, err := c.Subnets.Patch(ctx, subnet.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("active gateway of subnet %s: %w", subnet.Name, err)
	}
	return nil
}

// applies says whether nodes carry traffic of a subnet of the default VPC.
func (c *controller) applies(s *v1.Subnet) bool {
	return s.Spec.Vpc == c.DefaultVpc && s.Name != c.JoinSubnet && util.IsOvnProvider(s.Spec.Provider) && util.HasNodeGroups(s)
}
