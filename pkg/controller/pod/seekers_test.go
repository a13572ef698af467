package pod

import (
	"errors"
	"testing"
)

// What a pod was told is remembered for that pod only, and nothing of a pod that is gone.
func TestSeekersForget(t *testing.T) {
	s := newSeekers()
	full := errors.New("the subnet is full")
	for _, want := range []bool{true, false} {
		if s.news("ns/web", "uid1", "Reason", full) != want || s.warn("ns/web", "uid1", "keys") != want {
			t.Errorf("told again: %v", !want)
		}
	}
	if !s.news("ns/web", "uid2", "Reason", full) || !s.warn("ns/web", "uid2", "keys") {
		t.Error("another pod of that name is told nothing")
	}
	s.failed("ns/web", full)
	s.ended("ns/web")
	if len(s.told)+len(s.warned)+len(s.waiting) > 0 {
		t.Errorf("left: %v, %v, %v", s.told, s.warned, s.waiting)
	}
}
