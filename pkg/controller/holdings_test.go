package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// lines prints holdings as "subnet owner nic addresses mac".
func lines(held []ipam.Holding) []string {
	var out []string
	for _, h := range held {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %q %s %s %s", h.Subnet, h.Owner, h.NIC, util.FormatAddrs(h.Addresses()), h.MAC)))
	}
	return out
}

func want(t *testing.T, got []ipam.Holding, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHeldByIPs(t *testing.T) {
	ip := func(age int64, lease util.PortLease) *v1.IP {
		object := lease.Object()
		object.CreationTimestamp = metav1.NewTime(time.Unix(age, 0))
		return object
	}
	halves := ip(3, util.PortLease{Port: "free", Subnet: "s", V4: "10.0.0.6", V6: "fd00::6"})
	halves.Spec.IPAddress = ""
	want(t, heldByIPs([]*v1.IP{
		ip(2, util.PortLease{Port: "b.ns", Pod: "b", Namespace: "ns", Subnet: "s", V4: "10.0.0.3", MAC: "00:00:00:00:00:03"}),
		ip(1, util.PortLease{Port: "a.ns.net.ns.ovn", Pod: "a", Namespace: "ns", Subnet: "t", V4: "10.1.0.2", V6: "fd00::2"}),
		ip(9, util.PortLease{Port: "db-0.ns", Pod: "db-0", Namespace: "ns", Subnet: "s", V4: "10.0.0.4", PodType: util.PodTypeStatefulSet}),
		ip(2, util.PortLease{Port: "node-n1", Pod: "n1", Subnet: "join", V4: "100.64.0.2"}),
		halves,
	}),
		`s "ns/db-0" db-0.ns 10.0.0.4`,
		`t "ns/a" a.ns.net.ns.ovn 10.1.0.2,fd00::2`,
		`s "ns/b" b.ns 10.0.0.3 00:00:00:00:00:03`,
		`join "node-n1" node-n1 100.64.0.2`,
		`s "" free 10.0.0.6,fd00::6`,
	)
}

func annotated(kind metav1.ObjectMeta, provider string, pairs ...string) metav1.ObjectMeta {
	if kind.Annotations == nil {
		kind.Annotations = map[string]string{}
	}
	for pair := range slices.Chunk(pairs, 2) {
		kind.Annotations[util.Key(provider, pair[0])] = pair[1]
	}
	return kind
}

func TestHeldByPods(t *testing.T) {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "ns"} }
	full := annotated(meta("a"), "ovn", "allocated", "true", "ip_address", "10.0.0.2,fd00::2", "mac_address", "00:00:00:00:00:02", "logical_switch", "s")
	full = annotated(full, "net.ns.ovn", "allocated", "true", "ip_address", "10.1.0.2", "logical_switch", "t")
	wished := annotated(meta("b"), "ovn", "ip_address", "10.0.0.9", "logical_switch", "s")
	machine := annotated(meta("virt-launcher-x"), "ovn", "allocated", "true", "ip_address", "10.0.0.5", "logical_switch", "s", "virtualmachine", "vm1")
	over := annotated(meta("c"), "ovn", "allocated", "true", "ip_address", "10.0.0.7", "logical_switch", "s")
	want(t, heldByPods([]*corev1.Pod{
		{ObjectMeta: full}, {ObjectMeta: wished}, {ObjectMeta: machine},
		{ObjectMeta: over, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}},
		{ObjectMeta: over, Spec: corev1.PodSpec{HostNetwork: true}},
	}),
		`t "ns/a" a.ns.net.ns.ovn 10.1.0.2`,
		`s "ns/a" a.ns 10.0.0.2,fd00::2 00:00:00:00:00:02`,
		`s "ns/vm1" vm1.ns 10.0.0.5`,
	)
}

func TestHeldByNodes(t *testing.T) {
	joined := annotated(metav1.ObjectMeta{Name: "n1"}, "ovn", "allocated", "true", "ip_address", "100.64.0.2", "mac_address", "00:00:00:00:00:01")
	fresh := annotated(metav1.ObjectMeta{Name: "n2"}, "ovn", "ip_address", "100.64.0.3")
	want(t, heldByNodes([]*corev1.Node{{ObjectMeta: joined}, {ObjectMeta: fresh}}, "join"), `join "node-n1" node-n1 100.64.0.2 00:00:00:00:00:01`)
}

func TestHeldByPorts(t *testing.T) {
	port := func(name string, ext map[string]string, addresses ...string) ovs.LivePort {
		return ovs.LivePort{Name: name, Switch: "s", Addresses: addresses, ExternalIDs: ext}
	}
	want(t, heldByPorts([]ovs.LivePort{
		port("a.ns", map[string]string{"owner": "pod/ns/a"}, "00:00:00:00:00:02 10.0.0.2 fd00::2"),
		port("node-n1", map[string]string{"owner": "node/n1"}, "00:00:00:00:00:03 10.0.0.3"),
		port("old.ns", map[string]string{"pod": "ns/old"}, "00:00:00:00:00:04 10.0.0.4"),
		port("other", nil, "00:00:00:00:00:05 10.0.0.5", "unknown"),
		port("s-ovn-cluster", nil, "router"), port("x", nil, "unknown"), port("y", nil, "dynamic"), port("z", nil, "00:00:00:00:00:06"),
	}),
		`s "ns/a" a.ns 10.0.0.2,fd00::2 00:00:00:00:00:02`,
		`s "node-n1" node-n1 10.0.0.3 00:00:00:00:00:03`,
		`s "ns/old" old.ns 10.0.0.4 00:00:00:00:00:04`,
		`s "" other 10.0.0.5 00:00:00:00:00:05`,
	)
}
