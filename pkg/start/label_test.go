package start

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestLabelsOfTheOwnPod(t *testing.T) {
	client := fake.NewClientset(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "central",
		Labels: map[string]string{"app": "ovn-central", "ovn-nb-leader": "true"}}})
	set := labeler(client, "kube-system", "central")
	if err := set(t.Context(), roles{sb: true}.labels()); err != nil {
		t.Fatal(err)
	}
	pod, err := client.CoreV1().Pods("kube-system").Get(t.Context(), "central", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"app": "ovn-central", "ovn-nb-leader": "false", "ovn-sb-leader": "true", "ovn-northd-leader": "false"}
	if diff := cmp.Diff(want, pod.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if err := labeler(client, "kube-system", "gone")(t.Context(), roles{}.labels()); err == nil || !strings.Contains(err.Error(), "kube-system/gone") {
		t.Errorf("error %v does not name the pod", err)
	}
}

func TestNoLabelsOutsideOfAPod(t *testing.T) {
	if set, err := PodLabeler(settings{"POD_NAME": "x", "POD_NAMESPACE": "y"}.get); set != nil || err != nil {
		t.Errorf("labeler %t, %v", set != nil, err)
	}
}
