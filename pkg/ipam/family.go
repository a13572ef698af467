package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/kubeovn/kube-ovn/pkg/util"
	"go4.org/netipx"
)

// familyIndex numbers the two halves of a dual-stack subnet or lease.
type familyIndex int

const (
	v4 familyIndex = iota
	v6
)

var bothFamilies = [2]familyIndex{v4, v6}

func familyOf(addr netip.Addr) familyIndex {
	if addr.Is4() {
		return v4
	}
	return v6
}

func (f familyIndex) String() string { return [2]string{util.ProtocolIPv4, util.ProtocolIPv6}[f] }

// maxSkipped bounds how many addresses one draw may pass over because the caller's Skip refuses them.
const maxSkipped = 1 << 16

// family is one address family of a subnet. Every usable address is in exactly one place: reserved (held or not), or held
// and in using, or in the free or released set of one pool.
type family struct {
	index    familyIndex
	prefix   netip.Prefix
	usable   span
	gateway  uint128 // meaningful when hasGateway
	reserved rangeSet
	using    rangeSet // held addresses, reserved ones too
	holders  map[uint128]holders

	hasGateway bool
	rest       pool // what no named pool has
	pools      map[string]*pool
	poolSpans  []poolSpan // all spans of named pools in ascending order
}

// pool is what may be drawn: lowest of free first; addresses that came back wait in released until free is exhausted.
type pool struct{ free, released rangeSet }

// poolSpan is one span of a named pool.
type poolSpan struct {
	span
	name string
	pool *pool
}

// newFamily returns a family in which nothing is held and everything outside reserved is free.
func newFamily(prefix netip.Prefix, excludes []netipx.IPRange, gateways []netip.Addr) *family {
	f := &family{
		index:   familyOf(prefix.Addr()),
		prefix:  prefix,
		usable:  span{numberOf(util.FirstUsable(prefix)), numberOf(util.LastUsable(prefix))},
		holders: map[uint128]holders{},
		pools:   map[string]*pool{},
	}
	for _, r := range excludes {
		f.reserve(r)
	}
	for _, gw := range gateways {
		if familyOf(gw) == f.index {
			f.gateway, f.hasGateway = numberOf(gw), true
			f.reserve(netipx.IPRangeFrom(gw, gw))
		}
	}
	f.rest.free.add(f.usable)
	for sp := range f.reserved.all() {
		f.rest.free.remove(sp)
	}
	return f
}

func (f *family) reserve(r netipx.IPRange) {
	if familyOf(r.From()) != f.index {
		return
	}
	if part, ok := (span{numberOf(r.From()), numberOf(r.To())}).clip(f.usable); ok {
		f.reserved.add(part)
	}
}

// poolOf is the pool that a comes from and goes back to.
func (f *family) poolOf(a uint128) (*pool, string) {
	i := sort.Search(len(f.poolSpans), func(i int) bool { return !f.poolSpans[i].to.less(a) })
	if i < len(f.poolSpans) && f.poolSpans[i].contains(a) {
		return f.poolSpans[i].pool, f.poolSpans[i].name
	}
	return &f.rest, ""
}

// take makes l a holder of a, which is not reserved to others: the caller has checked.
func (f *family) take(a uint128, l *lease) {
	held := f.holders[a]
	if held.empty() {
		f.using.add(single(a))
		if !f.reserved.contains(a) {
			p, _ := f.poolOf(a)
			p.free.remove(single(a))
			p.released.remove(single(a))
		}
	}
	f.holders[a] = held.with(l)
}

// give ends the holding of a by l. The last holder's address goes behind all addresses that are still free.
func (f *family) give(a uint128, l *lease) {
	held := f.holders[a].without(l)
	if !held.empty() {
		f.holders[a] = held
		return
	}
	delete(f.holders, a)
	f.using.remove(single(a))
	if f.usable.contains(a) && !f.reserved.contains(a) {
		p, _ := f.poolOf(a)
		p.released.add(single(a))
	}
}

// setPool carves spans out of what no other pool has, as pool name; no spans dissolve the pool. Addresses keep their
// place in the order of reuse.
func (f *family) setPool(name string, spans []span) {
	if old := f.pools[name]; old != nil {
		old.free.moveTo(&f.rest.free, f.usable)
		old.released.moveTo(&f.rest.released, f.usable)
		delete(f.pools, name)
		f.poolSpans = slices.DeleteFunc(f.poolSpans, func(s poolSpan) bool { return s.name == name })
	}
	if len(spans) == 0 {
		return
	}
	p := &pool{}
	f.pools[name] = p
	for _, sp := range spans {
		f.rest.free.moveTo(&p.free, sp)
		f.rest.released.moveTo(&p.released, sp)
		f.poolSpans = append(f.poolSpans, poolSpan{sp, name, p})
	}
	sort.Slice(f.poolSpans, func(i, j int) bool { return f.poolSpans[i].from.less(f.poolSpans[j].from) })
}

// poolSpansOf turns the ranges of a named pool into spans of this family, clipped to the subnet.
func (f *family) poolSpansOf(ranges []netipx.IPRange) []span {
	var spans []span
	whole := span{numberOf(f.prefix.Addr()), numberOf(netipx.PrefixLastIP(f.prefix))}
	for _, r := range ranges {
		if familyOf(r.From()) != f.index {
			continue
		}
		if part, ok := (span{numberOf(r.From()), numberOf(r.To())}).clip(whole); ok {
			spans = append(spans, part)
		}
	}
	return spans
}

// next is the address that a draw would get: the lowest free one that skip lets pass, else the lowest released one. rotate
// says that it comes from released, which then becomes free. Nothing changes.
func (f *family) next(p *pool, skip func(netip.Addr) bool) (a uint128, rotate, ok bool) {
	budget := maxSkipped
	if a, ok := p.free.lowest(f.index, skip, &budget); ok {
		return a, false, true
	}
	a, ok = p.released.lowest(f.index, skip, &budget)
	return a, true, ok
}

// rotate makes the released addresses free; free ones, which the caller found exhausted, stay so.
func (p *pool) rotate() {
	for sp := range p.free.all() {
		p.released.add(sp)
	}
	p.free, p.released = p.released, rangeSet{}
}

// lowest is the first address of the set that skip (nil: none) lets pass; budget bounds the number of refusals.
func (s *rangeSet) lowest(f familyIndex, skip func(netip.Addr) bool, budget *int) (uint128, bool) {
	for sp := range s.all() {
		for a := sp.from; ; a = a.next() {
			if skip == nil || !skip(a.addr(f)) {
				return a, true
			}
			if *budget--; *budget <= 0 {
				return uint128{}, false
			}
			if a == sp.to {
				break
			}
		}
	}
	return uint128{}, false
}

// available is what a claim without address may get from any pool.
func (f *family) available() *rangeSet {
	set := &rangeSet{}
	pools := []*pool{&f.rest}
	for _, p := range f.pools {
		pools = append(pools, p)
	}
	for _, p := range pools {
		for sp := range p.free.all() {
			set.add(sp)
		}
		for sp := range p.released.all() {
			set.add(sp)
		}
	}
	return set
}

// whyNotAHost explains why an address inside the prefix is outside the usable range.
func (f *family) whyNotAHost(addr netip.Addr) error {
	what := util.NotAHost(f.prefix, addr)
	if what == "" {
		what = "last address"
	}
	return fmt.Errorf("%w: %s is the %s of %s", ErrNoAvailable, addr, what, f.prefix)
}
