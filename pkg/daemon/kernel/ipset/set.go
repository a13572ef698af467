package ipset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Types of a set.
const (
	HashNet = "hash:net"
	HashIP  = "hash:ip"
)

// maxElem bounds a set's members.
const maxElem = 1048576

// Set is one wanted set.
type Set struct {
	Name    string // at most 31 characters
	Type    string
	IPv6    bool
	Members []netip.Prefix // a hash:ip set has full-length prefixes
}

// New returns a set with its members in the kernel's form: masked, sorted, each once, and "all addresses" as two halves,
// because hash:net has no prefix of length 0.
func New(name, typ string, ipv6 bool, members []netip.Prefix) Set {
	s := Set{Name: name, Type: typ, IPv6: ipv6}
	for _, m := range members {
		if m.Bits() > 0 {
			s.Members = append(s.Members, m.Masked())
			continue
		}
		high := netip.AddrFrom4([4]byte{128})
		if ipv6 {
			high = netip.AddrFrom16([16]byte{0x80})
		}
		s.Members = append(s.Members, netip.PrefixFrom(m.Masked().Addr(), 1), netip.PrefixFrom(high, 1))
	}
	slices.SortFunc(s.Members, comparePrefix)
	s.Members = slices.Compact(s.Members)
	return s
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// String prints the set on one line.
func (s Set) String() string {
	members := make([]string, 0, len(s.Members))
	for _, m := range s.Members {
		if m.IsSingleIP() {
			members = append(members, m.Addr().String())
		} else {
			members = append(members, m.String())
		}
	}
	return strings.TrimRight(fmt.Sprintf("%s %s: %s", s.Name, s.Type, strings.Join(members, " ")), " ")
}

// change is what makes a set agree.
type change struct {
	create   bool // the set does not exist
	recreate bool // it exists with another type or family
	add, del []netip.Prefix
}

// diff compares one wanted set with what exists; have is nil when nothing does.
func diff(have *Set, want Set) change {
	if have == nil {
		return change{create: true, add: want.Members}
	}
	if have.Type != want.Type || have.IPv6 != want.IPv6 {
		return change{recreate: true, add: want.Members}
	}
	var c change
	present := map[netip.Prefix]bool{}
	for _, m := range have.Members {
		present[m] = true
	}
	for _, m := range want.Members {
		if !present[m] {
			c.add = append(c.add, m)
		}
		delete(present, m)
	}
	for _, m := range have.Members {
		if present[m] {
			c.del = append(c.del, m)
		}
	}
	return c
}
