package pod

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func keysForPod(pod *corev1.Pod) []string {
	if pod.Spec.HostNetwork {
		return nil
	}
	return []string{pod.Namespace + "/" + pod.Name}
}

// podMatters leaves out the many status updates of a starting pod (U-11).
func podMatters(before, after *corev1.Pod) bool {
	return before.UID != after.UID || before.Spec.NodeName != after.Spec.NodeName || before.Status.Phase != after.Status.Phase ||
		!before.DeletionTimestamp.Equal(after.DeletionTimestamp) ||
		after.Annotations[util.AapsAnnotation] != "" && !maps.Equal(before.Labels, after.Labels) ||
		!maps.Equal(before.Annotations, after.Annotations) && !announced(before.Annotations, after.Annotations)
}

// announced says whether an update is our own announcement of the pod's network and nothing else.
func announced(before, after map[string]string) bool {
	allocated, routed := util.Key(util.OvnProvider, util.Allocated), util.Key(util.OvnProvider, util.Routed)
	if before[allocated] != "" || after[allocated] == "" || after[routed] == "" {
		return false
	}
	for key, value := range before {
		if after[key] != value {
			return false
		}
	}
	return true
}

// Indexes of the informers, for what every pod's sync looks up.
const (
	byPodIndex       = "pod"              // IP objects by the key of their pod
	byNamespaceIndex = "subnet-namespace" // subnets by the namespaces they name, and
	bySelector       = "*"                // those that choose namespaces by labels
	byOutsideIndex   = "pod/outside"      // pods by the outside addresses they wish for, and
	everyOutside     = "*"                // those that wish for any
	byVipIndex       = "pod/vip"          // pods by the Vips they name
	byVlanIndex      = "pod/vlan"         // subnets by their Vlan
	byUserIndex      = "pod/namespace"    // IPPools by the namespaces they are for
	byAddressIndex   = "pod/address"      // nodes by their InternalIPs
)

// index adds an index to an informer.
func index[T any](loop *reconcile.Loop, informer cache.SharedIndexInformer, name string, keys func(T) []string) cache.Indexer {
	err := informer.AddIndexers(cache.Indexers{name: func(obj any) ([]string, error) {
		if typed, ok := obj.(T); ok {
			return keys(typed), nil
		}
		return nil, nil
	}})
	if err != nil {
		loop.Fail(fmt.Errorf("index %s: %w", name, err))
	}
	return informer.GetIndexer()
}

// namespacesOf are the index keys of a subnet.
func namespacesOf(s *v1.Subnet) []string {
	spec := &util.Effective(s).Spec
	keys := slices.Clone(spec.Namespaces)
	if len(spec.NamespaceSelectors) > 0 {
		keys = append(keys, bySelector)
	}
	return keys
}

// addressesOf are the index keys of a node.
func addressesOf(node *corev1.Node) []string {
	var keys []string
	for _, a := range util.InternalIPs(node) {
		keys = append(keys, a.String())
	}
	return keys
}

// keysForIP maps an IP object to its pod, also to one that is long gone.
func keysForIP(ip *v1.IP) []string {
	if ip.Spec.Namespace == "" || ip.Spec.PodName == "" {
		return nil
	}
	return []string{ip.Spec.Namespace + "/" + ip.Spec.PodName}
}

func ipMatters(before, after *v1.IP) bool {
	return before.Generation != after.Generation || !before.DeletionTimestamp.Equal(after.DeletionTimestamp) ||
		!maps.Equal(before.Labels, after.Labels)
}

// keysForNamespace maps a namespace to its pods that wait for an address.
func (c *controller) keysForNamespace(namespace *corev1.Namespace) []string {
	if !namespace.DeletionTimestamp.IsZero() {
		c.unclaimed.forget(namespace.Name)
	}
	return c.seekers.of(func(s seeker) bool { return strings.HasPrefix(s.key, namespace.Name+"/") })
}

func namespaceMatters(before, after *corev1.Namespace) bool {
	return before.Annotations[util.NamespaceSubnetsAnnotation] != after.Annotations[util.NamespaceSubnetsAnnotation]
}

// keysForSubnet maps a subnet to the pods that wait for an address, and to those that have one in it.
func (c *controller) keysForSubnet(subnet *v1.Subnet) []string {
	keys := c.seekers.everybody()
	for _, lease := range c.IPAM.SubnetLeases(subnet.Name) {
		keys = append(keys, podOf(lease.Owner))
	}
	if subnet.Name == c.ExternalSwitch {
		keys = append(keys, c.wishing(byOutsideIndex, everyOutside)...)
	}
	return keys
}

// vlansOfSubnet are the index keys of a subnet.
func vlansOfSubnet(s *v1.Subnet) []string {
	vlan := util.Effective(s).Spec.Vlan
	if vlan == "" {
		return nil
	}
	return []string{vlan}
}

// keysForVlan maps a Vlan to the pods that wait, perhaps for it, and to those in its subnets, which are told what it is.
func (c *controller) keysForVlan(vlan *v1.Vlan) []string {
	keys := c.seekers.everybody()
	subnets, err := c.byVlan.IndexKeys(byVlanIndex, vlan.Name)
	if err != nil {
		return keys
	}
	for _, subnet := range subnets {
		for _, lease := range c.IPAM.SubnetLeases(subnet) {
			keys = append(keys, podOf(lease.Owner))
		}
	}
	return keys
}

func vlanMatters(before, after *v1.Vlan) bool {
	return before.UID != after.UID || before.Spec.ID != after.Spec.ID || before.Spec.Provider != after.Spec.Provider
}

func subnetMatters(before, after *v1.Subnet) bool { return util.InEffectChanged(before, after) }

// keysForSet maps a StatefulSet to the pods it had whose addresses are kept.
func (c *controller) keysForSet(set *appsv1.StatefulSet) []string {
	return c.seekers.keptOf(set.Namespace + "/" + set.Name)
}

func setMatters(before, after *appsv1.StatefulSet) bool {
	return before.UID != after.UID || before.Generation != after.Generation ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}

// keysForAttachment maps a network attachment to the pods that wait for it.
func (c *controller) keysForAttachment(*nadv1.NetworkAttachmentDefinition) []string {
	return c.seekers.everybody()
}
