//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestCleanUpAndInstall removes the network with cleanup.sh, finds neither objects nor anything of it on the nodes, and
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
