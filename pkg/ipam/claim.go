package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// maxReasons bounds how many candidates a message explains.
const maxReasons = 3

// plan is what a lease is going to hold. Making one changes nothing, so that a claim that fails half-way leaves no trace.
type plan struct {
	subnet *subnet
	req    Request
	cur    *lease // nil for a new lease

	addrs   [2]netip.Addr
	rotate  [2]*pool // pool whose released addresses become free by this draw
	mac     hwAddr
	macText string
	sharing *lease // a holder of an address that is going to be shared
}

func (s *subnet) newPlan(r Request) (*plan, error) {
	if r.NIC == "" {
		return nil, fmt.Errorf("request of %q names no port", r.Owner)
	}
	p := &plan{subnet: s, req: r, cur: s.leases[r.NIC]}
	if p.cur == nil {
		return p, nil
	}
	if p.cur.Owner != "" && r.Owner != "" && p.cur.Owner != r.Owner {
		return nil, &ConflictError{s.spec.Name, "port " + r.NIC, p.cur.holder()}
	}
	p.addrs = [2]netip.Addr{p.cur.V4, p.cur.V6}
	p.mac, p.macText = p.cur.mac, p.cur.MAC
	return p, nil
}

func (s *subnet) claim(r Request, o owners) (Lease, error) {
	if len(r.Candidates) == 0 {
		return s.claimAddresses(r, o)
	}
	held := s.leases[r.NIC]
	var reasons []error
	for _, addrs := range slices.SortedStableFunc(slices.Values(r.Candidates), heldFirst(held)) {
		r.Addresses = addrs
		if !slices.ContainsFunc(addrs, netip.Addr.IsValid) {
			return Lease{}, fmt.Errorf("%w: an entry of the list is empty", ErrOutOfRange)
		}
		l, err := s.claimAddresses(r, o)
		if err == nil {
			return l, nil
		}
		reasons = append(reasons, err)
	}
	if len(reasons) == 1 {
		return Lease{}, reasons[0]
	}
	texts := make([]string, 0, maxReasons+1)
	for _, err := range reasons[:min(len(reasons), maxReasons)] {
		texts = append(texts, err.Error())
	}
	if more := len(reasons) - maxReasons; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return Lease{}, fmt.Errorf("%w: none of %d addresses of the list can be had: %s", ErrNoAvailable, len(reasons), strings.Join(texts, "; "))
}

// heldFirst sorts candidates that l holds before all others.
func heldFirst(l *lease) func(a, b []netip.Addr) int {
	rank := func(addrs []netip.Addr) int {
		if l == nil || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a != l.V4 && a != l.V6 }) {
			return 1
		}
		return 0
	}
	return func(a, b []netip.Addr) int { return rank(a) - rank(b) }
}

func (s *subnet) claimAddresses(r Request, o owners) (Lease, error) {
	p, err := s.newPlan(r)
	if err != nil {
		return Lease{}, err
	}
	if err := p.planAddresses(); err != nil {
		return Lease{}, err
	}
	if err := p.planMAC(); err != nil {
		return Lease{}, err
	}
	return p.commit(o).Lease, nil
}

// planAddresses decides each family: static, held, drawn or none.
func (p *plan) planAddresses() error {
	static, err := p.staticAddresses()
	if err != nil {
		return err
	}
	hadAddress := p.cur != nil && p.cur.hasAddress()
	for _, index := range bothFamilies {
		f := p.subnet.families[index]
		demanded := p.req.Family != AnyFamily && p.req.Family.includes(index)
		switch {
		case demanded && f == nil:
			return fmt.Errorf("%w: subnet %s (%s) has no %s", ErrInvalidIPFamily, p.subnet.spec.Name, p.subnet.cidr(), index)
		case !p.req.Family.includes(index):
			p.addrs[index] = netip.Addr{}
		case static[index].IsValid():
			if err := p.planStatic(static[index]); err != nil {
				return err
			}
		case p.addrs[index].IsValid() || f == nil || hadAddress && !demanded:
		default:
			if err := p.draw(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// staticAddresses sorts the static addresses by family.
func (p *plan) staticAddresses() (static [2]netip.Addr, err error) {
	for _, addr := range p.req.Addresses {
		if !addr.IsValid() {
			continue
		}
		index := familyOf(addr)
		if static[index].IsValid() {
			return static, fmt.Errorf("%w: more than one %s address: %s", ErrInvalidIPFamily, index, util.FormatAddrs(p.req.Addresses))
		}
		if !p.req.Family.includes(index) {
			return static, fmt.Errorf("%w: address %s is not of the wanted family", ErrInvalidIPFamily, addr)
		}
		static[index] = addr
	}
	return static, nil
}

// planStatic plans addr, after checking that it can be had.
func (p *plan) planStatic(addr netip.Addr) error {
	index := familyOf(addr)
	if p.addrs[index] == addr {
		return nil
	}
	s, f := p.subnet, p.subnet.families[index]
	if f == nil || !f.prefix.Contains(addr) {
		return fmt.Errorf("%w: %s is not in %s of subnet %s", ErrOutOfRange, addr, s.cidr(), s.spec.Name)
	}
	a := numberOf(addr)
	if f.hasGateway && f.gateway == a {
		return &ConflictError{s.spec.Name, addr.String(), "the gateway"}
	}
	if _, name := f.poolOf(a); p.req.Pool != "" && name != p.req.Pool {
		return fmt.Errorf("%w: %s is not in pool %s of subnet %s", ErrOutOfRange, addr, p.req.Pool, s.spec.Name)
	}
	if other := f.holders[a].other(p.cur); other != nil {
		if rival := p.req.rival(f.holders[a], p.cur); rival != nil {
			return &ConflictError{s.spec.Name, addr.String(), rival.holder()}
		}
		p.sharing = other
	} else if !f.usable.contains(a) {
		return f.whyNotAHost(addr)
	}
	p.addrs[index] = addr
	return nil
}

// draw plans the next address of the request's pool.
func (p *plan) draw(f *family) error {
	s, from := p.subnet, &f.rest
	if p.req.Pool != "" {
		if s.pools[p.req.Pool] == nil {
			return fmt.Errorf("%w: subnet %s has no pool %s", ErrNoPool, s.spec.Name, p.req.Pool)
		}
		if from = f.pools[p.req.Pool]; from == nil {
			return fmt.Errorf("%w: pool %s of subnet %s has no %s addresses", ErrNoAvailable, p.req.Pool, s.spec.Name, f.index)
		}
	}
	a, rotate, ok := f.next(from, p.req.Skip)
	switch {
	case !ok && p.req.Pool != "":
		return fmt.Errorf("%w: no %s address is left in pool %s of subnet %s", ErrNoAvailable, f.index, p.req.Pool, s.spec.Name)
	case !ok:
		return fmt.Errorf("%w: no %s address is left in subnet %s (%s)", ErrNoAvailable, f.index, s.spec.Name, f.prefix)
	case rotate:
		p.rotate[f.index] = from
	}
	p.addrs[f.index] = a.addr(f.index)
	return nil
}

// planMAC decides the MAC: static, held, that of the lease whose address is shared, generated, or none.
func (p *plan) planMAC() error {
	switch {
	case p.req.MAC != "":
		return p.planStaticMAC(p.req.MAC)
	case p.mac != 0 && !p.leavesSharedMAC() || p.req.NoMAC:
		return nil
	case p.sharing != nil && p.sharing.mac != 0:
		p.mac, p.macText = p.sharing.mac, p.sharing.MAC
		return nil
	}
	mac, ok := generateMAC(p.subnet.hasMAC)
	if !ok {
		return fmt.Errorf("%w: no MAC is left in subnet %s", ErrNoAvailable, p.subnet.spec.Name)
	}
	p.mac, p.macText = mac, mac.String()
	return nil
}

// leavesSharedMAC says that the port moves away from everybody with whom it shares its MAC, and so needs one of its own.
func (p *plan) leavesSharedMAC() bool {
	if p.cur == nil || p.addrs == [2]netip.Addr{p.cur.V4, p.cur.V6} || p.subnet.macs[p.mac].other(p.cur) == nil {
		return false
	}
	return !slices.ContainsFunc(p.subnet.macs[p.mac].all(), func(other *lease) bool {
		return other != p.cur && (other.V4.IsValid() && other.V4 == p.addrs[v4] || other.V6.IsValid() && other.V6 == p.addrs[v6])
	})
}

func (p *plan) planStaticMAC(text string) error {
	mac, err := parseMAC(text)
	if err != nil {
		return err
	}
	if mac == p.mac {
		return nil
	}
	if mac == p.subnet.gatewayMAC {
		return &ConflictError{p.subnet.spec.Name, "MAC " + text, "the gateway"}
	}
	if rival := p.req.rival(p.subnet.macs[mac], p.cur); rival != nil {
		return &ConflictError{p.subnet.spec.Name, "MAC " + text, rival.holder()}
	}
	p.mac, p.macText = mac, text
	return nil
}

func (s *subnet) hasMAC(mac hwAddr) bool { return mac == s.gatewayMAC || !s.macs[mac].empty() }

// commit makes the lease hold what is planned.
func (p *plan) commit(o owners) *lease {
	s, l := p.subnet, p.cur
	if l == nil {
		l = &lease{Lease: Lease{Subnet: s.spec.Name, Owner: p.req.Owner, NIC: p.req.NIC}}
		s.leases[l.NIC] = l
		o.link(l)
	} else if l.Owner == "" && p.req.Owner != "" {
		o.unlink(l)
		l.Owner = p.req.Owner
		o.link(l)
	}
	for _, index := range bothFamilies {
		p.commitAddress(l, index)
	}
	if p.mac != l.mac {
		s.giveMAC(l)
		s.takeMAC(p.mac, p.macText, l)
	}
	return l
}

func (p *plan) commitAddress(l *lease, index familyIndex) {
	held, want := *l.addr(index), p.addrs[index]
	if held == want {
		return
	}
	f := p.subnet.families[index]
	if pool := p.rotate[index]; pool != nil {
		pool.rotate()
	}
	if want.IsValid() {
		f.take(numberOf(want), l)
	}
	if held.IsValid() {
		f.give(numberOf(held), l)
	}
	*l.addr(index) = want
}
