package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world makes the rows that a node's rows hang on, and the Southbound database.
type world struct {
	t    *testing.T
	sb   *ovstest.Server
	join *v1.Subnet
}

func newWorld(t *testing.T) *world {
	return &world{t: t, sb: ovstest.Start(t, ovs.Southbound), join: joinSubnet("100.64.0.0/16", "100.64.0.1")}
}

func (w *world) build(f *controllertest.Fixture) []*reconcile.Loop {
	f.Base(ovs.LogicalRouter{Name: util.DefaultVpc}, ovs.LogicalSwitch{Name: util.JoinSubnet})
	return []*reconcile.Loop{New(
		Deps{
			Config: Config{DefaultVpc: util.DefaultVpc, JoinSubnet: util.JoinSubnet},
			NB:     f.NB, SB: w.sb.Connect(w.t), IPAM: newIPAM(w.t, w.join),
			Nodes: f.Kube.CoreV1().Nodes(), IPs: f.KubeOVN.KubeovnV1().IPs(), Events: f.Events,
		},
		Sources{Nodes: f.KubeInformers.Core().V1().Nodes(), Subnets: f.Informers.Kubeovn().V1().Subnets(), IPs: f.Informers.Kubeovn().V1().IPs()},
	)}
}

func TestLaws(t *testing.T) {
	w := newWorld(t)
	one := annotated(controllertest.Node("node1", "192.168.123.21"), "100.64.0.2", "00:00:00:AA:BB:01")
	two := annotated(controllertest.Node("node2", "192.168.123.22"), "100.64.0.3", "00:00:00:AA:BB:02")
	controllertest.Laws(t, controllertest.Scenario{Build: w.build, Objects: []runtime.Object{w.join, one, two}, Removed: []runtime.Object{two}})
}

// TestS125 shows that nodes get the lowest addresses in the order they join, and keep them.
func TestS125(t *testing.T) {
	w := newWorld(t)
	f := controllertest.New(t, w.join)
	f.Run(w.build)
	for i, name := range []string{"node1", "node2", "node3"} {
		node := controllertest.Node(name, fmt.Sprintf("192.168.123.2%d", i))
		f.Create(node)
		want := []string{"100.64.0.2", "100.64.0.3", "100.64.0.4"}[i]
		f.Eventually(name+" has "+want, func() bool {
			return controllertest.Stored(f, node).Annotations["ovn.kubernetes.io/ip_address"] == want
		})
	}
	got := controllertest.Stored(f, controllertest.Node("node1")).Annotations
	for key, want := range map[string]string{
		"allocated": "true", "cidr": "100.64.0.0/16", "gateway": "100.64.0.1", "logical_switch": "join", "port_name": "node-node1",
	} {
		if got["ovn.kubernetes.io/"+key] != want {
			t.Errorf("annotation %s = %q, want %q", key, got["ovn.kubernetes.io/"+key], want)
		}
	}
	if n := len(f.Writes()); n != 9 {
		t.Errorf("%d writes for three nodes, want one IP object and one patch each besides their creation: %q", n, f.Writes())
	}
	ip := controllertest.Stored(f, &v1.IP{ObjectMeta: controllertest.Node("node-node1").ObjectMeta})
	if ip.Spec.V4IPAddress != "100.64.0.2" || ip.Spec.Subnet != "join" || len(ip.OwnerReferences) != 1 {
		t.Errorf("ip object %+v", ip)
	}
}

// TestInternalIPChange shows that a node's new address replaces its policy (U-07).
func TestInternalIPChange(t *testing.T) {
	w := newWorld(t)
	f := controllertest.New(t, w.join, controllertest.Node("node1", "192.168.123.21"))
	f.Run(w.build)
	f.Eventually("the policy", func() bool { return strings.Contains(f.Dump(), "ip4.dst == 192.168.123.21") })
	f.Settle()
	node := controllertest.Stored(f, controllertest.Node("node1")).DeepCopy()
	node.Status.Addresses[0].Address = "192.168.123.99"
	f.Update(node)
	f.Eventually("the policy of the new address alone", func() bool {
		dump := f.Dump()
		return strings.Contains(dump, "ip4.dst == 192.168.123.99") && !strings.Contains(dump, "192.168.123.21")
	})
}

// TestChassis shows that the chassis of a node is marked when it exists, and removed with the node.
func TestChassis(t *testing.T) {
	w := newWorld(t)
	node := controllertest.Node("node1", "192.168.123.21")
	node.Annotations = map[string]string{util.ChassisAnnotation: "6a2b7a9e-0000-4000-8000-000000000001"}
	f := controllertest.New(t, w.join, node)
	f.Run(w.build)
	f.Eventually("the annotations, before the chassis is there", func() bool {
		return controllertest.Stored(f, node).Annotations["ovn.kubernetes.io/allocated"] == "true"
	})
	w.sb.Transact(t, `{"op":"insert","table":"Encap","uuid-name":"e","row":{"type":"geneve","ip":"192.0.2.1","chassis_name":"6a2b7a9e-0000-4000-8000-000000000001"}}`,
		`{"op":"insert","table":"Chassis","row":{"name":"6a2b7a9e-0000-4000-8000-000000000001","hostname":"node1","encaps":["named-uuid","e"]}}`)
	reader := w.sb.Connect(t)
	f.Eventually("the mark", func() bool { return slices.Contains(reader.Owners(Name), "node1") })
	f.Delete(node)
	f.Eventually("the chassis goes with the node", func() bool { return !strings.Contains(w.sb.Dump(t), "6a2b7a9e") })
}

// TestHiddenNode shows that a node with an address in a subnet of the default VPC's overlay is told so, once.
func TestHiddenNode(t *testing.T) {
	w := newWorld(t)
	overlay := controllertest.Accepted(controllertest.Subnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	underlay := controllertest.Accepted(controllertest.Subnet("under", util.DefaultVpc, "10.17.0.0/16", func(s *v1.SubnetSpec) { s.Vlan = "vlan" }))
	tenant := controllertest.Accepted(controllertest.Subnet("tenant", "vpc1", "10.17.0.0/16"))
	node := controllertest.Node("node1", "192.168.123.21", "10.17.0.9")
	f := controllertest.New(t, w.join, node, overlay, underlay, tenant)
	f.Run(w.build)
	f.Settle()
	if n := len(f.Events.Events); n > 0 {
		t.Fatalf("%d events, first %q", n, <-f.Events.Events)
	}
	wider := controllertest.Stored(f, overlay).DeepCopy()
	wider.Spec.CIDRBlock = "10.16.0.0/15"
	wider.Generation++
	f.Update(controllertest.Accepted(wider))
	f.Settle()
	f.Resync("node1")
	f.Settle()
	if n := len(f.Events.Events); n != 1 {
		t.Fatalf("%d events", n)
	}
	if got, want := <-f.Events.Events, "Warning NodeAddressConflictWithSubnet address 10.17.0.9 is in cidr 10.16.0.0/15 of subnet ovn-default"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
