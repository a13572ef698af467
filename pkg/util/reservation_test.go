package util

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

func TestIsReservation(t *testing.T) {
	for name, c := range map[string]struct {
		meta metav1.ObjectMeta
		want bool
	}{
		"new, by a user":            {metav1.ObjectMeta{}, true},
		"with a foreign finalizer":  {metav1.ObjectMeta{Finalizers: []string{"example.com/backup"}}, true},
		"served":                    {metav1.ObjectMeta{Labels: map[string]string{IPReservedLabel: "true"}, Finalizers: []string{Finalizer}}, true},
		"of a pod":                  {PortLease{Port: "a.b", Subnet: "s"}.Object().ObjectMeta, false},
		"of a pod, its label lost":  {metav1.ObjectMeta{Finalizers: []string{Finalizer}}, false},
		"of an older version's pod": {metav1.ObjectMeta{Finalizers: []string{LegacyFinalizer}}, false},
		"released by its pod":       {metav1.ObjectMeta{Labels: map[string]string{IPReservedLabel: "false"}}, false},
	} {
		if got := IsReservation(&v1.IP{ObjectMeta: c.meta}); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
