package pod

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// subnetOfPool is the subnet of the IPPool that a pod names for its first interface, "" when it names none.
func (c *controller) subnetOfPool(pod *corev1.Pod) (string, error) {
	text := strings.TrimSpace(pod.Annotations[util.Key(util.OvnProvider, util.IPPool)])
	if text == "" || strings.TrimSpace(pod.Annotations[util.Key(util.OvnProvider, util.IPAddress)]) != "" {
		return "", nil
	}
	name, _, err := parsePool(text)
	if err != nil || name == "" {
		return "", nil // the plan refuses what cannot be read
	}
	pool, err := c.pools.Get(name)
	if apierrors.IsNotFound(err) {
		return "", unavailable(nil, "ippool %q does not exist", name)
	}
	if err != nil {
		return "", fmt.Errorf("ippool %s of pod %s/%s: %w", name, pod.Namespace, pod.Name, err)
	}
	return pool.Spec.Subnet, nil
}

// poolsOf are the IPPools that are for a namespace, by name.
func (c *controller) poolsOf(namespace string) []*v1.IPPool {
	pools := slices.DeleteFunc(reconcile.Indexed[*v1.IPPool](c.byUser, byUserIndex, namespace), func(p *v1.IPPool) bool {
		return !p.DeletionTimestamp.IsZero()
	})
	slices.SortFunc(pools, func(a, b *v1.IPPool) int { return strings.Compare(a.Name, b.Name) })
	return pools
}

// draw claims in one subnet. A pod that asks for nothing in particular draws from the pools of its namespace, if that has
// any; what it has already it keeps, wherever that is from.
func (c *controller) draw(subnet string, n nic) (ipam.Lease, error) {
	if _, held := c.IPAM.Lookup(subnet, n.name); held || len(n.pools) == 0 {
		return c.IPAM.Claim(subnet, n.request)
	}
	err := fmt.Errorf("%w: it has no ippool of the pod's namespace", ipam.ErrNoPool)
	for _, pool := range n.pools {
		if pool.Spec.Subnet != subnet {
			continue
		}
		request := n.request
		request.Pool = pool.Name
		var lease ipam.Lease
		if lease, err = c.IPAM.Claim(subnet, request); err == nil {
			return lease, nil
		}
	}
	return ipam.Lease{}, err
}

// poolMatters: a pool is set apart when its status says so.
func poolMatters(before, after *v1.IPPool) bool {
	ready := func(p *v1.IPPool) bool { return v1.IsConditionTrue(p.Status.Conditions, v1.ConditionReady) }
	return before.Generation != after.Generation || ready(before) != ready(after)
}
