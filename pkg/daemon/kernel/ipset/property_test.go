package ipset

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// random makes a set of nested and neighbouring prefixes, which are the ones a kernel might merge or refuse.
func random(r *rand.Rand, ipv6 bool) Set {
	var members []netip.Prefix
	for range r.IntN(20) {
		a := [16]byte{0: 0xfd, 15: byte(r.IntN(4))}
		bits := 1 + r.IntN(128)
		addr := netip.AddrFrom16(a)
		if !ipv6 {
			bits = 1 + r.IntN(32)
			addr = netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), 0, byte(r.IntN(4))})
		}
		members = append(members, netip.PrefixFrom(addr, bits))
	}
	name := "ovn40random"
	if ipv6 {
		name = "ovn60random"
	}
	return New(name, HashNet, ipv6, members)
}

// Any content follows any other, and the kernel gives back exactly what was wanted.
func TestSetsConverge(t *testing.T) {
	kerneltest.NewNetns(t)
	for _, ipv6 := range []bool{false, true} {
		r := rand.New(rand.NewPCG(3, 3))
		for i := range 60 {
			want := random(r, ipv6)
			if err := (Driver{}).Ensure([]Set{want}); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			all, err := list()
			if err != nil {
				t.Fatal(err)
			}
			have := all[want.Name]
			have = New(have.Name, have.Type, have.IPv6, have.Members)
			if d := cmp.Diff(want.String(), have.String()); d != "" {
				t.Fatalf("step %d (-want +kernel):\n%s", i, d)
			}
		}
	}
}
