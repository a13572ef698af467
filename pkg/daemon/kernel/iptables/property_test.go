package iptables

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// apply does to a chain what iptables would: -D removes the first equal rule, -I inserts at a position.
func apply(t *testing.T, chain []string, ops []op) []string {
	t.Helper()
	chain = slices.Clone(chain)
	for _, o := range ops {
		if o.at > 0 {
			if o.at > len(chain)+1 {
				t.Fatalf("insert at %d of a chain with %d rules", o.at, len(chain))
			}
			chain = slices.Insert(chain, o.at-1, o.rule)
			continue
		}
		i := slices.Index(chain, o.rule)
		if i < 0 {
			t.Fatalf("delete %q, which is not there", o.rule)
		}
		chain = slices.Delete(chain, i, i+1)
	}
	return chain
}

// Whatever a chain of the system holds: after one edit our rules are there once each, in order and in front of the jump they
// precede; the rules of others keep their order; and a second edit changes nothing.
func TestHooksConverge(t *testing.T) {
	ours := func(i int) string { return fmt.Sprintf("-m set --match-set ovn40s%d src -j ACCEPT", i) }
	foreign := func(i int) string { return fmt.Sprintf("-s 10.%d.0.0/16 -j DROP", i) }
	const jump = "-m comment --comment k -j KUBE-SERVICES"
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var have []string
		for range r.IntN(9) {
			switch r.IntN(4) {
			case 0:
				have = append(have, foreign(r.IntN(4)))
			case 1:
				have = append(have, jump)
			default:
				have = append(have, ours(r.IntN(6)))
			}
		}
		var want []Hook
		for _, i := range r.Perm(6)[:r.IntN(5)] {
			h := Hook{Rule: ours(i)}
			if r.IntN(3) == 0 && len(want) == 0 {
				h.Before = "KUBE-SERVICES"
			}
			want = append(want, h)
		}
		ops := diffHooks(have, want, testMark)
		got := apply(t, have, ops)
		if again := diffHooks(got, want, testMark); len(again) != 0 {
			t.Fatalf("seed %d: %q -> %q needs another edit: %v", seed, have, got, again)
		}
		split := func(chain []string, mine bool) []string {
			return slices.DeleteFunc(slices.Clone(chain), func(rule string) bool { return testMark.rule(rule) != mine })
		}
		if !slices.Equal(split(have, false), split(got, false)) {
			t.Fatalf("seed %d: foreign rules %q became %q", seed, split(have, false), split(got, false))
		}
		for i, rule := range split(got, true) {
			if i >= len(want) || rule != want[i].Rule {
				t.Fatalf("seed %d: our rules are %q, want %v", seed, split(got, true), want)
			}
		}
		if len(want) > 0 && want[0].Before != "" {
			first := slices.Index(got, jump)
			if at := slices.Index(got, want[0].Rule); first >= 0 && at > first {
				t.Fatalf("seed %d: %q comes after the jump in %q", seed, want[0].Rule, got)
			}
		}
		if len(ops) > len(have)+len(want) {
			t.Fatalf("seed %d: %d edits for a chain of %d rules", seed, len(ops), len(have))
		}
	}
}

// Any ruleset reaches the kernel from any other, and what iptables saves then needs no further change.
func TestRulesetsConverge(t *testing.T) {
	d := newDriver(t)
	r := rand.New(rand.NewPCG(7, 7))
	random := func() Ruleset {
		want := Ruleset{Family: IPv4}
		for _, i := range r.Perm(4)[:r.IntN(5)] {
			c := Chain{Table: "nat", Name: fmt.Sprintf("OVN-NAT-PSUBNET-%d", i)}
			for range r.IntN(4) {
				c.Rules = append(c.Rules, fmt.Sprintf("-s 10.%d.0.0/16 -j RETURN", r.IntN(200)))
			}
			want.Chains = append(want.Chains, c)
			want.Hooks = append(want.Hooks, Hook{Table: "nat", Chain: "POSTROUTING", Rule: fmt.Sprintf("-o dev%d -j %s", i, c.Name)})
		}
		// Chains that jump to the next one make removal depend on order.
		for i := range len(want.Chains) - 1 {
			want.Chains[i].Rules = append(want.Chains[i].Rules, "-j "+want.Chains[i+1].Name)
		}
		return want
	}
	for i := range 40 {
		want := random()
		sync(t, d, want)
		if left := change(t, d, want); left != "" {
			t.Fatalf("step %d: still to write:\n%s\nof:\n%s", i, left, want)
		}
	}
}

func FuzzParseSave(f *testing.F) {
	f.Add("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j X\nCOMMIT\n")
	f.Add("# Warning: iptables-legacy tables present\n*filter\n:A - [0:0]\n-A A\n")
	f.Fuzz(func(t *testing.T, text string) {
		have, err := parseSave(text)
		if err != nil {
			return
		}
		if change := diff(have, Ruleset{}, Mark{}); change != "" {
			t.Errorf("nothing is ours in %q, yet:\n%s", text, change)
		}
		_, _ = parseCounters(text, "FORWARD", "x")
	})
}

func TestBackend(t *testing.T) {
	t.Run("nft by default", func(t *testing.T) {
		if d := newDriver(t); d.Backend() != "nft" || !d.RandomFully() {
			t.Errorf("backend %s, random %v", d.Backend(), d.RandomFully())
		}
	})
	t.Run("the one that the kubelet uses", func(t *testing.T) {
		d := newDriver(t)
		legacy := &Driver{mark: testMark, backend: "legacy"}
		if _, err := legacy.run(t.Context(), "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n", IPv4, "-restore"); err != nil {
			t.Skipf("the kernel has no legacy tables: %v", err)
		}
		chosen, err := New(t.Context(), testMark)
		if err != nil || chosen.Backend() != "legacy" {
			t.Errorf("backend %v, %v; want legacy", chosen, err)
		}
		t.Log("hints in both: nft wins")
		if _, err := d.run(t.Context(), "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n", IPv4, "-restore"); err != nil {
			t.Fatal(err)
		}
		if chosen, err = New(t.Context(), testMark); err != nil || chosen.Backend() != "nft" {
			t.Errorf("backend %v, %v; want nft", chosen, err)
		}
	})
	t.Run("old rules in the other one go", func(t *testing.T) {
		d := newDriver(t)
		legacy := &Driver{mark: testMark, backend: "legacy"}
		const old = "*nat\n:OVN-PREROUTING - [0:0]\n-A PREROUTING -j OVN-PREROUTING\n-A PREROUTING -j ACCEPT\nCOMMIT\n"
		if _, err := legacy.run(t.Context(), old, IPv4, "-restore"); err != nil {
			t.Skipf("the kernel has no legacy tables: %v", err)
		}
		if err := d.CleanLegacy(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := legacy.save(t.Context(), IPv4)
		if err != nil || strings.Contains(left, "OVN-") || !strings.Contains(left, "-A PREROUTING -j ACCEPT") {
			t.Errorf("left: %v\n%s", err, left)
		}
	})
}
