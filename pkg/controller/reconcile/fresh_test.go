package reconcile

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

func version(uid, rv, note string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: types.UID(uid), ResourceVersion: rv, Annotations: map[string]string{"note": note}}}
}

func TestFresh(t *testing.T) {
	for name, c := range map[string]struct {
		cached, wrote *corev1.Node
		want          string
	}{
		"nothing":                         {nil, nil, ""},
		"only the cache":                  {version("a", "5", "cached"), nil, "cached"},
		"the cache lags":                  {version("a", "5", "cached"), version("a", "7", "wrote"), "wrote"},
		"the cache has our write":         {version("a", "7", "cached"), version("a", "7", "wrote"), "cached"},
		"somebody wrote after us":         {version("a", "9", "cached"), version("a", "7", "wrote"), "cached"},
		"longer numbers are newer":        {version("a", "9", "cached"), version("a", "10", "wrote"), "wrote"},
		"created, not yet in the cache":   {nil, version("a", "7", "wrote"), "wrote"},
		"another object of the same name": {version("b", "5", "cached"), version("a", "7", "wrote"), "cached"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Fresh[*corev1.Node]{store: cache.NewStore(cache.MetaNamespaceKeyFunc), wrote: map[string]written[*corev1.Node]{}}
			if c.cached != nil {
				if err := f.store.Add(c.cached); err != nil {
					t.Fatal(err)
				}
			}
			if c.wrote != nil {
				f.Wrote(c.wrote)
			}
			got, ok := f.Get("n")
			if ok != (c.want != "") {
				t.Fatalf("exists: %v", ok)
			}
			if ok && got.Annotations["note"] != c.want {
				t.Errorf("got %s, want %s", got.Annotations["note"], c.want)
			}
		})
	}
}

// TestFreshForgets shows that nothing is kept once the watch has shown it, whatever filter the loop uses.
func TestFreshForgets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	factory := informers.NewSharedInformerFactory(fake.NewClientset(version("a", "7", "stored")), 0)
	loop := New("test", 1, func(context.Context, string) error { return nil })
	f := WatchFresh(loop, factory.Core().V1().Nodes(), Self[*corev1.Node], func(_, _ *corev1.Node) bool { return false })
	f.Wrote(version("a", "7", "wrote"))
	factory.Start(ctx.Done())
	eventually(t, "the write is forgotten", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.wrote) == 0
	})
	f.Wrote(version("a", "8", "wrote"))
	f.Gone("n")
	if got, _ := f.Get("n"); got.Annotations["note"] != "stored" {
		t.Errorf("a write to a deleted object is remembered: %v", got)
	}
}
