package reconcile

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// Fresh reads a watched cache and knows what this controller wrote last, so that a sync that runs before the watch has
// brought our own write back does not write it again. Anybody else's change is seen as early as with a lister.
type Fresh[T metav1.Object] struct {
	store cache.Store

	mu       sync.Mutex
	creating map[string]bool       // keys whose creation by us is under way; false when they were deleted meanwhile
	wrote    map[string]written[T] // by key, until the cache has caught up
}

type written[T any] struct {
	object T
	until  time.Time
	made   bool // by us, and no watch event has shown it yet: missing in the cache does not mean that it is gone
}

// lag is how long a write may be missing from the cache. It ends the memory of an object that was deleted before any
// watch event showed it.
const lag = time.Minute

// WatchFresh is [Watch] for an object the controller also writes.
func WatchFresh[T metav1.Object, L any](loop *Loop, src Source[L], keysFor func(T) []string, relevant ...func(old, new T) bool) *Fresh[T] {
	f := &Fresh[T]{store: src.Informer().GetStore(), wrote: map[string]written[T]{}, creating: map[string]bool{}}
	watch(loop, src, handler[T]{loop: loop, keysFor: keysFor, relevant: relevant, known: f.created, seen: f.seen})
	return f
}

// Get is the newest known state of an object, which must not be changed, and whether there is one.
func (f *Fresh[T]) Get(key string) (T, bool) {
	var zero T
	item, exists, err := f.store.GetByKey(key)
	f.mu.Lock()
	defer f.mu.Unlock()
	ours, wrote := f.wrote[key]
	if wrote && time.Now().After(ours.until) {
		delete(f.wrote, key)
		ours, wrote = written[T]{}, false
	}
	if err != nil || !exists {
		if !wrote || !ours.made {
			return zero, false
		}
		return ours.object, true
	}
	cached, ok := item.(T)
	if !ok {
		return zero, false
	}
	if wrote && newer(ours.object, cached) {
		return ours.object, true
	}
	delete(f.wrote, key)
	return cached, true
}

// Create makes an object by means of create and remembers it. The news of it from the watch wakes nobody: what it says is
// known here, and a creation by somebody else at the same time makes create fail.
func (f *Fresh[T]) Create(key string, create func() (T, error)) error {
	f.mu.Lock()
	f.creating[key] = true
	f.mu.Unlock()
	created, err := create()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.creating[key] {
		f.wrote[key] = written[T]{created, time.Now().Add(lag), true}
	}
	delete(f.creating, key)
	return err
}

// created says whether a new object is one that this controller made.
func (f *Fresh[T]) created(obj T) bool {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.creating[key] || f.echo(key, obj)
}

// Wrote remembers the API server's answer to an update or patch. Of an object that the cache does not have any more nothing
// is remembered by that: the watch may tell its end before the answer to the write comes.
func (f *Fresh[T]) Wrote(obj T) {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	made := f.wrote[key].made
	if _, cached, err := f.store.GetByKey(key); err == nil && (cached || made) {
		f.wrote[key] = written[T]{obj, time.Now().Add(lag), made}
	}
}

// Echo says whether an object that a watch shows is as this controller wrote it last, before Get has been asked for it.
func (f *Fresh[T]) Echo(obj T) bool {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.echo(key, obj)
}

// echo compares with what was written last; the caller holds mu.
func (f *Fresh[T]) echo(key string, obj T) bool {
	ours, wrote := f.wrote[key]
	return wrote && ours.object.GetUID() == obj.GetUID() && ours.object.GetResourceVersion() == obj.GetResourceVersion()
}

// Gone forgets a write to an object that this controller deleted.
func (f *Fresh[T]) Gone(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.wrote, key)
}

// seen drops a remembered write that the watch shows to be in the cache or overtaken, or whose object it shows to be gone.
func (f *Fresh[T]) seen(obj T, deleted bool) {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if deleted && f.creating[key] {
		f.creating[key] = false
	}
	ours, wrote := f.wrote[key]
	switch {
	case !wrote:
	case !newer(ours.object, obj), deleted && ours.object.GetUID() == obj.GetUID():
		delete(f.wrote, key)
	case !deleted:
		ours.made = false
		f.wrote[key] = ours
	}
}

// newer says whether a is a later version of the same object than b. Versions of one resource are ordered (KEP-5504); what
// cannot be compared counts as not newer, so that the cache wins.
func newer(a, b metav1.Object) bool {
	if a.GetUID() != b.GetUID() {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && order > 0
}
