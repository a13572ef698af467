package controller

import (
	"encoding/json"
	"maps"
	"reflect"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
)

// pretendedVersion is a resource version that no API server comes to; those of pretended writes follow it.
const pretendedVersion = 1 << 62

func pretended(version string) bool {
	n, err := strconv.ParseUint(version, 10, 64)
	return err == nil && n >= pretendedVersion
}

// jsonObject is one as it is decoded; its numbers keep all their digits. Those in the store are not changed.
type jsonObject = map[string]any

func metadata(object jsonObject) jsonObject {
	meta, _ := object["metadata"].(jsonObject)
	return meta
}

// pretendedStore is what was written and its history.
type pretendedStore struct {
	mu      sync.Mutex
	objects map[place]*pretendedObject
	events  map[string][]pretendedEvent // by collection
	more    chan struct{}               // closed by the next write
	version uint64                      // of the last write
}

type pretendedObject struct {
	content jsonObject // nil: deleted
	made    bool       // here, the API server does not know it
}

type pretendedEvent struct {
	version uint64
	frame   []byte
}

func newPretendedStore() *pretendedStore {
	return &pretendedStore{
		objects: map[place]*pretendedObject{}, events: map[string][]pretendedEvent{}, more: make(chan struct{}), version: pretendedVersion,
	}
}

func (s *pretendedStore) get(at place) *pretendedObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[at]
}

// writes is how many there were.
func (s *pretendedStore) writes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version - pretendedVersion
}

// since are the events after a version, which moves on, and a channel that is closed when there are more.
func (s *pretendedStore) since(collection string, version *uint64) (frames [][]byte, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events[collection] {
		if e.version > *version {
			frames = append(frames, e.frame)
		}
	}
	*version = max(*version, s.version)
	return frames, s.more
}

// merge puts what was written into a page of a list, what was made here into the last one, and says which version that is.
func (s *pretendedStore) merge(at place, page []json.RawMessage, last bool) (merged []json.RawMessage, version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[place]bool{}
	for id, object := range s.objects {
		if object.made && last && id.collection == at.collection && (at.namespace == "" || at.namespace == id.namespace) {
			wanted[id] = true
		}
	}
	for _, item := range page {
		var object metav1.PartialObjectMetadata
		if err := json.Unmarshal(item, &object); err != nil {
			return nil, "", err
		}
		id := place{at.collection, object.Namespace, object.Name}
		if s.objects[id] != nil {
			wanted[id] = true
			continue
		}
		merged = append(merged, item)
	}
	for id := range wanted {
		if s.objects[id].content == nil {
			continue
		}
		item, err := json.Marshal(s.objects[id].content)
		if err != nil {
			return nil, "", err
		}
		merged = append(merged, item)
	}
	return merged, strconv.FormatUint(s.version, 10), nil
}

func (s *pretendedStore) create(at place, object jsonObject) jsonObject {
	meta := maps.Clone(metadata(object))
	meta["uid"], meta["generation"], meta["creationTimestamp"] = string(uuid.NewUUID()), json.Number("1"), now()
	object["metadata"] = meta
	return s.write(at, watch.Added, object)
}

// patch changes an object by a merge patch (RFC 7396).
func (s *pretendedStore) patch(at place, object, patch jsonObject, spec bool) jsonObject {
	after := patched(object, patch)
	if reflect.DeepEqual(object, after) {
		return object
	}
	if spec && !reflect.DeepEqual(object["spec"], after["spec"]) {
		nextGeneration(after)
	}
	left, _ := metadata(after)["finalizers"].([]any)
	if metadata(after)["deletionTimestamp"] != nil && len(left) == 0 {
		return s.write(at, watch.Deleted, after)
	}
	return s.write(at, watch.Modified, after)
}

// delete ends an object, or marks it when finalizers hold it.
func (s *pretendedStore) delete(at place, object jsonObject) jsonObject {
	meta := metadata(object)
	if held, _ := meta["finalizers"].([]any); len(held) == 0 {
		return s.write(at, watch.Deleted, patched(object, jsonObject{}))
	}
	if meta["deletionTimestamp"] != nil {
		return object
	}
	after := patched(object, jsonObject{"metadata": jsonObject{"deletionTimestamp": now(), "deletionGracePeriodSeconds": json.Number("0")}})
	nextGeneration(after)
	return s.write(at, watch.Modified, after)
}

// write takes an object that nobody else has as the next version.
func (s *pretendedStore) write(at place, kind watch.EventType, object jsonObject) jsonObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	metadata(object)["resourceVersion"] = strconv.FormatUint(s.version, 10)
	entry := s.objects[at]
	if entry == nil {
		entry = &pretendedObject{made: kind == watch.Added}
		s.objects[at] = entry
	}
	entry.content = object
	if kind == watch.Deleted {
		entry.content = nil
	}
	// Objects come from JSON, so they can be written as JSON.
	if frame, err := json.Marshal(jsonObject{"type": kind, "object": object}); err == nil {
		s.events[at.collection] = append(s.events[at.collection], pretendedEvent{s.version, append(frame, '\n')})
	}
	close(s.more)
	s.more = make(chan struct{})
	return object
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

func nextGeneration(object jsonObject) {
	number, _ := metadata(object)["generation"].(json.Number)
	if n, err := number.Int64(); err == nil {
		metadata(object)["generation"] = json.Number(strconv.FormatInt(n+1, 10))
	}
}

// patched is target after a merge patch; its maps are its own.
func patched(target, patch jsonObject) jsonObject {
	out := jsonObject{}
	for key, value := range target {
		if inner, ok := value.(jsonObject); ok {
			value = patched(inner, jsonObject{})
		}
		out[key] = value
	}
	for key, value := range patch {
		inner, ok := value.(jsonObject)
		switch {
		case value == nil:
			delete(out, key)
		case ok:
			have, _ := out[key].(jsonObject)
			out[key] = patched(have, inner)
		default:
			out[key] = value
		}
	}
	return out
}
