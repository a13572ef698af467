package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// Bounds of the per-key exponential backoff; there is no limit on the number of retries.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Minute
)

// Func makes the world agree for one key. Different keys run in parallel, one key never does.
type Func func(ctx context.Context, key string) error

// Loop is the queue of one resource type, its watches and its workers.
type Loop struct {
	name    string
	workers int
	sync    Func
	work    workqueue.TypedRateLimitingInterface[string]
	sources []cache.InformerSynced

	mu      sync.Mutex
	err     error
	running int
	initial sets.Set[string] // keys known at the start
	pending sets.Set[string] // those of them that had no sync yet; nil when the first pass is over
	waiting sets.Set[string] // keys whose last sync waits or failed
	started bool
	passed  chan struct{}
}

// New returns a loop that is filled by [Watch] and [Loop.Add]. The name is the controller's folder, which is also the
// kind of the rows it owns.
func New(name string, workers int, sync Func) *Loop {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](minBackoff, maxBackoff)
	return &Loop{
		name:    name,
		workers: max(workers, 1),
		sync:    sync,
		work:    workqueue.NewTypedRateLimitingQueue[string](limiter),
		initial: sets.New[string](),
		waiting: sets.New[string](),
		passed:  make(chan struct{}),
	}
}

// Name is the queue's name and the kind of its rows' owner.
func (l *Loop) Name() string { return l.name }

// Add enqueues a key; an empty key is ignored.
func (l *Loop) Add(key string) {
	if key == "" {
		return
	}
	l.mu.Lock()
	if !l.started {
		l.initial.Insert(key)
	}
	l.mu.Unlock()
	l.work.Add(key)
	queueDepth.WithLabelValues(l.name).Set(float64(l.work.Len()))
}

// AddAfter enqueues a key when d has passed, for outcomes that depend on the clock. Of several calls for one key within d
// the first counts. An empty key is ignored.
func (l *Loop) AddAfter(key string, d time.Duration) {
	if key != "" {
		l.work.AddAfter(key, d)
	}
}

// AddForgotten enqueues those of keys that were not known at the start, once; later calls enqueue all of them.
func (l *Loop) AddForgotten(keys []string) {
	l.mu.Lock()
	known := l.initial
	l.initial = nil
	l.mu.Unlock()
	for _, key := range keys {
		if !known.Has(key) {
			l.Add(key)
		}
	}
}

// Again enqueues the keys that wait for something, without their backoff.
func (l *Loop) Again() {
	l.mu.Lock()
	keys := l.waiting.UnsortedList()
	l.mu.Unlock()
	for _, key := range keys {
		l.Add(key)
	}
}

// FirstPass is closed when every key that was known at the start has been synced once, whatever the outcome.
func (l *Loop) FirstPass() <-chan struct{} { return l.passed }

// Idle says that no key waits for a worker or is being synced. Keys in backoff do not count.
func (l *Loop) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started && l.running == 0 && l.work.Len() == 0
}

// Run waits until all watched caches are filled, then syncs keys until ctx ends. It returns an error only when a watch
// could not be registered.
func (l *Loop) Run(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	logger := klog.FromContext(ctx).WithValues("queue", l.name)
	ctx = klog.NewContext(ctx, logger)
	defer l.work.ShutDown()
	if !cache.WaitForCacheSync(ctx.Done(), l.sources...) {
		return nil
	}
	l.begin()
	logger.V(1).Info("Queue started", "workers", l.workers, "keys", l.work.Len())

	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.work.ShutDown()
	workers.Wait()
	return nil
}

// Fail makes Run return err: a watch or an index could not be made.
func (l *Loop) Fail(err error) { l.err = errors.Join(l.err, err) }

func (l *Loop) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	l.pending = l.initial.Clone()
	l.closeIfPassed()
}

// closeIfPassed ends the first pass; the caller holds mu.
func (l *Loop) closeIfPassed() {
	if l.pending != nil && l.pending.Len() == 0 {
		l.pending = nil
		close(l.passed)
	}
}

// next syncs one key and reports whether there may be more.
func (l *Loop) next(ctx context.Context) bool {
	key, shutdown := l.work.Get()
	if shutdown || ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	l.running++
	l.mu.Unlock()

	logger := klog.FromContext(ctx).WithValues("key", key)
	start := time.Now()
	err := l.call(klog.NewContext(ctx, logger), key)
	result := classify(err)
	syncSeconds.WithLabelValues(l.name, result).Observe(time.Since(start).Seconds())
	queueDepth.WithLabelValues(l.name).Set(float64(l.work.Len()))
	l.conclude(logger, key, result, err)

	// Done comes before the bookkeeping: it puts back a key that was added meanwhile, and Idle must see one of the two.
	l.work.Done(key)
	l.mu.Lock()
	l.running--
	if result == resultWait || result == resultError {
		l.waiting.Insert(key)
	} else {
		l.waiting.Delete(key)
	}
	if l.pending != nil {
		l.pending.Delete(key)
		l.closeIfPassed()
	}
	l.mu.Unlock()
	return true
}

// call turns a panic of one object's sync into its error: the other objects' network must not depend on it.
func (l *Loop) call(ctx context.Context, key string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return l.sync(ctx, key)
}

func (l *Loop) conclude(logger klog.Logger, key, result string, err error) {
	switch result {
	case resultOK:
		l.work.Forget(key)
		return
	case resultInvalid:
		l.work.Forget(key)
		logger.Info("Object is invalid", "reason", err.Error())
		return
	case resultWait:
		logger.V(3).Info("Sync waits", "reason", err.Error())
		if wait := (*WaitError)(nil); errors.As(err, &wait) && wait.Again > 0 {
			l.work.Forget(key)
			l.AddAfter(key, wait.Again)
			return
		}
	default:
		logger.Error(err, "Sync failed", "attempts", l.work.NumRequeues(key)+1)
	}
	queueRetries.WithLabelValues(l.name).Inc()
	l.work.AddRateLimited(key)
}
