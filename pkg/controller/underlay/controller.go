package underlay

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Names of the queues. Only the last one owns rows.
const (
	ProviderName = "provider-network"
	VlanName     = "vlan"
	OverlayName  = "u2o-overlay"
)

// Deps are what the controllers may write.
type Deps struct {
	// DefaultProvider is the provider network of Vlans that name none.
	DefaultProvider string
	NB              *ovs.Client
	Providers       typed.ProviderNetworkInterface
	Vlans           typed.VlanInterface
	Nodes           typedcore.NodeInterface
	Events          record.EventRecorder
}

// Sources are what the controllers may read.
type Sources struct {
	Providers informers.ProviderNetworkInformer
	Vlans     informers.VlanInformer
	Subnets   informers.SubnetInformer
	Nodes     coreinformers.NodeInformer
	Pods      coreinformers.PodInformer
}

// Indexes of the caches. Their names are this package's, because other controllers index the same caches.
const (
	providerIndex = "underlay/provider" // Vlans by provider network
	vlanIndex     = "underlay/vlan"     // Subnets by Vlan
	vpcIndex      = "underlay/vpc"      // Subnets by VPC
	daemonIndex   = "underlay/daemon"   // the daemons' Pods by node
)

// New wires the controllers to their sources.
func New(deps Deps, sources Sources) []*reconcile.Loop {
	err := errors.Join(
		index(sources.Vlans.Informer(), providerIndex, func(v *v1.Vlan) string { return v.Spec.Provider }),
		index(sources.Subnets.Informer(), vlanIndex, func(s *v1.Subnet) string { return s.Spec.Vlan }),
		index(sources.Subnets.Informer(), vpcIndex, func(s *v1.Subnet) string { return s.Spec.Vpc }),
		index(sources.Pods.Informer(), daemonIndex, func(p *corev1.Pod) string {
			if !isDaemon(p) {
				return ""
			}
			return p.Spec.NodeName
		}),
	)
	loops := []*reconcile.Loop{newProviders(deps, sources), newVlans(deps, sources), newOverlays(deps, sources)}
	if err != nil {
		loops[0].Fail(err)
	}
	return loops
}

// index adds an index of one value per object; objects with value "" are not in it.
func index[T any](informer cache.SharedIndexInformer, name string, value func(T) string) error {
	return informer.AddIndexers(cache.Indexers{name: func(object any) ([]string, error) {
		if typed, ok := object.(T); ok && value(typed) != "" {
			return []string{value(typed)}, nil
		}
		return nil, nil
	}})
}

// keysOf are the sorted keys of one value of an index.
func keysOf(indexer cache.Indexer, name, value string) []string {
	keys, err := indexer.IndexKeys(name, value)
	if err != nil {
		return nil
	}
	slices.Sort(keys)
	return keys
}

func isDaemon(p *corev1.Pod) bool { return p.Labels[util.AppLabel] == util.DaemonApp }

// specMatters says whether more than the status of an object changed.
func specMatters[T interface {
	GetGeneration() int64
	GetFinalizers() []string
}](before, after T) bool {
	return before.GetGeneration() != after.GetGeneration() || !slices.Equal(before.GetFinalizers(), after.GetFinalizers())
}

// providerNames are the names of all provider networks.
func providerNames(list func(labels.Selector) ([]*v1.ProviderNetwork, error)) []string {
	all, err := list(labels.Everything())
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(all))
	for _, pn := range all {
		names = append(names, pn.Name)
	}
	return names
}
