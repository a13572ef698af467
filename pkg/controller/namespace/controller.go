package namespace

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name.
const Name = "namespace"

// Config is the part of the program's flags that shapes namespaces.
type Config struct {
	DefaultVpc    string
	DefaultSubnet string
}

// Deps are what the controller may write.
type Deps struct {
	Config
	Namespaces typedcore.NamespaceInterface
}

// Sources are what the controller may read.
type Sources struct {
	Namespaces coreinformers.NamespaceInformer
	Subnets    informers.SubnetInformer
	Vpcs       informers.VpcInformer
	IPPools    informers.IPPoolInformer
}

type controller struct {
	Deps
	own        *reconcile.Fresh[*corev1.Namespace]
	namespaces corelisters.NamespaceLister
	subnets    listers.SubnetLister
	vpcs       listers.VpcLister
	pools      listers.IPPoolLister
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps}
	loop := reconcile.New(Name, 3, c.sync)
	c.own = reconcile.WatchFresh(loop, sources.Namespaces, reconcile.Self[*corev1.Namespace], namespaceMatters)
	c.namespaces = sources.Namespaces.Lister()
	c.vpcs = reconcile.Watch(loop, sources.Vpcs, keysForVpc, vpcMatters)
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	c.pools = reconcile.Watch(loop, sources.IPPools, func(p *v1.IPPool) []string { return p.Spec.Namespaces })
	return loop
}

func (c *controller) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil || in.namespace == nil {
		return err
	}
	after := in.namespace.DeepCopy()
	if err := annotate(after, in); err != nil {
		return err
	}
	if err := c.own.Merge(ctx, c.Namespaces, in.namespace, after); err != nil {
		return fmt.Errorf("patch namespace %s: %w", name, err)
	}
	return nil
}

func namespaceMatters(before, after *corev1.Namespace) bool {
	return !maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations)
}

// keysForSubnet: those the subnet names or selects, those that have it now, those of its VPC, whose default subnet it may be,
// and all for the cluster's default subnet.
func (c *controller) keysForSubnet(s *v1.Subnet) []string {
	s = util.Effective(s)
	keys := slices.Clone(s.Spec.Namespaces)
	if vpc, err := c.vpcs.Get(s.Spec.Vpc); err == nil {
		keys = append(keys, vpc.Spec.Namespaces...)
	}
	all, err := c.namespaces.List(labels.Everything())
	if err != nil {
		return keys
	}
	for _, ns := range all {
		has := slices.Contains(strings.Split(ns.Annotations[util.NamespaceSubnetsAnnotation], ","), s.Name)
		if has || s.Name == c.DefaultSubnet || selects(s, ns) {
			keys = append(keys, ns.Name)
		}
	}
	return keys
}

func subnetMatters(before, after *v1.Subnet) bool {
	return before.Generation != after.Generation || util.InEffectChanged(before, after) ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}

func keysForVpc(vpc *v1.Vpc) []string { return vpc.Spec.Namespaces }

func vpcMatters(before, after *v1.Vpc) bool {
	return before.Generation != after.Generation || before.Status.DefaultLogicalSwitch != after.Status.DefaultLogicalSwitch
}
