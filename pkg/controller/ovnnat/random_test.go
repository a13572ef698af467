package ovnnat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// TestRandom makes, changes and deletes 500 objects with restarts in between. What is then in the database must be what a
// controller writes that never knew anything but the remaining objects, and nothing must be left in the end.
func TestRandom(t *testing.T) {
	const total, names = 500, 12
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	anyEip := func() string { return fmt.Sprintf("e%d", random.IntN(names)) }
	anyPod := func() string {
		return pick("vpc-1-busybox01.vpc1", "vpc-1-busybox02.vpc1", "vpc-2-busybox01.vpc2", "late.vpc1", "web.ns")
	}
	anyObject := func() runtime.Object {
		name := fmt.Sprintf("o%d", random.IntN(names))
		switch random.IntN(8) {
		case 0, 1, 2:
			return numbered(random.IntN(names))
		case 3:
			return fip(name, anyEip(), fipTo(anyPod()))
		case 4:
			return fip(name, anyEip(), fipAt(pick("vpc1", "vpc2", "ovn-cluster", "typo"), pick("192.168.0.2", "192.168.0.3", "10.16.0.2")))
		case 5:
			return snat(name, anyEip(), snatAt(pick("vpc1", "vpc2", "ovn-cluster"), pick("192.168.0.0/24", "10.16.0.0/16", "192.168.0.2")))
		case 6:
			return snat(name, anyEip(), snatTo(anyPod()))
		}
		return dnat(name, anyEip(), pick("22", "80"))
	}

	n := start(t, world2()...)
	var made []runtime.Object // in the order of their creation, which decides conflicts
	find := func(o runtime.Object) int {
		return slices.IndexFunc(made, func(m runtime.Object) bool { return sameObject(m, o) })
	}
	for step := range total {
		object := anyObject()
		i := find(object)
		switch {
		case i < 0 && !n.Exists(object): // one that is being deleted is passed over
			n.Create(object)
			made = append(made, object)
		case i >= 0 && random.IntN(2) == 0:
			n.Delete(object)
			made = slices.Delete(made, i, i+1)
		case i >= 0 && !isEip(object):
			change(n, object)
			made[i] = object
		}
		if step%125 == 124 {
			n.Restart(n.build)
		}
	}
	n.Settle()

	// Who had an OvnEip before it was deleted keeps it, which the model cannot know: these rules go, and then the OvnEip.
	for i := range names {
		e := numbered(i)
		if find(e) >= 0 || !n.Exists(e) {
			continue
		}
		made = slices.DeleteFunc(made, func(m runtime.Object) bool {
			uses := eipOf(m.(metav1.Object)) == e.Name
			if uses {
				n.Delete(m)
			}
			return uses
		})
		n.gone(e)
	}
	model := start(t, append(world2(), made...)...)
	model.Settle()
	n.WaitDump(model.Dump())
	t.Logf("%d objects remain", len(made))

	n.deleteAll(made...)
	n.emptyLedger()
	empty := start(t, world2()...)
	empty.Settle()
	n.WaitDump(empty.Dump())
}

// numbered is one of the OvnEips of the test, some of them on the second network.
func numbered(i int) *v1.OvnEip {
	name := fmt.Sprintf("e%d", i)
	if i%3 != 0 {
		return eip(name, at(101+i))
	}
	return eip(name, onExtra, func(s *v1.OvnEipSpec) {
		s.V4Ip, s.V6Ip, s.MacAddress = fmt.Sprintf("10.10.204.%d", 10+i), fmt.Sprintf("fd00:204::%d", 10+i), fmt.Sprintf("00:00:00:00:03:%02d", i)
	})
}
