package ovnnat

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func TestLaws(t *testing.T) {
	removed := []runtime.Object{
		eip("eip-dnat", at(104)), dnat("eip-dnat", "eip-dnat", "22"),
		fip("eip-for-vip", "eip-for-vip", fipToVip), snat("snat01", "snat01", snatTo("vpc-1-busybox02.vpc1")),
		eip("node1", at(109), func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLSP }),
		fip("both", "eip-both", fipTo("web.ns")),
	}
	objects := append(world2(),
		eip("eip-both", at(110)), snat("both", "eip-both", snatTo("web.ns")), snat("default", "eip-both", snatOf("ovn-default")),
		eip("eip-extra", onExtra, func(s *v1.OvnEipSpec) {
			s.V4Ip, s.V6Ip, s.MacAddress = "10.10.204.7", "fd00:204::7", "00:00:00:00:02:07"
		}), dnat("extra", "eip-extra", "80"),
		eip("eip-static", at(101)), fip("eip-static", "eip-static", fipTo("vpc-1-busybox01.vpc1"), distributed),
		eip("eip-for-vip", at(106)), eip("snat01", at(116)),
		eip("snat-for-subnet-in-vpc", at(115)), snat("snat-for-subnet-in-vpc", "snat-for-subnet-in-vpc", snatOf("vpc1-subnet1")),
	)
	controllertest.Laws(t, controllertest.Scenario{
		Build: func(f *controllertest.Fixture) []*reconcile.Loop {
			loops, _ := build(t, f, "")
			return loops
		},
		Objects: append(objects, removed...),
		Removed: removed,
	})
}

// TestSeed runs the objects of seed 000 and looks at what kubectl prints and what is in the database.
func TestSeed(t *testing.T) {
	n := start(t, world1()...)
	seed := []runtime.Object{
		eip("eip-static"), fip("eip-static", "eip-static", fipTo("vpc-1-busybox01.vpc1")),
		eip("eip-for-vip"), fip("eip-for-vip", "eip-for-vip", fipToVip),
		eip("snat-for-subnet-in-vpc"), snat("snat-for-subnet-in-vpc", "snat-for-subnet-in-vpc", snatOf("vpc1-subnet1")),
		eip("snat-for-pod-vpc-ip"), snat("snat01", "snat-for-pod-vpc-ip", snatTo("vpc-1-busybox02.vpc1")),
		eip("eip-dnat", func(s *v1.OvnEipSpec) { s.ExternalSubnet, s.Type = "", "" }), dnat("eip-dnat", "eip-dnat", "22"),
	}
	for _, object := range seed {
		n.Create(object)
		n.ready(object, true)
	}
	n.Settle()

	for name, want := range map[string]v1.OvnEipStatus{
		"eip-static":             {Type: "nat", Nat: "fip", V4Ip: "10.5.204.101", Ready: true},
		"snat-for-subnet-in-vpc": {Type: "nat", Nat: "snat", V4Ip: "10.5.204.103", Ready: true},
		"eip-dnat":               {Type: "dnat", Nat: "dnat", V4Ip: "10.5.204.105", Ready: true},
	} {
		got := controllertest.Stored(n.Fixture, eip(name))
		if !strings.HasPrefix(got.Status.MacAddress, "00:00:00:") || got.Spec.MacAddress != got.Status.MacAddress {
			t.Errorf("%s has MAC %q, spec %q", name, got.Status.MacAddress, got.Spec.MacAddress)
		}
		if s := got.Status; s.Type != want.Type || s.Nat != want.Nat || s.V4Ip != want.V4Ip || s.Ready != want.Ready || s.V6Ip != "" {
			t.Errorf("%s has status %+v", name, s)
		}
		if got.Spec.ExternalSubnet != "external204" || got.Labels[util.EipTypeLabel] != "nat" || got.Labels[util.VpcLabel] != "vpc1" ||
			got.Labels[util.EipV4Label] != want.V4Ip || got.Annotations[util.VpcNatAnnotation] != name {
			t.Errorf("%s has spec %+v, labels %v, annotations %v", name, got.Spec, got.Labels, got.Annotations)
		}
	}
	if spec := controllertest.Stored(n.Fixture, eip("eip-dnat")).Spec; spec.Type != "" {
		t.Errorf("an empty type became %q", spec.Type)
	}
	rule := controllertest.Stored(n.Fixture, fip("eip-static", ""))
	if s := rule.Status; s.Vpc != "vpc1" || s.V4Eip != "10.5.204.101" || s.V4Ip != "192.168.0.2" || !s.Ready || s.V6Eip != "" || s.V6Ip != "" {
		t.Errorf("fip has status %+v", s)
	}
	if rule.Labels[util.EipV4Label] != "10.5.204.101" || rule.Annotations[util.VpcEipAnnotation] != "eip-static" {
		t.Errorf("fip has labels %v, annotations %v", rule.Labels, rule.Annotations)
	}
	d := controllertest.Stored(n.Fixture, dnat("eip-dnat", "", "")).Status
	if d.Protocol != "tcp" || d.V4Eip != "10.5.204.105" || d.V4Ip != "192.168.0.2" || d.InternalPort != "22" || d.ExternalPort != "22" || d.IPName != "vpc-1-busybox01.vpc1" {
		t.Errorf("dnat has status %+v", d)
	}
	controllertest.Golden(t, "seed", n.Dump())

	n.deleteAll(seed...)
	if strings.Contains(n.Dump(), "nat=") || strings.Contains(n.Dump(), "load_balancer=") {
		t.Errorf("rows are left:\n%s", n.Dump())
	}
	n.emptyLedger()
}

// An address with its rule costs six API writes and says nothing on the way: finalizer, labels and address, status, and for
// the address what uses it.
func TestWrites(t *testing.T) {
	n := start(t, append(world1(), eip("e"), fip("f", "e", fipTo("vpc-1-busybox01.vpc1")))...)
	n.ready(fip("f", ""), true)
	n.Eventually("the use is told", func() bool { return controllertest.Stored(n.Fixture, eip("e")).Status.Nat == "fip" })
	n.Settle()
	if writes := n.Writes(); len(writes) > 6 {
		t.Errorf("%d writes:\n%s", len(writes), strings.Join(writes, "\n"))
	}
	if len(n.Events.Events) > 0 {
		t.Errorf("event %q", <-n.Events.Events)
	}
}

// deleteAll deletes everything at once and waits for the end of it.
func (n *nats) deleteAll(objects ...runtime.Object) {
	n.t.Helper()
	for _, object := range objects {
		n.Delete(object)
	}
	for _, object := range objects {
		n.gone(object)
	}
}

// emptyLedger waits until no address is held: what was deleted while in use goes after its last user.
func (n *nats) emptyLedger() {
	n.t.Helper()
	for _, subnet := range []string{"external204", "extra"} {
		n.Eventually("no lease in subnet "+subnet, func() bool { return len(n.book.SubnetLeases(subnet)) == 0 })
	}
}
