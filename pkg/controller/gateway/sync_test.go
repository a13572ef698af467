package gateway

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// build starts the controller on a database that has the default router.
func build(f *controllertest.Fixture) []*reconcile.Loop {
	f.Base(ovs.LogicalRouter{Name: util.DefaultVpc})
	return []*reconcile.Loop{New(
		Deps{
			Config:  Config{DefaultVpc: util.DefaultVpc, JoinSubnet: util.JoinSubnet, ServiceCIDR: "10.96.0.0/12"},
			NB:      f.NB,
			Subnets: f.KubeOVN.KubeovnV1().Subnets(),
		},
		Sources{Subnets: f.Informers.Kubeovn().V1().Subnets(), Nodes: f.KubeInformers.Core().V1().Nodes()},
	)}
}

func TestLaws(t *testing.T) {
	node2 := node("node2", "100.64.0.3", true)
	net1 := subnet("net1", centralized("node1"))
	controllertest.Laws(t, controllertest.Scenario{
		Build: build,
		Objects: []runtime.Object{
			node("node1", "100.64.0.2", true), node2, subnet("ovn-default"), net1,
			subnet("under", interconnected), subnet("tenant", func(s *v1.Subnet) { s.Spec.Vpc = "vpc1" }), subnet(util.JoinSubnet),
		},
		Removed: []runtime.Object{node2, net1},
	})
}

func TestFailover(t *testing.T) {
	f := controllertest.New(t, node("node1", "100.64.0.2", true), node("node2", "100.64.0.3", true), subnet("net1", centralized("node1,node2")))
	f.Run(build)
	active := func(want string) func() bool {
		return func() bool { return controllertest.Stored(f, subnet("net1")).Status.ActivateGateway == want }
	}
	f.Eventually("node1 is active", active("node1"))
	f.Update(node("node1", "100.64.0.2", false))
	f.Eventually("node2 took over", active("node2"))
	f.Update(node("node1", "100.64.0.2", true))
	f.Settle()
	if !active("node2")() {
		t.Error("a ready gateway was left for one that came back")
	}
	f.Update(node("node2", "100.64.0.3", false))
	f.Eventually("node1 is active again", active("node1"))
}
