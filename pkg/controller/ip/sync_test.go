package ip

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world is the fixture with the books of the present process.
type world struct {
	*controllertest.Fixture
	t     *testing.T
	books *ipam.IPAM
}

// start runs the controller. The books know every subnet that the API has, as after the rebuild at start.
func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{Fixture: controllertest.New(t, objects...), t: t}
	w.Run(func(f *controllertest.Fixture) []*reconcile.Loop {
		var loops []*reconcile.Loop
		loops, w.books = build(t, f, objects...)
		return loops
	})
	return w
}

func build(t *testing.T, f *controllertest.Fixture, objects ...runtime.Object) ([]*reconcile.Loop, *ipam.IPAM) {
	books := ipam.New()
	for _, object := range objects {
		if subnet, ok := object.(*v1.Subnet); ok {
			know(t, books, subnet)
		}
	}
	kinds := f.Informers.Kubeovn().V1()
	return []*reconcile.Loop{New(
		Deps{IPAM: books, IPs: f.KubeOVN.KubeovnV1().IPs(), Events: f.Events},
		Sources{IPs: kinds.IPs(), Subnets: kinds.Subnets(), Pods: f.KubeInformers.Core().V1().Pods()},
	)}, books
}

func know(t *testing.T, books *ipam.IPAM, subnet *v1.Subnet) {
	t.Helper()
	spec := ipam.Spec{Name: subnet.Name, CIDRBlock: subnet.Spec.CIDRBlock, Gateway: subnet.Spec.Gateway, ExcludeIPs: subnet.Spec.ExcludeIps}
	if err := books.SetSubnet(spec); err != nil {
		t.Fatal(err)
	}
}

// served waits until a reservation is complete and returns it.
func (w *world) served(ip *v1.IP) *v1.IP {
	w.t.Helper()
	w.Eventually("reservation "+ip.Name+" is served", func() bool {
		got := controllertest.Stored(w.Fixture, ip)
		return got.Labels[util.IPReservedLabel] == "true" && reconcile.HasFinalizer(got) && got.Spec.IPAddress != ""
	})
	return controllertest.Stored(w.Fixture, ip)
}

// event waits for the next event.
func (w *world) event() string {
	w.t.Helper()
	var got string
	w.Eventually("an event", func() bool {
		select {
		case got = <-w.Events.Events:
			return true
		default:
			return false
		}
	})
	return got
}

// gone waits for the end of an object.
func (w *world) gone(object runtime.Object) {
	w.t.Helper()
	w.Eventually("the object is gone", func() bool { return !w.Exists(object) })
}

func runningPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: "node1"}}
}

// leaseOf is the IP object that the pod controller makes.
func leaseOf(pod *corev1.Pod, subnet, address string) *v1.IP {
	return util.PortLease{
		Port: util.PodPortName(pod.Name, pod.Namespace, ""), Pod: pod.Name, Namespace: pod.Namespace, Node: pod.Spec.NodeName,
		Subnet: subnet, V4: address, MAC: "00:00:00:AA:BB:01",
	}.Object()
}

func TestLaws(t *testing.T) {
	subnet := validSubnet("s", "10.0.0.0/24")
	one := reservation("web.ns", "s", v4("10.0.0.9"), func(s *v1.IPSpec) { s.MacAddress = "00:00:00:1a:2b:3c" })
	two := reservation("db.ns", "s", v4("10.0.0.8"), forPod("ns", "db"), func(s *v1.IPSpec) { s.MacAddress = "00:00:00:1a:2b:3d" })
	pod := runningPod("ns", "app")
	controllertest.Laws(t, controllertest.Scenario{
		Build: func(f *controllertest.Fixture) []*reconcile.Loop {
			loops, _ := build(t, f, subnet)
			return loops
		},
		Objects: []runtime.Object{subnet, one, two, pod, leaseOf(pod, "s", "10.0.0.2")},
		Removed: []runtime.Object{two},
	})
}

// TestReservation shows that a reservation is filled in by one patch and holds its address until it is deleted.
func TestReservation(t *testing.T) {
	ip := reservation("web.ns", "s")
	w := start(t, validSubnet("s", "10.0.0.0/24"), ip)
	got := w.served(ip)
	w.Settle()
	if len(w.Writes()) != 1 {
		t.Errorf("writes %q, want one patch", w.Writes())
	}
	if got.Spec.V4IPAddress != "10.0.0.1" || got.Spec.MacAddress == "" {
		t.Errorf("addresses %+v", got.Spec)
	}
	if _, err := w.books.Claim("s", ipam.Request{Owner: "ns/other", NIC: "other.ns", Addresses: addrs("10.0.0.1")}); err == nil {
		t.Error("another pod can have the address")
	}
	// The pod of that name takes the lease over.
	if lease, err := w.books.Claim("s", ipam.Request{Owner: "ns/web", NIC: "web.ns"}); err != nil || lease.V4.String() != "10.0.0.1" {
		t.Errorf("the pod gets %v, %v", lease, err)
	}
	w.Resync("web.ns")
	w.Settle()
	w.Delete(ip)
	w.gone(ip)
	if _, held := w.books.Lookup("s", "web.ns"); held {
		t.Error("the address is still held after the pod and the reservation are gone")
	}
}

// TestDeletedUnderPod shows that a pod keeps its address when its object is deleted, reserved or not: the object goes, the
// lease stays for the pod controller to record anew.
func TestDeletedUnderPod(t *testing.T) {
	pod := runningPod("ns", "web")
	reserved := leaseOf(pod, "s", "10.0.0.9")
	reserved.Labels[util.IPReservedLabel] = "true"
	for name, ip := range map[string]*v1.IP{"plain": leaseOf(pod, "s", "10.0.0.9"), "reserved": reserved} {
		t.Run(name, func(t *testing.T) {
			w := start(t, validSubnet("s", "10.0.0.0/24"), pod)
			if _, err := w.books.Claim("s", ipam.Request{Owner: "ns/web", NIC: ip.Name, Addresses: addrs("10.0.0.9"), MAC: ip.Spec.MacAddress}); err != nil {
				t.Fatal(err)
			}
			w.Create(ip)
			w.Settle()
			w.Delete(ip)
			w.gone(ip)
			if _, held := w.books.Lookup("s", ip.Name); !held {
				t.Error("the address of a living pod was given away")
			}
		})
	}
}

// TestDeletedAfterPod shows whose task the address is when the pod is gone.
func TestDeletedAfterPod(t *testing.T) {
	for reservedLabel, wantHeld := range map[string]bool{"true": false, "false": true} {
		t.Run("reserved "+reservedLabel, func(t *testing.T) {
			finished := runningPod("ns", "web")
			finished.Status.Phase = corev1.PodSucceeded
			ip := leaseOf(finished, "s", "10.0.0.9")
			ip.Labels[util.IPReservedLabel] = reservedLabel
			w := start(t, validSubnet("s", "10.0.0.0/24"), finished)
			if _, err := w.books.Claim("s", ipam.Request{Owner: "ns/web", NIC: ip.Name, Addresses: addrs("10.0.0.9"), MAC: ip.Spec.MacAddress}); err != nil {
				t.Fatal(err)
			}
			w.Create(ip)
			w.Delete(ip)
			w.gone(ip)
			if _, held := w.books.Lookup("s", ip.Name); held != wantHeld {
				t.Errorf("held: %v, want %v", held, wantHeld)
			}
		})
	}
}

// TestRefused shows what the user of a reservation reads when it cannot be served, and that it is served as soon as it can.
func TestRefused(t *testing.T) {
	holder := reservation("a.ns", "s", v4("10.0.0.2"))
	for name, c := range map[string]struct {
		ip    *v1.IP
		event string
	}{
		"taken": {
			reservation("b.ns", "s", v4("10.0.0.2")),
			"Warning AcquireAddressFailed waiting for an address for the reservation: port b.ns: AddressConflict: 10.0.0.2 in subnet s is held by port a.ns",
		},
		"gateway":       {reservation("b.ns", "s", v4("10.0.0.1")), "10.0.0.1 in subnet s is held by the gateway"},
		"outside":       {reservation("b.ns", "s", v4("10.9.0.2")), "Warning ValidateIPFailed ValidateIPFailed: port b.ns: AddressOutOfRange: 10.9.0.2 is not in 10.0.0.0/30 of subnet s"},
		"broadcast":     {reservation("b.ns", "s", v4("10.0.0.3")), "10.0.0.3 is the broadcast address"},
		"full":          {reservation("b.ns", "s"), "Warning AcquireAddressFailed waiting for an address for the reservation: port b.ns: NoAvailableAddress: no IPv4 address is left in subnet s (10.0.0.0/30)"},
		"no ipv6":       {reservation("b.ns", "roomy", func(s *v1.IPSpec) { s.V6IPAddress = "fd00::1" }), "Warning ValidateIPFailed"},
		"group mac":     {reservation("b.ns", "roomy", func(s *v1.IPSpec) { s.MacAddress = "01:00:00:00:00:01" }), "MACInvalid: 01:00:00:00:00:01 is not a unicast address"},
		"wrong name":    {reservation("b.ns", "s", forPod("ns", "web")), "Warning ValidateIPFailed ValidateIPFailed: name b.ns is not that of a port of pod ns/web"},
		"no subnet":     {reservation("b.ns", "t"), "Warning AcquireAddressFailed waiting for subnet t, which does not exist"},
		"nameless":      {reservation("b.ns", ""), "Warning ValidateIPFailed ValidateIPFailed: subnet of an ip has to be set"},
		"invalid there": {reservation("b.ns", "refused"), "Warning AcquireAddressFailed waiting for subnet refused, which is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			subnet := validSubnet("s", "10.0.0.0/30")
			subnet.Spec.Gateway = "10.0.0.1"
			w := start(t, subnet, validSubnet("roomy", "10.2.0.0/24"), controllertest.Subnet("refused", "", "10.1.0.0/24"), holder)
			w.served(holder)
			w.Create(c.ip)
			if got := w.event(); !strings.Contains(got, c.event) {
				t.Errorf("event %q, want %q", got, c.event)
			}
			other := reservation("c.ns", "roomy")
			w.Create(other)
			w.served(other) // the queue moves on
			w.Resync(c.ip.Name)
			w.Settle()
			if n := len(w.Events.Events); n > 0 {
				t.Errorf("told again: %q", <-w.Events.Events)
			}
		})
	}
}

// TestServedLater shows what wakes a reservation that could not be served.
func TestServedLater(t *testing.T) {
	subnet := validSubnet("s", "10.0.0.0/30")
	subnet.Spec.Gateway = "10.0.0.1"
	holder, waiting := reservation("a.ns", "s"), reservation("b.ns", "s")
	absent := reservation("c.ns", "later")
	w := start(t, subnet, holder)
	w.served(holder)
	w.Create(waiting)
	w.event()
	w.Create(absent)
	w.event()

	w.Delete(holder)
	if got := w.served(waiting); got.Spec.V4IPAddress != "10.0.0.2" {
		t.Errorf("got %s", got.Spec.V4IPAddress)
	}
	later := validSubnet("later", "10.3.0.0/24")
	know(t, w.books, later)
	w.Create(later)
	w.served(absent)
}

// TestWidenedSubnet shows that an address outside the CIDR, the user's mistake, is looked at again when the CIDR changes.
func TestWidenedSubnet(t *testing.T) {
	subnet, ip := validSubnet("s", "10.0.0.0/24"), reservation("a.ns", "s", v4("10.0.1.9"))
	w := start(t, subnet, ip)
	w.event()
	wider := controllertest.Stored(w.Fixture, subnet).DeepCopy()
	wider.Spec.CIDRBlock = "10.0.0.0/16"
	know(t, w.books, wider)
	w.Update(wider)
	w.served(ip)
}

// TestDeletedUnserved shows that a reservation that never got an address leaves nothing.
func TestDeletedUnserved(t *testing.T) {
	ip := reservation("a.ns", "s", v4("10.9.9.9"))
	w := start(t, validSubnet("s", "10.0.0.0/24"), ip)
	w.event()
	w.Delete(ip)
	w.gone(ip)
	w.Settle()
	ip.Spec.V4IPAddress = "10.0.0.5"
	w.Create(ip)
	w.served(ip)
}

// TestOlderObjects shows that objects of earlier versions get the present finalizer, and that one without labels whose pod
// runs is not mistaken for a reservation.
func TestOlderObjects(t *testing.T) {
	legacy := leaseOf(runningPod("ns", "gone"), "s", "10.0.0.7")
	legacy.Finalizers = []string{"example.com/backup", util.LegacyFinalizer}
	pod := runningPod("ns", "web")
	pod.Annotations = map[string]string{"ovn.kubernetes.io/allocated": "true"}
	bare := leaseOf(pod, "s", "10.0.0.9")
	bare.Labels, bare.Finalizers = nil, nil
	deleted := leaseOf(runningPod("ns", "other"), "s", "10.0.0.8")
	deleted.Finalizers = []string{util.LegacyFinalizer}
	w := start(t, validSubnet("s", "10.0.0.0/24"), legacy, pod, bare)
	w.Eventually("the finalizer is replaced", func() bool {
		return slices.Equal(controllertest.Stored(w.Fixture, legacy).Finalizers, []string{"example.com/backup", util.Finalizer})
	})
	w.Settle()
	if got := controllertest.Stored(w.Fixture, bare); len(got.Labels) != 0 || len(got.Finalizers) != 0 {
		t.Errorf("the pod's object became %+v", got.ObjectMeta)
	}
	w.Stop()
	w.Create(deleted)
	w.Delete(deleted)
	w.Restart(func(f *controllertest.Fixture) []*reconcile.Loop {
		loops, _ := build(t, f, validSubnet("s", "10.0.0.0/24"))
		return loops
	})
	w.gone(deleted)
}

// TestRefusedPatch shows that an address which cannot be recorded is not held.
func TestRefusedPatch(t *testing.T) {
	w := start(t, validSubnet("s", "10.0.0.0/24"))
	ip := reservation("a.ns", "s")
	w.Create(ip)
	w.served(ip)
	c := &controller{Deps: Deps{IPAM: w.books, IPs: w.KubeOVN.KubeovnV1().IPs(), Events: w.Events}, open: newOpenList()}
	c.subnets, c.pods = w.Informers.Kubeovn().V1().Subnets().Lister(), w.KubeInformers.Core().V1().Pods().Lister()
	c.ips = reconcile.NewWriter(Name, c.IPs, new(reconcile.Fresh[*v1.IP]))
	absent := reservation("b.ns", "s") // as after a deletion that the cache has not seen
	if err := c.reserve(w.Context(), absent); err == nil {
		t.Error("a reservation that is gone was recorded")
	}
	if _, held := w.books.Lookup("s", "b.ns"); held {
		t.Error("its address is held")
	}
}
