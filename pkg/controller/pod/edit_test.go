package pod

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// A refused edit of a subnet costs its pods nothing: no write, no event, no transaction; and the next pod gets what is in
// effect. After a restart it is the same.
func TestRefusedEdit(t *testing.T) {
	s := controllertest.Accepted(newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/24"))
	w := newWorld(t, s)
	f := controllertest.New(t, w.objects()...)
	f.Run(w.build)
	var pods []*corev1.Pod
	for i := range 5 {
		pods = append(pods, newPod(fmt.Sprintf("p%d", i)))
		f.Create(pods[i])
	}
	f.Eventually("the pods are served", func() bool { return address(f, pods[4]) != "" && address(f, pods[0]) != "" })
	f.Settle()
	quiet := func(when string) {
		t.Helper()
		f.Settle()
		if n := len(f.Events.Events); n > 0 {
			t.Errorf("%s: event %q", when, <-f.Events.Events)
		}
		if writes := f.Writes(); len(writes) > 1 {
			t.Errorf("%s: writes %q", when, writes)
		}
		if got := controllertest.Stored(f, pods[1]).Annotations["ovn.kubernetes.io/cidr"]; got != "10.16.0.0/24" {
			t.Errorf("%s: the pod was told cidr %s", when, got)
		}
	}
	f.Forget()
	rows, transactions := f.Dump(), f.Transactions()
	f.Update(controllertest.Refused(controllertest.Stored(f, s), func(s *v1.SubnetSpec) { s.CIDRBlock, s.EnableDHCP = "10.16.0.0/12", true }))
	quiet("refused")
	if f.Transactions() != transactions {
		t.Error("a refused edit cost transactions")
	}
	next := newPod("next")
	f.Create(next)
	f.Eventually("the next pod is served", func() bool { return address(f, next) != "" })
	f.Delete(next)
	f.WaitDump(rows)

	for _, lease := range w.books.SubnetLeases(s.Name) {
		w.held = append(w.held, ipam.Holding{Lease: lease})
	}
	f.Restart(w.build)
	quiet("restarted")
	f.WaitDump(rows)
}
