package reconcile

import (
	"context"
	"errors"
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
		"deleted under the write":         {nil, version("a", "7", "wrote"), ""},
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
	client := fake.NewClientset(version("a", "7", "stored"))
	factory := informers.NewSharedInformerFactory(client, 0)
	loop := New("test", 1, func(context.Context, string) error { return nil })
	f := WatchFresh(loop, factory.Core().V1().Nodes(), Self[*corev1.Node], func(_, _ *corev1.Node) bool { return false })
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	f.Wrote(version("a", "8", "wrote"))
	if _, err := client.CoreV1().Nodes().Update(ctx, version("a", "9", "stored"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the write is forgotten", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.wrote) == 0
	})
	f.Wrote(version("a", "10", "wrote"))
	f.Gone("n")
	if got, _ := f.Get("n"); got.Annotations["note"] != "stored" {
		t.Errorf("a write to a deleted object is remembered: %v", got)
	}
}

// TestFreshCreate shows that the news of an object that we are making wakes nobody, and that of others' objects does.
func TestFreshCreate(t *testing.T) {
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	r := &record{}
	loop := New(t.Name(), 1, r.sync)
	f := WatchFresh(loop, factory.Core().V1().Nodes(), Self[*corev1.Node])
	factory.Start(t.Context().Done())
	start(t, loop)
	<-loop.FirstPass()
	create := func(name string) (*corev1.Node, error) {
		return client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), ResourceVersion: "7"}}, metav1.CreateOptions{})
	}
	err := f.Create("ours", func() (*corev1.Node, error) {
		node, err := create("ours")
		eventually(t, "the watch shows it before the answer is here", func() bool {
			_, ok, _ := f.store.GetByKey("ours")
			return ok
		})
		return node, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create("theirs"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other's object", func() bool { return r.count("theirs") == 1 })
	if _, ok := f.Get("ours"); !ok || r.count("ours") != 0 {
		t.Errorf("known %v, synced %d times", ok, r.count("ours"))
	}
	failed := errors.New("refused")
	if err := f.Create("none", func() (*corev1.Node, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if _, err := create("none"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an object made by another after we failed", func() bool { return r.count("none") == 1 })
}

// TestFreshEnd shows that an object whose end the watch tells is gone, however late the answer to our last write comes.
func TestFreshEnd(t *testing.T) {
	for name, during := range map[string]func(f *Fresh[*corev1.Node]){
		"patch": func(f *Fresh[*corev1.Node]) {
			f.seen(version("a", "5", "last"), true)
			f.Wrote(version("a", "7", "wrote"))
		},
		"patch, and a last state from before it": func(f *Fresh[*corev1.Node]) {
			f.Wrote(version("a", "7", "wrote"))
			f.seen(version("a", "5", "last"), true)
		},
		"creation": func(f *Fresh[*corev1.Node]) {
			err := f.Create("n", func() (*corev1.Node, error) {
				f.seen(version("a", "6", "created"), false)
				f.seen(version("a", "6", "created"), true)
				return version("a", "6", "created"), nil
			})
			if err != nil {
				t.Error(err)
			}
		},
		"creation and patch": func(f *Fresh[*corev1.Node]) {
			err := f.Create("n", func() (*corev1.Node, error) { return version("a", "6", "created"), nil })
			if got, ok := f.Get("n"); err != nil || !ok || got.ResourceVersion != "6" {
				t.Errorf("created: %v, %v, %v", got, ok, err)
			}
			f.Wrote(version("a", "7", "wrote"))
			if got, ok := f.Get("n"); !ok || got.ResourceVersion != "7" {
				t.Errorf("patched: %v, %v", got, ok)
			}
			f.seen(version("a", "6", "created"), false)
			f.seen(version("a", "7", "wrote"), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Fresh[*corev1.Node]{store: cache.NewStore(cache.MetaNamespaceKeyFunc), wrote: map[string]written[*corev1.Node]{}, creating: map[string]bool{}}
			during(f)
			if got, ok := f.Get("n"); ok {
				t.Errorf("it is still there: %v", got)
			}
		})
	}
}
