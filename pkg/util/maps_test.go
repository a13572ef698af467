package util

import (
	"maps"
	"testing"
)

func TestSetKey(t *testing.T) {
	var m map[string]string
	SetKey(&m, "a", "")
	if m != nil {
		t.Errorf("nothing made %v", m)
	}
	SetKey(&m, "a", "1")
	SetKey(&m, "b", "2")
	SetKey(&m, "a", "3")
	SetKey(&m, "b", "")
	if !maps.Equal(m, map[string]string{"a": "3"}) {
		t.Errorf("got %v", m)
	}
}
