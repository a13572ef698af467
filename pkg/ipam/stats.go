package ipam

import (
	"math/big"
	"strings"
)

// Stats counts a subnet or a pool; the numbers of a family that it lacks are zero.
type Stats struct{ V4, V6 FamilyStats }

// FamilyStats counts one address family. The numbers are never nil.
type FamilyStats struct {
	// Using counts held host addresses that are not excluded, so that Using+Available is constant; an address held by
	// several counts once. UsingRange lists all that are held, excluded ones too.
	Using, Available *big.Int
	// UsingRange and AvailableRange are lists "a,b-c" in ascending order.
	UsingRange, AvailableRange string
}

// Stats counts all addresses of a subnet, those of its pools included; ok is false when it is not known. It takes time
// in proportion to the number of ranges.
func (i *IPAM) Stats(subnet string) (stats Stats, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	for index, out := range []*FamilyStats{&stats.V4, &stats.V6} {
		var using, available rangeSet
		var used uint128
		if ok && s.families[index] != nil {
			f := s.families[index]
			using, available, used = f.using, *f.available(), f.usedWithin(f.usable)
		}
		*out = newFamilyStats(familyIndex(index), &using, &available, used)
	}
	return stats, ok
}

// PoolStats counts the addresses of one pool; ok is false when subnet or pool is not known.
func (i *IPAM) PoolStats(subnet, name string) (stats Stats, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if ok {
		_, ok = s.pools[name]
	}
	for index, out := range []*FamilyStats{&stats.V4, &stats.V6} {
		var using, available rangeSet
		var used uint128
		if ok && s.families[index] != nil {
			f := s.families[index]
			for _, sp := range f.poolSpans {
				if sp.name == name {
					used = used.add(f.usedWithin(sp.span))
					copyInto(&using, &f.using, sp.span)
					copyInto(&available, &sp.pool.free, sp.span)
					copyInto(&available, &sp.pool.released, sp.span)
				}
			}
		}
		*out = newFamilyStats(familyIndex(index), &using, &available, used)
	}
	return stats, ok
}

// HasAvailable says whether a claim that draws from the pool ("": what is in no pool) can succeed now in every family that
// is wanted and, for AnyFamily, that the subnet has.
func (i *IPAM) HasAvailable(subnet, poolName string, want Family) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.subnets[subnet]
	if !ok || poolName != "" && s.pools[poolName] == nil {
		return false
	}
	for _, index := range bothFamilies {
		f := s.families[index]
		if !want.includes(index) || f == nil && want == AnyFamily {
			continue
		}
		if f == nil {
			return false
		}
		from := &f.rest
		if poolName != "" {
			from = f.pools[poolName]
		}
		if from == nil || from.free.empty() && from.released.empty() {
			return false
		}
	}
	return true
}

// usedWithin counts the held addresses inside sp that are usable and not excluded.
func (f *family) usedWithin(sp span) uint128 {
	sp, ok := sp.clip(f.usable)
	if !ok {
		return uint128{}
	}
	n := f.using.countWithin(sp)
	for part := range f.reserved.within(sp) {
		n = n.sub(f.using.countWithin(part))
	}
	return n
}

func copyInto(to, from *rangeSet, sp span) {
	for part := range from.within(sp) {
		to.add(part)
	}
}

func newFamilyStats(f familyIndex, using, available *rangeSet, used uint128) FamilyStats {
	return FamilyStats{
		Using:          used.big(),
		Available:      available.count.big(),
		UsingRange:     using.text(f),
		AvailableRange: available.text(f),
	}
}

// text lists the spans as "a,b-c" in ascending order.
func (s *rangeSet) text(f familyIndex) string {
	var b strings.Builder
	for sp := range s.all() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(sp.from.addr(f).String())
		if sp.from != sp.to {
			b.WriteByte('-')
			b.WriteString(sp.to.addr(f).String())
		}
	}
	return b.String()
}
