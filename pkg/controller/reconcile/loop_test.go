package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// record is a sync function that notes its keys and answers from a script.
type record struct {
	mu      sync.Mutex
	keys    []string
	answers map[string][]error
}

func (r *record) sync(_ context.Context, key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, key)
	script := r.answers[key]
	if len(script) == 0 {
		return nil
	}
	r.answers[key] = script[1:]
	return script[0]
}

func (r *record) count(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, k := range r.keys {
		if k == key {
			n++
		}
	}
	return n
}

func start(t *testing.T, loop *Loop) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func TestOutcomes(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "vpcs"}, "v", errors.New("changed"))
	tests := []struct {
		name   string
		err    error
		result string
		syncs  int
	}{
		{"success is not repeated", nil, resultOK, 1},
		{"invalid is not repeated", Invalid("Reason", "cidr %q", "x"), resultInvalid, 1},
		{"wrapped invalid is not repeated", fmt.Errorf("subnet s: %w", Invalid("Reason", "m")), resultInvalid, 1},
		{"wait is retried", Wait("vpc %s", "v"), resultWait, 2},
		{"blocked is retried", Blocked("VpcInUse", "subnet %s", "s"), resultWait, 2},
		{"a missing parent row is waited for", fmt.Errorf("apply: %w", &ovs.MissingError{Table: "Logical_Switch", Name: "s"}), resultWait, 2},
		{"a lost database is waited for", fmt.Errorf("apply: %w", ovs.ErrDisconnected), resultWait, 2},
		{"a stale API object is waited for", fmt.Errorf("patch: %w", conflict), resultWait, 2},
		{"other errors are retried", errors.New("boom"), resultError, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := classify(test.err); got != test.result {
				t.Errorf("classify = %s, want %s", got, test.result)
			}
			r := &record{answers: map[string][]error{"k": {test.err}}}
			loop := New(t.Name(), 1, r.sync)
			loop.Add("k")
			start(t, loop)
			eventually(t, "syncs", func() bool { return r.count("k") >= test.syncs && loop.Idle() })
			// A later key shows that the queue went on, and nothing else was queued before it.
			loop.Add("later")
			eventually(t, "later key", func() bool { return r.count("later") == 1 && loop.Idle() })
			if got := r.count("k"); got != test.syncs {
				t.Errorf("synced %d times, want %d", got, test.syncs)
			}
		})
	}
}

func TestWaitWithATime(t *testing.T) {
	const again = 200 * time.Millisecond
	r := &record{answers: map[string][]error{"k": {Wait("news"), Wait("news"), &WaitError{What: "a time", Again: again}}}}
	loop := New(t.Name(), 1, r.sync)
	loop.Add("k")
	start(t, loop)
	eventually(t, "three syncs", func() bool { return r.count("k") == 3 })
	third := time.Now()
	eventually(t, "the last sync", func() bool { return r.count("k") == 4 })
	if after := time.Since(third); after < again/2 {
		t.Errorf("looked again after %s, want %s", after, again)
	}
	if n := loop.work.NumRequeues("k"); n != 0 {
		t.Errorf("%d failures are remembered", n)
	}
}

func TestPanicIsAnError(t *testing.T) {
	r := &record{}
	first := true
	loop := New(t.Name(), 1, func(ctx context.Context, key string) error {
		if key == "bad" && first {
			first = false
			panic("index out of range")
		}
		return r.sync(ctx, key)
	})
	loop.Add("bad")
	loop.Add("good")
	start(t, loop)
	eventually(t, "both keys", func() bool { return r.count("good") == 1 && r.count("bad") == 1 && loop.Idle() })
	if got := metric(t, "kube_ovn_controller_queue_retries_total", t.Name()); got != 1 {
		t.Errorf("retries = %v, want 1", got)
	}
	if got := metric(t, "kube_ovn_controller_sync_seconds", t.Name()); got != 3 {
		t.Errorf("%v syncs were measured, want 3", got)
	}
}

// metric sums a metric over the label values of one queue; of a histogram it is the number of observations.
func metric(t *testing.T, name, queue string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if family.GetName() == name && label.GetName() == "queue" && label.GetValue() == queue {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return sum
}

func TestOneKeyNeverRunsTwiceAtOnce(t *testing.T) {
	var mu sync.Mutex
	busy := map[string]bool{}
	syncs := 0
	loop := New(t.Name(), 8, func(_ context.Context, key string) error {
		mu.Lock()
		if busy[key] {
			t.Errorf("key %s runs twice", key)
		}
		busy[key] = true
		mu.Unlock()
		<-time.After(time.Millisecond)
		mu.Lock()
		busy[key] = false
		syncs++
		mu.Unlock()
		return nil
	})
	start(t, loop)
	for i := range 400 {
		loop.Add(fmt.Sprint("k", i%5))
	}
	eventually(t, "idle", loop.Idle)
	mu.Lock()
	defer mu.Unlock()
	if syncs < 5 {
		t.Errorf("only %d syncs", syncs)
	}
}

func TestFirstPass(t *testing.T) {
	r := &record{answers: map[string][]error{"wait": {Wait("x"), Wait("x")}, "bad": {Invalid("R", "m")}}}
	loop := New(t.Name(), 2, r.sync)
	for _, key := range []string{"", "ok", "wait", "bad"} {
		loop.Add(key)
	}
	select {
	case <-loop.FirstPass():
		t.Fatal("first pass is over before the start")
	default:
	}
	start(t, loop)
	<-loop.FirstPass()
	for _, key := range []string{"ok", "wait", "bad"} {
		if r.count(key) == 0 {
			t.Errorf("%s was not synced in the first pass", key)
		}
	}
	if r.count("") != 0 {
		t.Error("the empty key was synced")
	}

	empty := New(t.Name()+"-empty", 1, r.sync)
	start(t, empty)
	<-empty.FirstPass()
}

func TestAddForgotten(t *testing.T) {
	r := &record{}
	loop := New(t.Name(), 1, r.sync)
	loop.Add("known")
	start(t, loop)
	<-loop.FirstPass()
	loop.AddForgotten([]string{"known", "forgotten"})
	eventually(t, "the forgotten key", func() bool { return r.count("forgotten") == 1 && loop.Idle() })
	if n := r.count("known"); n != 1 {
		t.Errorf("the known key was synced %d times", n)
	}
	loop.AddForgotten([]string{"known"})
	eventually(t, "the known key", func() bool { return r.count("known") == 2 })
}

func TestAddAfter(t *testing.T) {
	r := &record{}
	loop := New(t.Name(), 1, r.sync)
	start(t, loop)
	loop.AddAfter("later", 5*time.Millisecond)
	eventually(t, "the delayed key", func() bool { return r.count("later") == 1 })
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
}

func TestWatch(t *testing.T) {
	client := fake.NewClientset(pod("p1", "n1"))
	factory := informers.NewSharedInformerFactory(client, 0)
	r := &record{}
	loop := New(t.Name(), 1, r.sync)
	byNode := func(p *corev1.Pod) []string { return []string{p.Spec.NodeName} }
	moved := func(old, new *corev1.Pod) bool { return old.Spec.NodeName != new.Spec.NodeName }
	pods := Watch(loop, factory.Core().V1().Pods(), byNode, moved)
	factory.Start(t.Context().Done())
	start(t, loop)

	eventually(t, "the initial object", func() bool { return r.count("n1") == 1 })
	if got, err := pods.Pods("ns").Get("p1"); err != nil || got.Spec.NodeName != "n1" {
		t.Fatalf("lister: %v, %v", got, err)
	}

	update := func(p *corev1.Pod) {
		t.Helper()
		if _, err := client.CoreV1().Pods("ns").Update(t.Context(), p, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	relabelled := pod("p1", "n1")
	relabelled.Labels = map[string]string{"a": "b"}
	update(relabelled)
	update(pod("p1", "n2"))
	eventually(t, "old and new key", func() bool { return r.count("n1") == 2 && r.count("n2") == 1 })

	if err := client.CoreV1().Pods("ns").Delete(t.Context(), "p1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key of the deleted object", func() bool { return r.count("n2") == 2 })
	if got := r.count("n1"); got != 2 {
		t.Errorf("an irrelevant change woke n1: %d syncs", got)
	}
}

func TestHandlerTombstones(t *testing.T) {
	loop := New(t.Name(), 1, nil)
	h := handler[*corev1.Pod]{loop: loop, keysFor: Self[*corev1.Pod]}
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/p1", Obj: pod("p1", "")})
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/p2"})
	h.OnDelete(pod("p3", ""))
	h.OnAdd("not a pod", false)
	var got []string
	for loop.work.Len() > 0 {
		key, _ := loop.work.Get()
		got = append(got, key)
	}
	if want := []string{"ns/p1", "ns/p3"}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
}

func TestWatchOnStoppedInformer(t *testing.T) {
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	source := factory.Core().V1().Pods()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	informer := source.Informer()
	go func() { informer.Run(ctx.Done()); close(done) }()
	cancel()
	<-done
	loop := New(t.Name(), 1, nil)
	Watch(loop, source, Self[*corev1.Pod])
	if err := loop.Run(t.Context()); err == nil {
		t.Error("a watch on a stopped informer is no error")
	}
}

// Again looks at those keys at once that wait, and at no others.
func TestAgain(t *testing.T) {
	r := &record{answers: map[string][]error{
		"waits": {&WaitError{What: "x", Again: time.Hour}, &WaitError{What: "x", Again: time.Hour}}, "wrong": {Invalid("Reason", "message")},
	}}
	loop := New("test", 2, r.sync)
	for _, key := range []string{"good", "waits", "wrong"} {
		loop.Add(key)
	}
	start(t, loop)
	eventually(t, "the first pass", func() bool { <-loop.FirstPass(); return loop.Idle() })
	for again := range 3 {
		loop.Again()
		eventually(t, "the loop is idle", loop.Idle)
		want := min(again+2, 3) // the third time it is done with
		if n := r.count("waits"); n != want || r.count("good") != 1 || r.count("wrong") != 1 {
			t.Errorf("synced %v, want waits %d times", r.keys, want)
		}
	}
}
