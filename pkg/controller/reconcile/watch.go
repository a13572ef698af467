package reconcile

import (
	"fmt"

	"k8s.io/client-go/tools/cache"
)

// Source is what every generated informer offers: the shared informer and the lister L that reads its store.
type Source[L any] interface {
	Informer() cache.SharedIndexInformer
	Lister() L
}

// Watch wakes loop by the objects of src and returns the lister. keysFor maps an object, which it must not change, to the
// keys it contributes to; an update enqueues the keys of the old and of the new object. With filters, an update counts
// only when one of them reports a relevant change. Watch is to be called before the informers start.
func Watch[T any, L any](loop *Loop, src Source[L], keysFor func(T) []string, relevant ...func(old, new T) bool) L {
	return watch(loop, src, handler[T]{loop: loop, keysFor: keysFor, relevant: relevant})
}

func watch[T any, L any](loop *Loop, src Source[L], h handler[T]) L {
	registration, err := src.Informer().AddEventHandler(h)
	if err != nil {
		loop.Fail(fmt.Errorf("watch for queue %s: %w", loop.name, err))
		return src.Lister()
	}
	loop.sources = append(loop.sources, registration.HasSynced)
	return src.Lister()
}

// Self maps a namespaced or cluster scoped object to its own key.
func Self[T any](obj T) []string {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return nil
	}
	return []string{key}
}

type handler[T any] struct {
	loop     *Loop
	keysFor  func(T) []string
	relevant []func(old, new T) bool
	known    func(T) bool // an added object that is no news; may be nil
	// seen gets every object before its keys are enqueued, deleted ones too; may be nil.
	seen func(obj T, deleted bool)
}

func (h handler[T]) OnAdd(obj any, _ bool) {
	typed, ok := obj.(T)
	news := !ok || h.known == nil || !h.known(typed)
	h.see(obj, false)
	if news {
		h.enqueue(obj)
	}
}

func (h handler[T]) OnUpdate(oldObj, newObj any) {
	before, ok1 := oldObj.(T)
	after, ok2 := newObj.(T)
	news := !ok1 || !ok2 || h.matters(before, after)
	h.see(newObj, false)
	if !news {
		return
	}
	h.enqueue(oldObj)
	h.enqueue(newObj)
}

func (h handler[T]) OnDelete(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	h.see(obj, true)
	h.enqueue(obj)
}

func (h handler[T]) see(obj any, deleted bool) {
	if typed, ok := obj.(T); ok && h.seen != nil {
		h.seen(typed, deleted)
	}
}

func (h handler[T]) enqueue(obj any) {
	typed, ok := obj.(T)
	if !ok {
		return
	}
	for _, key := range h.keysFor(typed) {
		h.loop.Add(key)
	}
}

func (h handler[T]) matters(before, after T) bool {
	for _, changed := range h.relevant {
		if changed(before, after) {
			return true
		}
	}
	return len(h.relevant) == 0
}
