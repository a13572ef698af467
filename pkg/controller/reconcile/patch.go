package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// MergePatch is the JSON merge patch (RFC 7396) that turns before into after, nil when they are equal. Only fields that
// differ are in it, so writers of different fields do not meet. Numbers keep all their digits.
func MergePatch(before, after any) ([]byte, error) {
	if reflect.DeepEqual(before, after) {
		return nil, nil
	}
	from, err := decode(before)
	if err != nil {
		return nil, fmt.Errorf("encode object before the change: %w", err)
	}
	to, err := decode(after)
	if err != nil {
		return nil, fmt.Errorf("encode object after the change: %w", err)
	}
	patch := difference(from, to)
	if len(patch) == 0 {
		return nil, nil
	}
	return json.Marshal(patch)
}

func decode(object any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any
	return fields, decoder.Decode(&fields)
}

func difference(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for key, value := range to {
		old, exists := from[key]
		oldMap, ok1 := old.(map[string]any)
		newMap, ok2 := value.(map[string]any)
		switch {
		case ok1 && ok2:
			if inner := difference(oldMap, newMap); len(inner) > 0 {
				patch[key] = inner
			}
		case !exists || !equal(old, value):
			patch[key] = value
		}
	}
	for key := range from {
		if _, stays := to[key]; !stays {
			patch[key] = nil
		}
	}
	return patch
}

// equal compares two JSON values. The API server keeps integers beyond 64 bits as floats, so those are equal when their
// floats are; otherwise the counters of a large IPv6 subnet would differ for ever.
func equal(a, b any) bool {
	x, ok1 := a.(json.Number)
	y, ok2 := b.(json.Number)
	if !ok1 || !ok2 {
		return reflect.DeepEqual(a, b)
	}
	if x == y {
		return true
	}
	_, err1 := x.Int64()
	_, err2 := y.Int64()
	f, err3 := x.Float64()
	g, err4 := y.Float64()
	return err1 != nil && err2 != nil && err3 == nil && err4 == nil && f == g
}

// LockedMergePatch is MergePatch bound to the version of before: the API server refuses it with a conflict when the object
// has changed meanwhile. Lists with several writers, finalizers above all, need it.
func LockedMergePatch(before, after metav1.Object) ([]byte, error) {
	patch, err := MergePatch(before, after)
	if patch == nil || err != nil || before.GetResourceVersion() == "" {
		return patch, err
	}
	fields, err := decode(json.RawMessage(patch))
	if err != nil {
		return nil, fmt.Errorf("decode patch: %w", err)
	}
	meta, _ := fields["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		fields["metadata"] = meta
	}
	meta["resourceVersion"] = before.GetResourceVersion()
	return json.Marshal(fields)
}

// AddFinalizer puts our finalizer on obj, a copy of the caller's, and drops the legacy name.
func AddFinalizer(obj metav1.Object) {
	if !HasFinalizer(obj) {
		obj.SetFinalizers(append(withoutOurs(obj), util.Finalizer))
	}
}

// RemoveFinalizer takes our finalizer off obj, a copy of the caller's, under both names.
func RemoveFinalizer(obj metav1.Object) { obj.SetFinalizers(withoutOurs(obj)) }

// HasFinalizer says whether obj carries our finalizer under its present name and not the legacy one.
func HasFinalizer(obj metav1.Object) bool {
	list := obj.GetFinalizers()
	return slices.Contains(list, util.Finalizer) && !slices.Contains(list, util.LegacyFinalizer)
}

func withoutOurs(obj metav1.Object) []string {
	return slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool {
		return f == util.Finalizer || f == util.LegacyFinalizer
	})
}
