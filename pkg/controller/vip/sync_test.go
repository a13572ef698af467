package vip

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

type vips struct {
	*controllertest.Fixture
	t    *testing.T
	book *ipam.IPAM
	held []ipam.Holding // by pods, in an earlier life
}

func start(t *testing.T, objects ...runtime.Object) *vips {
	t.Helper()
	w := &vips{Fixture: controllertest.New(t, objects...), t: t}
	w.Run(w.build)
	return w
}

func (w *vips) build(f *controllertest.Fixture) []*reconcile.Loop {
	var loops []*reconcile.Loop
	loops, w.book = build(w.t, f, w.held...)
	return loops
}

func build(t testing.TB, f *controllertest.Fixture, pods ...ipam.Holding) ([]*reconcile.Loop, *ipam.IPAM) {
	book := ipam.New()
	if err := book.SetSubnet(ipam.Spec{Name: "vpc1-subnet1", CIDRBlock: "192.168.0.0/24", Gateway: "192.168.0.1"}); err != nil {
		t.Fatal(err)
	}
	list, err := f.KubeOVN.KubeovnV1().Vips().List(f.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := make([]*v1.Vip, len(list.Items))
	for i := range list.Items {
		held[i] = &list.Items[i]
	}
	for _, err := range book.Rebuild(append(pods, Holdings(held)...)) {
		t.Logf("rebuild: %v", err)
	}
	kinds := f.Informers.Kubeovn().V1()
	return []*reconcile.Loop{
		New(
			Deps{DefaultVpc: util.DefaultVpc, NB: f.NB, IPAM: book, Vips: f.KubeOVN.KubeovnV1().Vips(), Events: f.Events},
			Sources{Vips: kinds.Vips(), Subnets: kinds.Subnets(), Pods: f.KubeInformers.Core().V1().Pods()},
		),
		f.Given(ovs.LogicalSwitch{Name: "vpc1-subnet1"}),
	}, book
}

func subnet1() *v1.Subnet {
	s := controllertest.Subnet("vpc1-subnet1", "vpc1", "192.168.0.0/24")
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return s
}

func vipOf(name string, edits ...func(*v1.VipSpec)) *v1.Vip {
	vip := &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: "vpc1-subnet1"}}
	for _, edit := range edits {
		edit(&vip.Spec)
	}
	return vip
}

func fixed(v4, mac string) func(*v1.VipSpec) {
	return func(s *v1.VipSpec) { s.V4ip, s.MacAddress = v4, mac }
}

func ofType(kind string) func(*v1.VipSpec) {
	return func(s *v1.VipSpec) { s.Type, s.Namespace = kind, "ns1" }
}

func shared(s *v1.VipSpec) { s.Namespace, s.Selector = "ns1", []string{"app: keepalived"} }

func sharer(name, app, aaps string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns1", Name: name, Labels: map[string]string{"app": app}, Annotations: map[string]string{util.AapsAnnotation: aaps},
	}}
}

func (w *vips) ready(vip *v1.Vip, want bool) v1.Condition {
	w.t.Helper()
	var got v1.Condition
	w.Eventually("vip "+vip.Name, func() bool {
		condition := v1.FindCondition(controllertest.Stored(w.Fixture, vip).Status.Conditions, v1.ConditionReady)
		if condition == nil {
			return false
		}
		got = *condition
		return (got.Status == metav1.ConditionTrue) == want
	})
	return got
}

func (w *vips) gone(vip *v1.Vip) {
	w.t.Helper()
	w.Eventually("the end of vip "+vip.Name, func() bool { return !w.Exists(vip) })
}

func TestLaws(t *testing.T) {
	lb := vipOf("lb", ofType(util.VipTypeSwitchLB), func(s *v1.VipSpec) { s.V4ip = "192.168.0.12" })
	vrrp := vipOf("vrrp", shared, fixed("192.168.0.11", "00:00:00:00:00:11"))
	controllertest.Laws(t, controllertest.Scenario{
		Build: func(f *controllertest.Fixture) []*reconcile.Loop {
			loops, _ := build(t, f)
			return loops
		},
		Objects: []runtime.Object{
			subnet1(), sharer("a", "keepalived", "vrrp"), sharer("b", "keepalived", "other, vrrp"), sharer("c", "web", "vrrp"),
			sharer("d", "keepalived", ""), vipOf("plain", fixed("192.168.0.10", "00:00:00:00:00:10")),
			vrrp, lb, vipOf("vm", ofType(util.VipTypeKubeHostVM), fixed("192.168.0.13", "00:00:00:00:00:13")),
		},
		Removed: []runtime.Object{vrrp, lb},
	})
}

// TestRows shows the port of each type, the pods that share an address, and that an ordinary Vip has no port (S-026).
func TestRows(t *testing.T) {
	all := []*v1.Vip{
		vipOf("test-fip-vip"), vipOf("vrrp", shared), vipOf("lb", ofType(util.VipTypeSwitchLB)),
		vipOf("vm", ofType(util.VipTypeKubeHostVM), fixed("192.168.0.13", "00:00:00:00:00:13")),
	}
	w := start(t, subnet1(), sharer("a", "keepalived", "vrrp"), sharer("c", "web", "vrrp"))
	for _, vip := range all {
		w.Create(vip)
		w.ready(vip, true)
	}
	got := controllertest.Stored(w.Fixture, all[0])
	if s := got.Status; s.V4ip != "192.168.0.2" || !s.Ready || !strings.HasPrefix(s.Mac, "00:00:00:") || s.Mac != got.Spec.MacAddress {
		t.Errorf("status %+v, spec %+v", s, got.Spec)
	}
	if reserved, ok := got.Labels[util.IPReservedLabel]; got.Labels[util.SubnetLabel] != "vpc1-subnet1" || !ok || reserved != "" {
		t.Errorf("labels %v", got.Labels)
	}
	w.Settle()
	controllertest.Golden(t, "rows", w.Dump())
	w.Create(sharer("b", "keepalived", "vrrp"))
	w.Eventually("a second parent", func() bool { return strings.Contains(w.Dump(), "virtual-parents=a.ns1,b.ns1") })
	w.Delete(sharer("a", "", ""))
	w.Eventually("the first parent is gone", func() bool { return strings.Contains(w.Dump(), "virtual-parents=b.ns1") })
	for _, vip := range all {
		w.Delete(vip)
		w.gone(vip)
	}
	if leases := w.book.SubnetLeases("vpc1-subnet1"); len(leases) > 0 || strings.Contains(w.Dump(), "Switch_Port") {
		t.Errorf("left: %+v\n%s", leases, w.Dump())
	}
}

// One that cannot be served says why, and is served when the cause is gone.
func TestRefusals(t *testing.T) {
	free := func(w *vips, _ *v1.Vip) { w.Delete(vipOf("other")) }
	respell := func(w *vips, vip *v1.Vip) {
		controllertest.Edit(w.Fixture, vip, func(v *v1.Vip) { v.Spec = vipOf("x").Spec })
	}
	for name, test := range map[string]struct {
		vip          *v1.Vip
		reason, want string
		heal         func(w *vips, vip *v1.Vip)
	}{
		"taken":     {vipOf("v", fixed("192.168.0.9", "")), util.EventAcquireAddressFailed, "is held by Vip other (port other)", free},
		"outside":   {vipOf("v", fixed("10.0.0.1", "")), util.ReasonVipInvalid, "10.0.0.1 is not in 192.168.0.0/24", respell},
		"MAC":       {vipOf("v", fixed("", "nonsense")), util.ReasonVipInvalid, "MACInvalid", respell},
		"selector":  {vipOf("v", func(s *v1.VipSpec) { s.Selector = []string{"app"} }), util.ReasonVipInvalid, `selector "app" is not`, respell},
		"no subnet": {vipOf("v", func(s *v1.VipSpec) { s.Subnet = "" }), util.ReasonVipInvalid, "subnet of a vip has to be set", respell},
		"no addresses": {
			vipOf("v", func(s *v1.VipSpec) { s.Subnet, s.Namespace = "mac-only", "ns" }), util.ReasonVipInvalid, "subnet mac-only has no addresses",
			respell,
		},
		"bad subnet": {vipOf("v", func(s *v1.VipSpec) { s.Subnet = "typo" }), util.EventAcquireAddressFailed, "subnet typo, which does not exist", respell},
	} {
		t.Run(name, func(t *testing.T) {
			other := vipOf("other", fixed("192.168.0.9", ""))
			macOnly := subnet1()
			macOnly.Name, macOnly.Spec.CIDRBlock = "mac-only", ""
			w := start(t, subnet1(), macOnly, other)
			if err := w.book.SetSubnet(ipam.Spec{Name: "mac-only"}); err != nil {
				t.Fatal(err)
			}
			w.ready(other, true)
			w.Create(test.vip)
			if got := w.ready(test.vip, false); got.Reason != test.reason || !strings.Contains(got.Message, test.want) {
				t.Errorf("it says %s: %q", got.Reason, got.Message)
			}
			w.Settle()
			if n := len(w.Events.Events); n != 1 {
				t.Errorf("%d events", n)
			}
			test.heal(w, test.vip)
			w.ready(test.vip, true)
		})
	}
}

// A Vip that a pod uses stays, and what was assigned cannot be changed.
func TestInUse(t *testing.T) {
	vip := vipOf("v", fixed("192.168.0.9", ""))
	w := start(t, subnet1(), vip)
	w.ready(vip, true)
	controllertest.Edit(w.Fixture, vip, func(v *v1.Vip) { v.Spec.V4ip = "192.168.0.10" })
	if got := w.ready(vip, false); !strings.Contains(got.Message, "does not support change of v4ip from 192.168.0.9 to 192.168.0.10") {
		t.Errorf("it says %q", got.Message)
	}
	controllertest.Edit(w.Fixture, vip, func(v *v1.Vip) { v.Spec.V4ip = "192.168.0.9" })
	w.ready(vip, true)
	w.use(vip, "web")
	w.Delete(vip)
	w.Eventually("the user is named", func() bool {
		return strings.Contains(w.ready(vip, false).Message, "vip 'v' is in use by pod web.ns1")
	})
	w.book.ReleaseOwner("ns1/web")
	w.gone(vip)
}

// user is a pod that takes a Vip's address for its own.
func user(name, vip string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns1", Name: name, Annotations: map[string]string{util.VipAnnotation: vip}}}
}

// use does what the pod controller does for a user: it shares the lease of the Vip and tells the pod.
func (w *vips) use(vip *v1.Vip, name string) {
	w.t.Helper()
	s := controllertest.Stored(w.Fixture, vip).Status
	addrs, err := util.ParseAddrs(util.JoinDual(s.V4ip, s.V6ip))
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.book.Claim("vpc1-subnet1", ipam.Request{
		Owner: "ns1/" + name, NIC: name + ".ns1", Addresses: addrs, MAC: s.Mac,
		ShareWith: func(l ipam.Lease) bool { return l.Owner == util.VipLeaseOwner(vip.Name) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	pod := user(name, vip.Name)
	pod.Annotations[util.Key(util.OvnProvider, util.Allocated)] = "true"
	w.Create(pod)
}

// The label names the port that has the address, from when the pod has it until it gives it back, across a restart, and the
// address is the Vip's all the time.
func TestUser(t *testing.T) {
	vip := vipOf("v", fixed("192.168.0.9", "00:00:00:00:00:09"))
	w := start(t, subnet1(), vip)
	w.ready(vip, true)
	reserved := func(want string) {
		t.Helper()
		w.Eventually("label "+want, func() bool { return controllertest.Stored(w.Fixture, vip).Labels[util.IPReservedLabel] == want })
	}
	w.use(vip, "web")
	reserved("web.ns1")
	w.held = []ipam.Holding{{Lease: w.book.Leases("ns1/web")[0]}}
	w.Restart(w.build)
	w.Settle()
	w.ready(vip, true)
	reserved("web.ns1")
	w.book.ReleaseOwner("ns1/web")
	reserved("")
	if leases := w.book.SubnetLeases("vpc1-subnet1"); len(leases) != 1 || leases[0].Owner != "Vip v" {
		t.Errorf("leases %+v", leases)
	}
	w.Settle()
	if len(w.Events.Events) > 0 {
		t.Errorf("event %q", <-w.Events.Events)
	}
}

// After a restart everybody has what he had.
func TestRestartKeepsAddresses(t *testing.T) {
	w := start(t, subnet1(), vipOf("b"))
	w.ready(vipOf("b"), true)
	w.Stop()
	w.Create(vipOf("a", fixed("192.168.0.2", "")))
	w.Restart(w.build)
	w.ready(vipOf("a"), false)
	if s := controllertest.Stored(w.Fixture, vipOf("b")).Status; s.V4ip != "192.168.0.2" || !s.Ready {
		t.Errorf("status %+v", s)
	}
}

// The front of a load balancer has the MAC that the router's port has, whoever made that, and follows it.
func TestSwitchLBHasTheRoutersMAC(t *testing.T) {
	const former = "d6:1f:4a:0b:9c:02"
	lb := vipOf("lb", ofType(util.VipTypeSwitchLB), fixed("192.168.0.12", ""))
	w := &vips{Fixture: controllertest.New(t, subnet1(), lb), t: t}
	w.Server.Transact(t, `{"op":"insert","table":"Logical_Router_Port","uuid-name":"p","row":{"name":"vpc1-vpc1-subnet1","networks":"192.168.0.1/24","mac":"`+former+`"}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"vpc1","ports":["named-uuid","p"]}}`)
	w.Reconnect()
	w.Run(w.build)
	serves := func(mac string) {
		t.Helper()
		w.Eventually("port and status have "+mac, func() bool {
			return strings.Contains(w.Dump(), "addresses="+mac+" 192.168.0.12") && controllertest.Stored(w.Fixture, lb).Status.Mac == mac
		})
		w.ready(lb, true)
	}
	serves(former)
	w.Empty()
	serves(util.HashMAC("vpc1-vpc1-subnet1", 0))
	if got := controllertest.Stored(w.Fixture, lb).Spec.MacAddress; got != former {
		t.Errorf("spec.macAddress, which cannot be changed, became %s", got)
	}
}
