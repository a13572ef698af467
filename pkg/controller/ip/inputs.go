package ip

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs is all that a reservation is served from.
type inputs struct {
	ip     *v1.IP
	subnet *v1.Subnet
	// older: not a reservation but the object that an older version made for a pod that runs.
	older bool
}

func (c *controller) gather(ip *v1.IP) (inputs, error) {
	in := inputs{ip: ip}
	var err error
	if in.older, err = c.fromOlder(ip); err != nil || in.older {
		return in, err
	}
	name := ip.Spec.Subnet
	if name == "" {
		return in, invalid("subnet of an ip has to be set")
	}
	subnet, err := c.subnets.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which does not exist", name)
	case err != nil:
		return in, fmt.Errorf("subnet %s of ip %s: %w", name, ip.Name, err)
	}
	if in.subnet = util.InEffect(subnet); in.subnet == nil {
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which is not ready", name)
	}
	return in, nil
}

// fromOlder says whether an unmarked object is that of a pod with an allocated network, made before there were labels. The
// pod controller marks it.
func (c *controller) fromOlder(ip *v1.IP) (bool, error) {
	if ip.Labels[util.IPReservedLabel] != "" {
		return false, nil
	}
	pod, err := c.pod(ip.Spec.Namespace + "/" + ip.Spec.PodName)
	if err != nil || pod == nil || over(pod) {
		return false, err
	}
	provider := strings.TrimPrefix(strings.TrimPrefix(ip.Name, pod.Name+"."+pod.Namespace), ".")
	return pod.Annotations[util.Key(provider, util.Allocated)] == "true", nil
}

// lives says whether the owner of a lease is a pod that uses its network.
func (c *controller) lives(owner string) (bool, error) {
	pod, err := c.pod(owner)
	return pod != nil && !over(pod), err
}

// pod looks up "<namespace>/<name>"; nil when there is none.
func (c *controller) pod(key string) (*corev1.Pod, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil || namespace == "" || name == "" {
		return nil, nil //nolint:nilerr // other owners' names are no pod's key
	}
	pod, err := c.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return pod, err
}

// over says that a pod uses no network any more: it has ended for good, or is deleted and past its grace period.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed ||
		pod.DeletionTimestamp != nil && time.Now().After(pod.DeletionTimestamp.Time)
}
