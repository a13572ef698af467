package pod

import (
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// TestPodBeforeItsSubnet shows that a pod whose watch runs ahead of that of its namespace's subnet waits for the subnet, and
// that a namespace that is nobody's costs one read of the subnets, whatever its pods.
func TestPodBeforeItsSubnet(t *testing.T) {
	tenant := newSubnet("tenant", "vpc1", "10.0.0.0/24", func(s *v1.SubnetSpec) { s.Namespaces = []string{"ns"} })
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), tenant)
	all := w.objects()
	all = append(all[:2], all[3:]...) // the API server has the tenant's subnet, its watch has not
	f := controllertest.New(t, all...)
	var reads atomic.Int32
	var late atomic.Bool
	late.Store(true)
	f.Run(w.build)
	f.Settle()
	f.KubeOVN.PrependReactor("list", "subnets", func(clienttesting.Action) (bool, runtime.Object, error) {
		reads.Add(1)
		list := &v1.SubnetList{}
		if late.Load() {
			list.Items = []v1.Subnet{*tenant}
		}
		return true, list, nil
	})
	pod := newPod("a")
	f.Create(pod)
	f.Eventually("the API server is asked", func() bool { return reads.Load() > 1 })
	if got := address(f, pod); got != "" {
		t.Errorf("the pod has %s", got)
	}
	f.Create(tenant)
	namespace := controllertest.Stored(f, all[0].(*corev1.Namespace))
	namespace.Annotations[util.NamespaceSubnetsAnnotation] = "tenant"
	f.Update(namespace)
	f.Eventually("the pod is in its subnet", func() bool { return address(f, pod) == "10.0.0.2" })

	late.Store(false)
	reads.Store(0)
	f.Delete(tenant)
	namespace = controllertest.Stored(f, namespace)
	namespace.Annotations[util.NamespaceSubnetsAnnotation] = "ovn-default"
	f.Update(namespace)
	for _, name := range []string{"b", "c", "d"} {
		pod := newPod(name)
		f.Create(pod)
		f.Eventually(name+" has an address", func() bool { return address(f, pod) != "" })
	}
	if n := reads.Load(); n != 1 {
		t.Errorf("%d reads of the subnets", n)
	}
}
