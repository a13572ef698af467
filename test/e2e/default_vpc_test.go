//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestS118 shows `kubectl get vpc` of the default VPC; other subnets of it may exist beside the two.
func TestS118(t *testing.T) {
	eventually(t, 30*time.Second, "ovn-cluster is standby", func() error { return wantColumns(t.Context(), "vpc", "ovn-cluster", "STANDBY", "true") })
	row, err := printed(t.Context(), "vpc", "ovn-cluster")
	if err != nil {
		t.Fatal(err)
	}
	if got := row["SUBNETS"]; got != `["join","ovn-default"]` {
		t.Errorf("SUBNETS = %s", got)
	}
}

// TestS119 shows the default router: marked, without load balancer and NAT. It asks as a user does.
func TestS119(t *testing.T) {
	for column, want := range map[string]string{"name": "ovn-cluster", "load_balancer": "[]", "nat": "[]", "external_ids:vendor": "kube-ovn"} {
		if got := strings.TrimSpace(kubectl(t, "ko", "nbctl", "get", "Logical_Router", "ovn-cluster", column)); got != want {
			t.Errorf("%s = %s, want %s", column, got, want)
		}
	}
}

// TestS120 shows the one route of the default VPC.
func TestS120(t *testing.T) {
	out := strings.Fields(strings.ReplaceAll(nbctl(t, "lr-route-list", "ovn-cluster"), "\n", " "))
	want := "IPv4 Routes Route Table <main>: 0.0.0.0/0 100.64.0.1 dst-ip"
	if got := strings.Join(out, " "); got != want {
		t.Errorf("routes are %q, want %q", got, want)
	}
}

// TestS121toS123 shows the policies of the default VPC for three nodes and two subnets.
func TestS121toS123(t *testing.T) {
	list := nbctl(t, "lr-policy-list", "ovn-cluster")
	for _, node := range nodeObjects(t) {
		join := node.Annotations["ovn.kubernetes.io/ip_address"]
		if join == "" {
			t.Fatalf("node %s has no join address", node.Name)
		}
		group := strings.ReplaceAll("ovn-default."+node.Name, "-", ".")
		wantPolicy(t, list, "29000", fmt.Sprintf("ip4.src == $%s_ip4", group), "reroute", join)
		wantPolicy(t, list, "30000", "ip4.dst == "+internalIP(node), "reroute", join)
	}
	wantPolicy(t, list, "31000", "ip4.dst == 10.16.0.0/16", "allow", "")
	wantPolicy(t, list, "31000", "ip4.dst == 100.64.0.0/16", "allow", "")
	ids := nbctl(t, "--bare", "--columns=external_ids", "find", "Logical_Router_Policy", "priority=30000", "external_ids:node="+nodes[0])
	for _, want := range []string{"address-family=4", "node=" + nodes[0], "vendor=kube-ovn"} {
		if !strings.Contains(ids, want) {
			t.Errorf("external_ids of the 30000 policy lack %s: %s", want, ids)
		}
	}
}

// wantPolicy fails when no line of lr-policy-list says exactly this.
func wantPolicy(t *testing.T, list, priority, match, action, nexthop string) {
	t.Helper()
	want := strings.TrimSpace(strings.Join([]string{priority, match, action, nexthop}, " "))
	for line := range strings.Lines(list) {
		if strings.Join(strings.Fields(line), " ") == want {
			return
		}
	}
	t.Errorf("no policy %q in\n%s", want, list)
}

// TestS124 shows the routes of a node through ovn0.
func TestS124(t *testing.T) {
	for _, node := range nodeObjects(t) {
		routes, err := cluster.Node(t.Context(), node.Name, "ip", "route", "show", "dev", "ovn0")
		if err != nil {
			t.Fatal(err)
		}
		join := node.Annotations["ovn.kubernetes.io/ip_address"]
		for _, want := range []string{"10.16.0.0/16 via 100.64.0.1", "100.64.0.0/16 proto kernel scope link src " + join} {
			if !strings.Contains(routes, want) {
				t.Errorf("%s: no route %q in\n%s", node.Name, want, routes)
			}
		}
	}
}

// TestS125 shows that the join addresses are the lowest free ones.
func TestS125(t *testing.T) {
	want := map[string]bool{"100.64.0.2": true, "100.64.0.3": true, "100.64.0.4": true}
	for _, node := range nodeObjects(t) {
		address := node.Annotations["ovn.kubernetes.io/ip_address"]
		if !want[address] {
			t.Errorf("node %s has join address %q", node.Name, address)
		}
		delete(want, address)
	}
}

// TestS126toS129 follows the paths of document 004: to a pod of another node, to an address of the own and of another
// node, and to the outside, which sees the node's address.
func TestS126toS129(t *testing.T) {
	beside(t)
	apply(t, namespaceYAML("e2e-paths")+podYAML("e2e-paths", "one", nodes[1])+serverYAML("e2e-paths", "two", nodes[2]))
	addresses := ready(t, 90*time.Second, "e2e-paths", "one", "two")
	t.Run("S126 pod of another node, without NAT", func(t *testing.T) {
		if err := cluster.Ping(t.Context(), "e2e-paths", "one", addresses["two"]); err != nil {
			t.Error(err)
		}
		wantSource(t, "one", addresses["two"], addresses["one"])
	})
	byName := map[string]corev1.Node{}
	for _, n := range nodeObjects(t) {
		byName[n.Name] = n
	}
	t.Run("S127 address of the own node", func(t *testing.T) { wantReach(t, "one", internalIP(byName[nodes[1]])) })
	t.Run("S128 address of another node", func(t *testing.T) { wantReach(t, "one", internalIP(byName[nodes[2]])) })
	t.Run("node to pod", func(t *testing.T) {
		for _, node := range nodes {
			if out, err := cluster.Node(t.Context(), node, "ping", "-c", "1", "-W", "3", addresses["one"]); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}
	})
	t.Run("service of the API server", func(t *testing.T) {
		if err := cluster.Connect(t.Context(), "e2e-paths", "one", "10.96.0.1", 443); err != nil {
			t.Error(err)
		}
	})
}

func wantReach(t *testing.T, pod, address string) {
	t.Helper()
	if err := cluster.Ping(t.Context(), "e2e-paths", pod, address); err != nil {
		t.Error(err)
	}
}

// wantSource asks the agnhost server of a pod which address it saw.
func wantSource(t *testing.T, pod, server, want string) {
	t.Helper()
	var seen netip.AddrPort
	eventually(t, 20*time.Second, "the server on "+server+" answers", func() error {
		out, err := cluster.Exec(t.Context(), "e2e-paths", pod, "wget", "-q", "-O", "-", "http://"+server+":8080/clientip")
		if err == nil {
			seen, err = netip.ParseAddrPort(strings.TrimSpace(out))
		}
		return err
	})
	if seen.Addr().String() != want {
		t.Errorf("the server saw %s, want %s", seen, want)
	}
}

func nodeObjects(t *testing.T) []corev1.Node {
	t.Helper()
	list, err := cluster.Kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func internalIP(node corev1.Node) string {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}
