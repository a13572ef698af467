package ipam

import (
	"fmt"
	"net/netip"
	"slices"
)

// Lease is what one port of one subnet holds.
type Lease struct {
	Subnet string
	// Owner is who asked: "<namespace>/<pod or VM>", or the plain name of a node port, vip or eip. Empty while only the
	// port is known (a reservation, or an address found on a live port); the first claim of the port with an owner takes
	// the lease over.
	Owner string
	// NIC is the port's name, unique in the subnet.
	NIC string
	// V4 and V6 are the held addresses; the zero Addr is none.
	V4, V6 netip.Addr
	// MAC is upper case when generated and as given when it was given; empty when none is tracked.
	MAC string
}

// Addresses are the held addresses, IPv4 first.
func (l Lease) Addresses() []netip.Addr {
	var addrs []netip.Addr
	for _, addr := range []netip.Addr{l.V4, l.V6} {
		if addr.IsValid() {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// holder names the lease for messages.
func (l Lease) holder() string {
	if l.Owner == "" || l.Owner == l.NIC {
		return "port " + l.NIC
	}
	return fmt.Sprintf("%s (port %s)", l.Owner, l.NIC)
}

// lease is a Lease inside the books.
type lease struct {
	Lease
	mac hwAddr

	// The other leases of the same owner, in any subnet: a list, so that it is left in constant time.
	prev, next *lease
}

func (l *lease) addr(f familyIndex) *netip.Addr {
	if f == v4 {
		return &l.V4
	}
	return &l.V6
}

// holders are the leases that share one address or MAC; nearly always one.
type holders struct {
	first *lease
	more  []*lease
}

func (h holders) empty() bool { return h.first == nil }

func (h holders) with(l *lease) holders {
	if h.first == nil {
		return holders{first: l}
	}
	return holders{h.first, append(slices.Clone(h.more), l)}
}

func (h holders) without(l *lease) holders {
	if h.first == l && len(h.more) == 0 {
		return holders{}
	}
	all := slices.DeleteFunc(h.all(), func(other *lease) bool { return other == l })
	if len(all) == 0 {
		return holders{}
	}
	return holders{all[0], all[1:]}
}

func (h holders) all() []*lease {
	if h.first == nil {
		return nil
	}
	return append([]*lease{h.first}, h.more...)
}

// other is a holder that is not l, or nil.
func (h holders) other(l *lease) *lease {
	if h.first != l {
		return h.first
	}
	if len(h.more) > 0 {
		return h.more[0]
	}
	return nil
}

// owners index leases by owner, over all subnets.
type owners map[string]*lease

func (o owners) link(l *lease) {
	l.prev, l.next = nil, o[l.Owner]
	if l.next != nil {
		l.next.prev = l
	}
	o[l.Owner] = l
}

func (o owners) unlink(l *lease) {
	if l.next != nil {
		l.next.prev = l.prev
	}
	switch {
	case l.prev != nil:
		l.prev.next = l.next
	case l.next != nil:
		o[l.Owner] = l.next
	default:
		delete(o, l.Owner)
	}
	l.prev, l.next = nil, nil
}
