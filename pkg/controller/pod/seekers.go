package pod

import (
	"errors"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// seekers knows the pods that wait for an address, so that they are woken when one may be had, and what they were told.
type seekers struct {
	mu      sync.Mutex
	waiting map[string]seeker           // by pod key
	told    map[string]notice           // last event of a pod about its network, by pod key
	warned  map[string]notice           // annotations that a pod was told to have in vain, by pod key
	kept    map[string]sets.Set[string] // pod keys by StatefulSet key, of pods that are gone and keep their addresses
}

// notice is what one of the pods that had a key, one after the other, was told.
type notice struct {
	pod  types.UID
	text string
}

type seeker struct {
	key     string
	subnets []string // where it looked; empty: anywhere
}

func newSeekers() *seekers {
	return &seekers{waiting: map[string]seeker{}, told: map[string]notice{}, warned: map[string]notice{}, kept: map[string]sets.Set[string]{}}
}

// failed remembers a pod that has no address yet.
func (s *seekers) failed(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unavailable *unavailableError
	if errors.As(err, &unavailable) {
		s.waiting[key] = seeker{key, unavailable.subnets}
		return
	}
	s.waiting[key] = seeker{key: key}
}

// served forgets a pod that has its addresses.
func (s *seekers) served(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, key)
}

// ended forgets a pod that is gone.
func (s *seekers) ended(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, key)
	delete(s.told, key)
	delete(s.warned, key)
}

// of lists the waiting pods that match.
func (s *seekers) of(match func(seeker) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key, w := range s.waiting {
		if match(w) {
			keys = append(keys, key)
		}
	}
	return keys
}

// warn says whether a pod has not been warned of these annotations before.
func (s *seekers) warn(key string, pod types.UID, annotations string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := notice{pod, annotations}
	if s.warned[key] == now {
		return false
	}
	s.warned[key] = now
	return true
}

// everybody lists the pods that wait.
func (s *seekers) everybody() []string { return s.of(func(seeker) bool { return true }) }

// in lists the pods that wait for an address of a subnet.
func (s *seekers) in(subnet string) []string {
	return s.of(func(w seeker) bool { return len(w.subnets) == 0 || slices.Contains(w.subnets, subnet) })
}

// news says whether a pod has not been told this before.
func (s *seekers) news(key string, pod types.UID, reason string, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == "" {
		if err == nil {
			delete(s.told, key)
		}
		return false
	}
	now := notice{pod, reason + ": " + err.Error()}
	if s.told[key] == now {
		return false
	}
	s.told[key] = now
	return true
}

// keep remembers that a pod of a set is gone and its addresses are not given back.
func (s *seekers) keep(set, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[set] == nil {
		s.kept[set] = sets.New[string]()
	}
	s.kept[set].Insert(key)
}

// unkeep forgets it.
func (s *seekers) unkeep(set, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[set].Delete(key)
	if s.kept[set].Len() == 0 {
		delete(s.kept, set)
	}
}

// keptOf lists the pods of a set whose addresses are kept.
func (s *seekers) keptOf(set string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[set].UnsortedList()
}
