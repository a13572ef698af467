//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestControllerKill kills the controller with SIGKILL in the middle of 50 creations: all pods come up, no address is given
// twice and none is lost.
func TestControllerKill(t *testing.T) {
	const count = 50
	var manifests strings.Builder
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("p%02d", i))
		manifests.WriteString(podYAML("e2e-kill", names[i], nodes[i%len(nodes)]))
	}
	apply(t, namespaceYAML("e2e-kill"))
	done := make(chan error, 1)
	go func() { done <- cluster.Apply(t.Context(), []byte(manifests.String())) }()
	eventually(t, time.Minute, "some pods have addresses", func() error {
		if n := allocated(t, "e2e-kill"); n < 5 {
			return fmt.Errorf("%d have", n)
		}
		return nil
	})
	killProcess(t, "kube-ovn-controller")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if err := cluster.Delete(ctx, []byte(manifests.String())); err != nil {
			t.Error(err)
		}
	})
	addresses := ready(t, 4*time.Minute, "e2e-kill", names...)
	seen := map[string]string{}
	for name, address := range addresses {
		if other, taken := seen[address]; taken {
			t.Errorf("%s and %s both have %s", name, other, address)
		}
		seen[address] = name
		ip, err := cluster.OVN.KubeovnV1().IPs().Get(t.Context(), name+".e2e-kill", metav1.GetOptions{})
		if err != nil {
			t.Error(err)
		} else if ip.Spec.V4IPAddress != address {
			t.Errorf("IP object of %s says %s, the pod %s", name, ip.Spec.V4IPAddress, address)
		}
	}
}

// allocated counts the pods of a namespace that the controller has served.
func allocated(t *testing.T, namespace string) int {
	list, err := cluster.Kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range list.Items {
		if p.Annotations["ovn.kubernetes.io/allocated"] == "true" {
			n++
		}
	}
	return n
}

// killProcess sends SIGKILL to every process of that name on the nodes; at least one must be there.
func killProcess(t *testing.T, name string) {
	t.Helper()
	killed := 0
	for _, node := range nodes {
		if _, err := cluster.Node(t.Context(), node, "busybox", "killall", "-KILL", name); err == nil {
			killed++
		}
	}
	if killed == 0 {
		t.Fatalf("no node runs %s", name)
	}
}

// TestDaemonRestart kills the node daemon while it adds pods: they come up all the same, and pods that were there keep their
// connectivity. The event of a pod whose ADD got no answer shows that one was in progress; there is more than one try.
func TestDaemonRestart(t *testing.T) {
	apply(t, namespaceYAML("e2e-daemon")+podYAML("e2e-daemon", "old", nodes[1])+podYAML("e2e-daemon", "peer", nodes[2]))
	addresses := ready(t, time.Minute, "e2e-daemon", "old", "peer")
	for try := range 5 {
		var manifests strings.Builder
		var names []string
		for i := range 5 {
			names = append(names, fmt.Sprintf("new%d-%d", try, i))
			manifests.WriteString(podYAML("e2e-daemon", names[i], nodes[1]))
		}
		killed := make(chan error, 1)
		go func() { killed <- killInAdd(t.Context(), nodes[1]) }()
		apply(t, manifests.String())
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		if err := cluster.Ping(t.Context(), "e2e-daemon", "peer", addresses["old"]); err != nil {
			t.Errorf("while the daemon is away: %v", err)
		}
		for name, address := range ready(t, 3*time.Minute, "e2e-daemon", names...) {
			if err := cluster.Ping(t.Context(), "e2e-daemon", "peer", address); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if slices.ContainsFunc(names, func(name string) bool { return unanswered(t, "e2e-daemon", name) }) {
			return
		}
		t.Log("the daemon was not killed in an ADD")
	}
	t.Error("the daemon was never killed in an ADD")
}

// killInAdd kills a node's daemon as soon as it is asked to add a pod: the CNI plugin's process lives as long as its request.
func killInAdd(ctx context.Context, node string) error {
	_, err := cluster.Node(ctx, node, "timeout", "60", "busybox", "sh", "-c",
		"until busybox pidof kube-ovn; do busybox usleep 5000; done; busybox killall -KILL kube-ovn-daemon")
	return err
}

// unanswered says whether the daemon died during an ADD for a pod. When it was dead before, the plugin cannot connect.
func unanswered(t *testing.T, namespace, pod string) bool {
	return warned(t, namespace, pod, ": EOF") == nil || warned(t, namespace, pod, "connection reset by peer") == nil
}

// TestNodeKill kills a node and brings it back: it becomes Ready and its pods are reached again.
func TestNodeKill(t *testing.T) {
	node := nodes[2]
	apply(t, namespaceYAML("e2e-node")+podYAML("e2e-node", "peer", nodes[1])+podYAML("e2e-node", "there", node))
	ready(t, time.Minute, "e2e-node", "peer", "there")
	if _, err := cluster.Lab(t.Context(), "kill", node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if _, err := cluster.Lab(ctx, "start", node); err != nil {
			t.Error(err)
		}
	})
	eventually(t, time.Minute, node+" is seen as down", func() error { return nodeReady(t, node, false) })
	if _, err := cluster.Lab(t.Context(), "start", node); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, node+" is ready again", func() error { return nodeReady(t, node, true) })
	eventually(t, 3*time.Minute, "the pod of the returned node is reached", func() error {
		pod, err := cluster.Kube.CoreV1().Pods("e2e-node").Get(t.Context(), "there", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.Status.PodIP == "" {
			return fmt.Errorf("it has no address")
		}
		return cluster.Ping(t.Context(), "e2e-node", "peer", pod.Status.PodIP)
	})
}

// nodeReady is nil when the Ready condition of a node is as wanted.
func nodeReady(t *testing.T, name string, want bool) error {
	node, err := cluster.Kube.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && (c.Status == corev1.ConditionTrue) != want {
			return fmt.Errorf("Ready is %s: %s", c.Status, c.Message)
		}
	}
	return nil
}
