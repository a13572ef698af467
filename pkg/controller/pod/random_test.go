package pod

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
)

// TestRandom makes, annotates and deletes pods that wish for few outside addresses, with restarts in between. Then no address
// is had twice, none is waited for that could be had, the database is what a controller writes that saw those with their
// wish fulfilled first, and in the end nothing is left.
func TestRandom(t *testing.T) {
	const steps, names = 200, 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	wish := func() (key, value string) {
		switch random.IntN(5) {
		case 0, 1:
			return eipKey, fmt.Sprintf("172.56.0.%d", 20+random.IntN(4))
		case 2, 3:
			return snatKey, fmt.Sprintf("172.56.0.%d", 22+random.IntN(4))
		}
		return northKey, "10.16.0.99"
	}
	made := map[string]*corev1.Pod{}
	w := natWorld(t, "10.16.0.0/16", routerPort)
	n := startNats(w, gateway())
	for step := range steps {
		i := random.IntN(names)
		name := fmt.Sprintf("p%d", i)
		key, value := wish()
		switch {
		case made[name] == nil:
			made[name] = static(name, fmt.Sprintf("10.16.0.%d", 2+i), key, value)
			made[name].UID = ""
			n.Create(made[name])
		case random.IntN(3) == 0:
			n.Delete(made[name])
			delete(made, name)
		default:
			pairs := []string{eipKey, "", snatKey, "", northKey, ""}
			if random.IntN(6) > 0 {
				pairs = append(pairs, key, value)
			}
			n.annotate(name, pairs...)
		}
		if step%50 == 49 {
			n.Restart(w.build)
		}
	}
	n.Settle()

	model := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway())
	var late []*corev1.Pod
	for name, pod := range made {
		now := controllertest.Stored(n.Fixture, pod)
		again := static(name, now.Annotations["ovn.kubernetes.io/ip_address"])
		for _, key := range []string{eipKey, snatKey, northKey} {
			if value := now.Annotations[key]; value != "" {
				again.Annotations[key] = value
			}
		}
		if n.lacks(now) {
			late = append(late, again)
			continue
		}
		model.Create(again)
	}
	model.Settle()
	for _, pod := range late {
		model.Create(pod)
	}
	model.Settle()
	n.WaitDump(model.Dump())
	t.Logf("%d pods remain, %d of them without what they wish for; rows %s", len(made), len(late), n.natRows())

	for _, pod := range made {
		n.Delete(pod)
	}
	n.wantRows("nothing", "")
	n.emptyLedger()
}

// lacks says that a pod has not what it wishes for, and checks that somebody else has.
func (n *nats) lacks(pod *corev1.Pod) bool {
	n.t.Helper()
	inside, rows := pod.Annotations["ovn.kubernetes.io/ip_address"], n.natRows()
	for kind, key := range map[string]string{natEip: eipKey, natSnat: snatKey} {
		outside := pod.Annotations[key]
		if outside == "" || strings.Contains(rows, kind+","+outside+","+inside) {
			continue
		}
		holders := n.books.Holders("external", testLease(outside).V4)
		if len(holders) == 0 {
			n.t.Errorf("pod %s lacks %s, which nobody has", pod.Name, outside)
		}
		for _, holder := range holders {
			if podOf(holder.Owner) == "ns/"+pod.Name {
				n.t.Errorf("pod %s holds %s and has no row", pod.Name, outside)
			}
		}
		return true
	}
	return false
}
