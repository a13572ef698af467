package ovnnat

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// woken is what a uses of one second told, in the order of its clock.
func woken(t *testing.T, busyFor time.Duration, ask func(*uses)) map[string]time.Duration {
	t.Helper()
	told := map[string]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var busy atomic.Bool
		busy.Store(true)
		time.AfterFunc(busyFor, func() { busy.Store(false) })
		u := &uses{delay: time.Second, busy: busy.Load, wake: func(eip string) { told[eip] = time.Since(began) }}
		ask(u)
		time.Sleep(time.Minute) // of the bubble's clock
	})
	return told
}

func TestUsesAreToldWhenNothingIsMoreUrgent(t *testing.T) {
	two := func(u *uses) { u.later("a"); u.later("b"); u.later("a") }
	for _, test := range []struct {
		name    string
		busyFor time.Duration
		want    time.Duration
	}{
		{"after the delay", 0, time.Second},
		{"when the work is done", 3500 * time.Millisecond, 4 * time.Second},
		{"at last", time.Hour, maxUsesDelays * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			told := woken(t, test.busyFor, two)
			if len(told) != 2 || told["a"] != test.want || told["b"] != test.want {
				t.Errorf("told %v, want a and b after %v", told, test.want)
			}
		})
	}
}

func TestUsesAreToldAgain(t *testing.T) {
	var at []time.Duration
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		u := &uses{delay: time.Second, busy: func() bool { return false }, wake: func(string) { at = append(at, time.Since(began)) }}
		u.later("a")
		u.later("") // a rule without OvnEip
		time.Sleep(5 * time.Second)
		u.later("a")
		time.Sleep(5 * time.Second)
	})
	if want := []time.Duration{time.Second, 6 * time.Second}; !slices.Equal(at, want) {
		t.Errorf("told at %v, want %v", at, want)
	}
}
