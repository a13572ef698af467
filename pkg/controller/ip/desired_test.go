package ip

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// reservation is an IP object as a user writes it.
func reservation(name, subnet string, edits ...func(*v1.IPSpec)) *v1.IP {
	ip := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{Subnet: subnet}}
	for _, edit := range edits {
		edit(&ip.Spec)
	}
	return ip
}

func forPod(namespace, name string) func(*v1.IPSpec) {
	return func(s *v1.IPSpec) { s.Namespace, s.PodName = namespace, name }
}

func v4(address string) func(*v1.IPSpec) { return func(s *v1.IPSpec) { s.V4IPAddress = address } }

// validSubnet is a subnet that the subnet controller accepted.
func validSubnet(name, cidr string) *v1.Subnet {
	subnet := controllertest.Subnet(name, util.DefaultVpc, cidr, func(s *v1.SubnetSpec) { s.Provider = util.OvnProvider })
	subnet.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return subnet
}

func TestRequest(t *testing.T) {
	subnet := validSubnet("s", "10.0.0.0/24,fd00::/112")
	external := subnet.DeepCopy()
	external.Spec.Provider = "macvlan.default"
	for name, c := range map[string]struct {
		ip     *v1.IP
		subnet *v1.Subnet
		want   ipam.Request
		err    string
	}{
		"any address":    {ip: reservation("web.ns", "s"), want: ipam.Request{NIC: "web.ns"}},
		"for a pod":      {ip: reservation("web.ns", "s", forPod("ns", "web")), want: ipam.Request{Owner: "ns/web", NIC: "web.ns"}},
		"second port":    {ip: reservation("web.ns.net.ns.ovn", "s", forPod("ns", "web")), want: ipam.Request{Owner: "ns/web", NIC: "web.ns.net.ns.ovn"}},
		"only pod name":  {ip: reservation("x", "s", func(s *v1.IPSpec) { s.PodName = "web" }), want: ipam.Request{NIC: "x"}},
		"static address": {ip: reservation("web.ns", "s", v4("10.0.0.9")), want: ipam.Request{NIC: "web.ns", Addresses: addrs("10.0.0.9")}},
		"both, as one text": {
			ip:   reservation("web.ns", "s", func(s *v1.IPSpec) { s.IPAddress = "10.0.0.9,fd00::9" }),
			want: ipam.Request{NIC: "web.ns", Addresses: addrs("10.0.0.9", "fd00::9")},
		},
		"told twice": {
			ip:   reservation("web.ns", "s", v4("10.0.0.9"), func(s *v1.IPSpec) { s.IPAddress = "10.0.0.9" }),
			want: ipam.Request{NIC: "web.ns", Addresses: addrs("10.0.0.9")},
		},
		"address and mac": {
			ip:   reservation("web.ns", "s", func(s *v1.IPSpec) { s.V6IPAddress, s.MacAddress = "fd00::9", "00:00:00:1a:2b:3c" }),
			want: ipam.Request{NIC: "web.ns", Addresses: addrs("fd00::9"), MAC: "00:00:00:1a:2b:3c"},
		},
		"addresses only": {ip: reservation("web.ns.macvlan.default", "m"), subnet: external, want: ipam.Request{NIC: "web.ns.macvlan.default", NoMAC: true}},

		"name of another pod": {
			ip: reservation("db.ns", "s", forPod("ns", "web")), err: "name db.ns is not that of a port of pod ns/web, which is web.ns",
		},
		"name of a longer pod":  {ip: reservation("web.nsx", "s", forPod("ns", "web")), err: "name web.nsx is not that"},
		"unknown pod type":      {ip: reservation("web.ns", "s", func(s *v1.IPSpec) { s.PodType = "Deployment" }), err: "podType Deployment is none of"},
		"typo":                  {ip: reservation("web.ns", "s", v4("10.0.0.999")), err: "v4IpAddress, v6IpAddress: "},
		"families exchanged":    {ip: reservation("web.ns", "s", v4("fd00::9")), err: `v4IpAddress "fd00::9", v6IpAddress "": fd00::9 is of the other family`},
		"ipAddress typo":        {ip: reservation("web.ns", "s", func(s *v1.IPSpec) { s.IPAddress = "10.0.0" }), err: "ipAddress: "},
		"contradicting":         {ip: reservation("web.ns", "s", v4("10.0.0.9"), func(s *v1.IPSpec) { s.IPAddress = "10.0.0.8" }), err: "ipAddress 10.0.0.8 and 10.0.0.9: which one is meant?"},
		"two of the one family": {ip: reservation("web.ns", "s", func(s *v1.IPSpec) { s.IPAddress = "10.0.0.8,10.0.0.9" }), err: "more than one address of a family"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.subnet == nil {
				c.subnet = subnet
			}
			got, err := request(inputs{ip: c.ip, subnet: c.subnet})
			if c.err != "" {
				refused, isInvalid := reconcile.AsInvalid(err)
				if !isInvalid || refused.Reason != util.EventValidateIPFailed || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want invalid: %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			comparer := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
			ignored := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Skip" }, cmp.Ignore())
			if diff := cmp.Diff(c.want, got, comparer, ignored); diff != "" {
				t.Errorf("request (-want +got)\n%s", diff)
			}
		})
	}
}

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestDesired(t *testing.T) {
	ip := reservation("web.ns", "s", forPod("ns", "web"), func(s *v1.IPSpec) { s.V6IPAddress, s.NodeName = "fd00:0:0::9", "node1" })
	ip.Labels = map[string]string{"team": "a"}
	ip.Finalizers = []string{"example.com/backup", util.LegacyFinalizer}
	got := desired(ip, ipam.Lease{Subnet: "s", V4: netip.MustParseAddr("10.0.0.9"), V6: netip.MustParseAddr("fd00::9"), MAC: "00:00:00:AA:BB:CC"})
	want := &v1.IP{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web.ns",
			Labels: map[string]string{
				"team": "a", "ovn.kubernetes.io/subnet": "s", "ovn.kubernetes.io/node-name": "node1", "s": "", "ovn.kubernetes.io/ip_reserved": "true",
			},
			Finalizers: []string{"example.com/backup", "kubeovn.io/kube-ovn-controller"},
		},
		Spec: v1.IPSpec{
			PodName: "web", Namespace: "ns", Subnet: "s", NodeName: "node1", IPAddress: "10.0.0.9,fd00:0:0::9",
			V4IPAddress: "10.0.0.9", V6IPAddress: "fd00:0:0::9", MacAddress: "00:00:00:AA:BB:CC",
			AttachSubnets: []string{}, AttachIPs: []string{}, AttachMacs: []string{},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if ip.Spec.V4IPAddress != "" || len(ip.Labels) != 1 {
		t.Error("the object itself was changed")
	}
}

func TestOver(t *testing.T) {
	past, future := metav1.Now(), metav1.Now()
	past.Time, future.Time = past.AddDate(0, 0, -1), future.AddDate(0, 0, 1)
	for name, c := range map[string]struct {
		pod  corev1.Pod
		want bool
	}{
		"running":               {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}, false},
		"completed":             {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}, true},
		"failed":                {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed}}, true},
		"ending gracefully":     {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &future}}, false},
		"past its grace period": {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &past}}, true},
	} {
		if got := over(&c.pod); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
