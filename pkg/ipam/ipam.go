package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// IPAM is the book of all subnets' addresses. It is safe for concurrent use; every method is one atomic step, and a
// method that returns an error has changed nothing (Rebuild and its parts excepted).
type IPAM struct {
	mu       sync.Mutex
	subnets  map[string]*subnet
	owners   owners
	released []func(Lease)
}

// New returns an IPAM without subnets.
func New() *IPAM {
	return &IPAM{subnets: map[string]*subnet{}, owners: owners{}}
}

// Request is what a port asks for. Without Addresses, Candidates, Pool and Family it is the lowest free address of each
// family of the subnet that no pool has.
type Request struct {
	// Owner and NIC are as in Lease. A NIC held by another owner is a conflict.
	Owner, NIC string

	// Addresses are static, at most one per family; the other family of a dual-stack subnet is drawn. A port that holds
	// something else moves.
	Addresses []netip.Addr
	// Candidates are an ip_pool list: alternatives for Addresses, of which the first that can be had is used, but the held
	// one as long as it is among them.
	Candidates [][]netip.Addr
	// Pool names the IPPool to draw from. A port that holds an address keeps it, whatever pool that is from.
	Pool string
	// Family limits or demands families.
	Family Family
	// Skip refuses addresses that would be drawn, for example node addresses; they stay free. It is called with the IPAM
	// locked and must not call it.
	Skip func(netip.Addr) bool

	// MAC is static; empty means the held one, else a generated one. NoMAC means that none is generated or tracked.
	MAC   string
	NoMAC bool

	// AllowShared lets static addresses and a MAC be held together with others: live migration. Without a MAC in the request
	// the MAC of the other holder is shared, too.
	AllowShared bool
	// ShareWith is AllowShared for those holders only that it accepts: a pod shares with the Vip it uses, and pods that leave
	// by one outside address share with each other. It is called with the IPAM locked and must not call it.
	ShareWith func(Lease) bool
}

// rival is a holder besides cur with whom the request may not share, or nil.
func (r Request) rival(h holders, cur *lease) *lease {
	if r.AllowShared {
		return nil
	}
	for _, other := range h.all() {
		if other != cur && (r.ShareWith == nil || !r.ShareWith(other.Lease)) {
			return other
		}
	}
	return nil
}

// Family is a wish for address families.
type Family int

// AnyFamily is what the subnet has for a new lease, and what is held for an existing one. DualStack demands both.
const (
	AnyFamily Family = iota
	IPv4Only
	IPv6Only
	DualStack
)

// ParseFamily reads the annotation ip_family; empty is any.
func ParseFamily(text string) (Family, error) {
	switch text {
	case "":
		return AnyFamily, nil
	case util.IPFamilyIPv4:
		return IPv4Only, nil
	case util.IPFamilyIPv6:
		return IPv6Only, nil
	}
	return AnyFamily, fmt.Errorf("%w: %q is neither %s nor %s", ErrInvalidIPFamily, text, util.IPFamilyIPv4, util.IPFamilyIPv6)
}

// includes says whether the wish covers f.
func (w Family) includes(f familyIndex) bool {
	return w != IPv4Only && w != IPv6Only || w == IPv4Only && f == v4 || w == IPv6Only && f == v6
}

// Claim gives a port of a subnet its lease. The same request again returns the same lease. It fails with
//
//	ErrNoSubnet, ErrNoPool  the subnet or pool is not known
//	ErrOutOfRange           a static address is outside the CIDR, or outside Pool
//	ErrConflict             a static address or MAC, or the NIC, is held by another (*ConflictError says who)
//	ErrNoAvailable          nothing is left to draw, or the static address cannot be a host's
//	ErrInvalidIPFamily      the subnet lacks a wanted family
//	ErrInvalidMAC           the MAC is malformed
func (i *IPAM) Claim(subnet string, r Request) (Lease, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, err := i.subnet(subnet)
	if err != nil {
		return Lease{}, err
	}
	l, err := s.claim(r, i.owners)
	if err != nil {
		return Lease{}, fmt.Errorf("port %s: %w", r.NIC, err)
	}
	return l, nil
}

// OnRelease calls fn after each lease that Release or ReleaseOwner ended, so that those who wait for what it held can try
// again. fn must only enqueue. It is to be called before the first Release.
func (i *IPAM) OnRelease(fn func(Lease)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.released = append(i.released, fn)
}

// Release ends the lease of a port if owner holds it, and says whether it did. Its addresses go behind all that are free.
func (i *IPAM) Release(subnet, owner, nic string) bool {
	lease, ok := i.release(subnet, owner, nic)
	if ok {
		i.tell(lease)
	}
	return ok
}

func (i *IPAM) release(subnet, owner, nic string) (Lease, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if !ok {
		return Lease{}, false
	}
	l, ok := s.leases[nic]
	if !ok || l.Owner != owner {
		return Lease{}, false
	}
	ended := l.Lease
	s.drop(l, i.owners)
	return ended, true
}

// tell calls those who want to know of ended leases, without the lock.
func (i *IPAM) tell(ended ...Lease) {
	i.mu.Lock()
	fns := i.released
	i.mu.Unlock()
	for _, lease := range ended {
		for _, fn := range fns {
			fn(lease)
		}
	}
}

// ReleaseOwner ends all leases of an owner in all subnets and returns what they were, in the order of Leases.
func (i *IPAM) ReleaseOwner(owner string) []Lease {
	leases := i.releaseOwner(owner)
	if len(leases) > 0 {
		i.tell(leases...)
	}
	return leases
}

func (i *IPAM) releaseOwner(owner string) []Lease {
	i.mu.Lock()
	defer i.mu.Unlock()
	leases := i.leases(owner)
	for _, l := range leases {
		s := i.subnets[l.Subnet]
		s.drop(s.leases[l.NIC], i.owners)
	}
	return leases
}

// Leases are an owner's leases in all subnets, sorted by subnet and port. Owner "" has the leases of which only the port
// is known.
func (i *IPAM) Leases(owner string) []Lease {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.leases(owner)
}

func (i *IPAM) leases(owner string) []Lease {
	var leases []Lease
	for l := i.owners[owner]; l != nil; l = l.next {
		leases = append(leases, l.Lease)
	}
	slices.SortFunc(leases, func(a, b Lease) int {
		if c := strings.Compare(a.Subnet, b.Subnet); c != 0 {
			return c
		}
		return strings.Compare(a.NIC, b.NIC)
	})
	return leases
}

// Lookup is the lease of a port, if it has one.
func (i *IPAM) Lookup(subnet, nic string) (Lease, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s, ok := i.subnets[subnet]; ok {
		if l, ok := s.leases[nic]; ok {
			return l.Lease, true
		}
	}
	return Lease{}, false
}

// Holders are the leases on an address, nearly always none or one.
func (i *IPAM) Holders(subnet string, addr netip.Addr) []Lease {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if !ok || !addr.IsValid() {
		return nil
	}
	f := s.families[familyOf(addr)]
	if f == nil {
		return nil
	}
	var leases []Lease
	for _, l := range f.holders[numberOf(addr)].all() {
		leases = append(leases, l.Lease)
	}
	return leases
}

func (i *IPAM) subnet(name string) (*subnet, error) {
	s, ok := i.subnets[name]
	if !ok {
		return nil, fmt.Errorf("%w: subnet %s is not known", ErrNoSubnet, name)
	}
	return s, nil
}
