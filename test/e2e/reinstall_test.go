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

// TestCleanUpAndInstall makes one database three, removes the network with cleanup.sh, finds neither objects nor anything of it on the nodes, and
// installs it again with install.sh, after which pods reach each other.
func TestCleanUpAndInstall(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	installed := false
	t.Cleanup(func() { // whatever happened, the tests that follow need a network
		if installed {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
		defer cancel()
		if out, err := cluster.Lab(ctx, "up"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("one database becomes three", databaseGrows)
	if out, err := cluster.Run(ctx, cluster.Root()+"/dist/images/cleanup.sh"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Run("the API server has nothing of it", apiIsClean)
	for _, node := range nodes {
		t.Run(node+" has nothing of it", func(t *testing.T) { nodeIsClean(t, node) })
	}
	if out, err := cluster.Lab(ctx, "up"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	installed = true
	apply(t, namespaceYAML("e2e-again")+podYAML("e2e-again", "one", nodes[1])+podYAML("e2e-again", "two", nodes[2]))
	addresses := ready(t, 90*time.Second, "e2e-again", "one", "two")
	if err := cluster.Ping(ctx, "e2e-again", "one", addresses["two"]); err != nil {
		t.Error(err)
	}
}

// databaseGrows turns the standalone databases into clusters of three members (install.sh, OVN_CENTRAL_REPLICAS): what was in
// them stays, and so it does when the leader is killed.
func databaseGrows(t *testing.T) {
	apply(t, namespaceYAML("e2e-grow")+podYAML("e2e-grow", "one", nodes[1])+podYAML("e2e-grow", "two", nodes[2]))
	addresses := ready(t, 90*time.Second, "e2e-grow", "one", "two")
	nb := func() string {
		t.Helper()
		out, err := cluster.Nbctl(t.Context(), "--bare", "--columns=_uuid,name", "list", "Logical_Switch_Port")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := nb()
	settings := []string{"OVN_CENTRAL_REPLICAS=3", "CENTRAL_NODES=" + strings.Join(nodes, ",")}
	if out, err := cluster.Run(t.Context(), "env", append(settings, cluster.Root()+"/bin/lab", "up")...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	members := func() (ready []string) {
		t.Helper()
		pods, err := cluster.Kube.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app=ovn-central"})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			for _, c := range pod.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
					ready = append(ready, pod.Name)
				}
			}
		}
		return ready
	}
	if got := members(); len(got) != 3 {
		t.Fatalf("members that are ready: %v", got)
	}
	if after := nb(); after != before {
		t.Errorf("ports were\n%s\nand are\n%s", before, after)
	}
	leader := kubectl(t, "-n", "kube-system", "get", "pods", "-l", "ovn-nb-leader=true", "-o", "name")
	kubectl(t, "-n", "kube-system", "delete", strings.TrimSpace(leader), "--grace-period=0", "--force")
	apply(t, podYAML("e2e-grow", "three", nodes[1]))
	addresses["three"] = ready(t, 90*time.Second, "e2e-grow", "three")["three"]
	for _, to := range []string{"one", "three"} {
		if err := cluster.Ping(t.Context(), "e2e-grow", "two", addresses[to]); err != nil {
			t.Errorf("two to %s: %v", to, err)
		}
	}
	eventually(t, 90*time.Second, "the former leader is a member again", func() error {
		if got := members(); len(got) != 3 || slices.Contains(got, strings.TrimPrefix(strings.TrimSpace(leader), "pod/")) {
			return fmt.Errorf("members that are ready: %v", got)
		}
		return nil
	})
}

func apiIsClean(t *testing.T) {
	crds, err := cluster.Kubectl(t.Context(), "get", "crd", "-o", "name")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(crds, "kubeovn.io") {
		t.Errorf("CRDs are left: %s", crds)
	}
	workloads := kubectl(t, "-n", "kube-system", "get", "deployments,daemonsets,services,configmaps,secrets,serviceaccounts,leases", "-o", "name")
	for line := range strings.Lines(workloads) {
		if strings.Contains(line, "ovn") || strings.Contains(line, "ovs") {
			t.Errorf("left: %s", strings.TrimSpace(line))
		}
	}
	for _, n := range nodeObjects(t) {
		for key := range n.Annotations {
			if strings.Contains(key, "ovn.kubernetes.io") {
				t.Errorf("node %s keeps annotation %s", n.Name, key)
			}
		}
	}
	namespaces, err := cluster.Kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range namespaces.Items {
		for key := range n.Annotations {
			if strings.Contains(key, "ovn.kubernetes.io") {
				t.Errorf("namespace %s keeps annotation %s", n.Name, key)
			}
		}
	}
}

func nodeIsClean(t *testing.T, node string) {
	for what, argv := range map[string][]string{
		"links":      {"ip", "-o", "link", "show"},
		"routes":     {"ip", "route", "show", "table", "all"},
		"rules":      {"ip", "rule", "show"},
		"ip sets":    {"ipset", "list", "-n"},
		"nat":        {"iptables-save", "-t", "nat"},
		"filter":     {"iptables-save", "-t", "filter"},
		"mangle":     {"iptables-save", "-t", "mangle"},
		"nftables":   {"nft", "list", "tables"},
		"conf files": {"ls", "/etc/cni/net.d"},
		"plugins":    {"ls", "/opt/cni/bin"},
		"run files":  {"ls", "/run"},
		"origin":     {"ls", "-A", "/etc/origin"},
		"kubectl-ko": {"ls", "/usr/local/bin"},
	} {
		out, err := cluster.Node(t.Context(), node, argv...)
		if err != nil && !strings.Contains(out, "No such file or directory") {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			for _, mark := range []string{"ovn0", "br-int", "br-phy", "ovs-", "OVN-", "ovn40", "ovn60", "ovn-subnet", "kube-ovn.", "openvswitch", "kube-ovn\n", "kubectl-ko"} {
				if strings.Contains(line, mark) {
					t.Errorf("%s: %s", what, strings.TrimSpace(line))
				}
			}
		}
	}
	if tunnelAddress(t, node) == "" {
		t.Error("the tunnel NIC did not get its address back")
	}
	other := nodes[0]
	if node == other {
		other = nodes[1]
	}
	peer := tunnelAddress(t, other)
	eventually(t, 30*time.Second, "the tunnel NIC carries traffic", func() error {
		_, err := cluster.Node(t.Context(), node, "ping", "-c", "1", "-W", "1", "-I", "eth2", peer)
		return err
	})
}

// tunnelAddress is the IPv4 address of a node's tunnel NIC, "" for none.
func tunnelAddress(t *testing.T, node string) string {
	t.Helper()
	line, err := cluster.Node(t.Context(), node, "ip", "-o", "-4", "address", "show", "dev", "eth2")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(line) // number, device, "inet", address/prefix length
	if len(fields) < 4 {
		return ""
	}
	address, _, _ := strings.Cut(fields[3], "/")
	return address
}
