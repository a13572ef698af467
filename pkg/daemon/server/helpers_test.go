package server

import (
	"context"
	"errors"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

// newTestNode starts a node with switch net1, 10.1.0.0/24.
func newTestNode(t testing.TB) *porttest.Node {
	t.Helper()
	node := porttest.NewNode(t)
	node.Switch("net1", "10.1.0.1/24")
	return node
}

// lookupFirst is an API server that has the pod, and tells when it was asked.
func lookupFirst(p *corev1.Pod, asked chan<- struct{}) func(context.Context, string, string) (*corev1.Pod, error) {
	var once sync.Once
	return func(context.Context, string, string) (*corev1.Pod, error) {
		once.Do(func() { close(asked) })
		return p, nil
	}
}

func lookupFails(context.Context, string, string) (*corev1.Pod, error) {
	return nil, errors.New("away")
}
