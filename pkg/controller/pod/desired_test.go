package pod

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var config = Config{DefaultVpc: util.DefaultVpc, DefaultSubnet: util.DefaultSubnet, JoinSubnet: util.JoinSubnet, NicType: util.PodNicVeth, Workers: 2,
	EnableEipSnat: true, ExternalSwitch: "external"}

// newPod is a pod bound to node1; annotations are key, value, ...
func newPod(name string, annotations ...string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "uid-of-test"}}
	pod.Spec.NodeName = "node1"
	for i := 0; i < len(annotations); i += 2 {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, annotations[i], annotations[i+1])
	}
	return pod
}

// newSubnet is a subnet that its controller has accepted.
func newSubnet(name, vpc, cidr string, edits ...func(*v1.SubnetSpec)) *v1.Subnet {
	s := controllertest.Subnet(name, vpc, cidr, edits...)
	if s.Spec.Provider == "" {
		s.Spec.Provider = util.OvnProvider
	}
	prefixes, err := util.ParseCIDRs(cidr)
	if err != nil {
		panic(err)
	}
	var gateways []netip.Addr
	for _, p := range prefixes {
		gateways = append(gateways, util.FirstUsable(p))
	}
	s.Spec.Gateway = util.FormatAddrs(gateways)
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return s
}

func testLease(addresses string) ipam.Lease {
	l := ipam.Lease{MAC: "00:00:00:AA:BB:CC"}
	addrs, err := util.ParseAddrs(addresses)
	if err != nil {
		panic(err)
	}
	for _, a := range addrs {
		if a.Is4() {
			l.V4 = a
		} else {
			l.V6 = a
		}
	}
	return l
}

func TestDesired(t *testing.T) {
	dhcp := func(s *v1.SubnetSpec) { s.EnableDHCP = true }
	provider := func(p string) func(*v1.SubnetSpec) { return func(s *v1.SubnetSpec) { s.Provider = p } }
	vlan := func(s *v1.SubnetSpec) { s.Vlan = "vlan1" }
	linked := func(lb bool) func(*v1.SubnetSpec) {
		return func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection, s.EnableLb = "vlan1", true, &lb }
	}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set-uid"}}
	type attached struct {
		prefix    string
		subnet    *v1.Subnet
		addresses string
	}
	for name, c := range map[string]struct {
		pod   *corev1.Pod
		set   *appsv1.StatefulSet
		ports []attached
	}{
		"default subnet": {newPod("a"), nil, []attached{{"ovn", newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), "10.16.0.2"}}},
		"custom vpc":     {newPod("a"), nil, []attached{{"ovn", newSubnet("net1", "vpc1", "10.0.1.0/24"), "10.0.1.2"}}},
		"dual stack with dhcp": {newPod("a"), nil, []attached{
			{"ovn", newSubnet("net1", "vpc1", "10.0.1.0/24,fd00::/120", dhcp), "10.0.1.2,fd00::2"}}},
		"port security and vips": {newPod("a", "ovn.kubernetes.io/port_security", "true", "ovn.kubernetes.io/port_vips", "10.0.1.9, 10.0.1.8"), nil,
			[]attached{{"ovn", newSubnet("net1", "vpc1", "10.0.1.0/24"), "10.0.1.2"}}},
		"layer2 forward": {newPod("a", "ovn.kubernetes.io/layer2_forward", "true"), nil,
			[]attached{{"ovn", newSubnet("net1", "vpc1", "10.0.1.0/24"), "10.0.1.2"}}},
		"underlay": {newPod("a"), nil, []attached{{"ovn", newSubnet("under", util.DefaultVpc, "10.5.0.0/24", vlan), "10.5.0.2"}}},
		"interconnected without load balancers": {newPod("a"), nil, []attached{
			{"ovn", newSubnet("under", util.DefaultVpc, "10.5.0.0/24", linked(false)), "10.5.0.2"}}},
		"interconnected with load balancers": {newPod("a"), nil, []attached{
			{"ovn", newSubnet("under", util.DefaultVpc, "10.5.0.0/24", linked(true)), "10.5.0.2"}}},
		"interconnected in a custom vpc": {newPod("a"), nil, []attached{
			{"ovn", newSubnet("under", "vpc1", "10.5.0.0/24", linked(false)), "10.5.0.2"}}},
		"stateful set": {newPod("web-0"), set, []attached{
			{"ovn", newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), "10.16.0.2"}}},
		"further interfaces": {newPod("a"), nil, []attached{
			{"ovn", newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), "10.16.0.2"},
			{"net.ns.ovn", newSubnet("second", "vpc1", "10.1.0.0/24", provider("net.ns.ovn")), "10.1.0.2"},
			{"mac.ns", newSubnet("third", "", "10.2.0.0/24", provider("mac.ns")), "10.2.0.2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs{Config: config, pod: c.pod, set: c.set, vlans: map[string]*v1.Vlan{"vlan1": newVlan(10)}}
			var ports []port
			var objects strings.Builder
			for _, a := range c.ports {
				p := port{nic{prefix: a.prefix, name: util.PodPortName(c.pod.Name, "ns", a.prefix)}, a.subnet, testLease(a.addresses)}
				ports = append(ports, p)
				ip := ipObject(in, p)
				fmt.Fprintf(&objects, "IP %s labels=%v annotations=%v spec=%+v\n", ip.Name, ip.Labels, ip.Annotations, ip.Spec)
			}
			controllertest.Golden(t, name, controllertest.Rows(rows(in, ports))+objects.String()+annotationText(annotations(in, ports, nil)))
		})
	}
}

func annotationText(annotations map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		fmt.Fprintf(&b, "%s=%s\n", key, annotations[key])
	}
	return b.String()
}

// TestAnnotationsOfDropped shows that an unplugged interface takes our annotations with it and leaves the user's.
func TestAnnotationsOfDropped(t *testing.T) {
	pod := newPod("a", "mine", "x", "net.ns.ovn.kubernetes.io/ip_address", "10.1.0.2", "net.ns.ovn.kubernetes.io/allocated", "true",
		"net.ns.ovn.kubernetes.io/vlan_id", "10", "net.ns.ovn.kubernetes.io/provider_network", "net1",
		"net.ns.ovn.kubernetes.io/ingress_rate", "3")
	got := annotationText(annotations(inputs{Config: config, pod: pod}, nil, []string{"a.ns.net.ns.ovn"}))
	if want := "mine=x\nnet.ns.ovn.kubernetes.io/ingress_rate=3\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// newVlan is vlan1 of the provider network net1.
func newVlan(id int) *v1.Vlan {
	return &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan1"}, Spec: v1.VlanSpec{ID: id, Provider: "net1"}}
}

// TestAnnotationsOfVlan shows that an untagged network is told as 0, and that a subnet that left its network takes that back.
func TestAnnotationsOfVlan(t *testing.T) {
	subnet := newSubnet("under", "vpc1", "10.5.0.0/24", func(s *v1.SubnetSpec) { s.Vlan = "vlan1" })
	p := port{nic{prefix: "net.ns.ovn"}, subnet, testLease("10.5.0.2")}
	in := inputs{Config: config, pod: newPod("a"), vlans: map[string]*v1.Vlan{"vlan1": newVlan(0)}}
	id, network := "net.ns.ovn.kubernetes.io/vlan_id", "net.ns.ovn.kubernetes.io/provider_network"
	in.pod.Annotations = annotations(in, []port{p}, nil)
	if got := in.pod.Annotations; got[id] != "0" || got[network] != "net1" {
		t.Errorf("on the network: %v", got)
	}
	subnet.Spec.Vlan = ""
	if got := annotationText(annotations(in, []port{p}, nil)); strings.Contains(got, id) || strings.Contains(got, network) {
		t.Errorf("off the network: %s", got)
	}
}

func TestRequestOf(t *testing.T) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	from := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.StatefulSetSpec{Ordinals: &appsv1.StatefulSetOrdinals{Start: 5}}}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		set  *appsv1.StatefulSet
		net  network
		want string
	}{
		"nothing asked":        {newPod("a"), nil, network{prefix: "ovn"}, "[] [] pool= mac="},
		"static":               {newPod("a", "ovn.kubernetes.io/ip_address", "fd00::5, 10.0.0.5"), nil, network{prefix: "ovn"}, "[10.0.0.5 fd00::5] [] pool= mac="},
		"static mac":           {newPod("a", "ovn.kubernetes.io/mac_address", "00:00:00:01:02:03"), nil, network{prefix: "ovn"}, "[] [] pool= mac=00:00:00:01:02:03"},
		"malformed address":    {newPod("a", "ovn.kubernetes.io/ip_address", "10.0.0.300"), nil, network{prefix: "ovn"}, "ValidatePodNetworkFailed"},
		"cidr for an address":  {newPod("a", "ovn.kubernetes.io/ip_address", "10.0.0.3/24"), nil, network{prefix: "ovn"}, "ValidatePodNetworkFailed"},
		"unknown family":       {newPod("a", "ovn.kubernetes.io/ip_family", "ipv5"), nil, network{prefix: "ovn"}, "ValidatePodNetworkFailed"},
		"named pool":           {newPod("a", "ovn.kubernetes.io/ip_pool", "pool1"), nil, network{prefix: "ovn"}, "[] [] pool=pool1 mac="},
		"one address pool":     {newPod("a", "ovn.kubernetes.io/ip_pool", "10.0.0.9"), nil, network{prefix: "ovn"}, "[] [[10.0.0.9]] pool= mac="},
		"list":                 {newPod("a", "ovn.kubernetes.io/ip_pool", "10.0.0.9,10.0.0.8"), nil, network{prefix: "ovn"}, "[] [[10.0.0.9] [10.0.0.8]] pool= mac="},
		"one dual entry":       {newPod("a", "ovn.kubernetes.io/ip_pool", "10.0.0.9,fd00::9"), nil, network{prefix: "ovn"}, "[] [[10.0.0.9 fd00::9]] pool= mac="},
		"dual entries":         {newPod("a", "ovn.kubernetes.io/ip_pool", "10.0.0.9,fd00::9;10.0.0.8,fd00::8"), nil, network{prefix: "ovn"}, "[] [[10.0.0.9 fd00::9] [10.0.0.8 fd00::8]] pool= mac="},
		"malformed list":       {newPod("a", "ovn.kubernetes.io/ip_pool", "10.0.0.9,x"), nil, network{prefix: "ovn"}, "ValidatePodNetworkFailed"},
		"ordinal":              {newPod("web-1", "ovn.kubernetes.io/ip_pool", "10.0.0.9,10.0.0.8"), set, network{prefix: "ovn"}, "[10.0.0.8] [] pool= mac="},
		"ordinal from start":   {newPod("web-5", "ovn.kubernetes.io/ip_pool", "10.0.0.9,10.0.0.8"), from, network{prefix: "ovn"}, "[10.0.0.9] [] pool= mac="},
		"ordinal behind list":  {newPod("web-2", "ovn.kubernetes.io/ip_pool", "10.0.0.9,10.0.0.8"), set, network{prefix: "ovn"}, "ValidatePodNetworkFailed"},
		"address beats pool":   {newPod("a", "ovn.kubernetes.io/ip_pool", "p", "ovn.kubernetes.io/ip_address", "10.0.0.5"), nil, network{prefix: "ovn"}, "[10.0.0.5] [] pool= mac="},
		"selection's wishes":   {newPod("a"), nil, network{prefix: "net.ns.ovn", attachment: "net.ns", ips: []string{"10.1.0.7"}, mac: "00:00:00:01:02:03"}, "[10.1.0.7] [] pool= mac=00:00:00:01:02:03"},
		"per interface wishes": {newPod("a", "net.ns.kubernetes.io/ip_address.net1", "10.1.0.8"), nil, network{prefix: "net.ns.ovn.net1", attachment: "net.ns", ifname: "net1"}, "[10.1.0.8] [] pool= mac="},
	} {
		t.Run(name, func(t *testing.T) {
			c.net.subnets = []*v1.Subnet{newSubnet("s", "vpc1", "10.0.0.0/24,fd00::/120")}
			r, err := requestOf(inputs{Config: config, pod: c.pod, set: c.set}, c.net)
			got := fmt.Sprintf("%v %v pool=%s mac=%s", r.Addresses, r.Candidates, r.Pool, r.MAC)
			if invalid, ok := reconcile.AsInvalid(err); ok {
				got = invalid.Reason
			} else if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestOver(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	deleted := func(d time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now.Add(d)} }
	}
	phase := func(ph corev1.PodPhase) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Status.Phase = ph } }
	for name, c := range map[string]struct {
		edit func(*corev1.Pod)
		want bool
	}{
		"running":                {phase(corev1.PodRunning), false},
		"succeeded":              {phase(corev1.PodSucceeded), true},
		"failed":                 {phase(corev1.PodFailed), true},
		"deleted, grace runs":    {deleted(time.Second), false},
		"deleted, grace is over": {deleted(-time.Second), true},
	} {
		pod := newPod("a")
		c.edit(pod)
		if got := over(pod, now); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestBelongs(t *testing.T) {
	two := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.StatefulSetSpec{Replicas: &two, Ordinals: &appsv1.StatefulSetOrdinals{Start: 3}}}
	for pod, want := range map[string]bool{"web-2": false, "web-3": true, "web-4": true, "web-5": false, "web-x": false, "web": false, "other-3": false} {
		if got := belongs(set, pod); got != want {
			t.Errorf("%s: got %v", pod, got)
		}
	}
	for pod, want := range map[string]string{"web-12": "web", "a-b-0": "a-b", "web": "", "web-x": "", "12": ""} {
		if got := setName(pod); got != want {
			t.Errorf("setName(%s) = %s", pod, got)
		}
	}
}

// FuzzRequest shows that no annotation text makes planning panic, and that what is accepted are addresses.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{"10.0.0.1", "10.0.0.1,fd00::1;x", ";;,", "pool", "fd00::1%eth0", strings.Repeat("1,", 100)} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, address, pool string) {
		pod := newPod("web-0", "ovn.kubernetes.io/ip_address", address, "ovn.kubernetes.io/ip_pool", pool)
		n := network{prefix: "ovn", subnets: []*v1.Subnet{newSubnet("s", "vpc1", "10.0.0.0/24")}}
		r, err := requestOf(inputs{Config: config, pod: pod}, n)
		if err != nil {
			return
		}
		for _, addrs := range append(r.Candidates, r.Addresses) {
			if len(addrs) > 2 || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !a.IsValid() }) {
				t.Errorf("%q, %q: accepted %v", address, pool, addrs)
			}
		}
	})
}
