package pod

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// release takes everything back from a pod that is over: its ports, then its IP objects, and last the addresses, so that
// nobody gets one while it is in use. What a StatefulSet or a reservation keeps stays leased.
func (c *controller) release(ctx context.Context, key string) error {
	if _, err := c.NB.Apply(ctx, ovs.Owner{Kind: Name, Key: key}, nil); err != nil {
		return fmt.Errorf("remove ports of pod %s: %w", key, err)
	}
	c.blocked.forget(key)
	c.releaseOutside(key, wishes{})
	objects, err := c.objectsOf(key)
	if err != nil {
		return err
	}
	var keep []string // port names
	for _, ip := range objects {
		if c.keeps(ip, key) {
			keep = append(keep, ip.Name)
			continue
		}
		if err := c.ips.Delete(ctx, "ip", c.IPs, ip); err != nil {
			return err
		}
	}
	for _, lease := range c.IPAM.Leases(key) {
		if !slices.Contains(keep, lease.NIC) && c.IPAM.Release(lease.Subnet, key, lease.NIC) {
			c.wake(lease.Subnet)
		}
	}
	c.seekers.ended(key)
	return nil
}

// releaseDropped gives back what the pod no longer asks for, interfaces that were unplugged and leases in a subnet it left,
// and returns the names of the ports that are no more.
func (c *controller) releaseDropped(ctx context.Context, key string, ports []port) (dropped []string, err error) {
	current := func(subnet, nic string) bool {
		return slices.ContainsFunc(ports, func(p port) bool { return p.name == nic && (subnet == "" || p.subnet.Name == subnet) })
	}
	objects, err := c.objectsOf(key)
	if err != nil {
		return nil, err
	}
	for _, ip := range objects {
		if current("", ip.Name) {
			continue
		}
		dropped = append(dropped, ip.Name)
		if util.IsReservation(ip) {
			continue
		}
		if err := c.ips.Delete(ctx, "ip", c.IPs, ip); err != nil {
			return nil, err
		}
	}
	for _, lease := range c.IPAM.Leases(key) {
		kept := slices.ContainsFunc(objects, func(ip *v1.IP) bool {
			return ip.Name == lease.NIC && util.IsReservation(ip)
		})
		if !current(lease.Subnet, lease.NIC) && !kept && c.IPAM.Release(lease.Subnet, key, lease.NIC) {
			c.wake(lease.Subnet)
		}
	}
	return dropped, nil
}

// objectsOf are the IP objects that name the pod, and those of its leases that the watch has not shown yet.
func (c *controller) objectsOf(key string) ([]*v1.IP, error) {
	items, err := c.byPod.ByIndex(byPodIndex, key)
	if err != nil {
		return nil, fmt.Errorf("ip objects of pod %s: %w", key, err)
	}
	objects := make([]*v1.IP, 0, len(items))
	for _, item := range items {
		if ip, ok := item.(*v1.IP); ok {
			objects = append(objects, ip)
		}
	}
	for _, lease := range c.IPAM.Leases(key) {
		known := slices.ContainsFunc(objects, func(ip *v1.IP) bool { return ip.Name == lease.NIC })
		if ip, ok := c.ips.Get(lease.NIC); ok && !known && slices.Contains(keysForIP(ip), key) {
			objects = append(objects, ip)
		}
	}
	return objects, nil
}

// keeps says whether a pod's address outlives the pod: reserved by the user, or the pod's StatefulSet will make it again.
func (c *controller) keeps(ip *v1.IP, key string) bool {
	if !ip.DeletionTimestamp.IsZero() {
		return false
	}
	if util.IsReservation(ip) {
		return true
	}
	if ip.Spec.PodType != util.PodTypeStatefulSet {
		return false
	}
	set := c.setNamed(ip)
	if set == nil || !belongs(set, ip.Spec.PodName) {
		if set != nil {
			c.seekers.unkeep(set.Namespace+"/"+set.Name, key)
		}
		return false
	}
	c.seekers.keep(set.Namespace+"/"+set.Name, key)
	return true
}

// setNamed is the StatefulSet that made the pod of an IP object, if it still exists and is the same one.
func (c *controller) setNamed(ip *v1.IP) *appsv1.StatefulSet {
	name := setName(ip.Spec.PodName)
	set, err := c.sets.StatefulSets(ip.Spec.Namespace).Get(name)
	if err != nil || !set.DeletionTimestamp.IsZero() || string(set.UID) != ip.Annotations[util.SetUIDAnnotation] {
		return nil
	}
	return set
}

// setName is a pod's name without its ordinal.
func setName(pod string) string {
	for i := len(pod) - 1; i > 0; i-- {
		if pod[i] == '-' {
			return pod[:i]
		}
		if pod[i] < '0' || pod[i] > '9' {
			break
		}
	}
	return ""
}

// belongs says whether the set still wants a pod of this name.
func belongs(set *appsv1.StatefulSet, pod string) bool {
	first, replicas := 0, 1
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	i := ordinal(pod, set.Name)
	return i >= first && i < first+replicas
}

// wake lets the pods that wait for an address of the subnet try again.
func (c *controller) wake(subnet string) {
	for _, key := range c.seekers.in(subnet) {
		c.loop.Add(key)
	}
}
