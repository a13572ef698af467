package ippool

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world is a subnet 10.0.1.0/24 with pools.
type world struct {
	*controllertest.Fixture
	t    *testing.T
	book *ipam.IPAM
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{Fixture: controllertest.New(t, append(objects, accepted1("10.0.1.0/24"))...), t: t}
	w.Run(w.build)
	return w
}

func (w *world) build(f *controllertest.Fixture) []*reconcile.Loop {
	loops, book := build(w.t, f)
	w.book = book
	return loops
}

func build(t *testing.T, f *controllertest.Fixture) ([]*reconcile.Loop, *ipam.IPAM) {
	book := ipam.New()
	if err := book.SetSubnet(ipam.Spec{Name: "net1", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1"}); err != nil {
		t.Fatal(err)
	}
	kinds := f.Informers.Kubeovn().V1()
	return []*reconcile.Loop{New(
		Deps{NB: f.NB, IPAM: book, Pools: f.KubeOVN.KubeovnV1().IPPools(), Events: f.Events},
		Sources{Pools: kinds.IPPools(), Subnets: kinds.Subnets(), IPs: kinds.IPs(), Vips: kinds.Vips(), Eips: kinds.OvnEips()},
	)}, book
}

func accepted1(cidr string) *v1.Subnet {
	s := controllertest.Subnet("net1", "vpc1", cidr)
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
	return s
}

func pool(name string, ips ...string) *v1.IPPool {
	return &v1.IPPool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPPoolSpec{Subnet: "net1", IPs: ips}}
}

func mirrored(p *v1.IPPool) *v1.IPPool {
	p.Spec.EnableAddressSet = true
	return p
}

func (w *world) waitReady(p *v1.IPPool, status metav1.ConditionStatus, reason, message string) {
	w.t.Helper()
	w.Eventually(p.Name+" is "+string(status)+" "+reason+" "+message, func() bool {
		stored := controllertest.Stored(w.Fixture, p)
		c := v1.FindCondition(stored.Status.Conditions, v1.ConditionReady)
		return c != nil && c.Status == status && c.Reason == reason && strings.Contains(c.Message, message) && c.ObservedGeneration == stored.Generation
	})
}

func (w *world) claim(nic, pool string) string {
	w.t.Helper()
	lease, err := w.book.Claim("net1", ipam.Request{Owner: "ns/" + nic, NIC: nic + ".ns", Pool: pool})
	if err != nil {
		return err.Error()
	}
	return lease.V4.String()
}

func (w *world) edit(p *v1.IPPool, ips ...string) {
	controllertest.Edit(w.Fixture, p, func(p *v1.IPPool) { p.Spec.IPs = ips })
}

func TestLaws(t *testing.T) {
	a, b := mirrored(pool("pool-a", "10.0.1.100..10.0.1.130")), pool("b", "10.0.1.10")
	controllertest.Laws(t, controllertest.Scenario{
		Build: func(f *controllertest.Fixture) []*reconcile.Loop {
			loops, _ := build(t, f)
			return loops
		},
		Objects: []runtime.Object{accepted1("10.0.1.0/24"), a, b, mirrored(pool("c", "10.0.1.64/28"))},
		Removed: []runtime.Object{a, b},
	})
}

// A pool that is made, changed and removed while the controller runs is in effect at once, and its status counts.
func TestLife(t *testing.T) {
	w := start(t)
	p := mirrored(pool("pool-1", "10.0.1.2..10.0.1.3", "10.0.1.64/28"))
	w.Create(p)
	w.waitReady(p, metav1.ConditionTrue, util.ReasonPoolUpdated, "")
	if got := w.claim("a", "pool-1"); got != "10.0.1.2" {
		t.Errorf("from the pool: %s", got)
	}
	if got := w.claim("b", ""); got != "10.0.1.4" {
		t.Errorf("from no pool: %s", got)
	}
	controllertest.Golden(t, "mirror", w.Dump())
	w.Create(&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "a.ns"}, Spec: v1.IPSpec{Subnet: "net1"}})
	w.Eventually("a count", func() bool {
		s := controllertest.Stored(w.Fixture, p).Status
		return s.V4UsingIPs.String() == "1" && s.V4AvailableIPs.String() == "17" && s.V4UsingIPRange == "10.0.1.2" &&
			s.V4AvailableIPRange == "10.0.1.3,10.0.1.64-10.0.1.79"
	})
	w.edit(p, "10.0.1.5")
	w.Eventually("the new members", func() bool { return strings.Contains(w.Dump(), "addresses=10.0.1.5 ") })
	w.waitReady(p, metav1.ConditionTrue, util.ReasonPoolUpdated, "")
	if got := w.claim("c", "pool-1"); got != "10.0.1.5" {
		t.Errorf("from the changed pool: %s", got)
	}
	if got := w.claim("d", ""); got != "10.0.1.3" {
		t.Errorf("what left the pool is not free for all: %s", got)
	}
	w.Delete(p)
	w.Eventually("the end of the pool", func() bool { return !w.Exists(p) })
	if got := w.claim("e", "pool-1"); !strings.Contains(got, "no pool pool-1") {
		t.Errorf("from the removed pool: %s", got)
	}
	if got, held := w.book.Lookup("net1", "c.ns"); !held || got.V4.String() != "10.0.1.5" {
		t.Errorf("a holder lost its address to the end of the pool: %v", got)
	}
	if strings.Contains(w.Dump(), "Address_Set") {
		t.Errorf("left:\n%s", w.Dump())
	}
}

// What cannot be served says why, and is served when the cause is gone.
func TestRefusals(t *testing.T) {
	dual := mirrored(pool("pool-1", "10.0.1.7", "fd00::7"))
	for name, test := range map[string]struct {
		pool            *v1.IPPool
		reason, message string
	}{
		"outside":   {pool("pool-1", "10.0.2.0/28"), util.ReasonPoolFailed, "10.0.2.0..10.0.2.15 is not in cidr 10.0.1.0/24 of subnet net1"},
		"overlap":   {pool("pool-1", "10.0.1.9..10.0.1.12"), util.ReasonPoolFailed, "pool other"},
		"no subnet": {&v1.IPPool{ObjectMeta: metav1.ObjectMeta{Name: "pool-1"}, Spec: v1.IPPoolSpec{Subnet: "net9", IPs: []string{"10.0.1.9"}}}, util.ReasonPoolFailed, "subnet net9, which does not exist"},
		"name":      {mirrored(pool("1-pool", "10.0.1.20")), util.ReasonPoolAddressSetFailed, `"1.pool" is not a name`},
		"same set":  {mirrored(pool("other.set", "10.0.1.20")), util.ReasonPoolAddressSetFailed, "address set other.set"},
		"family":    {dual, util.ReasonPoolFailed, "fd00::7 is not in cidr"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, pool("other", "10.0.1.10"), mirrored(pool("other-set", "10.0.1.11")))
			w.waitReady(pool("other"), metav1.ConditionTrue, util.ReasonPoolUpdated, "")
			w.waitReady(pool("other-set"), metav1.ConditionTrue, util.ReasonPoolUpdated, "")
			w.Create(test.pool)
			w.waitReady(test.pool, metav1.ConditionFalse, test.reason, test.message)
			if !v1.IsConditionTrue(controllertest.Stored(w.Fixture, test.pool).Status.Conditions, v1.ConditionError) {
				t.Error("no condition Error")
			}
			w.Delete(test.pool)
			w.Eventually("the end of the pool", func() bool { return !w.Exists(test.pool) })
		})
	}
}

func TestHealing(t *testing.T) {
	other := pool("other", "10.0.1.10")
	w := start(t, other)
	w.waitReady(other, metav1.ConditionTrue, util.ReasonPoolUpdated, "")
	p := pool("pool-1", "10.0.1.9..10.0.1.12")
	w.Create(p)
	w.waitReady(p, metav1.ConditionFalse, util.ReasonPoolFailed, "pool other")
	w.Delete(other)
	w.waitReady(p, metav1.ConditionTrue, util.ReasonPoolUpdated, "")
	// The subnet shrinks below the pool.
	s := accepted1("10.0.1.0/29")
	s.Status.Conditions[0].ObservedGeneration = 2
	w.Update(s)
	w.waitReady(p, metav1.ConditionFalse, util.ReasonPoolFailed, "is not in cidr 10.0.1.0/29")
}

// At start the pool that was in effect comes before an older one that was not.
func TestInOrder(t *testing.T) {
	at := func(p *v1.IPPool, second int64, ready bool) *v1.IPPool {
		p.CreationTimestamp = metav1.Unix(second, 0)
		if ready {
			p.Status.Conditions = []v1.Condition{{Type: v1.ConditionReady, Status: metav1.ConditionTrue}}
		}
		return p
	}
	var got []string
	for _, p := range InOrder([]*v1.IPPool{at(pool("b"), 2, false), at(pool("a"), 2, false), at(pool("old"), 1, false), at(pool("set"), 3, true)}) {
		got = append(got, p.Name)
	}
	if strings.Join(got, " ") != "set old a b" {
		t.Errorf("order %v", got)
	}
}

func TestOneFamilyPerSet(t *testing.T) {
	_, err := rows(inputs{pool: mirrored(pool("p", "fd00::7", "10.0.1.7"))})
	if refused, ok := reconcile.AsInvalid(err); !ok || refused.Reason != util.ReasonPoolAddressSetFailed {
		t.Errorf("both families: %v", err)
	}
}
