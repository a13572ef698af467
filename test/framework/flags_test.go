package framework

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestSetFlags(t *testing.T) {
	pod := func() *corev1.PodSpec {
		return &corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Args: []string{"--switch=external", "--switch-net=external", "--vlanid=0"}}}}
	}
	p := pod()
	before, changed, err := setFlags(p, map[string]string{"--switch": "external204", "--vlanid": "204"})
	if err != nil || !changed || !maps.Equal(before, map[string]string{"--switch": "external", "--vlanid": "0"}) {
		t.Errorf("before %v, changed %v, %v", before, changed, err)
	}
	if want := []string{"--switch=external204", "--switch-net=external", "--vlanid=204"}; !slices.Equal(p.Containers[0].Args, want) {
		t.Errorf("arguments %v", p.Containers[0].Args)
	}
	if _, changed, err := setFlags(p, before); err != nil || !changed || !slices.Equal(p.Containers[0].Args, pod().Containers[0].Args) {
		t.Errorf("back: %v, %v, %v", p.Containers[0].Args, changed, err)
	}
	if _, changed, err := setFlags(p, before); err != nil || changed {
		t.Errorf("again: changed %v, %v", changed, err)
	}
	if _, _, err := setFlags(p, map[string]string{"--other": "1"}); err == nil {
		t.Error("a flag that is not there was set")
	}
}
