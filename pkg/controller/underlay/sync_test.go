package underlay

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func build(f *controllertest.Fixture) []*reconcile.Loop {
	kinds, core, api := f.Informers.Kubeovn().V1(), f.KubeInformers.Core().V1(), f.KubeOVN.KubeovnV1()
	return New(
		Deps{
			DefaultProvider: "provider", NB: f.NB, Providers: api.ProviderNetworks(), Vlans: api.Vlans(),
			Nodes: f.Kube.CoreV1().Nodes(), Events: f.Events,
		},
		Sources{Providers: kinds.ProviderNetworks(), Vlans: kinds.Vlans(), Subnets: kinds.Subnets(), Nodes: core.Nodes(), Pods: core.Pods()},
	)
}

func started(t *testing.T, objects ...runtime.Object) *controllertest.Fixture {
	t.Helper()
	f := controllertest.New(t, objects...)
	f.Run(build)
	f.Settle()
	return f
}

func network(name string, edits ...func(*v1.ProviderNetworkSpec)) *v1.ProviderNetwork {
	pn := &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}}
	for _, edit := range edits {
		edit(&pn.Spec)
	}
	return pn
}

func vlan(name, provider string, id int) *v1.Vlan {
	return &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VlanSpec{ID: id, Provider: provider}}
}

// node is a node whose daemon says what the labels say.
func node(name string, labels ...string) *corev1.Node {
	n := controllertest.Node(name)
	for _, label := range labels {
		n.Labels[label] = "true"
	}
	return n
}

func daemon(node, problem string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "kube-ovn-cni-" + node, Namespace: "kube-system", Labels: map[string]string{"app": util.DaemonApp}, Annotations: map[string]string{},
	}}
	pod.Spec.NodeName = node
	if problem != "" {
		pod.Annotations["net1.provider-network.kubernetes.io/err_mesg"] = problem
	}
	return pod
}

const isReady = "net1.provider-network.kubernetes.io/ready"

func overlayOnly(s *v1.SubnetSpec) {
	s.Vlan, s.U2OInterconnection, s.U2OFeatures = "vlan10", true, &v1.U2OFeatures{OverlayOnlyRouting: true}
}

func TestLaws(t *testing.T) {
	net2, vlan10, plain := network("net2"), vlan("vlan10", "net1", 10), vlan("vlan0", "net2", 0)
	under := controllertest.Subnet("under", "vpc1", "192.168.0.0/24", overlayOnly)
	over := controllertest.Subnet("over", "vpc1", "10.0.0.0/24,fd00::/64")
	controllertest.Laws(t, controllertest.Scenario{
		Build:   build,
		Objects: []runtime.Object{network("net1"), net2, vlan10, plain, node("n1", isReady), node("n2"), daemon("n2", "no eth1"), under, over},
		Removed: []runtime.Object{under, vlan10, plain, net2},
	})
}

func TestOverlaySets(t *testing.T) {
	f := started(t, controllertest.Subnet("under", "vpc1", "192.168.0.0/24", overlayOnly),
		controllertest.Subnet("over", "vpc1", "10.0.0.0/24,fd00::/64"), controllertest.Subnet("elsewhere", "vpc2", "10.9.0.0/24"),
		controllertest.Subnet("logical", "vpc1", "10.1.0.0/24", func(s *v1.SubnetSpec) { s.Vlan, s.LogicalGateway = "vlan11", true }))
	controllertest.Golden(t, "overlay sets", f.Dump())
	without := controllertest.Stored(f, controllertest.Subnet("under", "", ""))
	without.Spec.U2OFeatures = nil
	f.Update(without)
	f.Eventually("the sets are gone", func() bool { return !strings.Contains(f.Dump(), "Address_Set") })
}

func TestNodesOfAProviderNetwork(t *testing.T) {
	pn := network("net1", func(s *v1.ProviderNetworkSpec) { s.ExcludeNodes = []string{"out"} })
	waiting := node("waiting")
	f := started(t, pn, node("fine", isReady), waiting, node("lonely"), node("out", isReady), daemon("waiting", "device eth1 not found"))
	got := controllertest.Stored(f, pn)
	if got.Status.Ready || !slices.Equal(got.Status.ReadyNodes, []string{"fine"}) || !slices.Equal(got.Status.NotReadyNodes, []string{"lonely", "waiting"}) {
		t.Errorf("status %+v", got.Status)
	}
	for name, want := range map[string]string{"fine": "", "waiting": "device eth1 not found", "lonely": util.ProviderErrorNoPod} {
		if c := conditionOf(got.Status.Conditions, name, v1.ConditionReady); c == nil || c.Message != want {
			t.Errorf("%s: condition %+v, want message %q", name, c, want)
		}
	}
	if c := conditionOf(got.Status.Conditions, "out", v1.ConditionReady); c != nil {
		t.Errorf("a node that is left out has condition %+v", c)
	}
	// The daemon has done its work; the other node goes.
	f.Update(daemon("waiting", ""))
	f.Eventually("the message is forgotten", func() bool {
		c := conditionOf(controllertest.Stored(f, pn).Status.Conditions, "waiting", v1.ConditionReady)
		return c != nil && c.Message == util.ProviderErrorUnknown
	})
	f.Update(node("waiting", isReady))
	f.Delete(node("lonely"))
	f.Eventually("all are ready", func() bool { return controllertest.Stored(f, pn).Status.Ready })
	f.Delete(node("fine"))
	f.Delete(node("waiting"))
	f.Eventually("a network without nodes is not ready", func() bool { return !controllertest.Stored(f, pn).Status.Ready })
}

func TestNodeSelectorAloneDecides(t *testing.T) {
	pn := network("net1", func(s *v1.ProviderNetworkSpec) {
		s.ExcludeNodes, s.NodeSelector = []string{"a"}, &metav1.LabelSelector{MatchLabels: map[string]string{"rack": "true"}}
	})
	f := started(t, pn, node("a", "rack", isReady), node("b"))
	if got := controllertest.Stored(f, pn).Status; !got.Ready || !slices.Equal(got.ReadyNodes, []string{"a"}) {
		t.Errorf("status %+v", got)
	}
	f.Update(node("b", "rack"))
	f.Eventually("a node that matches now counts", func() bool {
		return slices.Equal(controllertest.Stored(f, pn).Status.NotReadyNodes, []string{"b"})
	})
}

func TestAnnotationsOfNodesMoveIntoTheSpec(t *testing.T) {
	pn := network("net1", func(s *v1.ProviderNetworkSpec) {
		s.CustomInterfaces = []v1.CustomInterface{{Interface: "eth8", Nodes: []string{"b"}}, {Interface: "eth9", Nodes: []string{"c"}}}
	})
	key := func(suffix string) string { return util.ProviderNetworkKey("net1", suffix) }
	a, b, c := node("a"), node("b"), node("c")
	a.Annotations = map[string]string{key("exclude"): "true", "other": "stays"}
	b.Annotations = map[string]string{key("interface"): "eth9"}
	c.Annotations = map[string]string{key("interface"): "no/name"}
	f := started(t, pn, a, b, c)
	got := controllertest.Stored(f, pn)
	want := []v1.CustomInterface{{Interface: "eth9", Nodes: []string{"c", "b"}}}
	if !slices.Equal(got.Spec.ExcludeNodes, []string{"a"}) || len(got.Spec.CustomInterfaces) != 1 ||
		got.Spec.CustomInterfaces[0].Interface != "eth9" || !slices.Equal(got.Spec.CustomInterfaces[0].Nodes, want[0].Nodes) {
		t.Errorf("spec %+v", got.Spec)
	}
	for _, n := range []*corev1.Node{a, b} {
		if left := providerKeys(controllertest.Stored(f, n).Annotations); len(left) > 0 {
			t.Errorf("node %s still has %v", n.Name, left)
		}
	}
	if controllertest.Stored(f, a).Annotations["other"] != "stays" {
		t.Error("a foreign annotation is gone")
	}
	bad := conditionOf(got.Status.Conditions, "c", v1.ConditionValidated)
	if bad == nil || bad.Reason != util.ReasonProviderInvalid || !strings.Contains(bad.Message, "no/name") {
		t.Errorf("condition of the bad annotation: %+v", bad)
	}
	fixed := controllertest.Stored(f, c)
	delete(fixed.Annotations, key("interface"))
	f.Update(fixed)
	f.Eventually("the refusal is over", func() bool {
		return conditionOf(controllertest.Stored(f, pn).Status.Conditions, "c", v1.ConditionValidated) == nil
	})
}

func vlanReason(f *controllertest.Fixture, v *v1.Vlan) string {
	if c := v1.FindCondition(controllertest.Stored(f, v).Status.Conditions, v1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}

func TestVlanNeedsItsProviderNetwork(t *testing.T) {
	v := vlan("vlan10", "net1", 10)
	f := started(t, v)
	if got := vlanReason(f, v); got != util.ReasonVlanInvalid {
		t.Errorf("reason %s without provider network", got)
	}
	pn := network("net1")
	f.Create(pn)
	f.Eventually("the vlan is set up", func() bool { return slices.Equal(controllertest.Stored(f, pn).Status.Vlans, []string{"vlan10"}) })
	if got := vlanReason(f, v); got != util.ReasonVlanReconciled {
		t.Errorf("reason %s with provider network", got)
	}
}

func TestVlanOldFieldsAndDefaultProvider(t *testing.T) {
	old := &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "old"}, Spec: v1.VlanSpec{VlanID: 7, ProviderInterfaceName: "net1"}}
	bare := vlan("bare", "", 0)
	f := started(t, old, bare)
	if got := controllertest.Stored(f, old).Spec; got != (v1.VlanSpec{ID: 7, Provider: "net1"}) {
		t.Errorf("old became %+v", got)
	}
	if got := controllertest.Stored(f, bare).Spec; got != (v1.VlanSpec{Provider: "provider"}) {
		t.Errorf("bare became %+v", got)
	}
}

// The younger of two equal tags is refused, is not set up, and comes up when the older one gives the tag away.
func TestVlanConflict(t *testing.T) {
	pn, first, second := network("net1"), vlan("z-first", "net1", 10), vlan("a-second", "net1", 10)
	f := started(t, pn, first, second, vlan("untagged1", "net1", 0), vlan("untagged2", "net1", 0), vlan("elsewhere", "net2", 10), network("net2"))
	if got := controllertest.Stored(f, pn).Status.Vlans; !slices.Equal(got, []string{"untagged1", "untagged2", "z-first"}) {
		t.Errorf("set up are %v", got)
	}
	refused := controllertest.Stored(f, second)
	if !refused.Status.Conflict || vlanReason(f, second) != util.ReasonVlanConflict || controllertest.Stored(f, first).Status.Conflict {
		t.Errorf("status %+v", refused.Status)
	}
	if c := v1.FindCondition(refused.Status.Conditions, v1.ConditionReady); !strings.Contains(c.Message, "old vlan z-first") {
		t.Errorf("message %q", c.Message)
	}
	moved := controllertest.Stored(f, first)
	moved.Spec.ID = 11
	f.Update(moved)
	f.Eventually("the conflict is over", func() bool {
		return !controllertest.Stored(f, second).Status.Conflict && slices.Contains(controllertest.Stored(f, pn).Status.Vlans, "a-second")
	})
}

func TestVlanIDOutOfRange(t *testing.T) {
	v := vlan("vlan10", "net1", 4096)
	f := started(t, network("net1"), v)
	if got := vlanReason(f, v); got != util.ReasonVlanInvalid {
		t.Errorf("reason %s", got)
	}
	fixed := controllertest.Stored(f, v)
	fixed.Spec.ID = 4095
	f.Update(fixed)
	f.Eventually("the vlan is accepted", func() bool { return vlanReason(f, v) == util.ReasonVlanReconciled })
}

// Removal goes from the subnets down: what is in use stays, keeps working, and says who uses it.
func TestRemovalWaitsForUsers(t *testing.T) {
	pn, v := network("net1"), vlan("vlan10", "net1", 10)
	s := controllertest.Subnet("under", "", "192.168.0.0/24", func(s *v1.SubnetSpec) { s.Vlan = "vlan10" })
	f := started(t, pn, v, s)
	if got := controllertest.Stored(f, v).Status.Subnets; !slices.Equal(got, []string{"under"}) {
		t.Errorf("status.subnets %v", got)
	}
	f.Delete(pn)
	f.Delete(v)
	f.Eventually("both say why they stay", func() bool {
		vlanTold := v1.FindCondition(controllertest.Stored(f, v).Status.Conditions, v1.ConditionReady)
		told := conditionOf(controllertest.Stored(f, pn).Status.Conditions, "", v1.ConditionReady)
		return vlanTold.Reason == util.ReasonVlanInUse && strings.Contains(vlanTold.Message, "under") &&
			told != nil && told.Reason == util.ReasonProviderInUse && strings.Contains(told.Message, "vlan10")
	})
	if got := controllertest.Stored(f, pn).Status.Vlans; !slices.Equal(got, []string{"vlan10"}) {
		t.Errorf("a vlan that waits for its subnets is no longer set up: %v", got)
	}
	f.Delete(s)
	f.Eventually("the vlan goes", func() bool { return !f.Exists(v) })
	f.Eventually("the provider network goes", func() bool { return !f.Exists(pn) })
	var events []string
	for len(f.Events.Events) > 0 {
		events = append(events, <-f.Events.Events)
	}
	for _, want := range []string{"Warning " + util.ReasonVlanInUse, "Warning " + util.ReasonProviderInUse} {
		if n := len(slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !strings.HasPrefix(e, want) })); n != 1 {
			t.Errorf("%d events %q in %q", n, want, events)
		}
	}
}
