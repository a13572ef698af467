package underlay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

type providers struct {
	Deps
	own      reconcile.Writer[*v1.ProviderNetwork]
	nodes    *reconcile.Fresh[*corev1.Node]
	lister   listers.ProviderNetworkLister
	nodeList corelisters.NodeLister
	vlans    cache.Indexer
	daemons  cache.Indexer
}

func newProviders(deps Deps, sources Sources) *reconcile.Loop {
	c := &providers{
		Deps: deps, lister: sources.Providers.Lister(), nodeList: sources.Nodes.Lister(),
		vlans: sources.Vlans.Informer().GetIndexer(), daemons: sources.Pods.Informer().GetIndexer(),
	}
	loop := reconcile.New(ProviderName, 1, c.sync)
	read := reconcile.WatchFresh(loop, sources.Providers, reconcile.Self[*v1.ProviderNetwork], specMatters)
	c.own = reconcile.NewWriter("provider network", deps.Providers, read)
	c.nodes = reconcile.WatchFresh(loop, sources.Nodes, func(*corev1.Node) []string { return providerNames(c.lister.List) }, nodeMatters)
	reconcile.Watch(loop, sources.Vlans, func(v *v1.Vlan) []string { return []string{v.Spec.Provider} }, vlanMatters)
	reconcile.Watch(loop, sources.Pods, c.keysForPod, podMatters)
	return loop
}

// nodeMatters: any label may be in a nodeSelector; of the annotations only those of provider networks count.
func nodeMatters(before, after *corev1.Node) bool {
	return !maps.Equal(before.Labels, after.Labels) || !maps.Equal(providerKeys(before.Annotations), providerKeys(after.Annotations))
}

// keysForPod: every provider network has a condition for each node, which a daemon's pod explains.
func (c *providers) keysForPod(pod *corev1.Pod) []string {
	if !isDaemon(pod) {
		return nil
	}
	return providerNames(c.lister.List)
}

func podMatters(before, after *corev1.Pod) bool {
	if !isDaemon(before) && !isDaemon(after) {
		return false
	}
	return isDaemon(before) != isDaemon(after) || before.Spec.NodeName != after.Spec.NodeName ||
		!maps.Equal(providerKeys(before.Annotations), providerKeys(after.Annotations))
}

func providerKeys(all map[string]string) map[string]string {
	var out map[string]string
	for key, value := range all {
		if _, _, ok := util.ParseProviderNetworkKey(key); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

// vlanMatters: what the list of a provider network's Vlans is made of.
func vlanMatters(before, after *v1.Vlan) bool {
	return specMatters(before, after) || accepted(before) != accepted(after)
}

// providerInputs are everything one provider network depends on.
type providerInputs struct {
	provider *v1.ProviderNetwork
	nodes    []*corev1.Node // all, by name
	// daemons are the daemons' pods on the nodes.
	daemons map[string]*corev1.Pod
	vlans   []*v1.Vlan // that name it, by name
}

func (c *providers) gather(name string) (providerInputs, error) {
	in := providerInputs{daemons: map[string]*corev1.Pod{}}
	own, ok := c.own.Get(name)
	if !ok {
		return in, nil
	}
	in.provider = own
	in.vlans = reconcile.Indexed[*v1.Vlan](c.vlans, providerIndex, name)
	slices.SortFunc(in.vlans, func(a, b *v1.Vlan) int { return strings.Compare(a.Name, b.Name) })
	all, err := c.nodeList.List(labels.Everything())
	if err != nil {
		return in, fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range all {
		if fresh, ok := c.nodes.Get(node.Name); ok {
			in.nodes = append(in.nodes, fresh)
		}
		for _, pod := range reconcile.Indexed[*corev1.Pod](c.daemons, daemonIndex, node.Name) {
			// While a daemon is replaced there are two, and the new one is right.
			if known := in.daemons[node.Name]; known == nil || known.CreationTimestamp.Before(&pod.CreationTimestamp) {
				in.daemons[node.Name] = pod
			}
		}
	}
	slices.SortFunc(in.nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return in, nil
}

func (c *providers) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil || in.provider == nil {
		return err
	}
	if !in.provider.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, in)
	}
	if written, err := c.own.Patch(ctx, in.provider, absorbed(in)); err != nil || written != in.provider {
		return err // the watch brings the key back for the rest
	}
	if err := c.strip(ctx, in); err != nil {
		return err
	}
	return c.publish(ctx, in, nil)
}

// strip removes the annotations that the spec has taken over.
func (c *providers) strip(ctx context.Context, in providerInputs) error {
	for _, node := range in.nodes {
		wish := wishOf(node, in.provider.Name)
		if len(wish.keys) == 0 {
			continue
		}
		after := node.DeepCopy()
		for _, key := range wish.keys {
			delete(after.Annotations, key)
		}
		if err := c.nodes.Merge(ctx, c.Nodes, node, after); err != nil {
			return fmt.Errorf("annotations of node %s: %w", node.Name, err)
		}
	}
	return nil
}

// finalize lets the object go when no Vlan names it any more.
func (c *providers) finalize(ctx context.Context, in providerInputs) error {
	if len(in.vlans) > 0 {
		names := make([]string, 0, len(in.vlans))
		for _, vlan := range in.vlans {
			names = append(names, vlan.Name)
		}
		return c.publish(ctx, in, reconcile.Blocked(util.ReasonProviderInUse, "the removal of vlans: %s", strings.Join(names, ", ")))
	}
	return c.own.Free(ctx, in.provider)
}

// publish writes the status and returns the outcome, nil or why the object cannot go.
func (c *providers) publish(ctx context.Context, in providerInputs, outcome error) error {
	before := in.provider.Status
	after := providerStatus(in, outcome, metav1.Now())
	wrote, err := c.own.PatchStatus(ctx, in.provider, before, after)
	if err != nil {
		return err
	}
	if told := conditionOf(after.Conditions, "", v1.ConditionReady); wrote && told != nil {
		if old := conditionOf(before.Conditions, "", v1.ConditionReady); old == nil || old.Message != told.Message {
			c.Events.Event(in.provider, corev1.EventTypeWarning, told.Reason, told.Message)
		}
	}
	return outcome
}
