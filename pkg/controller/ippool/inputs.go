package ippool

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// subnetIndex has the IPPools by subnet. Its name is this package's, because others index the same cache.
const subnetIndex = "ippool/subnet"

func subnetOf(pool *v1.IPPool) []string { return []string{pool.Spec.Subnet} }

// inputs are everything the rows of one pool depend on.
type inputs struct {
	pool   *v1.IPPool
	subnet *v1.Subnet
}

// gather waits for an accepted subnet. Until then a pool that is set stays as it is.
func (c *controller) gather(pool *v1.IPPool) (inputs, error) {
	in := inputs{pool: pool}
	var err error
	in.subnet, err = c.subnets.Get(pool.Spec.Subnet)
	switch {
	case apierrors.IsNotFound(err):
		return in, reconcile.Blocked(util.ReasonPoolFailed, "subnet %s, which does not exist", pool.Spec.Subnet)
	case err != nil:
		return in, fmt.Errorf("subnet %s of ippool %s: %w", pool.Spec.Subnet, pool.Name, err)
	case !accepted(in.subnet):
		return in, reconcile.Blocked(util.ReasonPoolFailed, "subnet %s, which is not ready", in.subnet.Name)
	}
	return in, nil
}

// accepted says whether the spec as it is now was accepted.
func accepted(s *v1.Subnet) bool {
	verdict := v1.FindCondition(s.Status.Conditions, v1.ConditionValidated)
	return verdict != nil && v1.IsConditionTrue(s.Status.Conditions, v1.ConditionValidated) && verdict.ObservedGeneration == s.Generation
}

// subnetMatters leaves out the counters.
func subnetMatters(before, after *v1.Subnet) bool {
	return before.Generation != after.Generation || accepted(before) != accepted(after)
}

// keysForPool: what a pool gives up may be what others of its subnet wait for.
func (c *controller) keysForPool(pool *v1.IPPool) []string {
	keys := []string{pool.Name}
	for _, other := range reconcile.Indexed[*v1.IPPool](c.index, subnetIndex, pool.Spec.Subnet) {
		if other.Name != pool.Name && !v1.IsConditionTrue(other.Status.Conditions, v1.ConditionReady) {
			keys = append(keys, other.Name)
		}
	}
	return keys
}

// poolMatters leaves out the counters, which nothing is made of.
func poolMatters(before, after *v1.IPPool) bool {
	return before.Generation != after.Generation || before.UID != after.UID ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
}

func (c *controller) inSubnet(name string) []string {
	keys, err := c.index.IndexKeys(subnetIndex, name)
	if err != nil {
		return nil
	}
	return keys
}

// countLater wakes the pools of a holder's subnet after the delay, so that a thousand new pods are one count and one write.
func countLater[T any](c *controller, loop *reconcile.Loop, subnet func(T) string) func(T) []string {
	return func(holder T) []string {
		for _, pool := range c.inSubnet(subnet(holder)) {
			loop.AddAfter(pool, c.CountDelay)
		}
		return nil
	}
}
