package controllertest

import "testing"

// A test that changes an object while a controller writes it undoes nothing of that and is not refused.
func TestUpdateBesideAController(t *testing.T) {
	f := New(t, Node("node1"))
	read, written, same := Stored(f, Node("node1")), Stored(f, Node("node1")), Stored(f, Node("node1"))
	written.Annotations = map[string]string{"controller": "wrote"}
	f.Update(written)
	read.Labels = map[string]string{"test": "changed"}
	f.Update(read)
	f.Update(same)
	if got := Stored(f, Node("node1")); got.Labels["test"] != "changed" || got.Annotations["controller"] != "wrote" {
		t.Errorf("labels %v, annotations %v", got.Labels, got.Annotations)
	}
}
