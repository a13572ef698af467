package ipam

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func num(n int) uint128 { return uint128{0, uint64(n)} }

// checkShape fails when the treap is not ordered, not a heap, has spans that overlap or touch, or counts wrongly.
func checkShape(t *testing.T, s *rangeSet) {
	t.Helper()
	var count uint128
	var last *span
	for sp := range s.all() {
		if sp.to.less(sp.from) {
			t.Fatalf("reversed span %v", sp)
		}
		if last != nil && !last.to.next().less(sp.from) {
			t.Fatalf("spans %v and %v overlap or touch", *last, sp)
		}
		count = count.add(sp.size())
		last = &sp
	}
	if count != s.count {
		t.Fatalf("count is %v, spans hold %v", s.count, count)
	}
	checkHeap(t, s.root)
}

func checkHeap(t *testing.T, n *rangeNode) {
	t.Helper()
	if n == nil {
		return
	}
	for _, child := range []*rangeNode{n.left, n.right} {
		if child != nil && child.priority > n.priority {
			t.Fatal("a child has a higher priority than its parent")
		}
		checkHeap(t, child)
	}
}

// TestRangeSetAgainstBitmap does the same random operations on a set and on an array of bools.
func TestRangeSetAgainstBitmap(t *testing.T) {
	const universe = 300
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		var set, moved rangeSet
		var want, wantMoved [universe]bool
		for range 400 {
			from := random.IntN(universe)
			to := min(universe-1, from+random.IntN(1+random.IntN(30)))
			sp := span{num(from), num(to)}
			switch random.IntN(5) {
			case 0, 1:
				set.add(sp)
				for i := from; i <= to; i++ {
					want[i] = true
				}
			case 2, 3:
				set.remove(sp)
				for i := from; i <= to; i++ {
					want[i] = false
				}
			case 4:
				set.moveTo(&moved, sp)
				for i := from; i <= to; i++ {
					wantMoved[i] = wantMoved[i] || want[i]
					want[i] = false
				}
			}
			checkShape(t, &set)
			checkShape(t, &moved)
			for i := range universe {
				if set.contains(num(i)) != want[i] || moved.contains(num(i)) != wantMoved[i] {
					t.Fatalf("seed %d: %d: set %v, want %v; moved %v, want %v", seed, i,
						set.contains(num(i)), want[i], moved.contains(num(i)), wantMoved[i])
				}
			}
			inside := 0
			for i := from; i <= to; i++ {
				if want[i] {
					inside++
				}
			}
			if got := set.countWithin(sp); got != num(inside) {
				t.Fatalf("seed %d: countWithin(%d..%d) = %v, want %d", seed, from, to, got, inside)
			}
		}
	}
}

func TestRangeSetAtTheEnds(t *testing.T) {
	var s rangeSet
	s.add(single(maxUint128))
	s.add(single(uint128{}))
	s.add(single(maxUint128.prev()))
	s.add(single(uint128{}.next()))
	checkShape(t, &s)
	if got := len(slices.Collect(s.all())); got != 2 {
		t.Errorf("%d spans, want 2", got)
	}
	s.remove(single(maxUint128))
	s.remove(single(uint128{}))
	checkShape(t, &s)
	for _, a := range []uint128{{}, maxUint128} {
		if s.contains(a) {
			t.Errorf("%v was removed", a)
		}
	}
	for _, a := range []uint128{uint128{}.next(), maxUint128.prev()} {
		if !s.contains(a) {
			t.Errorf("%v is lost", a)
		}
	}
}

// TestRangeSetDepth guards the balance: 100,000 spans added in order would make a plain tree a list.
func TestRangeSetDepth(t *testing.T) {
	var s rangeSet
	for i := range 100_000 {
		s.add(single(num(2 * i)))
	}
	checkShape(t, &s)
	if depth := depthOf(s.root); depth > 80 {
		t.Errorf("depth %d of 100,000 spans, want about 40", depth)
	}
}

func depthOf(n *rangeNode) int {
	if n == nil {
		return 0
	}
	return 1 + max(depthOf(n.left), depthOf(n.right))
}

func TestNumbers(t *testing.T) {
	for _, text := range []string{"0.0.0.0", "10.16.0.1", "255.255.255.255", "::", "fd00::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		addr := netip.MustParseAddr(text)
		if got := numberOf(addr).addr(familyOf(addr)); got != addr {
			t.Errorf("%s became %s", addr, got)
		}
	}
	carry := uint128{0, ^uint64(0)}
	if carry.next() != (uint128{1, 0}) || (uint128{1, 0}).prev() != carry {
		t.Error("next and prev do not carry")
	}
	if got := (uint128{1, 1}).big().String(); got != "18446744073709551617" {
		t.Errorf("2^64+1 is %s", got)
	}
	if maxUint128.next() != maxUint128 || (uint128{}).prev() != (uint128{}) {
		t.Error("next and prev leave the number range")
	}
}
