//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// moving is a workload of one pod with an annotation, which is free to go to another node.
func moving(kind, name, annotation, more string) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: %s
metadata: {name: %s, namespace: e2e-moves}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata:
      labels: {app: %[2]s}
      annotations: {%s}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: %q
%s`, kind, name, annotation, image, more)
}

// podOf waits for the running pod of a workload that is none of those before.
func podOf(t *testing.T, name string, before ...*corev1.Pod) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	eventually(t, 90*time.Second, "a new pod of "+name+" is ready", func() error {
		pods, err := cluster.Kube.CoreV1().Pods("e2e-moves").List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			p := &pods.Items[i]
			old := slices.ContainsFunc(before, func(b *corev1.Pod) bool { return b.UID == p.UID })
			ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			})
			if !old && ready && p.DeletionTimestamp.IsZero() {
				found = p
				return nil
			}
		}
		return fmt.Errorf("none of %d is", len(pods.Items))
	})
	return found
}

// moveAway deletes a pod from its node, which takes no new ones for the time of the test.
func moveAway(t *testing.T, p *corev1.Pod) {
	t.Helper()
	kubectl(t, "cordon", p.Spec.NodeName)
	t.Cleanup(func() {
		ctx, cancel := cleanUpContext()
		defer cancel()
		if _, err := cluster.Kubectl(ctx, "uncordon", p.Spec.NodeName); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "-n", p.Namespace, "delete", "pod", p.Name, "--wait=false")
}

// wantAnswer waits until an address answers one ping from outside, and says how long that took.
func wantAnswer(t *testing.T, address string, limit time.Duration) {
	t.Helper()
	since := time.Now()
	eventually(t, limit, address+" answers from outside", func() error {
		_, err := cluster.Ext(t.Context(), "ping", "-c", "1", "-W", "1", address)
		return err
	})
	t.Logf("%s answers %.1f s after its pod was ready", address, time.Since(since).Seconds())
}

// TestStatefulPodMoves sends pods of StatefulSets to other nodes: they keep their addresses inside and outside, and nothing
// is left when the sets are scaled down.
func TestStatefulPodMoves(t *testing.T) {
	const eip, snat = "172.56.0.230", "172.56.0.231"
	deploy(t, world002)
	leavesNoNAT(t)
	serve(t)
	apply(t, namespaceYAML("e2e-moves")+
		moving("StatefulSet", "eip", "ovn.kubernetes.io/eip: "+eip, "")+moving("StatefulSet", "snat", "ovn.kubernetes.io/snat: "+snat, ""))
	have := map[string]string{"eip": "dnat_and_snat " + eip, "snat": "snat " + snat}
	pods := map[string]*corev1.Pod{"eip": podOf(t, "eip"), "snat": podOf(t, "snat")}
	for name, p := range pods {
		wantNAT(t, p.Status.PodIP, have[name])
	}
	wantAnswer(t, eip, 30*time.Second)
	wantSeen(t, "e2e-moves", "snat-0", internet, snat)

	start, replies := time.Now(), startStream(t, eip)
	for _, name := range []string{"eip", "snat"} {
		t.Run(name+" moves", func(t *testing.T) {
			before := pods[name]
			moveAway(t, before)
			p := podOf(t, name, before)
			if p.Status.PodIP != before.Status.PodIP || p.Spec.NodeName == before.Spec.NodeName {
				t.Errorf("from %s on %s to %s on %s", before.Status.PodIP, before.Spec.NodeName, p.Status.PodIP, p.Spec.NodeName)
			}
			if name == "eip" {
				wantAnswer(t, eip, 5*time.Second)
			}
			wantSeen(t, "e2e-moves", p.Name, internet, strings.Fields(have[name])[1])
			wantNAT(t, p.Status.PodIP, have[name])
			if groups := gatewayGroups(t, p.Name+".e2e-moves"); len(groups) > 0 {
				t.Errorf("the pod is in port groups %v of its subnet's gateways", groups)
			}
		})
	}
	wantAnswers(t, replies, start, time.Second, 10*time.Second)
	kubectl(t, "-n", "e2e-moves", "scale", "statefulset", "--replicas=0", "eip", "snat")
	for name, p := range pods {
		wantNAT(t, p.Status.PodIP)
		eventually(t, time.Minute, "nothing is left of pod "+p.Name, func() error {
			return errors.Join(noRow(t, "Logical_Switch_Port", name+"-0.e2e-moves"), gone(t, "ips", name+"-0.e2e-moves"))
		})
	}
	wantNoPath(t, pods["eip"].Status.PodIP)
	wantFree(t, map[string]string{"eip": eip, "snat": snat}, pods)
}

// wantFree gives the addresses that pods had to others: they are leased to nobody.
func wantFree(t *testing.T, outside map[string]string, pods map[string]*corev1.Pod) {
	t.Helper()
	for name, address := range outside {
		inside := pods[name].Status.PodIP
		apply(t, podYAML("e2e-moves", "heir-of-"+name, nodes[2], "ovn.kubernetes.io/eip: "+address, "ovn.kubernetes.io/ip_address: "+inside))
		if got := ready(t, time.Minute, "e2e-moves", "heir-of-"+name)["heir-of-"+name]; got != inside {
			t.Errorf("the heir of %s has %s, want %s", name, got, inside)
		}
		wantNAT(t, inside, "dnat_and_snat "+address)
	}
}

// TestPodTakesOverEIP replaces a pod of a Deployment by one of another name on another node. The old one keeps the outside
// address for the five seconds that it still works, then the new one has it.
func TestPodTakesOverEIP(t *testing.T) {
	const eip = "172.56.0.232"
	deploy(t, world002)
	leavesNoNAT(t)
	serve(t)
	manifest := strings.Replace(moving("Deployment", "moving", "ovn.kubernetes.io/eip: "+eip, "        lifecycle: {preStop: {sleep: {seconds: 5}}}\n"),
		"terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 10", 1)
	apply(t, namespaceYAML("e2e-moves")+manifest)
	before := podOf(t, "moving")
	wantNAT(t, before.Status.PodIP, "dnat_and_snat "+eip)
	wantAnswer(t, eip, 30*time.Second)

	replies := startStream(t, eip)
	moveAway(t, before)
	after := podOf(t, "moving", before)
	if after.Name == before.Name || after.Spec.NodeName == before.Spec.NodeName {
		t.Errorf("from %s on %s to %s on %s", before.Name, before.Spec.NodeName, after.Name, after.Spec.NodeName)
	}
	if err := leads(t.Context(), before, eip); err != nil {
		t.Errorf("while the old pod ends: %v", err)
	}
	wantNAT(t, after.Status.PodIP, "dnat_and_snat "+eip)
	wantAnswer(t, eip, 5*time.Second)
	wantSeen(t, "e2e-moves", after.Name, internet, eip)
	wantNAT(t, before.Status.PodIP)
	// One that pings on and on stays with the old pod: OVN's connection tracking knows the ping.
	if got := replies.Stop(); len(got) == 0 || got[len(got)-1].At.Sub(got[0].At) < 4*time.Second || framework.Gap(got) > time.Second {
		t.Errorf("the old pod did not answer for its five seconds: %d answers, longest gap %s", len(got), framework.Gap(got))
	}
}

// leads is nil when an outside address is a pod's, as long as the pod is there.
func leads(ctx context.Context, p *corev1.Pod, eip string) error {
	out, err := cluster.Nbctl(ctx, "--bare", "--columns=logical_ip", "find", "NAT", "external_ip="+eip)
	if err != nil || strings.TrimSpace(out) == p.Status.PodIP {
		return err
	}
	if _, err := cluster.Kube.CoreV1().Pods(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{}); err != nil {
		return framework.IgnoreNotFound(err)
	}
	return fmt.Errorf("%s is of %q, want %s", eip, strings.TrimSpace(out), p.Status.PodIP)
}
