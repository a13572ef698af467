package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func joinSubnet(cidr, gateway string) *v1.Subnet {
	_, _, join := controllertest.DefaultSubnets()
	join.Spec.CIDRBlock, join.Spec.Gateway = cidr, gateway
	join.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return join
}

func annotated(node *corev1.Node, addresses, mac string) *corev1.Node {
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, "ovn.kubernetes.io/ip_address", addresses)
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, "ovn.kubernetes.io/mac_address", mac)
	return node
}

func newIPAM(t *testing.T, join *v1.Subnet) *ipam.IPAM {
	t.Helper()
	books := ipam.New()
	if err := books.SetSubnet(ipam.Spec{Name: join.Name, CIDRBlock: join.Spec.CIDRBlock, Gateway: join.Spec.Gateway}); err != nil {
		t.Fatal(err)
	}
	return books
}

func TestRows(t *testing.T) {
	v4 := joinSubnet("100.64.0.0/16", "100.64.0.1")
	both := joinSubnet("100.64.0.0/16,fd00:100:64::/112", "100.64.0.1,fd00:100:64::1")
	for name, c := range map[string]struct {
		join *v1.Subnet
		node *corev1.Node
		dns  []string
	}{
		"ipv4":                        {v4, controllertest.Node("node1", "192.168.123.21"), nil},
		"dual stack":                  {both, controllertest.Node("node1", "192.168.123.21", "fd00::21"), nil},
		"dual stack, one internal ip": {both, controllertest.Node("node1", "192.168.123.21"), nil},
		"no internal ip":              {v4, controllertest.Node("node-1"), nil},
		"local dns":                   {v4, controllertest.Node("node-1", "192.168.123.21"), []string{"169.254.20.10", "169.254.20.11", "fd00::53"}},
		"local dns, dual stack":       {both, controllertest.Node("node1"), []string{"169.254.20.10", "fd00::53"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs{Config: Config{DefaultVpc: util.DefaultVpc, JoinSubnet: util.JoinSubnet, LocalDNS: c.dns}, name: c.node.Name, node: c.node, join: c.join}
			in.node = annotated(in.node, util.JoinDual("100.64.0.7", map[bool]string{true: "fd00:100:64::7"}[c.join == both]), "00:00:00:AA:BB:CC")
			in.held, in.heldMAC = held(in.node, nil, in.join)
			lease, err := (&controller{Deps: Deps{Config: in.Config, IPAM: newIPAM(t, c.join)}}).claim(in)
			if err != nil {
				t.Fatal(err)
			}
			controllertest.Golden(t, name, controllertest.Rows(rows(in, lease)))
		})
	}
}

// TestHeld shows which addresses a node keeps.
func TestHeld(t *testing.T) {
	join := joinSubnet("100.64.0.0/16", "100.64.0.1")
	node := annotated(controllertest.Node("node1"), "100.64.0.2", "00:00:00:AA:BB:CC")
	ip := util.PortLease{Port: "node-node1", Subnet: "join", V4: "100.64.0.9", MAC: "00:00:00:AA:BB:DD"}.Object()
	for name, c := range map[string]struct {
		node *corev1.Node
		ip   *v1.IP
		join *v1.Subnet
		want string
	}{
		"nothing yet":               {controllertest.Node("node1"), nil, join, " "},
		"annotation":                {node, nil, join, "100.64.0.2 00:00:00:AA:BB:CC"},
		"ip object beats it":        {node, ip, join, "100.64.0.9 00:00:00:AA:BB:DD"},
		"the join network moved":    {node, nil, joinSubnet("100.65.0.0/16", "100.65.0.1"), " 00:00:00:AA:BB:CC"},
		"malformed annotation":      {annotated(controllertest.Node("node1"), "100.64.0.256", "x"), nil, join, " "},
		"two addresses of a family": {annotated(controllertest.Node("node1"), "100.64.0.2,100.64.0.3", "x"), nil, join, " "},
	} {
		addrs, mac := held(c.node, c.ip, c.join)
		if got := util.FormatAddrs(addrs) + " " + mac; got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestKeysForIP(t *testing.T) {
	for name, want := range map[string]string{"node-node1": "node1", "node-a.default": "", "pod.ns": ""} {
		ip := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if name != "node-node1" {
			ip.Spec.Namespace = "default"
		}
		got := ""
		if keys := keysForIP(ip); len(keys) > 0 {
			got = keys[0]
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestNodeMatters(t *testing.T) {
	before := controllertest.Node("node1", "192.168.0.1")
	heartbeat := before.DeepCopy()
	heartbeat.Status.Conditions[0].LastHeartbeatTime = metav1.Now()
	if nodeMatters(before, heartbeat) {
		t.Error("a heartbeat wakes the queue")
	}
	if !nodeMatters(before, controllertest.Node("node1", "192.168.0.2")) {
		t.Error("a new InternalIP does not")
	}
}
