package pod

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func newPool(name, subnet, ips string, namespaces ...string) *v1.IPPool {
	return &v1.IPPool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPPoolSpec{Subnet: subnet, IPs: []string{ips}, Namespaces: namespaces}}
}

// A pod that names a pool gets an address of it, in the pool's subnet; one that was there first waits for it and is woken.
func TestNamedPool(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), newSubnet("net1", "vpc1", "10.1.0.0/24"))
	f := controllertest.New(t, w.objects()...)
	f.Run(w.build)
	pod := newPod("a", "ovn.kubernetes.io/ip_pool", "pool1")
	f.Create(pod)
	if event := nextEvent(f); !strings.Contains(event, util.EventAcquireAddressFailed) || !strings.Contains(event, `ippool "pool1" does not exist`) {
		t.Errorf("event %q", event)
	}
	if err := w.books.SetPool("net1", "pool1", []string{"10.1.0.77"}); err != nil {
		t.Fatal(err)
	}
	f.Create(newPool("pool1", "net1", "10.1.0.77"))
	f.Eventually("the address of the pool", func() bool { return address(f, pod) == "10.1.0.77" })
}

// The pods of a namespace draw from its pools, a full one is followed by the next; what a pod asks for itself and what it
// has comes first.
func TestPoolsOfNamespace(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	f := controllertest.New(t, w.objects()...)
	f.Run(w.build)
	early, before := newPod("early"), "10.16.0.2"
	f.Create(early)
	f.Eventually("an address of no pool", func() bool { return address(f, early) == before })
	for _, pool := range []*v1.IPPool{
		newPool("a", "ovn-default", "10.16.0.100", "ns"), newPool("b", "ovn-default", "10.16.0.200", "other", "ns"),
		newPool("c", "ovn-default", "10.16.0.50", "other"),
	} {
		if err := w.books.SetPool("ovn-default", pool.Name, pool.Spec.IPs); err != nil {
			t.Fatal(err)
		}
		f.Create(pool)
	}
	f.Settle()
	for _, step := range []struct{ pod, wish, want string }{
		{"one", "", "10.16.0.100"}, {"two", "", "10.16.0.200"}, {"static", "10.16.0.9", "10.16.0.9"},
	} {
		pod := newPod(step.pod)
		if step.wish != "" {
			pod = newPod(step.pod, "ovn.kubernetes.io/ip_address", step.wish)
		}
		f.Create(pod)
		f.Eventually(step.pod+" has "+step.want, func() bool { return address(f, pod) == step.want })
	}
	f.Create(newPod("late"))
	if event := nextEvent(f); !strings.Contains(event, "pool b of subnet ovn-default") {
		t.Errorf("event %q", event)
	}
	f.Resync("ns/early")
	f.Settle()
	if got := address(f, early); got != before {
		t.Errorf("the running pod moved from %s to %s", before, got)
	}
}

// A namespace whose pool is in none of its subnets gets nothing by accident, and its pods say so.
func TestPoolElsewhere(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), newSubnet("net1", "vpc1", "10.1.0.0/24"))
	f := controllertest.New(t, w.objects(newPool("a", "net1", "10.1.0.100", "ns"))...)
	f.Run(w.build)
	pod := newPod("one")
	f.Create(pod)
	if event := nextEvent(f); !strings.Contains(event, "subnet ovn-default: NoSuchPool: it has no ippool of the pod's namespace") {
		t.Errorf("event %q", event)
	}
}
