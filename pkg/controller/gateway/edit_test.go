package gateway

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// A refused edit changes no row, not even for a controller that starts afterwards, and does not stop the failover of what is
// in effect.
func TestRefusedEdit(t *testing.T) {
	net1 := controllertest.Accepted(subnet("net1", centralized("node1,node2")))
	f := controllertest.New(t, node("node1", "100.64.0.2", true), node("node2", "100.64.0.3", true), net1)
	f.Run(build)
	f.Settle()
	before := f.Dump()
	if !strings.Contains(before, "ip4.src == 10.16.0.0/16") {
		t.Fatalf("no policy:\n%s", before)
	}
	refused := controllertest.Refused(controllertest.Stored(f, net1), func(s *v1.SubnetSpec) {
		s.CIDRBlock, s.GatewayNode, s.GatewayType = "10.0.0.0/8", "", util.GatewayDistributed
	})
	f.Update(refused)
	f.Settle()
	if got := f.Dump(); got != before {
		t.Errorf("a refused edit changed the rows to\n%s", got)
	}
	f.Restart(build)
	f.Settle()
	if got := f.Dump(); got != before {
		t.Errorf("a restart changed the rows to\n%s", got)
	}
	f.Update(node("node1", "100.64.0.2", false))
	f.Eventually("node2 took over", func() bool { return controllertest.Stored(f, net1).Status.ActivateGateway == "node2" })
	f.Settle()
	if got := f.Dump(); !strings.Contains(got, "100.64.0.3") || strings.Contains(got, "10.0.0.0/8") {
		t.Errorf("after the failover\n%s", got)
	}
	healed := controllertest.Stored(f, net1)
	healed.Spec.CIDRBlock, healed.Spec.GatewayNode, healed.Spec.GatewayType = "10.17.0.0/16", "node2", util.GatewayCentralized
	f.Update(healed)
	healed = controllertest.Stored(f, net1)
	f.Update(controllertest.Accepted(healed))
	f.Eventually("the accepted edit is in effect", func() bool { return strings.Contains(f.Dump(), "ip4.src == 10.17.0.0/16") })
}

// A selector that cannot be read stops nobody who does not use it.
func TestSelectorOfADistributedSubnet(t *testing.T) {
	s := subnet("net1")
	s.Spec.GatewayNodeSelectors = []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Foo"}}}}
	in, err := newInputs(util.DefaultVpc, s, []*corev1.Node{node("node1", "100.64.0.2", true)})
	if err != nil || len(in.rows(nil)) == 0 {
		t.Errorf("%d rows, %v", len(in.rows(nil)), err)
	}
}
