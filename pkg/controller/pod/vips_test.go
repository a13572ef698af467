package pod

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

const (
	vipKey, aapsKey, securityKey = "ovn.kubernetes.io/vip", "ovn.kubernetes.io/aaps", "ovn.kubernetes.io/port_security"
	vipMAC                       = "00:00:00:00:00:77"
)

// vipOf is a Vip with its address granted.
func vipOf(name, subnet, v4 string, edits ...func(*v1.VipSpec)) *v1.Vip {
	vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: subnet}, Status: v1.VipStatus{V4ip: v4, Mac: vipMAC}}
	for _, edit := range edits {
		edit(&vip.Spec)
	}
	return vip
}

func sharedIn(namespace string, selector ...string) func(*v1.VipSpec) {
	return func(s *v1.VipSpec) { s.Namespace, s.Selector = namespace, selector }
}

// vipWorld has the lease of Vip v in the second subnet.
func vipWorld(t *testing.T) *world {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), newSubnet("net1", "vpc1", "10.0.1.0/24"))
	w.prepare = func(_ *controllertest.Fixture, books *ipam.IPAM) {
		addrs := testLease("10.0.1.77").Addresses()
		if _, err := books.Claim("net1", ipam.Request{Owner: "Vip v", NIC: "v", Addresses: addrs, MAC: vipMAC}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestPodTakesVip shows a pod with the address, MAC and subnet of a Vip, which it waits for and shares with no other pod, and
// that the address is the Vip's alone again when the pod is gone.
func TestPodTakesVip(t *testing.T) {
	w := vipWorld(t)
	f := controllertest.New(t, w.objects(uidPod("a", vipKey, "v"))...)
	f.Run(w.build)
	if event := nextEvent(f); !strings.Contains(event, "vip v does not exist") {
		t.Errorf("event %q", event)
	}
	vip := vipOf("v", "net1", "")
	f.Create(vip)
	if event := nextEvent(f); !strings.Contains(event, "vip v has no address yet") {
		t.Errorf("event %q", event)
	}
	vip = controllertest.Stored(f, vip).DeepCopy()
	vip.Status = v1.VipStatus{V4ip: "10.0.1.77", Mac: vipMAC}
	f.Update(vip)
	f.Eventually("the address of the vip", func() bool { return address(f, newPod("a")) == "10.0.1.77" })
	if got := controllertest.Stored(f, newPod("a")).Annotations; got["ovn.kubernetes.io/mac_address"] != vipMAC || got["ovn.kubernetes.io/logical_switch"] != "net1" {
		t.Errorf("annotations %v", got)
	}
	f.Eventually("its port", func() bool { return strings.Contains(f.Dump(), "a.ns: addresses="+vipMAC+" 10.0.1.77") })
	f.Create(uidPod("b", vipKey, "v"))
	if event := nextEvent(f); !strings.HasPrefix(event, "Warning AcquireAddressFailed ") || !strings.Contains(event, "ns/a") {
		t.Errorf("event %q", event)
	}
	f.Delete(newPod("a"))
	f.Eventually("the second has it", func() bool { return address(f, newPod("b")) == "10.0.1.77" })
	f.Delete(newPod("b"))
	f.Eventually("it is the vip's alone", func() bool {
		holders := w.books.Holders("net1", testLease("10.0.1.77").V4)
		return len(holders) == 1 && holders[0].Owner == "Vip v"
	})
}

// TestVipOfLoadBalancer shows that the front of a load balancer is no pod's.
func TestVipOfLoadBalancer(t *testing.T) {
	w := vipWorld(t)
	front := vipOf("v", "net1", "10.0.1.77", func(s *v1.VipSpec) { s.Type = util.VipTypeSwitchLB })
	f := controllertest.New(t, w.objects(front, uidPod("a", vipKey, "v"))...)
	f.Run(w.build)
	if event := nextEvent(f); !strings.HasPrefix(event, "Warning ValidatePodNetworkFailed ") || !strings.Contains(event, "front of a load balancer") {
		t.Errorf("event %q", event)
	}
}

// TestAllowedAddresses shows which Vips of annotation aaps a pod may send from, and that the port follows them.
func TestAllowedAddresses(t *testing.T) {
	w := newWorld(t, newSubnet("net1", "vpc1", "10.0.1.0/24"), newSubnet("net2", "vpc1", "10.0.2.0/24"))
	secure := uidPod("a", aapsKey, "one, two,other-ns,other-net,other-app,late", securityKey, "true")
	secure.Labels = map[string]string{"app": "keepalived"}
	open := uidPod("open", aapsKey, "one")
	f := controllertest.New(t, w.objects(secure, open,
		vipOf("one", "net1", "10.0.1.101", sharedIn("ns")), vipOf("two", "net1", "10.0.1.102", sharedIn("ns", "app: keepalived")),
		vipOf("other-ns", "net1", "10.0.1.103", sharedIn("elsewhere")), vipOf("other-net", "net2", "10.0.2.104", sharedIn("ns")),
		vipOf("other-app", "net1", "10.0.1.105", sharedIn("ns", "app: web")), vipOf("unasked", "net1", "10.0.1.106", sharedIn("ns")))...)
	f.Run(w.build)
	port := func(want string) func() bool {
		return func() bool {
			for _, line := range strings.Split(f.Dump(), "\n") {
				if strings.HasPrefix(line, "Logical_Switch_Port a.ns:") {
					_, security, _ := strings.Cut(line, "port_security=")
					_, addrs, _ := strings.Cut(security, " ")
					return addrs == want && strings.Contains(line, "attach-vips=true") == (strings.Count(want, " ") > 0)
				}
			}
			return false
		}
	}
	f.Eventually("two vips", port("10.0.1.2 10.0.1.101 10.0.1.102"))
	f.Create(vipOf("late", "net1", "10.0.1.107", sharedIn("ns")))
	f.Eventually("three vips", port("10.0.1.2 10.0.1.101 10.0.1.102 10.0.1.107"))
	relabeled := controllertest.Stored(f, secure).DeepCopy()
	relabeled.Labels = map[string]string{"app": "web"}
	f.Update(relabeled)
	f.Eventually("by label", port("10.0.1.2 10.0.1.101 10.0.1.105 10.0.1.107"))
	f.Delete(vipOf("one", "", ""))
	f.Eventually("one is gone", port("10.0.1.2 10.0.1.105 10.0.1.107"))
	if dump := f.Dump(); strings.Contains(dump, "open.ns: ") && strings.Count(dump, "attach-vips") != 1 {
		t.Errorf("a port without security has vips:\n%s", dump)
	}
}
