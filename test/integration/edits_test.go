//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// editSubnet merges fields into the spec of a subnet.
func (w *world) editSubnet(name string, fields map[string]any) {
	w.Helper()
	patch, err := json.Marshal(map[string]any{"spec": fields})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.plane.OVN.KubeovnV1().Subnets().Patch(w.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
}

// mustCreateSubnet makes a subnet that the API server takes.
func (w *world) mustCreateSubnet(name, vpc, cidr string, edits ...func(*v1.SubnetSpec)) {
	w.Helper()
	if err := w.createSubnet(name, vpc, cidr, edits...); err != nil {
		w.Fatal(err)
	}
}

// TestRefusedEdit shows that a refused edit of a subnet is told on the subnet and changes nothing else, neither for the
// present controller nor for the next one, and that the network goes on with what is in effect.
func TestRefusedEdit(t *testing.T) {
	const running = 30
	w, c := converged(t, 2)
	w.mustCreateSubnet("other", "", "10.60.5.0/24")
	w.mustCreateSubnet("central", "", "10.60.0.0/24", func(s *v1.SubnetSpec) { s.GatewayType, s.GatewayNode = "centralized", "node1" })
	w.waitSubnet("other")
	w.waitSubnet("central")
	for i := range running {
		w.createPod(testbed.Pod("default", fmt.Sprintf("c%d", i), "node1", "ovn.kubernetes.io/logical_switch", "central"))
	}
	w.waitPods("default", running)
	w.settle()
	rows, writes, syncs := w.rows(), w.plane.Writes(t), c.Syncs("pod")

	w.editSubnet("central", map[string]any{"cidrBlock": "10.60.0.0/16", "gatewayType": "distributed"})
	w.waitRefused("central", "conflict with subnet other")
	w.settle()
	w.waitRows(rows)
	if added := w.plane.Writes(t).Since(writes); added.Total() > 4 { // our patch, its normal form, the status, the event
		t.Errorf("API writes: %v", added)
	}
	if n := c.Syncs("pod") - syncs; n > 0 {
		t.Errorf("%d syncs of pods", n)
	}
	quiet := func(when string) {
		t.Helper()
		for _, pod := range w.pods("default") {
			if told := w.events(pod.Name); len(told) > 0 {
				t.Fatalf("%s: pod %s was told %q", when, pod.Name, told)
			}
			if cidr := pod.Annotations["ovn.kubernetes.io/cidr"]; cidr != "10.60.0.0/24" {
				t.Fatalf("%s: pod %s has cidr %s", when, pod.Name, cidr)
			}
		}
	}
	quiet("refused")

	c.Stop()
	c = w.start("controller-0")
	w.passed(c, running)
	w.settle()
	w.waitRows(rows)
	quiet("restarted")
	w.createPod(testbed.Pod("default", "late", "node1", "ovn.kubernetes.io/logical_switch", "central"))
	if got := address(w.waitPod("default", "late")); !strings.HasPrefix(got, "10.60.0.") {
		t.Errorf("a new pod got %s", got)
	}

	w.editSubnet("central", map[string]any{"cidrBlock": "10.60.0.0/23", "gatewayType": "distributed"})
	w.waitSubnet("central")
	w.eventually("the accepted edit reaches the pods", func() error {
		for _, pod := range w.pods("default") {
			if cidr := pod.Annotations["ovn.kubernetes.io/cidr"]; cidr != "10.60.0.0/23" {
				return fmt.Errorf("pod %s has cidr %s", pod.Name, cidr)
			}
		}
		return nil
	})
	w.checkNorthd()
}

// TestMalformedSelectors shows that the API server refuses an operator that does not exist, that the Subnet says what else is
// wrong with a selector, and that pods are not stopped by one that nobody asks for.
func TestMalformedSelectors(t *testing.T) {
	w, _ := converged(t, 1)
	selector := func(operator metav1.LabelSelectorOperator) []metav1.LabelSelector {
		return []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: operator}}}}
	}
	for _, edit := range []func(*v1.SubnetSpec){
		func(s *v1.SubnetSpec) { s.GatewayNodeSelectors = selector("Foo") },
		func(s *v1.SubnetSpec) { s.NamespaceSelectors = selector("Foo") },
	} {
		if err := w.createSubnet("bad", "", "10.70.0.0/24", edit); err == nil || !strings.Contains(err.Error(), "operator") {
			t.Errorf("the API server says %v", err)
		}
	}
	w.mustCreateSubnet("gateways", "", "10.71.0.0/24", func(s *v1.SubnetSpec) { s.GatewayNodeSelectors = selector("In") })
	w.mustCreateSubnet("namespaces", "", "10.72.0.0/24", func(s *v1.SubnetSpec) { s.NamespaceSelectors = selector("In") })
	w.waitRefused("gateways", "gatewayNodeSelectors[0]", "values")
	w.waitRefused("namespaces", "namespaceSelectors[0]", "values")

	w.mustCreateSubnet("used", "", "10.73.0.0/24")
	w.waitSubnet("used")
	w.editSubnet("used", map[string]any{"gatewayNodeSelectors": selector("In")})
	w.waitRefused("used", "gatewayNodeSelectors[0]")
	w.createPod(testbed.Pod("default", "p", "node1", "ovn.kubernetes.io/logical_switch", "used"))
	w.waitPod("default", "p")
}

// TestNamespaceInTwoVpcs shows that a namespace is in one VPC: a subnet that comes second is refused, and takes over when the
// first one lets the namespace go.
func TestNamespaceInTwoVpcs(t *testing.T) {
	w, _ := converged(t, 1)
	w.createVpc("va")
	w.createVpc("vb")
	w.createNamespace("x")
	names := func(s *v1.SubnetSpec) { s.Namespaces = []string{"x"} }
	w.mustCreateSubnet("sa", "va", "10.64.0.0/30", names)
	w.waitSubnet("sa")
	w.mustCreateSubnet("another", "vb", "10.65.0.0/24", names) // before sa by name
	w.mustCreateSubnet("sd", "", "10.66.0.0/24", names)
	w.waitRefused("another", "namespace 'x' belongs to vpc va by subnet sa")
	w.waitRefused("sd", "namespace 'x' belongs to vpc va by subnet sa")
	bound := func(want string) {
		t.Helper()
		w.eventually("namespace x is bound to "+want, func() error {
			ns, err := w.plane.Kube.CoreV1().Namespaces().Get(t.Context(), "x", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if got := ns.Annotations["ovn.kubernetes.io/logical_switch"]; got != want {
				return fmt.Errorf("it is bound to %q", got)
			}
			return nil
		})
	}
	bound("sa")
	w.createPod(testbed.Pod("x", "one", "node1"))
	if got := w.waitPod("x", "one").Annotations["ovn.kubernetes.io/logical_router"]; got != "va" {
		t.Errorf("the pod is in vpc %s", got)
	}
	w.createPod(testbed.Pod("x", "two", "node1")) // a /30 has one address for pods
	w.waitEvent("two", "AcquireAddressFailed", "sa")
	w.deletePods("x", "one", "two")
	w.editSubnet("sa", map[string]any{"namespaces": nil})
	w.waitSubnet("another")
	bound("another")
	w.waitRefused("sd", "namespace 'x' belongs to vpc vb by subnet another")
}
