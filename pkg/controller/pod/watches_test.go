package pod

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodMatters(t *testing.T) {
	pod := func(pairs ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "1", Annotations: map[string]string{}}}
		for i := 0; i < len(pairs); i += 2 {
			p.Annotations[pairs[i]] = pairs[i+1]
		}
		return p
	}
	const allocated, routed, address = "ovn.kubernetes.io/allocated", "ovn.kubernetes.io/routed", "ovn.kubernetes.io/ip_address"
	running := pod()
	running.Status.Phase = corev1.PodRunning
	heartbeat := pod()
	heartbeat.Status.Message = "still starting"
	for name, c := range map[string]struct {
		before, after *corev1.Pod
		want          bool
	}{
		"status message":               {pod(), heartbeat, false},
		"phase":                        {pod(), running, true},
		"our announcement":             {pod("app", "a"), pod("app", "a", allocated, "true", routed, "true", address, "10.0.0.2"), false},
		"announcement and a change":    {pod("app", "a"), pod("app", "b", allocated, "true", routed, "true"), true},
		"announcement and a removal":   {pod("app", "a"), pod(allocated, "true", routed, "true"), true},
		"the user asks for an address": {pod(), pod(address, "10.0.0.9"), true},
		"the user removes routed":      {pod(allocated, "true", routed, "true"), pod(allocated, "true"), true},
		"a second announcement":        {pod(allocated, "true"), pod(allocated, "true", routed, "true"), true},
	} {
		if got := podMatters(c.before, c.after); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
