package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
)

func replica(t *testing.T, kube *fake.Clientset, identity string, work func(context.Context) error) (e *elector, stop context.CancelFunc, ended chan error) {
	t.Helper()
	e = &elector{
		options: &options{namespace: "kube-system", identity: identity, election: election{time.Second, 600 * time.Millisecond, 100 * time.Millisecond}},
		kube:    kube, work: work,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- e.run(ctx) }()
	t.Cleanup(stop)
	return e, stop, ended
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// The second replica takes over only after the first one's work has ended.
func TestHandOver(t *testing.T) {
	kube := fake.NewClientset()
	firstEnded := make(chan struct{})
	first, stop, ended := replica(t, kube, "a", func(ctx context.Context) error {
		<-ctx.Done()
		close(firstEnded)
		return nil
	})
	until(t, "a leads", first.leads.Load)
	second, _, _ := replica(t, kube, "b", func(ctx context.Context) error {
		select {
		case <-firstEnded:
		default:
			t.Error("b works while a does")
		}
		<-ctx.Done()
		return nil
	})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a ended with %v", err)
	}
	until(t, "b leads", second.leads.Load)
}

func TestLostLeaseEndsTheWork(t *testing.T) {
	kube := controllertest.New(t).Kube // refuses the late renewal by its version, as an API server does
	e, _, ended := replica(t, kube, "a", func(ctx context.Context) error { <-ctx.Done(); return nil })
	until(t, "a leads", e.leads.Load)
	leases := kube.CoordinationV1().Leases("kube-system")
	until(t, "the lease is another's", func() bool {
		lease, err := leases.Get(t.Context(), leaseName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		other, now, long := "b", metav1.NowMicro(), int32(60)
		lease.Spec.HolderIdentity, lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds = &other, &now, &long
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err == nil
	})
	select {
	case err := <-ended:
		if !errors.Is(err, errLeaseLost) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the work goes on without the lease")
	}
}

func TestFailedWorkEndsTheReplica(t *testing.T) {
	boom := errors.New("boom")
	_, _, ended := replica(t, fake.NewClientset(), "a", func(context.Context) error { return boom })
	if err := <-ended; !errors.Is(err, boom) {
		t.Errorf("ended with %v", err)
	}
}

func TestWaitingReplicaEnds(t *testing.T) {
	kube := fake.NewClientset()
	first, _, _ := replica(t, kube, "a", func(ctx context.Context) error { <-ctx.Done(); return nil })
	until(t, "a leads", first.leads.Load)
	_, stop, ended := replica(t, kube, "b", func(context.Context) error { t.Error("b works"); return nil })
	stop()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("b does not end")
	}
}

func TestEndpoints(t *testing.T) {
	broken := errors.New("northbound database: silent")
	ok, bad := func() error { return nil }, func() error { return broken }
	tests := []struct {
		name    string
		serving serving
		checks  checks
		path    string
		code    int
		body    string
	}{
		{"live", serving{}, checks{ok, ok}, "/livez", http.StatusOK, "ok"},
		{"not live", serving{}, checks{bad, ok}, "/livez", http.StatusServiceUnavailable, "northbound database: silent"},
		{"healthz is livez", serving{}, checks{bad, ok}, "/healthz", http.StatusServiceUnavailable, "silent"},
		{"live but not ready", serving{}, checks{ok, bad}, "/readyz", http.StatusServiceUnavailable, "silent"},
		{"metrics", serving{metrics: true}, checks{ok, ok}, "/metrics", http.StatusOK, "go_goroutines"},
		{"no metrics", serving{}, checks{ok, ok}, "/metrics", http.StatusNotFound, ""},
		{"profiles", serving{pprof: true}, checks{ok, ok}, "/debug/pprof/cmdline", http.StatusOK, ""},
		{"no profiles", serving{}, checks{ok, ok}, "/debug/pprof/cmdline", http.StatusNotFound, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := httptest.NewRecorder()
			test.serving.handler(test.checks).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, test.path, nil))
			if answer.Code != test.code || !strings.Contains(answer.Body.String(), test.body) {
				t.Errorf("%d %s", answer.Code, answer.Body.String())
			}
		})
	}
}
