package pod

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// port is an interface that has its lease.
type port struct {
	nic
	subnet *v1.Subnet
	lease  ipam.Lease
}

// unavailableError says why a pod has no address for now. It heals when an address is given back or a subnet changes.
type unavailableError struct {
	subnets []string // where an address was sought
	message string
}

func (e *unavailableError) Error() string { return e.message }

func unavailable(subnets []string, format string, args ...any) error {
	return &unavailableError{subnets: subnets, message: fmt.Sprintf(format, args...)}
}

// claim leases addresses for all interfaces. What it leased stays the pod's when a later interface fails: the next try gets
// the same, and the end of the pod gives it back.
func (c *controller) claim(key string, nics []nic) ([]port, error) {
	ports := make([]port, 0, len(nics))
	for _, n := range nics {
		p, err := c.claimOne(n)
		if err != nil {
			return nil, err
		}
		ports = append(ports, p)
	}
	c.seekers.served(key)
	return ports, nil
}

// claimOne tries the subnets of an interface in order, but first the one where it has a lease already.
func (c *controller) claimOne(n nic) (port, error) {
	subnets := slices.Clone(n.subnets)
	slices.SortStableFunc(subnets, func(a, b *v1.Subnet) int { return c.rank(a, n) - c.rank(b, n) })
	var (
		names []string
		whys  []string
	)
	for _, s := range subnets {
		names = append(names, s.Name)
		if s.Spec.Vpc == c.DefaultVpc && s.Spec.Vlan == "" {
			n.request.Skip = c.isNode
		}
		lease, err := c.draw(s.Name, n)
		switch {
		case err == nil:
			return port{nic: n, subnet: s, lease: lease}, nil
		case errors.Is(err, ipam.ErrInvalidMAC), errors.Is(err, ipam.ErrInvalidIPFamily):
			return port{}, reconcile.Invalid(util.EventValidatePodNetworkFailed, "subnet %s: %v", s.Name, err)
		}
		whys = append(whys, fmt.Sprintf("subnet %s: %v", s.Name, err))
	}
	return port{}, unavailable(names, "%s", strings.Join(whys, "; "))
}

// isNode: a pod in the overlay of the default VPC with the address of a node would take it away from the other pods.
func (c *controller) isNode(a netip.Addr) bool {
	nodes, err := c.byNode.ByIndex(byAddressIndex, a.String())
	return err == nil && len(nodes) > 0
}

// rank orders subnets: where the port has its lease, where its static address lies, the rest.
func (c *controller) rank(s *v1.Subnet, n nic) int {
	if _, held := c.IPAM.Lookup(s.Name, n.name); held {
		return 0
	}
	if len(n.request.Addresses) > 0 {
		cidrs, err := util.ParseCIDRs(s.Spec.CIDRBlock)
		if err == nil && !slices.ContainsFunc(n.request.Addresses, func(a netip.Addr) bool { return !util.ContainsAddr(cidrs, a) }) {
			return 1
		}
	}
	return 2
}
