package ipam

import (
	"iter"
	"math/rand/v2"
)

// rangeSet is a set of addresses, kept as spans that neither overlap nor touch, ordered in a treap (Seidel and Aragon,
// 1996): a search tree on the address that is a heap on random priorities. add, remove and contains take O(log spans)
// expected time; memory is proportional to the number of spans, never to the number of addresses.
// The zero value is the empty set.
type rangeSet struct {
	root  *rangeNode
	count uint128 // addresses in the set
}

type rangeNode struct {
	span
	priority    uint32
	left, right *rangeNode
}

func (s *rangeSet) empty() bool { return s.root == nil }

func (s *rangeSet) contains(a uint128) bool {
	for n := s.root; n != nil; {
		switch {
		case a.less(n.from):
			n = n.left
		case n.to.less(a):
			n = n.right
		default:
			return true
		}
	}
	return false
}

// add puts all addresses of sp into the set; some may be there already.
func (s *rangeSet) add(sp span) {
	if s.extend(sp) {
		return
	}
	left, rest := splitBefore(s.root, sp.from.prev()) // rest touches or follows sp
	touching, right := splitAfter(rest, sp.to.next())
	for old := range walk(touching, uint128{}) {
		s.count = s.count.sub(old.size())
		if old.from.less(sp.from) {
			sp.from = old.from
		}
		if sp.to.less(old.to) {
			sp.to = old.to
		}
	}
	s.count = s.count.add(sp.size())
	s.root = merge(merge(left, newNode(sp)), right)
}

// extend adds sp in place when that only makes one existing span longer at one end: the usual case, without rebalancing.
func (s *rangeSet) extend(sp span) bool {
	before, after := s.neighbours(sp)
	switch {
	case before != nil && after == nil:
		before.to = sp.to
	case after != nil && before == nil:
		after.from = sp.from
	default:
		return false
	}
	s.count = s.count.add(sp.size())
	return true
}

// neighbours returns the spans that end just before sp and begin just after it, nil for those that do not exist or when
// sp overlaps the set.
func (s *rangeSet) neighbours(sp span) (before, after *rangeNode) {
	for n := s.root; n != nil; {
		switch {
		case n.to.less(sp.from):
			if n.to.next() == sp.from {
				before = n
			}
			n = n.right
		case sp.to.less(n.from):
			if sp.to.next() == n.from {
				after = n
			}
			n = n.left
		default:
			return nil, nil
		}
	}
	return before, after
}

// remove takes all addresses of sp out of the set; some may be absent.
func (s *rangeSet) remove(sp span) {
	if s.trim(sp) {
		return
	}
	left, rest := splitBefore(s.root, sp.from)
	overlapping, right := splitAfter(rest, sp.to)
	for old := range walk(overlapping, uint128{}) {
		s.count = s.count.sub(old.size())
		if old.from.less(sp.from) {
			left = s.push(left, span{old.from, sp.from.prev()})
		}
		if sp.to.less(old.to) {
			left = s.push(left, span{sp.to.next(), old.to})
		}
	}
	s.root = merge(left, right)
}

// trim removes sp in place when it is one end of a span that stays: the usual case, without rebalancing.
func (s *rangeSet) trim(sp span) bool {
	for n := s.root; n != nil; {
		switch {
		case n.to.less(sp.from):
			n = n.right
		case sp.to.less(n.from):
			n = n.left
		case n.from == sp.from && sp.to.less(n.to):
			n.from = sp.to.next()
			s.count = s.count.sub(sp.size())
			return true
		case n.to == sp.to && n.from.less(sp.from):
			n.to = sp.from.prev()
			s.count = s.count.sub(sp.size())
			return true
		default:
			return false
		}
	}
	return true // nothing of sp is in the set
}

// push appends a span that lies after all of t.
func (s *rangeSet) push(t *rangeNode, sp span) *rangeNode {
	s.count = s.count.add(sp.size())
	return merge(t, newNode(sp))
}

// moveTo moves what s has of sp into other.
func (s *rangeSet) moveTo(other *rangeSet, sp span) {
	var parts []span
	for part := range s.within(sp) {
		parts = append(parts, part)
	}
	s.remove(sp)
	for _, part := range parts {
		other.add(part)
	}
}

// all yields the spans in ascending order. The set must not change meanwhile.
func (s *rangeSet) all() iter.Seq[span] { return walk(s.root, uint128{}) }

// within yields the parts of the set inside sp in ascending order. The set must not change meanwhile.
func (s *rangeSet) within(sp span) iter.Seq[span] {
	return func(yield func(span) bool) {
		for old := range walk(s.root, sp.from) {
			part, ok := old.clip(sp)
			if !ok || !yield(part) {
				return
			}
		}
	}
}

// countWithin is the number of addresses of the set inside sp.
func (s *rangeSet) countWithin(sp span) uint128 {
	var n uint128
	for part := range s.within(sp) {
		n = n.add(part.size())
	}
	return n
}

func newNode(sp span) *rangeNode { return &rangeNode{span: sp, priority: rand.Uint32()} }

// walk yields the spans of t that end at or after start, in ascending order.
func walk(t *rangeNode, start uint128) iter.Seq[span] {
	return func(yield func(span) bool) { visit(t, start, yield) }
}

func visit(t *rangeNode, start uint128, yield func(span) bool) bool {
	if t == nil {
		return true
	}
	if t.to.less(start) {
		return visit(t.right, start, yield)
	}
	return visit(t.left, start, yield) && yield(t.span) && visit(t.right, start, yield)
}

// splitBefore parts t into the spans that end before a and the others.
func splitBefore(t *rangeNode, a uint128) (before, rest *rangeNode) {
	if t == nil {
		return nil, nil
	}
	if t.to.less(a) {
		t.right, rest = splitBefore(t.right, a)
		return t, rest
	}
	before, t.left = splitBefore(t.left, a)
	return before, t
}

// splitAfter parts t into the spans that begin at or before a and the others.
func splitAfter(t *rangeNode, a uint128) (upTo, rest *rangeNode) {
	if t == nil {
		return nil, nil
	}
	if a.less(t.from) {
		upTo, t.left = splitAfter(t.left, a)
		return upTo, t
	}
	t.right, rest = splitAfter(t.right, a)
	return t, rest
}

// merge joins two treaps, all spans of a before all of b.
func merge(a, b *rangeNode) *rangeNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = merge(a.right, b)
		return a
	default:
		b.left = merge(a, b.left)
		return b
	}
}
