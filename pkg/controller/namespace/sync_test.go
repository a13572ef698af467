package namespace

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func build(f *controllertest.Fixture) []*reconcile.Loop {
	kinds := f.Informers.Kubeovn().V1()
	return []*reconcile.Loop{New(
		Deps{Config: config, Namespaces: f.Kube.CoreV1().Namespaces()},
		Sources{Namespaces: f.KubeInformers.Core().V1().Namespaces(), Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(), IPPools: kinds.IPPools()},
	)}
}

func subnets(f *controllertest.Fixture, ns *corev1.Namespace) string {
	return controllertest.Stored(f, ns).Annotations[util.NamespaceSubnetsAnnotation]
}

func TestLaws(t *testing.T) {
	_, def, join := controllertest.DefaultSubnets()
	net1 := bound("net1", "test-vpc-1", "10.0.1.0/24", "ns1")
	controllertest.Laws(t, controllertest.Scenario{
		Build: build,
		Objects: []runtime.Object{
			def, join, net1, tenant("test-vpc-1", "", "", "ns1"), controllertest.Namespace("ns1"), controllertest.Namespace("ns2"),
		},
		Removed: []runtime.Object{net1},
	})
}

// S-052 and what follows when subnets come and go: the annotation follows, with one write for each change.
func TestFollowsSubnets(t *testing.T) {
	_, def, _ := controllertest.DefaultSubnets()
	ns1, ns2 := controllertest.Namespace("ns1"), controllertest.Namespace("ns2")
	f := controllertest.New(t, def, ns1, ns2)
	f.Run(build)
	f.Settle()
	if got := subnets(f, ns1); got != "ovn-default" {
		t.Errorf("unbound namespace has %q", got)
	}
	net1 := bound("net1", "test-vpc-1", "10.0.1.0/24", "ns1")
	f.Forget()
	f.Create(net1)
	f.Eventually("ns1 has net1", func() bool { return subnets(f, ns1) == "net1" })
	f.Settle()
	writes := f.Writes()
	if len(writes) != 2 || !strings.HasPrefix(writes[0], "patch namespaces/ns1 ") {
		t.Errorf("writes besides the subnet's creation: %q", writes)
	}
	moved := controllertest.Stored(f, net1)
	moved.Spec.Namespaces = []string{"ns2"}
	f.Update(moved)
	f.Eventually("ns2 has net1", func() bool { return subnets(f, ns2) == "net1" })
	f.Eventually("ns1 has the default", func() bool { return subnets(f, ns1) == "ovn-default" })
	f.Delete(net1)
	f.Eventually("ns2 has the default", func() bool { return subnets(f, ns2) == "ovn-default" })
}

// S-085: a VPC's default subnet goes first as soon as it is in effect.
func TestFollowsDefaultOfVpc(t *testing.T) {
	_, def, _ := controllertest.DefaultSubnets()
	ns1 := controllertest.Namespace("ns1")
	f := controllertest.New(t, def, ns1, tenant("test-vpc-1", "test", "", "ns1"), bound("net1", "test-vpc-1", "10.0.1.0/24", "ns1"))
	f.Run(build)
	f.Settle()
	if got := subnets(f, ns1); got != "net1" {
		t.Errorf("before: %q", got)
	}
	f.Create(bound("test", "test-vpc-1", "10.0.2.0/24"))
	vpc := controllertest.Stored(f, &v1.Vpc{ObjectMeta: tenant("test-vpc-1", "", "").ObjectMeta})
	vpc.Status.DefaultLogicalSwitch = "test"
	f.Update(vpc)
	f.Eventually("test goes first", func() bool { return subnets(f, ns1) == "test,net1" })
}

func TestLabelsBindNamespaces(t *testing.T) {
	_, def, _ := controllertest.DefaultSubnets()
	ns := controllertest.Namespace("ns1")
	red := bound("red", "", "10.0.3.0/24")
	f := controllertest.New(t, def, ns, red)
	f.Run(build)
	f.Settle()
	labelled := controllertest.Stored(f, ns)
	labelled.Labels["team"] = "red"
	f.Update(labelled)
	selecting := controllertest.Stored(f, red)
	selecting.Spec.NamespaceSelectors = append(selecting.Spec.NamespaceSelectors, selector("team", "red"))
	f.Update(selecting)
	f.Eventually("ns1 has red", func() bool { return subnets(f, ns) == "red" })
	unlabelled := controllertest.Stored(f, ns)
	delete(unlabelled.Labels, "team")
	f.Update(unlabelled)
	f.Eventually("ns1 has the default", func() bool { return subnets(f, ns) == "ovn-default" })
}

func selector(key, value string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}
