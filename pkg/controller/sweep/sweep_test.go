package sweep

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
)

type owners map[string][]string

func (o owners) Owners(kind string) []string { return o[kind] }

type keys struct {
	mu   sync.Mutex
	list []string
	want int
	full chan struct{}
}

func (k *keys) sync(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, key)
	if len(k.list) == k.want {
		close(k.full)
	}
	return nil
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	got := &keys{want: 3, full: make(chan struct{})}
	vpc, subnet := reconcile.New("vpc", 1, got.sync), reconcile.New("subnet", 1, got.sync)
	vpc.Add("live")
	var running sync.WaitGroup
	for _, loop := range []*reconcile.Loop{vpc, subnet} {
		running.Go(func() {
			if err := loop.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	Run(ctx, owners{"vpc": {"gone", "live"}, "subnet": {"orphan"}, "pod": {"not ours"}}, []*reconcile.Loop{vpc, subnet})
	<-got.full
	cancel()
	running.Wait()
	if got.list[0] != "live" {
		t.Errorf("swept before the first pass: %q", got.list)
	}
	slices.Sort(got.list)
	if want := []string{"gone", "live", "orphan"}; !slices.Equal(got.list, want) {
		t.Errorf("synced %q, want %q", got.list, want)
	}
}

func TestDatabases(t *testing.T) {
	both := Databases{owners{"node": {"n2", "n1"}}, owners{"node": {"n1", "n3"}, "pod": {"x"}}}
	if got, want := both.Owners("node"), []string{"n1", "n2", "n3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := both.Owners("vpc"); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	neverStarted := reconcile.New("vpc", 1, func(context.Context, string) error { return nil })
	neverStarted.Add("pending")
	Run(ctx, owners{"vpc": {"gone"}}, []*reconcile.Loop{neverStarted})
}
