package ipam

import (
	"encoding/binary"
	"math/big"
	"math/bits"
	"net/netip"
)

// uint128 is an address as a number; an IPv4 address uses the low 32 bits. Which family it belongs to is known from the
// set that holds it.
type uint128 struct{ hi, lo uint64 }

var maxUint128 = uint128{^uint64(0), ^uint64(0)}

func numberOf(addr netip.Addr) uint128 {
	if addr.Is4() {
		b := addr.As4()
		return uint128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := addr.As16()
	return uint128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the inverse of numberOf.
func (a uint128) addr(f familyIndex) netip.Addr {
	if f == v4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

func (a uint128) less(b uint128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// add and sub wrap around.
func (a uint128) add(b uint128) uint128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return uint128{hi, lo}
}

func (a uint128) sub(b uint128) uint128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return uint128{hi, lo}
}

// next and prev stop at the ends of the number range.
func (a uint128) next() uint128 {
	if a == maxUint128 {
		return a
	}
	return a.add(uint128{0, 1})
}

func (a uint128) prev() uint128 {
	if a == (uint128{}) {
		return a
	}
	return a.sub(uint128{0, 1})
}

func (a uint128) big() *big.Int {
	n := new(big.Int).SetUint64(a.hi)
	return n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(a.lo))
}

// span is the addresses from..to, both included.
type span struct{ from, to uint128 }

func single(a uint128) span { return span{a, a} }

func (s span) contains(a uint128) bool { return !a.less(s.from) && !s.to.less(a) }

// size is the number of addresses; the span of all 2^128 numbers, which no subnet has, wraps to 0.
func (s span) size() uint128 { return s.to.sub(s.from).next() }

// clip is the part of s inside other; ok is false when there is none.
func (s span) clip(other span) (part span, ok bool) {
	if s.from.less(other.from) {
		s.from = other.from
	}
	if other.to.less(s.to) {
		s.to = other.to
	}
	return s, !s.to.less(s.from)
}
