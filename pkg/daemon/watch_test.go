package daemon

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

func TestNodeMatters(t *testing.T) {
	d := &Daemon{cfg: Config{NodeName: "self"}}
	for name, tc := range map[string]struct {
		node string
		edit func(*corev1.Node)
		want bool
	}{
		"heartbeat": {"self", func(n *corev1.Node) {
			n.ResourceVersion = "2"
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady})
		}, false},
		"address of any node":       {"other", func(n *corev1.Node) { n.Status.Addresses[0].Address = "10.0.0.9" }, true},
		"own annotation":            {"self", func(n *corev1.Node) { n.Annotations = map[string]string{"a": "b"} }, true},
		"own label":                 {"self", func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }, true},
		"annotation of another one": {"other", func(n *corev1.Node) { n.Annotations = map[string]string{"a": "b"} }, false},
	} {
		old := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: tc.node}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Address: "10.0.0.1"}}}}
		now := old.DeepCopy()
		tc.edit(now)
		if got := d.nodeMatters(old, now); got != tc.want {
			t.Errorf("%s: matters is %v, want %v", name, got, tc.want)
		}
	}
}

func TestSubnetMatters(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*kubeovnv1.Subnet)
		want bool
	}{
		"counters": {func(s *kubeovnv1.Subnet) {
			s.ResourceVersion = "2"
			s.Status.V4UsingIPRange = "10.16.0.2"
		}, false},
		"edit": {func(s *kubeovnv1.Subnet) {
			s.Generation, s.Spec.NatOutgoing = 2, false
		}, false},
		"refused edit": {func(s *kubeovnv1.Subnet) {
			s.Generation, s.Status.Conditions[0].Status = 2, metav1.ConditionFalse
		}, false},
		"accepted edit": {func(s *kubeovnv1.Subnet) {
			s.Generation, s.Status.Accepted = 2, &kubeovnv1.AcceptedSubnet{Generation: 2}
		}, true},
		"never accepted": {func(s *kubeovnv1.Subnet) { s.Status = kubeovnv1.SubnetStatus{} }, true},
		"other condition": {func(s *kubeovnv1.Subnet) {
			s.Status.Conditions = append(s.Status.Conditions, kubeovnv1.Condition{Type: "Ready"})
		}, false},
		"gateway": {func(s *kubeovnv1.Subnet) { s.Status.ActivateGateway = "node1" }, true},
		"policy": {func(s *kubeovnv1.Subnet) {
			s.Status.NatOutgoingPolicyRules = []kubeovnv1.NatOutgoingPolicyRuleStatus{{RuleID: "a"}}
		}, true},
		"being deleted": {func(s *kubeovnv1.Subnet) { now := metav1.Now(); s.DeletionTimestamp = &now }, true},
	} {
		old := subnet("net1", "10.16.0.0/16")
		old.Generation, old.Status.Accepted = 1, &kubeovnv1.AcceptedSubnet{Generation: 1, Spec: old.Spec}
		now := old.DeepCopy()
		tc.edit(now)
		if got := subnetMatters(old, now); got != tc.want {
			t.Errorf("%s: matters is %v, want %v", name, got, tc.want)
		}
	}
}
