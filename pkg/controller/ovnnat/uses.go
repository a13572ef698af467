package ovnnat

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
)

// maxUsesDelays bounds, in delays, how long an OvnEip may go without telling who uses it.
const maxUsesDelays = 15

// uses puts off the OvnEips that only have to tell who uses them. When many rules are made at once, telling must not take the
// API server from those that still wait for their address.
type uses struct {
	delay time.Duration
	busy  func() bool
	wake  func(eip string)

	mu    sync.Mutex
	eips  sets.Set[string]
	since time.Time // the first of them was put off
}

// later wakes an OvnEip after the delay, or when nothing is left to do that is more urgent.
func (u *uses) later(eip string) {
	if eip == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.eips.Len() == 0 {
		u.eips, u.since = sets.New[string](), time.Now()
		time.AfterFunc(u.delay, u.tell)
	}
	u.eips.Insert(eip)
}

func (u *uses) tell() {
	u.mu.Lock()
	if u.busy() && time.Since(u.since) < maxUsesDelays*u.delay {
		time.AfterFunc(u.delay, u.tell)
		u.mu.Unlock()
		return
	}
	eips := u.eips
	u.eips = nil
	u.mu.Unlock()
	for eip := range eips {
		u.wake(eip)
	}
}
