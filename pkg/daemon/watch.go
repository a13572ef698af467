package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	kubeovninformers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// watches are the caches of the API that the daemon reads.
type watches struct {
	cluster informers.SharedInformerFactory
	local   informers.SharedInformerFactory
	kubeovn externalversions.SharedInformerFactory
	gateway externalversions.SharedInformerFactory // the default VPC
	outside externalversions.SharedInformerFactory // addresses that OVN does not announce itself

	nodes     coreinformers.NodeInformer
	pods      coreinformers.PodInformer // of this node
	subnets   kubeovninformers.SubnetInformer
	providers kubeovninformers.ProviderNetworkInformer
	vlans     kubeovninformers.VlanInformer
	vpcs      kubeovninformers.VpcInformer        // the default one
	eips      kubeovninformers.OvnEipInformer     // with an IPv6 address
	services  networkinglisters.ServiceCIDRLister // nil where the API server does not have the kind
}

// Owners of the daemon's own rows in the vswitch database; the key is the node.
const (
	ownerNode   = "node"
	ownerJoin   = "join"
	ownerMirror = "mirror"
	ownerNets   = "networks"
)

// newWatches makes the caches; nothing fills them yet.
func (d *Daemon) newWatches() *watches {
	slim, slimOVN := informers.WithTransform(dropManagedFields), externalversions.WithTransform(dropManagedFields)
	w := &watches{
		cluster: informers.NewSharedInformerFactoryWithOptions(d.deps.Kube, 0, slim),
		local: informers.NewSharedInformerFactoryWithOptions(d.deps.Kube, 0, slim, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", d.cfg.NodeName).String()
		})),
		kubeovn: externalversions.NewSharedInformerFactoryWithOptions(d.deps.KubeOVN, 0, slimOVN),
		gateway: externalversions.NewSharedInformerFactoryWithOptions(d.deps.KubeOVN, 0, slimOVN, externalversions.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, d.cfg.Node.ClusterRouter).String()
		})),
		outside: externalversions.NewSharedInformerFactoryWithOptions(d.deps.KubeOVN, 0, slimOVN, externalversions.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = util.EipV6Label
		})),
	}
	w.nodes, w.pods, w.subnets = w.cluster.Core().V1().Nodes(), w.local.Core().V1().Pods(), w.kubeovn.Kubeovn().V1().Subnets()
	w.providers, w.vlans, w.vpcs = w.kubeovn.Kubeovn().V1().ProviderNetworks(), w.kubeovn.Kubeovn().V1().Vlans(), w.gateway.Kubeovn().V1().Vpcs()
	w.eips = w.outside.Kubeovn().V1().OvnEips()
	return w
}

// fill starts the informers, waits until they are filled and marks the state dirty at every change that can matter.
func (d *Daemon) fill(ctx context.Context) error {
	d.health.waiting("the caches of the API are not filled yet")
	w := d.watches
	changed := d.onChange(func(_, _ any) bool { return true })
	_, err1 := w.nodes.Informer().AddEventHandler(d.onChange(d.nodeMatters))
	_, err2 := w.subnets.Informer().AddEventHandler(d.onChange(subnetMatters))
	_, err5 := w.vpcs.Informer().AddEventHandler(d.onChange(vpcMatters))
	_, err6 := w.providers.Informer().AddEventHandler(d.onChange(providerMatters))
	_, err7 := w.vlans.Informer().AddEventHandler(d.onChange(vlanMatters))
	_, errPods := w.pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(old, now any) {
		if mirrorChanged(old, now) {
			d.mark()
		}
	}})
	has, err3 := d.awaitServiceCIDRs(ctx)
	var err4 error
	if has {
		services := w.cluster.Networking().V1().ServiceCIDRs()
		w.services = services.Lister()
		_, err4 = services.Informer().AddEventHandler(changed)
	}
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, errPods, d.watchOutside()); err != nil {
		return fmt.Errorf("watch the API: %w", err)
	}
	for _, kind := range []string{ownerNode, ownerJoin, ownerMirror, ownerNets, bridge.OwnerKind} {
		d.deps.VSwitch.OnDrift(kind, func(string) { d.mark() })
	}
	d.deps.VSwitch.Observe(vswitchTable, func(ovs.Observation) { d.mark() })
	d.deps.VSwitch.Observe("Interface", func(o ovs.Observation) {
		if !o.Deleted && d.wantsMirror(w, o.ExternalIDs) {
			d.mark()
		}
	})

	w.cluster.Start(ctx.Done())
	w.local.Start(ctx.Done())
	w.kubeovn.Start(ctx.Done())
	w.gateway.Start(ctx.Done())
	w.outside.Start(ctx.Done())
	for _, synced := range []map[reflect.Type]bool{
		w.cluster.WaitForCacheSync(ctx.Done()), w.local.WaitForCacheSync(ctx.Done()),
		w.kubeovn.WaitForCacheSync(ctx.Done()), w.gateway.WaitForCacheSync(ctx.Done()),
		w.outside.WaitForCacheSync(ctx.Done()),
	} {
		for kind, ok := range synced {
			if !ok {
				return fmt.Errorf("watch the API: the cache of %s was not filled: %w", kind, context.Cause(ctx))
			}
		}
	}
	klog.FromContext(ctx).Info("Caches are filled", "serviceCIDRs", has)
	return nil
}

// watchOutside rings when an address outside may have another place.
func (d *Daemon) watchOutside() error {
	w, always := d.watches, func(_, _ any) bool { return true }
	_, err1 := w.eips.Informer().AddEventHandler(onChange(d.moved, always))
	_, err2 := w.providers.Informer().AddEventHandler(onChange(d.moved, always)) // also the nodes that are ready
	_, err3 := w.subnets.Informer().AddEventHandler(onChange(d.moved, subnetMatters))
	_, err4 := w.vlans.Informer().AddEventHandler(onChange(d.moved, vlanMatters))
	return errors.Join(err1, err2, err3, err4)
}

// dropManagedFields keeps what nobody here reads out of memory.
func dropManagedFields(obj any) (any, error) {
	if o, err := meta.Accessor(obj); err == nil {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

// awaitServiceCIDRs asks until the API server answers.
func (d *Daemon) awaitServiceCIDRs(ctx context.Context) (bool, error) {
	tick := time.NewTicker(discoverPoll)
	defer tick.Stop()
	for {
		has, err := d.hasServiceCIDRs()
		if err == nil {
			return has, nil
		}
		klog.FromContext(ctx).Error(err, "The API server does not answer")
		d.health.waiting(err.Error())
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}

// hasServiceCIDRs asks whether the API server knows the kind (Kubernetes 1.33 and later).
func (d *Daemon) hasServiceCIDRs() (bool, error) {
	list, err := d.deps.Kube.Discovery().ServerResourcesForGroupVersion(networkingv1.SchemeGroupVersion.String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("discover ServiceCIDR: %w", err)
	}
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == "ServiceCIDR" }), nil
}

func (d *Daemon) onChange(matters func(old, now any) bool) cache.ResourceEventHandler {
	return onChange(d.dirty, matters)
}

// onChange rings a bell at every change that matters.
func onChange(b bell, matters func(old, now any) bool) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { b.ring() },
		DeleteFunc: func(any) { b.ring() },
		UpdateFunc: func(old, now any) {
			if matters(old, now) {
				b.ring()
			}
		},
	}
}

// nodeMatters leaves out the heartbeats of nodes.
func (d *Daemon) nodeMatters(old, now any) bool {
	a, ok1 := old.(*corev1.Node)
	b, ok2 := now.(*corev1.Node)
	if !ok1 || !ok2 {
		return true
	}
	if !slices.Equal(a.Status.Addresses, b.Status.Addresses) {
		return true
	}
	return b.Name == d.cfg.NodeName && (!maps.Equal(a.Annotations, b.Annotations) || !maps.Equal(a.Labels, b.Labels))
}

// subnetMatters leaves out edits that are not in effect, and the counters, which change with every pod of the cluster.
func subnetMatters(old, now any) bool {
	a, ok1 := old.(*kubeovnv1.Subnet)
	b, ok2 := now.(*kubeovnv1.Subnet)
	return !ok1 || !ok2 || util.InEffectChanged(a, b) || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() ||
		a.Status.ActivateGateway != b.Status.ActivateGateway ||
		!reflect.DeepEqual(a.Status.NatOutgoingPolicyRules, b.Status.NatOutgoingPolicyRules)
}

// providerMatters leaves out what nodes have reported.
func providerMatters(old, now any) bool {
	a, ok1 := old.(*kubeovnv1.ProviderNetwork)
	b, ok2 := now.(*kubeovnv1.ProviderNetwork)
	return !ok1 || !ok2 || !reflect.DeepEqual(a.Spec, b.Spec) || !slices.Equal(a.Status.Vlans, b.Status.Vlans) ||
		a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero()
}

// vlanMatters leaves out all but the tag.
func vlanMatters(old, now any) bool {
	a, ok1 := old.(*kubeovnv1.Vlan)
	b, ok2 := now.(*kubeovnv1.Vlan)
	return !ok1 || !ok2 || a.Spec.ID != b.Spec.ID
}

// vpcMatters leaves out all but the connection of the default VPC to the outside.
func vpcMatters(old, now any) bool {
	a, ok1 := old.(*kubeovnv1.Vpc)
	b, ok2 := now.(*kubeovnv1.Vpc)
	return !ok1 || !ok2 || a.Spec.EnableExternal != b.Spec.EnableExternal ||
		a.Annotations[util.ExternalGatewayInEffect] != b.Annotations[util.ExternalGatewayInEffect]
}

func (d *Daemon) lookupPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return d.deps.Kube.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}
