package pod

import (
	"sync"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// watchWishes wakes pods by what their wishes for outside addresses and Vips depend on. Pods without wishes are in none of
// the indexes.
func (c *controller) watchWishes(sources Sources) {
	informer := sources.Pods.Informer()
	index(c.loop, informer, byOutsideIndex, outsideKeys)
	c.byWish = index(c.loop, informer, byVipIndex, vipsOf)
	c.vips = reconcile.Watch(c.loop, sources.Vips, func(vip *v1.Vip) []string { return c.wishing(byVipIndex, vip.Name) }, vipMatters)
	c.vpcs = reconcile.Watch(c.loop, sources.Vpcs, func(vpc *v1.Vpc) []string {
		if vpc.Name != c.DefaultVpc {
			return nil
		}
		return c.wishing(byOutsideIndex, everyOutside)
	}, func(before, after *v1.Vpc) bool {
		return before.Annotations[util.ExternalGatewayInEffect] != after.Annotations[util.ExternalGatewayInEffect] ||
			before.Spec.EnableExternal != after.Spec.EnableExternal
	})
	c.IPAM.OnRelease(c.released)
	c.NB.Observe(ovnnb.LogicalRouterPortTable, func(o ovs.Observation) {
		if o.Name == util.RouterPortName(c.DefaultVpc, c.ExternalSwitch) {
			c.wakeAll(c.wishing(byOutsideIndex, everyOutside))
		}
	})
	c.NB.Observe(ovnnb.LogicalRouterPolicyTable, c.rowGone)
	c.NB.Observe(ovnnb.NATTable, c.rowGone)
}

// wishing are the pods with a value in an index.
func (c *controller) wishing(index, value string) []string {
	keys, err := c.byWish.IndexKeys(index, value)
	if err != nil {
		return nil
	}
	return keys
}

func (c *controller) wakeAll(keys []string) {
	for _, key := range keys {
		c.loop.Add(key)
	}
}

// released wakes the pods that wish for an outside address that nobody has any more.
func (c *controller) released(lease ipam.Lease) {
	if lease.Subnet != c.ExternalSwitch {
		return
	}
	for _, addr := range lease.Addresses() {
		if len(c.IPAM.Holders(lease.Subnet, addr)) == 0 {
			c.wakeAll(c.wishing(byOutsideIndex, addr.String()))
		}
	}
}

// rowGone wakes the pods that wait for the end of somebody else's row.
func (c *controller) rowGone(o ovs.Observation) {
	if o.Deleted {
		c.wakeAll(c.blocked.by(o.Name))
	}
}

// blocked knows the pods whose rows of a router are somebody else's.
type blocked struct {
	mu   sync.Mutex
	rows map[string]string // names of rows by pod key
}

func newBlocked() *blocked { return &blocked{rows: map[string]string{}} }

func (b *blocked) remember(key, row string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[key] = row
}

func (b *blocked) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rows, key)
}

// by lists the pods that wait for the end of a row.
func (b *blocked) by(row string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for key, name := range b.rows {
		if name == row {
			keys = append(keys, key)
		}
	}
	return keys
}
