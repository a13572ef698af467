//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDualStackVPC puts pods on three nodes into a subnet of a custom VPC with both families: everyone reaches everyone by
// IPv4 and by IPv6, with ping and TCP.
func TestDualStackVPC(t *testing.T) {
	beside(t)
	var manifests strings.Builder
	manifests.WriteString(namespaceYAML("e2e-dual") + `---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata: {name: e2e-dual}
spec: {namespaces: [e2e-dual]}
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: e2e-dual-net}
spec: {vpc: e2e-dual, cidrBlock: "10.99.0.0/24,fd00:10:99::/112", namespaces: [e2e-dual]}
`)
	var names []string
	for i, node := range nodes {
		names = append(names, fmt.Sprintf("p%d", i))
		manifests.WriteString(podYAML("e2e-dual", names[i], node))
	}
	apply(t, manifests.String())
	eventually(t, 30*time.Second, "e2e-dual-net is ready", func() error { return subnetReady(t, "e2e-dual-net") })
	ready(t, 90*time.Second, "e2e-dual", names...)
	var all []string
	for _, name := range names {
		v4, v6 := bothFamilies(t, "e2e-dual", name)
		all = append(all, v4, "["+v6+"]")
	}
	for _, name := range names {
		reachBoth(t, "e2e-dual", name, all)
	}
}

// bothFamilies are the addresses of a pod as its status has them, IPv4 first.
func bothFamilies(t *testing.T, namespace, name string) (v4, v6 string) {
	t.Helper()
	pod, err := cluster.Kube.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range pod.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil && a.Is4() {
			v4 = ip.IP
		} else if err == nil {
			v6 = ip.IP
		}
	}
	if ips := strings.Split(pod.Annotations["ovn.kubernetes.io/ip_address"], ","); len(ips) == 2 && v6 == "" {
		v6 = ips[1] // the kubelet of a cluster with one family reports that one only
	}
	if v4 == "" || v6 == "" {
		t.Fatalf("pod %s/%s has not both families: %v, %v", namespace, name, pod.Status.PodIPs, pod.Annotations)
	}
	return v4, v6
}

// reachBoth pings and asks web servers from a pod; IPv6 addresses stand in brackets.
func reachBoth(t *testing.T, namespace, pod string, addresses []string) {
	t.Helper()
	script := `for a in "$@"; do b=${a#[}; b=${b%]}; ping -c 1 -W 3 $b >/dev/null || echo "ping $b"; timeout 5 wget -q -O /dev/null "http://$a/" || echo "tcp $b"; done; echo done`
	eventually(t, 30*time.Second, pod+" reaches all", func() error {
		out, err := cluster.Exec(t.Context(), namespace, pod, append([]string{"sh", "-c", script, "sh"}, addresses...)...)
		if err == nil && strings.TrimSpace(out) != "done" {
			err = fmt.Errorf("failed: %s", strings.ReplaceAll(strings.TrimSpace(out), "\n", ", "))
		}
		return err
	})
}
