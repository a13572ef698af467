package subnet

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// edit changes the spec of a stored subnet.
func (w *world) edit(s *v1.Subnet, change func(*v1.SubnetSpec)) {
	controllertest.Edit(w.Fixture, s, func(s *v1.Subnet) { change(&s.Spec) })
}

func cidr(text string) func(*v1.SubnetSpec) {
	return func(s *v1.SubnetSpec) { s.CIDRBlock, s.Gateway, s.ExcludeIps = text, "", nil }
}

// While an edit is refused, what was accepted stays in effect: its rows are restored when they get lost, its prefix is given
// to nobody else, and the status tells it to everybody. It stays refused when the subnet is deleted.
func TestRefusedEditKeepsTheAcceptedSpec(t *testing.T) {
	one, two := controllertest.Subnet("one", "vpc1", "10.0.1.0/24"), controllertest.Subnet("two", "vpc1", "10.0.2.0/24")
	w := started(t, one, two)
	accepted := controllertest.Stored(w.Fixture, one)
	rows := w.Dump()
	w.edit(one, cidr("10.0.0.0/16"))
	w.waitReason(one, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	w.Settle()
	w.WaitDump(rows)
	got := controllertest.Stored(w.Fixture, one)
	if e := util.InEffect(got); e.Spec.CIDRBlock != "10.0.1.0/24" || e.Generation != accepted.Generation || got.Status.V4AvailableIPs.String() != "253" {
		t.Errorf("in effect are %+v of generation %d", e.Spec, e.Generation)
	}
	w.edit(one, cidr("10.0.2.0/24")) // what is in effect of it is free for nobody
	w.waitReason(one, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	newcomer := controllertest.Subnet("three", "vpc1", "10.0.1.0/25")
	w.Create(newcomer)
	w.waitReason(newcomer, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	if message := w.ready(newcomer).Message; !strings.Contains(message, "conflict with subnet one cidr 10.0.1.0/24") {
		t.Errorf("message %q", message)
	}
	w.Delete(newcomer)
	w.Eventually("the newcomer is gone", func() bool { return !w.Exists(newcomer) })

	w.Restart(w.build)
	w.Settle()
	w.WaitDump(rows)
	w.Empty()
	w.WaitDump(rows)

	w.use(t, "one", "a.ns", "10.0.1.2")
	w.Delete(one)
	w.waitReason(one, metav1.ConditionFalse, util.ReasonSubnetInUse)
	got = controllertest.Stored(w.Fixture, one)
	if e := util.InEffect(got); e.Spec.CIDRBlock != "10.0.1.0/24" || v1.IsConditionTrue(got.Status.Conditions, v1.ConditionValidated) {
		t.Errorf("the deletion accepted the refused edit: %+v", got.Status)
	}
}

// An accepted edit is in effect with one status write, and a refused one heals when what it was refused for goes.
func TestAcceptedEdit(t *testing.T) {
	one, two := controllertest.Subnet("one", "vpc1", "10.0.1.0/24"), controllertest.Subnet("two", "vpc1", "10.0.2.0/24")
	w := started(t, one, two)
	w.edit(one, cidr("10.0.0.0/16"))
	w.waitReason(one, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	w.Delete(two)
	w.waitReason(one, metav1.ConditionTrue, util.ReasonSubnetPublic)
	got := controllertest.Stored(w.Fixture, one)
	if got.Status.Accepted.Spec.CIDRBlock != "10.0.0.0/16" || got.Status.Accepted.Generation != got.Generation {
		t.Errorf("accepted is %+v", got.Status.Accepted)
	}
}

// A subnet that an older release accepted stays in effect when a stricter one refuses it.
func TestInheritedSubnetStaysInEffect(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.NamespaceSelectors = selector("In") })
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	w := started(t, s)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	if e := util.InEffect(controllertest.Stored(w.Fixture, s)); e == nil || e.Spec.CIDRBlock != "10.0.1.0/24" {
		t.Errorf("in effect is %+v", e)
	}
}

// What an accepted edit changes about the way out is told, and so are addresses in use that it leaves outside.
func TestEditIsTold(t *testing.T) {
	s := controllertest.Subnet("net1", util.DefaultVpc, "10.0.0.0/16", func(s *v1.SubnetSpec) { s.GatewayType = util.GatewayDistributed })
	w := started(t, s, controllertest.Node("node1"))
	for _, address := range []string{"10.0.0.9", "10.0.9.9"} {
		lease := util.PortLease{Port: "pod" + address + ".ns", Pod: "pod" + address, Namespace: "ns", Subnet: s.Name, V4: address, MAC: "00:00:00:00:00:01"}
		w.Create(lease.Object())
	}
	w.Settle()
	told := func() []string {
		w.Settle()
		var events []string
		for len(w.Events.Events) > 0 {
			events = append(events, <-w.Events.Events)
		}
		return events
	}
	told()
	w.edit(s, func(s *v1.SubnetSpec) { s.GatewayType, s.GatewayNode = util.GatewayCentralized, "node1" })
	events := told()
	for _, want := range []string{
		`Normal SubnetGatewayTypeChanged from "distributed" to "centralized"`, `Normal SubnetGatewayNodeChanged from "" to "node1"`,
	} {
		if !slices.Contains(events, want) {
			t.Errorf("no event %q in %q", want, events)
		}
	}
	w.edit(s, cidr("10.0.0.0/24"))
	if events, want := told(), "Warning AddressOutOfRange 1 addresses in use are not in 10.0.0.0/24 any more: pod10.0.9.9.ns"; !slices.Contains(events, want) {
		t.Errorf("no event %q in %q", want, events)
	}
	w.edit(s, func(s *v1.SubnetSpec) { s.EnableDHCP = true })
	if events := told(); slices.ContainsFunc(events, func(e string) bool { return strings.Contains(e, "Gateway") || strings.Contains(e, "Range") }) {
		t.Errorf("an edit of something else told %q", events)
	}
}
