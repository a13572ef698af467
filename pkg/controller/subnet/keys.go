package subnet

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// refused remembers the subnets that are not accepted. Any subnet, VPC or node that changes may be what they were refused
// for, so those few are looked at again, and all others are not.
type refused struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func (s *refused) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]struct{}{}
	}
	s.keys[key] = struct{}{}
}

func (s *refused) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

func (s *refused) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.keys))
}

// keysForSubnet: a subnet is its own key; the join subnet's CIDR is in the rules of every private one.
func (c *controller) keysForSubnet(s *v1.Subnet) []string {
	keys := append(c.refused.list(), s.Name)
	if s.Name == c.JoinSubnet {
		keys = append(keys, c.where(func(other *v1.Subnet) bool { return other.Spec.Private })...)
	}
	return keys
}

// subnetMatters leaves out the counters and most of the status, which nothing is made of.
func subnetMatters(before, after *v1.Subnet) bool {
	return before.Generation != after.Generation ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		!slices.Equal(before.Finalizers, after.Finalizers) ||
		util.InEffectChanged(before, after) ||
		before.Status.ActivateGateway != after.Status.ActivateGateway
}

func (c *controller) keysForVpc(vpc *v1.Vpc) []string {
	return append(c.refused.list(), c.where(func(s *v1.Subnet) bool { return s.Spec.Vpc == vpc.Name })...)
}

func vpcMatters(before, after *v1.Vpc) bool {
	return before.Status.Standby != after.Status.Standby || !slices.Equal(before.Spec.Namespaces, after.Spec.Namespaces)
}

// keysForNode: interconnected subnets list the addresses of all nodes.
func (c *controller) keysForNode(*corev1.Node) []string {
	return append(c.refused.list(), c.where(func(s *v1.Subnet) bool { return s.Spec.U2OInterconnection })...)
}

func nodeMatters(before, after *corev1.Node) bool {
	return !slices.Equal(before.Status.Addresses, after.Status.Addresses)
}

func (c *controller) where(ok func(*v1.Subnet) bool) []string {
	all, err := c.subnets.List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, s := range all {
		if ok(s) {
			keys = append(keys, s.Name)
		}
	}
	return keys
}

// countLater wakes the subnet of a holder of addresses after the delay, so that a thousand new pods are one count and one
// write.
func countLater[T any](c *controller, loop *reconcile.Loop, subnet func(T) string) func(T) []string {
	return func(holder T) []string {
		loop.AddAfter(subnet(holder), c.CountDelay)
		return nil
	}
}

// users are who holds addresses of a subnet: IP objects by name, other holders as they call themselves. The router's own
// port does not count.
func (c *controller) users(name string) ([]string, error) {
	var users []string
	known := map[string]bool{}
	for _, ip := range reconcile.Indexed[*v1.IP](c.ipIndex, ipIndex, name) {
		nic := ip.Name
		if port, ok := util.U2OPort(ip.Name, name); ok {
			known[port] = true
			continue
		}
		known[nic] = true
		users = append(users, ip.Name)
	}
	for _, lease := range c.IPAM.SubnetLeases(name) {
		if _, own := util.U2OPort(lease.Owner, name); own || known[lease.NIC] {
			continue
		}
		users = append(users, cmp.Or(lease.Owner, lease.NIC))
	}
	slices.Sort(users)
	return users, nil
}

// outside are the IP objects of a subnet with an address that is not in its prefixes.
func (c *controller) outside(name, cidrBlock string) []string {
	cidrs, err := util.ParseCIDRs(cidrBlock)
	if err != nil {
		return nil // an accepted one is valid
	}
	var ips []string
	for _, ip := range reconcile.Indexed[*v1.IP](c.ipIndex, ipIndex, name) {
		addrs, err := util.ParseAddrs(ip.Spec.IPAddress)
		if err == nil && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !util.ContainsAddr(cidrs, a) }) {
			ips = append(ips, ip.Name)
		}
	}
	slices.Sort(ips)
	return ips
}

// summary names the first few users.
func summary(users []string) string {
	const few = 3
	if len(users) <= few {
		return strings.Join(users, ", ")
	}
	return strings.Join(users[:few], ", ") + ", ..."
}
