package ovnnat

import (
	"encoding/json"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world1 is the network of seed 000: two outside networks, vpc1 with its subnet, a pod's address and a vip.
func world1() []runtime.Object {
	return []runtime.Object{
		controllertest.Vpc("vpc1"), controllertest.Vpc("vpc2"), external204(), extra(),
		subnetOf("vpc1-subnet1", "vpc1", "192.168.0.0/24,fd00:168::/64"), subnetOf("vpc2-subnet1", "vpc2", "192.168.0.0/24"),
		podIP("vpc-1-busybox01.vpc1", "vpc1-subnet1", "192.168.0.2", "fd00:168::2"),
		podIP("vpc-1-busybox02.vpc1", "vpc1-subnet1", "192.168.0.4", ""),
		podIP("vpc-2-busybox01.vpc2", "vpc2-subnet1", "192.168.0.2", ""),
		grantedVip("test-fip-vip", "192.168.0.3"),
	}
}

func external204() *v1.Subnet {
	s := subnetOf("external204", "", "10.5.204.0/24")
	s.Spec.Vlan = "vlan204"
	s.Spec.Gateway, s.Spec.ExcludeIps = "10.5.204.254", []string{"10.5.204.1..10.5.204.100"}
	return s
}

func extra() *v1.Subnet {
	s := subnetOf("extra", "", "10.10.204.0/24,fd00:204::/64")
	s.Spec.Vlan, s.Spec.Gateway = "vlan205", "10.10.204.254,fd00:204::fe"
	return s
}

// subnetOf is a subnet that the subnet controller accepted.
func subnetOf(name, vpc, cidr string) *v1.Subnet {
	s := controllertest.Subnet(name, vpc, cidr)
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return s
}

func podIP(name, subnet, v4, v6 string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{
		Subnet: subnet, V4IPAddress: v4, V6IPAddress: v6, MacAddress: "00:00:00:0A:DD:27",
	}}
}

func grantedVip(name, v4 string) *v1.Vip {
	return &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: "vpc1-subnet1"}, Status: v1.VipStatus{V4ip: v4}}
}

func eip(name string, edits ...func(*v1.OvnEipSpec)) *v1.OvnEip {
	e := &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: util.EipTypeNAT}}
	for _, edit := range edits {
		edit(&e.Spec)
	}
	return e
}

// at fixes an OvnEip's address and MAC, so that the order of events does not matter.
func at(last int) func(*v1.OvnEipSpec) {
	return func(s *v1.OvnEipSpec) {
		s.V4Ip, s.MacAddress = fmt.Sprintf("10.5.204.%d", last), fmt.Sprintf("00:00:00:00:01:%02X", last)
	}
}

func fip(name, eip string, edits ...func(*v1.OvnFipSpec)) *v1.OvnFip {
	r := &v1.OvnFip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnFipSpec{OvnEip: eip}}
	for _, edit := range edits {
		edit(&r.Spec)
	}
	return r
}

func fipTo(ipName string) func(*v1.OvnFipSpec) { return func(s *v1.OvnFipSpec) { s.IPName = ipName } }

func fipAt(vpc, v4 string) func(*v1.OvnFipSpec) {
	return func(s *v1.OvnFipSpec) { s.Vpc, s.V4Ip = vpc, v4 }
}

func fipToVip(s *v1.OvnFipSpec)    { s.IPType, s.IPName = util.IPTypeVip, "test-fip-vip" }
func distributed(s *v1.OvnFipSpec) { s.Type = util.NatDistributed }

func snat(name, eip string, edit func(*v1.OvnSnatRuleSpec)) *v1.OvnSnatRule {
	r := &v1.OvnSnatRule{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnSnatRuleSpec{OvnEip: eip}}
	edit(&r.Spec)
	return r
}

func snatOf(subnet string) func(*v1.OvnSnatRuleSpec) {
	return func(s *v1.OvnSnatRuleSpec) { s.VpcSubnet = subnet }
}

func snatAt(vpc, cidr string) func(*v1.OvnSnatRuleSpec) {
	return func(s *v1.OvnSnatRuleSpec) { s.Vpc, s.V4IpCidr = vpc, cidr }
}

func snatTo(ipName string) func(*v1.OvnSnatRuleSpec) {
	return func(s *v1.OvnSnatRuleSpec) { s.IPName = ipName }
}

func dnat(name, eip, port string, edits ...func(*v1.OvnDnatRuleSpec)) *v1.OvnDnatRule {
	r := &v1.OvnDnatRule{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnDnatRuleSpec{
		OvnEip: eip, IPName: "vpc-1-busybox01.vpc1", Protocol: "tcp", InternalPort: port, ExternalPort: port,
	}}
	for _, edit := range edits {
		edit(&r.Spec)
	}
	return r
}

// defaultVpc is the default VPC with settings of its external gateway in effect; pairs are keys and values.
func defaultVpc(pairs ...string) *v1.Vpc {
	data := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	vpc := controllertest.Vpc(util.DefaultVpc)
	vpc.Annotations = map[string]string{util.ExternalGatewayInEffect: util.EncodeExternalGateway(data)}
	return vpc
}

// nats is the fixture with the books of the present process.
type nats struct {
	*controllertest.Fixture
	t       *testing.T
	book    *ipam.IPAM
	without string // a router port that the test makes itself
}

func start(t *testing.T, objects ...runtime.Object) *nats {
	t.Helper()
	return startWithout(t, "", objects...)
}

// startWithout starts without one of the router ports.
func startWithout(t *testing.T, port string, objects ...runtime.Object) *nats {
	t.Helper()
	n := &nats{Fixture: controllertest.New(t, objects...), t: t, without: port}
	n.Run(n.build)
	return n
}

func (n *nats) build(f *controllertest.Fixture) []*reconcile.Loop {
	var loops []*reconcile.Loop
	loops, n.book = build(n.t, f, n.without)
	return loops
}

// build makes the controllers on routers and switches that others keep, with books as they are after a start.
func build(t testing.TB, f *controllertest.Fixture, without string) ([]*reconcile.Loop, *ipam.IPAM) {
	book := ipam.New()
	for _, s := range []*v1.Subnet{external204(), extra()} {
		spec := ipam.Spec{Name: s.Name, CIDRBlock: s.Spec.CIDRBlock, Gateway: s.Spec.Gateway, ExcludeIPs: s.Spec.ExcludeIps}
		if err := book.SetSubnet(spec); err != nil {
			t.Fatal(err)
		}
	}
	eips, err := f.KubeOVN.KubeovnV1().OvnEips().List(f.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := make([]*v1.OvnEip, len(eips.Items))
	for i := range eips.Items {
		held[i] = &eips.Items[i]
	}
	for _, err := range book.Rebuild(Holdings(held)) {
		t.Logf("rebuild: %v", err)
	}
	f.Base(given(without)...)
	kinds := f.Informers.Kubeovn().V1()
	loops := New(
		Deps{
			Config: Config{DefaultVpc: util.DefaultVpc, ExternalSubnet: "external204", Workers: 2},
			NB:     f.NB, IPAM: book, API: f.KubeOVN.KubeovnV1(), Events: f.Events,
		},
		Sources{
			Eips: kinds.OvnEips(), Fips: kinds.OvnFips(), Snats: kinds.OvnSnatRules(), Dnats: kinds.OvnDnatRules(),
			IPs: kinds.IPs(), Vips: kinds.Vips(), Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(),
		},
	)
	return loops, book
}

// given are the rows of others: switch, routers, and their ports on the external networks but for one of them.
func given(without string) []ovs.Row {
	rows := []ovs.Row{ovs.LogicalSwitch{Name: "external204"}}
	for _, vpc := range []string{"vpc1", "vpc2", util.DefaultVpc} {
		rows = append(rows, ovs.LogicalRouter{Name: vpc})
		for i, external := range []string{"external204", "extra"} {
			port := ovs.LogicalRouterPort{
				Router: vpc, Name: util.RouterPortName(vpc, external), MAC: "00:00:00:00:02:02",
				Networks: []string{[]string{"10.5.204.100/24", "10.10.204.100/24"}[i]},
			}
			if port.Name != without {
				rows = append(rows, port)
			}
		}
	}
	return rows
}

// ready waits until an object is Ready for its present spec, or not.
func (n *nats) ready(object runtime.Object, want bool) v1.Condition {
	n.t.Helper()
	var got v1.Condition
	n.Eventually(fmt.Sprintf("%T %s has Ready=%v", object, object.(metav1.Object).GetName(), want), func() bool {
		stored := controllertest.Stored(n.Fixture, object)
		condition := v1.FindCondition(conditionsOf(stored), v1.ConditionReady)
		if condition == nil || condition.ObservedGeneration != stored.(metav1.Object).GetGeneration() {
			return false
		}
		got = *condition
		return (got.Status == metav1.ConditionTrue) == want
	})
	return got
}

func conditionsOf(object runtime.Object) []v1.Condition {
	switch o := object.(type) {
	case *v1.OvnEip:
		return o.Status.Conditions
	case *v1.OvnFip:
		return o.Status.Conditions
	case *v1.OvnSnatRule:
		return o.Status.Conditions
	case *v1.OvnDnatRule:
		return o.Status.Conditions
	}
	return nil
}

// gone waits for the end of an object.
func (n *nats) gone(object runtime.Object) {
	n.t.Helper()
	n.Eventually(fmt.Sprintf("%T %s is gone", object, object.(metav1.Object).GetName()), func() bool { return !n.Exists(object) })
}

func isEip(object runtime.Object) bool {
	_, ok := object.(*v1.OvnEip)
	return ok
}

// sameObject compares kind and name.
func sameObject(a, b runtime.Object) bool {
	return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) && a.(metav1.Object).GetName() == b.(metav1.Object).GetName()
}

// change gives a stored rule the spec of object. A conflict with the controller's own write is tried again.
func change(n *nats, object runtime.Object) {
	n.t.Helper()
	switch o := object.(type) {
	case *v1.OvnFip:
		patchSpec(n, "ovn-fips", o.Name, o.Spec)
	case *v1.OvnSnatRule:
		patchSpec(n, "ovn-snat-rules", o.Name, o.Spec)
	case *v1.OvnDnatRule:
		patchSpec(n, "ovn-dnat-rules", o.Name, o.Spec)
	}
}

// patchSpec changes nothing but the spec, so that it does not undo what the controller writes at the same time.
func patchSpec(n *nats, resource, name string, spec any) {
	n.t.Helper()
	body, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		n.t.Fatal(err)
	}
	action := clienttesting.NewRootPatchAction(v1.SchemeGroupVersion.WithResource(resource), name, types.MergePatchType, body)
	n.Eventually("patch of "+resource+" "+name, func() bool {
		_, err := n.KubeOVN.Invokes(action, nil)
		return err == nil
	})
}
