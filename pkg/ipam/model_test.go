package ipam

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// model is the IPAM of one subnet written as plainly as possible: every address is an entry of a map, and every question is
// a loop over all of them. The property test compares it with the real one. MACs are not modelled.
type model struct {
	families [2]*modelFamily
	leases   map[string]*Lease       // by port
	pools    map[string][]netip.Addr // members
}

type modelFamily struct {
	prefix   netip.Prefix
	gateway  netip.Addr
	excluded map[netip.Addr]bool
	released map[netip.Addr]bool
	holders  map[netip.Addr][]string // ports
}

func newModel() *model {
	return &model{leases: map[string]*Lease{}, pools: map[string][]netip.Addr{}}
}

// members are all addresses of a prefix in ascending order.
func members(p netip.Prefix) []netip.Addr {
	var all []netip.Addr
	for a := p.Addr(); p.Contains(a); a = a.Next() {
		all = append(all, a)
	}
	return all
}

// usable are the addresses that are drawn from, the gateway and excluded ones among them.
func (f *modelFamily) usable() []netip.Addr {
	all := members(f.prefix)
	return all[1 : len(all)-1]
}

func (m *model) poolOf(a netip.Addr) string {
	for name, list := range m.pools {
		if slices.Contains(list, a) {
			return name
		}
	}
	return ""
}

// unheld are the addresses of a pool that may be drawn, ascending.
func (m *model) unheld(f *modelFamily, pool string, released bool) []netip.Addr {
	var list []netip.Addr
	for _, a := range f.usable() {
		if a != f.gateway && !f.excluded[a] && len(f.holders[a]) == 0 && f.released[a] == released && m.poolOf(a) == pool {
			list = append(list, a)
		}
	}
	return list
}

func (m *model) setSubnet(prefixes []netip.Prefix, gateways, excluded []netip.Addr) {
	m.families = [2]*modelFamily{}
	for n, p := range prefixes {
		f := &modelFamily{p, gateways[n], map[netip.Addr]bool{}, map[netip.Addr]bool{}, map[netip.Addr][]string{}}
		for _, a := range excluded {
			f.excluded[a] = true
		}
		m.families[familyOf(p.Addr())] = f
	}
	for _, nic := range slices.Sorted(maps.Keys(m.leases)) {
		l := m.leases[nic]
		for _, a := range []*netip.Addr{&l.V4, &l.V6} {
			if !a.IsValid() {
				continue
			}
			if f := m.families[familyOf(*a)]; f != nil && f.prefix.Contains(*a) {
				f.holders[*a] = append(f.holders[*a], nic)
			} else {
				*a = netip.Addr{}
			}
		}
		if !l.V4.IsValid() && !l.V6.IsValid() {
			delete(m.leases, nic)
		}
	}
}

// draw picks the next address; all tells whether the released ones become free by it.
func (m *model) draw(f *modelFamily, r Request) (a netip.Addr, all bool) {
	for _, released := range []bool{false, true} {
		for _, a := range m.unheld(f, r.Pool, released) {
			if r.Skip == nil || !r.Skip(a) {
				return a, released
			}
		}
	}
	return netip.Addr{}, false
}

// checkStatic says which error a static address meets, nil for none.
func (m *model) checkStatic(a netip.Addr, r Request) error {
	f := m.families[familyOf(a)]
	switch {
	case f == nil || !f.prefix.Contains(a):
		return ErrOutOfRange
	case a == f.gateway:
		return ErrConflict
	case r.Pool != "" && m.poolOf(a) != r.Pool:
		return ErrOutOfRange
	case len(f.holders[a]) > 0 && !r.AllowShared:
		return ErrConflict
	case len(f.holders[a]) == 0 && !slices.Contains(f.usable(), a):
		return ErrNoAvailable
	}
	return nil
}

// claim says what the real one should answer, and does it.
func (m *model) claim(r Request) (Lease, error) {
	held := m.leases[r.NIC]
	if held == nil {
		held = &Lease{Subnet: "s", Owner: r.Owner, NIC: r.NIC}
	}
	if held.Owner != r.Owner {
		return Lease{}, ErrConflict
	}
	for _, a := range r.Addresses { // of two faults the real one names this one
		if a.Is4() && r.Family == IPv6Only || a.Is6() && r.Family == IPv4Only {
			return Lease{}, ErrInvalidIPFamily
		}
	}
	want, draws := *held, [2]bool{}
	for _, index := range bothFamilies {
		f, field := m.families[index], []*netip.Addr{&want.V4, &want.V6}[index]
		n := slices.IndexFunc(r.Addresses, func(a netip.Addr) bool { return familyOf(a) == index })
		demanded := r.Family == DualStack || r.Family == IPv4Only && index == v4 || r.Family == IPv6Only && index == v6
		unwanted := r.Family != AnyFamily && !demanded
		switch {
		case demanded && f == nil:
			return Lease{}, ErrInvalidIPFamily
		case unwanted:
			*field = netip.Addr{}
		case n >= 0 && r.Addresses[n] != *field:
			if err := m.checkStatic(r.Addresses[n], r); err != nil {
				return Lease{}, err
			}
			*field = r.Addresses[n]
		case field.IsValid() || f == nil || !demanded && (held.V4.IsValid() || held.V6.IsValid()):
		default:
			if *field, draws[index] = m.draw(f, r); !field.IsValid() {
				return Lease{}, ErrNoAvailable
			}
		}
	}
	m.apply(held, want, draws, r.Pool)
	return want, nil
}

// apply makes the lease what it is wanted to be.
func (m *model) apply(held *Lease, want Lease, draws [2]bool, pool string) {
	for _, index := range bothFamilies {
		f := m.families[index]
		from, to := []netip.Addr{held.V4, held.V6}[index], []netip.Addr{want.V4, want.V6}[index]
		if from == to {
			continue
		}
		if draws[index] {
			for a := range f.released {
				if m.poolOf(a) == pool {
					delete(f.released, a)
				}
			}
		}
		if to.IsValid() {
			f.holders[to] = append(f.holders[to], held.NIC)
			delete(f.released, to)
		}
		if from.IsValid() {
			f.drop(from, held.NIC)
		}
	}
	*held = want
	m.leases[held.NIC] = held
}

func (f *modelFamily) drop(a netip.Addr, nic string) {
	f.holders[a] = slices.DeleteFunc(f.holders[a], func(n string) bool { return n == nic })
	if len(f.holders[a]) == 0 {
		f.released[a] = true
	}
}

func (m *model) release(owner, nic string) bool {
	l := m.leases[nic]
	if l == nil || l.Owner != owner {
		return false
	}
	for _, a := range l.Addresses() {
		m.families[familyOf(a)].drop(a, nic)
	}
	delete(m.leases, nic)
	return true
}

// ranges writes ascending addresses as "a,b-c".
func ranges(list []netip.Addr) string {
	var texts []string
	for n := 0; n < len(list); n++ {
		first := n
		for n+1 < len(list) && list[n+1] == list[n].Next() {
			n++
		}
		text := list[first].String()
		if n > first {
			text += "-" + list[n].String()
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ",")
}

// stats are what Stats should say of one family: counts and ranges.
func (m *model) stats(index familyIndex) (using, available int, usingRange, availableRange string) {
	f := m.families[index]
	if f == nil {
		return 0, 0, "", ""
	}
	var held, free []netip.Addr
	for _, a := range members(f.prefix) {
		switch {
		case len(f.holders[a]) > 0:
			held = append(held, a)
			if slices.Contains(f.usable(), a) && a != f.gateway && !f.excluded[a] {
				using++
			}
		case slices.Contains(f.usable(), a) && a != f.gateway && !f.excluded[a]:
			free = append(free, a)
		}
	}
	return using, len(free), ranges(held), ranges(free)
}
