package pod

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
)

// unclaimed are the namespaces, by name, of which the API server itself said that no subnet names them.
//
// The watches of pods and of subnets are not in step: of a namespace, its subnet and its pods that are made by one command the
// pod may be seen first, and would get into the default VPC for good, with the addresses and the neighbours it was to be kept
// from. So the first pod of a namespace that seems to be nobody's costs one read.
type unclaimed struct {
	mu         sync.Mutex
	namespaces map[string]types.UID
}

// soonSeen is when to look again for a subnet that exists and is not seen yet; its arrival wakes the pod, too.
const soonSeen = 100 * time.Millisecond

func (u *unclaimed) has(namespace *corev1.Namespace) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.namespaces[namespace.Name] == namespace.UID
}

func (u *unclaimed) add(namespace *corev1.Namespace) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.namespaces == nil {
		u.namespaces = map[string]types.UID{}
	}
	u.namespaces[namespace.Name] = namespace.UID
}

func (u *unclaimed) forget(namespace string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.namespaces, namespace)
}

// confirmUnclaimed asks the API server whether a subnet names the namespace that the cache does not show yet; then the answer
// is a wait.
func (c *controller) confirmUnclaimed(ctx context.Context, namespace *corev1.Namespace) error {
	if c.unclaimed.has(namespace) {
		return nil
	}
	list, err := c.Subnets.List(ctx, metav1.ListOptions{}) // without a resourceVersion: the newest state
	if err != nil {
		return fmt.Errorf("list the subnets that may name namespace %s: %w", namespace.Name, err)
	}
	if i := slices.IndexFunc(list.Items, func(s v1.Subnet) bool { return claims(&s, namespace) }); i >= 0 {
		return &reconcile.WaitError{What: "the news of subnet " + list.Items[i].Name, Again: soonSeen}
	}
	c.unclaimed.add(namespace)
	return nil
}
