package daemon

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// joinFixture is a daemon with a fake API that has its node, and a vswitch database without vswitchd.
type joinFixture struct {
	*Daemon
	t     *testing.T
	kube  *fake.Clientset
	cache interface{ Update(any) error }
	join  *node.Join
	watch joinWatch
}

func newJoinFixture(t *testing.T) *joinFixture {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	kube := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node3"}})
	informer := informers.NewSharedInformerFactory(kube, 0).Core().V1().Nodes()
	vswitch := ovstest.Start(t, ovs.OpenVSwitchDB).Connect(t)
	d := New(Config{NodeName: "node3", CNIConf: CNIConf{Source: source, Dir: dir, Name: "a.conflist"}}, Deps{Kube: kube, VSwitch: vswitch})
	d.watches = &watches{nodes: informer}
	f := &joinFixture{Daemon: d, t: t, kube: kube, cache: informer.Informer().GetStore()}
	f.join = &node.Join{Port: ovs.VSwitchPort{Bridge: util.IntegrationBridge, Name: util.NodeNIC}, Gateways: []netip.Addr{netip.MustParseAddr("100.64.0.1")}}
	f.refresh()
	return f
}

// refresh brings the cache up to date and returns the node's condition as "status reason: message".
func (f *joinFixture) refresh() string {
	f.t.Helper()
	n, err := f.kube.CoreV1().Nodes().Get(f.t.Context(), "node3", metav1.GetOptions{})
	if err == nil {
		err = f.cache.Update(n)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeNetworkUnavailable {
			return string(c.Status) + " " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

// writes counts what was sent to the API.
func (f *joinFixture) writes() int {
	n := 0
	for _, a := range f.kube.Actions() {
		if a.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func (f *joinFixture) round(err error) (next time.Duration, condition string) {
	f.t.Helper()
	next = f.judge(f.t.Context(), &f.watch, f.join, err)
	return next, f.refresh()
}

func TestJudge(t *testing.T) {
	f := newJoinFixture(t)
	const good = "False JoinSubnetGatewayReachable: ping check to gateway ip 100.64.0.1 succeeded"
	const bad = "True JoinSubnetGatewayUnreachable: ping check to gateway ip 100.64.0.1 failed"
	silent := errors.New("no answer")

	for i := 1; i < f.pings.failures; i++ {
		if next, c := f.round(silent); next != f.pings.soon || c != "" {
			t.Errorf("loss %d: next in %s, condition %q: too early to judge", i, next, c)
		}
	}
	if _, c := f.round(silent); c != bad {
		t.Errorf("condition %q, want %q", c, bad)
	}
	if err := f.health.ready(); err == nil {
		t.Error("ready without a gateway")
	}
	if _, err := os.Stat(filepath.Join(f.cfg.CNIConf.Dir, "a.conflist")); err == nil {
		t.Error("the runtime was told to start pods")
	}
	if next, c := f.round(nil); next != f.pings.every || c != good {
		t.Errorf("next in %s, condition %q, want %q", next, c, good)
	}
	if err := f.health.ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if _, err := os.Stat(filepath.Join(f.cfg.CNIConf.Dir, "a.conflist")); err != nil {
		t.Errorf("the runtime was not told: %v", err)
	}

	before := f.writes()
	for range 3 {
		f.round(nil)
	}
	if n := f.writes() - before; n != 0 {
		t.Errorf("an unchanged condition was written %d times", n)
	}
	for range f.pings.failures - 1 {
		f.round(silent)
	}
	if err := f.health.ready(); err != nil {
		t.Errorf("a few losses do not matter: %v", err)
	}
	if _, c := f.round(silent); c != bad {
		t.Errorf("condition %q, want %q", c, bad)
	}
	if err := f.health.ready(); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("ready: %v, want the reason", err)
	}
}

func TestConditionKeepsItsTransitionTime(t *testing.T) {
	f := newJoinFixture(t)
	f.publishCondition(t.Context(), corev1.ConditionFalse, "A", "first")
	f.refresh()
	n, err := f.kube.CoreV1().Nodes().Get(t.Context(), "node3", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	long := metav1.NewTime(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	n.Status.Conditions[0].LastTransitionTime = long
	if err := f.cache.Update(n); err != nil {
		t.Fatal(err)
	}
	f.publishCondition(t.Context(), corev1.ConditionFalse, "A", "second")
	n, err = f.kube.CoreV1().Nodes().Get(t.Context(), "node3", metav1.GetOptions{})
	if err != nil || len(n.Status.Conditions) != 1 {
		t.Fatalf("conditions %v, %v", n.Status.Conditions, err)
	}
	if c := n.Status.Conditions[0]; c.Message != "second" || !c.LastTransitionTime.Equal(&long) {
		t.Errorf("condition %+v: the status did not change, so its time must not", c)
	}
}

func TestReadyWithoutAConfigurationFile(t *testing.T) {
	f := newJoinFixture(t)
	f.cfg.CNIConf.Source = filepath.Join(t.TempDir(), "nosuch")
	f.round(nil)
	if err := f.health.ready(); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("ready: %v, want the missing file", err)
	}
	f.cfg.CNIConf.Source = filepath.Join(f.cfg.CNIConf.Dir, "source")
	f.round(nil)
	if err := f.health.ready(); err != nil {
		t.Errorf("not tried again: %v", err)
	}
}

func TestHealth(t *testing.T) {
	pass, join := errors.New("pass"), errors.New("join")
	for name, tc := range map[string]struct {
		do   func(*health)
		want string
	}{
		"just started":                    {func(*health) {}, "starting"},
		"waits":                           {func(h *health) { h.waiting("the controller") }, "the controller"},
		"a failed pass says more":         {func(h *health) { h.waiting("the controller"); h.failed(pass) }, "pass"},
		"the next pass worked":            {func(h *health) { h.waiting("the controller"); h.failed(pass); h.passed() }, "the controller"},
		"serves":                          {func(h *health) { h.waiting("the controller"); h.serving() }, ""},
		"serves, and a pass failed":       {func(h *health) { h.serving(); h.failed(pass) }, ""},
		"serves, and the gateway is gone": {func(h *health) { h.serving(); h.join(join) }, "join"},
		"the gateway is back":             {func(h *health) { h.serving(); h.join(join); h.join(nil) }, ""},
	} {
		var h health
		tc.do(&h)
		got := ""
		if err := h.ready(); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
