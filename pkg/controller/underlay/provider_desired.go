package underlay

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// maxInterfaceName is how long the name of a Linux interface can be, in bytes.
const maxInterfaceName = 15

// wish is what the annotations of a node ask for on one provider network.
type wish struct {
	exclude bool
	nic     string
	// keys are the annotations that are understood.
	keys []string
	// bad says what is not understood, and stays on the node.
	bad string
}

func wishOf(node *corev1.Node, provider string) wish {
	var w wish
	key := util.ProviderNetworkKey(provider, util.ProviderExclude)
	if text, ok := node.Annotations[key]; ok {
		w.exclude, w.keys = text == "true", append(w.keys, key)
	}
	key = util.ProviderNetworkKey(provider, util.ProviderInterface)
	switch nic, ok := node.Annotations[key]; {
	case !ok:
	case nic == "" || len(nic) > maxInterfaceName || strings.ContainsAny(nic, "/ \t\n"):
		w.bad = "annotation " + key + ": " + nic + " is no name of an interface"
	default:
		w.nic, w.keys = nic, append(w.keys, key)
	}
	return w
}

// absorbed is a copy of the provider network with our finalizer and with what annotations of nodes ask for in its spec. It
// is idempotent.
func absorbed(in providerInputs) *v1.ProviderNetwork {
	out := in.provider.DeepCopy()
	reconcile.AddFinalizer(out)
	spec := &out.Spec
	for _, node := range in.nodes {
		wish := wishOf(node, out.Name)
		if wish.exclude && !slices.Contains(spec.ExcludeNodes, node.Name) {
			spec.ExcludeNodes = append(spec.ExcludeNodes, node.Name)
		}
		if wish.nic != "" {
			useInterface(spec, node.Name, wish.nic)
		}
	}
	return out
}

// useInterface makes nic the interface of a node.
func useInterface(spec *v1.ProviderNetworkSpec, node, nic string) {
	found := false
	var kept []v1.CustomInterface
	for _, custom := range spec.CustomInterfaces {
		if custom.Interface == nic && !found {
			found = true
			if !slices.Contains(custom.Nodes, node) {
				custom.Nodes = append(slices.Clone(custom.Nodes), node)
			}
		} else if slices.Contains(custom.Nodes, node) {
			custom.Nodes = slices.DeleteFunc(slices.Clone(custom.Nodes), func(name string) bool { return name == node })
			if len(custom.Nodes) == 0 {
				continue
			}
		}
		kept = append(kept, custom)
	}
	if !found {
		kept = append(kept, v1.CustomInterface{Interface: nic, Nodes: []string{node}})
	}
	spec.CustomInterfaces = kept
}

// participates says whether a node is to be connected. A nodeSelector alone decides where there is one.
func participates(spec *v1.ProviderNetworkSpec, node *corev1.Node) bool {
	if spec.NodeSelector == nil {
		return !slices.Contains(spec.ExcludeNodes, node.Name)
	}
	selector, err := metav1.LabelSelectorAsSelector(spec.NodeSelector)
	return err == nil && selector.Matches(labels.Set(node.Labels))
}

// providerStatus is what the nodes' labels say. refusal is why a deleted object cannot go, or nil.
func providerStatus(in providerInputs, refusal error, now metav1.Time) v1.ProviderNetworkStatus {
	out := v1.ProviderNetworkStatus{}
	tell := conditionWriter(in.provider, &out, now)
	var wait *reconcile.WaitError
	if errors.As(refusal, &wait) {
		tell("", v1.ConditionReady, wait.Reason, wait.Error())
	}
	for _, node := range in.nodes {
		if bad := wishOf(node, in.provider.Name).bad; bad != "" {
			tell(node.Name, v1.ConditionValidated, util.ReasonProviderInvalid, bad)
		}
		if !participates(&in.provider.Spec, node) {
			continue
		}
		if node.Labels[util.ProviderNetworkKey(in.provider.Name, util.ProviderReady)] == "true" {
			out.ReadyNodes = append(out.ReadyNodes, node.Name)
			tell(node.Name, v1.ConditionReady, util.ReasonProviderReady, "")
			continue
		}
		out.NotReadyNodes = append(out.NotReadyNodes, node.Name)
		tell(node.Name, v1.ConditionReady, util.ReasonProviderFailed, in.problem(node.Name))
	}
	out.Ready = len(out.ReadyNodes) > 0 && len(out.NotReadyNodes) == 0
	for _, vlan := range in.vlans {
		if carries(in.provider, vlan) {
			out.Vlans = append(out.Vlans, vlan.Name)
		}
	}
	return out
}

// conditionWriter returns a function that adds a condition, with the times of the present one where it is the same.
// ReasonProviderReady is true, every other reason false.
func conditionWriter(pn *v1.ProviderNetwork, out *v1.ProviderNetworkStatus, now metav1.Time) func(node, kind, reason, message string) {
	type identity struct{ node, kind string }
	present := map[identity]v1.Condition{}
	for _, c := range pn.Status.Conditions {
		present[identity{c.Node, c.Type}] = c.Condition
	}
	return func(node, kind, reason, message string) {
		var conds []v1.Condition
		if c, ok := present[identity{node, kind}]; ok {
			conds = append(conds, c)
		}
		status := metav1.ConditionFalse
		if reason == util.ReasonProviderReady {
			status = metav1.ConditionTrue
		}
		v1.SetCondition(&conds, v1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: pn.Generation, LastUpdateTime: now,
		})
		out.Conditions = append(out.Conditions, v1.NodeCondition{Node: node, Condition: conds[0]})
	}
}

// problem is why a node is not connected, in its daemon's words.
func (in providerInputs) problem(node string) string {
	pod := in.daemons[node]
	if pod == nil {
		return util.ProviderErrorNoPod
	}
	if text := pod.Annotations[util.ProviderNetworkKey(in.provider.Name, util.ProviderError)]; text != "" {
		return text
	}
	return util.ProviderErrorUnknown
}

// carries says whether a Vlan is to be set up on the nodes: it is accepted. While a changed one is being checked, and while
// its removal waits for Subnets, it stays what it was.
func carries(pn *v1.ProviderNetwork, vlan *v1.Vlan) bool {
	switch accepted(vlan) {
	case yes:
		return true
	case unknown:
		return slices.Contains(pn.Status.Vlans, vlan.Name)
	}
	return false
}

func conditionOf(conds []v1.NodeCondition, node, kind string) *v1.Condition {
	for i := range conds {
		if conds[i].Node == node && conds[i].Type == kind {
			return &conds[i].Condition
		}
	}
	return nil
}
