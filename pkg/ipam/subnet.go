package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/util"
	"go4.org/netipx"
)

// Spec describes a subnet, in the words of Subnet.spec.
type Spec struct {
	Name string
	// CIDRBlock is "v4", "v6" or "v4,v6"; empty for a subnet that hands out MACs only.
	CIDRBlock string
	// Gateway is never handed out, not even as a static address.
	Gateway string
	// ExcludeIPs are handed out as static addresses only.
	ExcludeIPs []string
	// GatewayMAC is the MAC of the router port, empty while unknown; no port gets it.
	GatewayMAC string
}

func (s Spec) sameAddresses(other Spec) bool {
	return s.CIDRBlock == other.CIDRBlock && s.Gateway == other.Gateway && slices.Equal(s.ExcludeIPs, other.ExcludeIPs)
}

// subnet is the book of one subnet.
type subnet struct {
	spec       Spec
	gatewayMAC hwAddr
	families   [2]*family // nil for a family that the subnet lacks
	leases     map[string]*lease
	macs       map[hwAddr]holders
	pools      map[string][]netipx.IPRange
}

// SetSubnet makes a subnet known or changes it; the same Spec again does nothing. What is held stays held where the CIDR
// still has it and is dropped elsewhere. After a change of CIDR, gateway or excludes everything else is free again. It
// fails with ErrInvalidCIDR, ErrInvalidMAC, ErrConflict (a port has GatewayMAC), or what is wrong with gateway or excludes.
func (i *IPAM) SetSubnet(spec Spec) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[spec.Name]
	if !ok {
		s = &subnet{
			leases: map[string]*lease{}, macs: map[hwAddr]holders{}, pools: map[string][]netipx.IPRange{},
		}
	}
	mac, err := parseMAC(spec.GatewayMAC)
	if err != nil {
		return fmt.Errorf("subnet %s: gateway: %w", spec.Name, err)
	}
	if held := s.macs[mac]; mac != 0 && !held.empty() {
		return &ConflictError{spec.Name, "MAC " + spec.GatewayMAC, held.first.holder()}
	}
	if !ok || !s.spec.sameAddresses(spec) {
		families, err := compile(spec)
		if err != nil {
			return fmt.Errorf("subnet %s: %w", spec.Name, err)
		}
		s.refill(families, i.owners)
	}
	s.spec, s.gatewayMAC = spec, mac
	s.spec.ExcludeIPs = slices.Clone(spec.ExcludeIPs)
	i.subnets[spec.Name] = s
	return nil
}

// DeleteSubnet forgets a subnet with its leases and pools, and says whether it was known.
func (i *IPAM) DeleteSubnet(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[name]
	if !ok {
		return false
	}
	for _, l := range s.leases {
		i.owners.unlink(l)
	}
	delete(i.subnets, name)
	return true
}

// compile turns the texts of a Spec into families in which nothing is held.
func compile(spec Spec) (families [2]*family, err error) {
	prefixes, err := util.ParseCIDRs(spec.CIDRBlock)
	if err != nil {
		return families, fmt.Errorf("%w: %w", ErrInvalidCIDR, err)
	}
	gateways, err := util.ParseAddrs(spec.Gateway)
	if err != nil {
		return families, fmt.Errorf("gateway: %w", err)
	}
	excludes, err := util.ParseExcludeIPs(spec.ExcludeIPs)
	if err != nil {
		return families, err
	}
	for _, p := range prefixes {
		families[familyOf(p.Addr())] = newFamily(p, excludes, gateways)
	}
	return families, nil
}

// refill puts new families in the place of the old ones: pools are carved, then what is held is taken again.
func (s *subnet) refill(families [2]*family, o owners) {
	s.families = families
	for _, f := range families {
		if f == nil {
			continue
		}
		for name, ranges := range s.pools {
			f.setPool(name, f.poolSpansOf(ranges))
		}
	}
	for _, l := range slices.Collect(maps.Values(s.leases)) {
		hadAddress := l.hasAddress()
		for _, index := range bothFamilies {
			addr := l.addr(index)
			if !addr.IsValid() {
				continue
			}
			if f := families[index]; f != nil && f.prefix.Contains(*addr) {
				f.take(numberOf(*addr), l)
			} else {
				*addr = netip.Addr{}
			}
		}
		if hadAddress && !l.hasAddress() {
			s.drop(l, o)
		}
	}
}

// drop ends a lease.
func (s *subnet) drop(l *lease, o owners) {
	for _, index := range bothFamilies {
		if addr := *l.addr(index); addr.IsValid() {
			s.families[index].give(numberOf(addr), l)
		}
	}
	s.giveMAC(l)
	delete(s.leases, l.NIC)
	o.unlink(l)
}

func (s *subnet) takeMAC(mac hwAddr, text string, l *lease) {
	l.mac, l.MAC = mac, text
	s.macs[mac] = s.macs[mac].with(l)
}

func (s *subnet) giveMAC(l *lease) {
	if l.mac == 0 {
		return
	}
	if held := s.macs[l.mac].without(l); held.empty() {
		delete(s.macs, l.mac)
	} else {
		s.macs[l.mac] = held
	}
	l.mac, l.MAC = 0, ""
}

// SetPool makes ips (addresses, ranges "a..b", CIDRs) of a subnet an IPPool: from then on only requests that name the pool
// draw them; static requests may still have them. The same again does nothing; what is held stays held. It fails with
// ErrNoSubnet, ErrOutOfRange, ErrConflict with another pool, or what is wrong with ips.
func (i *IPAM) SetPool(subnet, name string, ips []string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, err := i.subnet(subnet)
	if err != nil {
		return err
	}
	ranges, err := util.ParsePoolIPs(ips)
	if err != nil {
		return fmt.Errorf("pool %s: %w", name, err)
	}
	if name == "" {
		return fmt.Errorf("pool of subnet %s has no name", subnet)
	}
	if have, ok := s.pools[name]; ok && slices.Equal(have, ranges) {
		return nil
	}
	if err := s.checkPool(name, ranges); err != nil {
		return fmt.Errorf("pool %s: %w", name, err)
	}
	s.pools[name] = ranges
	for _, f := range s.families {
		if f != nil {
			f.setPool(name, f.poolSpansOf(ranges))
		}
	}
	return nil
}

// checkPool checks that ranges lie in the subnet and in no other pool.
func (s *subnet) checkPool(name string, ranges []netipx.IPRange) error {
	for _, r := range ranges {
		f := s.families[familyOf(r.From())]
		if f == nil || !f.prefix.Contains(r.From()) || !f.prefix.Contains(r.To()) {
			return fmt.Errorf("%w: %s is not in %s of subnet %s", ErrOutOfRange, util.FormatIPRange(r), s.cidr(), s.spec.Name)
		}
		sp := span{numberOf(r.From()), numberOf(r.To())}
		for _, taken := range f.poolSpans {
			if part, overlaps := taken.clip(sp); overlaps && taken.name != name {
				what := netipx.IPRangeFrom(part.from.addr(f.index), part.to.addr(f.index))
				return &ConflictError{s.spec.Name, "range " + util.FormatIPRange(what), "pool " + taken.name}
			}
		}
	}
	return nil
}

// DeletePool gives a pool's addresses back to the subnet and says whether the pool was known. What is held stays held.
func (i *IPAM) DeletePool(subnet, name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if !ok || s.pools[name] == nil {
		return false
	}
	delete(s.pools, name)
	for _, f := range s.families {
		if f != nil {
			f.setPool(name, nil)
		}
	}
	return true
}

// cidr names the subnet's prefixes for messages.
func (s *subnet) cidr() string {
	if s.spec.CIDRBlock == "" {
		return "no CIDR"
	}
	return s.spec.CIDRBlock
}

func (l *lease) hasAddress() bool { return l.V4.IsValid() || l.V6.IsValid() }
