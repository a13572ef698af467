package server

import (
	"context"
	"sync"
)

// pulse wakes everybody who waits for a change.
type pulse struct {
	mu *sync.Mutex
	ch *chan struct{}
}

func newPulse() pulse {
	ch := make(chan struct{})
	return pulse{mu: &sync.Mutex{}, ch: &ch}
}

// next is closed at the next change.
func (p pulse) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.ch
}

func (p pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(*p.ch)
	*p.ch = make(chan struct{})
}

// locks is one lock per key, forgotten when nobody holds or wants it.
type locks struct {
	mu   *sync.Mutex
	held map[string]*lock
}

type lock struct {
	token chan struct{} // holds one element while the lock is taken
	users int
}

func newLocks() locks { return locks{mu: &sync.Mutex{}, held: map[string]*lock{}} }

// lock waits for its turn or for the end of ctx.
func (l locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l.mu.Lock()
	k := l.held[key]
	if k == nil {
		k = &lock{token: make(chan struct{}, 1)}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
	}
	select {
	case k.token <- struct{}{}:
		return func() { <-k.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
