package testbed

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Node is a ready node without a kubelet.
func Node(name string, addresses ...string) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	for _, address := range addresses {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
	}
	return node
}

// Pod is a pod that the scheduler has bound to a node.
func Pod(namespace, name, node string, annotations ...string) *corev1.Pod {
	no := false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			AutomountServiceAccountToken: &no,
			EnableServiceLinks:           &no,
			Containers:                   []corev1.Container{{Name: "c", Image: "none"}},
			Tolerations:                  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
	for i := 0; i+1 < len(annotations); i += 2 {
		pod.Annotations[annotations[i]] = annotations[i+1]
	}
	return pod
}

// Served says whether a pod's annotations tell its node's daemon to go on.
func Served(pod metav1.Object) bool {
	a := pod.GetAnnotations()
	return a[util.Key(util.OvnProvider, util.Allocated)] == "true" && a[util.Key(util.OvnProvider, util.Routed)] == "true"
}

// AddNodes makes n nodes node1, node2, ... with addresses from 192.168.123.21 and fd00:123::21 on.
func (p *Plane) AddNodes(ctx context.Context, n int) error {
	for i := range n {
		node := Node(fmt.Sprintf("node%d", i+1), fmt.Sprintf("192.168.123.%d", 21+i), fmt.Sprintf("fd00:123::%d", 21+i))
		if _, err := p.Kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
