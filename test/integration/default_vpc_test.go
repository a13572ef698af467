//go:build integration

package integration

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// find prints rows of a Northbound table, one line each with the columns separated by ";", sorted.
func (w *world) find(table, columns string, conditions ...string) []string {
	w.Helper()
	args := append([]string{"--format=csv", "--data=bare", "--no-headings", "--columns=" + columns, "find", table}, conditions...)
	var lines []string
	for line := range strings.Lines(w.Nbctl(args...)) {
		lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(line), `"`, ""), ",", ";"))
	}
	sort.Strings(lines)
	return lines
}

// joinAddress is the address that a node got on the join network.
func (w *world) joinAddress(node string) string {
	w.Helper()
	n, err := w.plane.Kube.CoreV1().Nodes().Get(w.Context(), node, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return n.Annotations["ovn.kubernetes.io/ip_address"]
}

func equal(t *testing.T, what string, want, got []string) {
	t.Helper()
	sort.Strings(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// TestDefaultVpc shows the rows of a fresh cluster of three nodes, S-118 to S-123 and S-125, and that ovn-northd makes flows
// of them without a complaint.
func TestDefaultVpc(t *testing.T) {
	w, _ := converged(t, 3)

	vpc, err := w.plane.OVN.KubeovnV1().Vpcs().Get(t.Context(), "ovn-cluster", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := vpc.Status.Subnets; !vpc.Status.Standby || !slices.Equal(got, []string{"join", "ovn-default"}) {
		t.Errorf("S-118: standby %v, subnets %v", vpc.Status.Standby, got)
	}
	equal(t, "S-119", []string{"ovn-cluster;;"}, w.find("Logical_Router", "name,load_balancer,nat"))
	if ext := w.find("Logical_Router", "external_ids"); len(ext) != 1 || !strings.Contains(ext[0], "vendor=kube-ovn") {
		t.Errorf("S-119: external_ids %v", ext)
	}
	for column, want := range map[string]int{"ports": 2, "static_routes": 1, "policies": 8} {
		if got := len(strings.Fields(w.Nbctl("--bare", "--columns="+column, "list", "Logical_Router"))); got != want {
			t.Errorf("S-119: %d %s, want %d", got, column, want)
		}
	}
	equal(t, "S-120", []string{"0.0.0.0/0;100.64.0.1;dst-ip;;;"},
		w.find("Logical_Router_Static_Route", "ip_prefix,nexthop,policy,route_table,options,output_port"))

	var distributed, own []string
	var joins []string
	for i := 1; i <= 3; i++ {
		node := fmt.Sprintf("node%d", i)
		join := w.joinAddress(node)
		joins = append(joins, join)
		distributed = append(distributed, fmt.Sprintf("reroute;ip4.src == $ovn.default.%s_ip4;%s;", node, join))
		own = append(own, fmt.Sprintf("reroute;ip4.dst == 192.168.123.%d;%s;", 20+i, join))
	}
	equal(t, "S-121", distributed, w.find("Logical_Router_Policy", "action,match,nexthops,nexthop", "priority=29000"))
	equal(t, "S-122", own, w.find("Logical_Router_Policy", "action,match,nexthops,nexthop", "priority=30000"))
	for id, c := range map[string]struct{ priority, condition string }{
		"S-121": {"29000", "external_ids={node=node3,subnet=ovn-default,vendor=kube-ovn}"},
		"S-122": {"30000", `external_ids={address-family="4",node=node1,vendor=kube-ovn}`},
	} {
		condition := strings.Replace(c.condition, "=", "{>=}", 1)
		if got := w.find("Logical_Router_Policy", "match", "priority="+c.priority, condition); len(got) != 1 {
			t.Errorf("%s: %d rows with %s", id, len(got), c.condition)
		}
	}
	equal(t, "S-123", []string{"allow;ip4.dst == 10.16.0.0/16", "allow;ip4.dst == 100.64.0.0/16"},
		w.find("Logical_Router_Policy", "action,match", "priority=31000"))
	equal(t, "S-125", []string{"100.64.0.2", "100.64.0.3", "100.64.0.4"}, sorted(joins))

	w.checkNorthd()
	if flows := w.Sbctl("lflow-list", "ovn-default"); !strings.Contains(flows, "ls_in_l2_lkup") {
		t.Errorf("no logical flows of switch ovn-default: %.200s", flows)
	}
}

func sorted(list []string) []string {
	sort.Strings(list)
	return list
}

// TestPodsOfDefaultVpc shows the rows of one pod: its port, its groups and, in the Southbound database, its binding.
func TestPodsOfDefaultVpc(t *testing.T) {
	w, _ := converged(t, 2)
	w.createPod(testbed.Pod("default", "web", "node2"))
	pod := w.waitPod("default", "web")
	mac := pod.Annotations["ovn.kubernetes.io/mac_address"]
	if address(pod) != "10.16.0.2" {
		t.Errorf("address %s, want the lowest free one", address(pod))
	}
	for key, want := range map[string]string{
		"cidr": "10.16.0.0/16", "gateway": "10.16.0.1", "logical_switch": "ovn-default", "logical_router": "ovn-cluster", "pod_nic_type": "veth-pair",
	} {
		if got := pod.Annotations["ovn.kubernetes.io/"+key]; got != want {
			t.Errorf("annotation %s = %q, want %q", key, got, want)
		}
	}
	w.Sync()
	equal(t, "port", []string{mac + " 10.16.0.2;;"}, w.find("Logical_Switch_Port", "addresses,port_security,type", "name=web.default"))
	port := strings.Fields(w.Nbctl("--bare", "--columns=_uuid", "find", "Logical_Switch_Port", "name=web.default"))
	equal(t, "groups", []string{"node.node2", "ovn.default.node2"}, w.find("Port_Group", "name", "ports{>=}"+strings.Join(port, "")))
	if set := w.Sbctl("--bare", "--columns=addresses", "find", "Address_Set", "name=ovn.default.node2_ip4"); strings.TrimSpace(set) != "10.16.0.2" {
		t.Errorf("address set of the policy's match: %q", set)
	}
	if got := w.Sbctl("--bare", "--columns=mac", "find", "Port_Binding", "logical_port=web.default"); !strings.Contains(got, "10.16.0.2") {
		t.Errorf("port binding: %q", got)
	}
	ip := w.ips()["web.default"]
	want := map[string]string{
		"ovn.kubernetes.io/subnet": "ovn-default", "ovn.kubernetes.io/node-name": "node2", "ovn-default": "", "ovn.kubernetes.io/ip_reserved": "false",
	}
	if diff := cmp.Diff(want, ip.Labels); diff != "" || ip.Spec.V4IPAddress != "10.16.0.2" || ip.Spec.NodeName != "node2" {
		t.Errorf("ip object %+v, labels (-want +got)\n%s", ip.Spec, diff)
	}

	w.deletePods("default", "web")
	w.waitNoIPs("default")
	w.eventually("the port is gone", func() error {
		if got := w.find("Logical_Switch_Port", "name", "name=web.default"); len(got) > 0 {
			return fmt.Errorf("rows %v", got)
		}
		return nil
	})
	w.checkNorthd()
}

// TestNodeLeaves shows that a node takes its rows, its IP object and its address with it.
func TestNodeLeaves(t *testing.T) {
	w, _ := converged(t, 2)
	before := w.rows()
	if _, err := w.plane.Kube.CoreV1().Nodes().Create(t.Context(), testbed.Node("node3", "192.168.123.23"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitNodes(3)
	w.eventually("the rows of node3", func() error {
		if n := len(w.find("Logical_Router_Policy", "match")); n != 8 {
			return fmt.Errorf("%d policies", n)
		}
		return nil
	})
	if err := w.plane.Kube.CoreV1().Nodes().Delete(t.Context(), "node3", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitRows(before)
	w.eventually("its IP object is gone", func() error {
		if _, there := w.ips()["node-node3"]; there {
			return fmt.Errorf("it is there")
		}
		return nil
	})
}

// TestCompletedPod shows that a pod which has ended for good gives its address back although it is still listed.
func TestCompletedPod(t *testing.T) {
	w, _ := converged(t, 1)
	w.createPod(testbed.Pod("default", "job", "node1"))
	pod := w.waitPod("default", "job")
	pod.Status.Phase = corev1.PodSucceeded
	if _, err := w.plane.Kube.CoreV1().Pods("default").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitNoIPs("default")
}
