package pod

import (
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// TestNodeAddressIsNotDrawn shows that no pod of the default VPC's overlay is given the address of a node; one in a custom
// VPC, where it means something else, is.
func TestNodeAddressIsNotDrawn(t *testing.T) {
	node := controllertest.Node("node9", "10.16.0.2", "10.0.0.2")
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), newSubnet("tenant", "vpc1", "10.0.0.0/24"))
	f := controllertest.New(t, append(w.objects(), node)...)
	f.Run(w.build)
	for subnet, want := range map[string]string{"ovn-default": "10.16.0.3", "tenant": "10.0.0.2"} {
		pod := newPod(subnet, "ovn.kubernetes.io/logical_switch", subnet)
		f.Create(pod)
		f.Eventually("the pod has an address", func() bool { return address(f, pod) != "" })
		if got := address(f, pod); got != want {
			t.Errorf("a pod of %s has %s, want %s", subnet, got, want)
		}
	}
}
