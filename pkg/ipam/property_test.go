package ipam

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// variants are the subnets that one run changes between: other widths, other families, other gateways.
var variants = []struct{ cidr, gateway string }{
	{"10.0.0.0/27,fd00::/123", "10.0.0.1,fd00::1"},
	{"10.0.0.0/28,fd00::/124", "10.0.0.1,fd00::1"},
	{"10.0.0.0/27", "10.0.0.5"},
	{"fd00::/123", "fd00::1"},
	{"10.0.0.16/28,fd00::10/124", "10.0.0.30,fd00::11"},
}

// world is a real IPAM and the model, with the random operations on both.
type world struct {
	*testing.T
	random  *rand.Rand
	real    *IPAM
	model   *model
	spec    Spec
	shared  map[string]bool // MACs that a claim was allowed to share
	history []string
}

// TestAgainstModel does thousands of random steps on the IPAM and on the model and compares every answer and the whole
// state: no address twice, none lost, same owner same lease, order of reuse, counters.
func TestAgainstModel(t *testing.T) {
	runs, steps := 100, 250
	if testing.Short() {
		runs = 10
	}
	for seed := range runs {
		w := &world{T: t, random: rand.New(rand.NewPCG(uint64(seed), 7)), real: New(), model: newModel(), shared: map[string]bool{}}
		w.changeSubnet(variants[0].cidr, variants[0].gateway, nil)
		for range steps {
			w.step()
			w.compare()
			if t.Failed() {
				t.Fatalf("seed %d, after:\n%s", seed, strings.Join(w.history[max(0, len(w.history)-25):], "\n"))
			}
		}
	}
}

func (w *world) note(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

func (w *world) step() {
	switch n := w.random.IntN(100); {
	case n < 52:
		w.claim()
	case n < 82:
		w.release()
	case n < 86:
		w.releaseOwner()
	case n < 90:
		w.changeSubnet(w.spec.CIDRBlock, w.spec.Gateway, w.randomExcludes())
	case n < 92:
		v := variants[w.random.IntN(len(variants))]
		w.changeSubnet(v.cidr, v.gateway, w.spec.ExcludeIPs)
	case n < 96:
		w.changePool()
	case n < 98:
		w.rebuild()
	default: // the subnet is reconciled again
		if err := w.real.SetSubnet(w.spec); err != nil {
			w.Errorf("SetSubnet: %v", err)
		}
	}
}

// someone is one of few owners, some with two ports, so that ports ask again and hold again.
func (w *world) someone() (owner, nic string) {
	n := w.random.IntN(28)
	return fmt.Sprintf("ns/%d", n), fmt.Sprintf("%d.ns.%d", n, w.random.IntN(2))
}

func (w *world) randomAddr(index familyIndex) netip.Addr {
	base := netip.MustParseAddr([]string{"10.0.0.0", "fd00::"}[index])
	return numberOf(base).add(num(w.random.IntN(34))).addr(index)
}

func (w *world) randomRequest() Request {
	r := Request{}
	r.Owner, r.NIC = w.someone()
	if w.random.IntN(10) == 0 {
		r.Owner = "stranger"
	}
	for _, index := range bothFamilies {
		if w.random.IntN(5) == 0 {
			r.Addresses = append(r.Addresses, w.randomAddr(index))
		}
	}
	if w.random.IntN(4) == 0 {
		r.Family = Family(w.random.IntN(4))
	}
	if w.random.IntN(5) == 0 && w.model.pools["p"] != nil {
		r.Pool = "p"
	}
	if odd := w.random.IntN(8); odd == 0 {
		r.Skip = func(a netip.Addr) bool { b := a.As16(); return b[15]%3 == 0 }
	}
	r.AllowShared = w.random.IntN(6) == 0
	return r
}

func (w *world) claim() {
	r := w.randomRequest()
	l, err := w.real.Claim("s", r)
	want, wantErr := w.model.claim(r)
	w.note("claim %s %s %v family %d pool %q skip %v shared %v -> %s, %v", r.Owner, r.NIC, r.Addresses, r.Family, r.Pool, r.Skip != nil, r.AllowShared, got(l), err)
	if !errors.Is(err, wantErr) || err == nil && (l.V4 != want.V4 || l.V6 != want.V6 || l.Owner != want.Owner || l.NIC != want.NIC) {
		w.Errorf("got %s, %v; want %s, %v", got(l), err, got(want), wantErr)
	}
	if err == nil && l.MAC == "" {
		w.Errorf("%s has no MAC", l.NIC)
	}
	if err != nil {
		return
	}
	if r.AllowShared && slices.ContainsFunc(r.Addresses, func(a netip.Addr) bool { return len(w.real.Holders("s", a)) > 1 }) {
		w.shared[l.MAC] = true
	}
	// The same port asking again, in the plainest way, gets the same.
	again, err := w.real.Claim("s", Request{Owner: r.Owner, NIC: r.NIC})
	if err != nil || again != l {
		w.Errorf("asking again got %+v, %v, had %+v", again, err, l)
	}
}

func (w *world) release() {
	owner, nic := w.someone()
	done, want := w.real.Release("s", owner, nic), w.model.release(owner, nic)
	w.note("release %s %s -> %v", owner, nic, done)
	if done != want {
		w.Errorf("released: %v, want %v", done, want)
	}
}

func (w *world) releaseOwner() {
	owner, _ := w.someone()
	var released []string
	for _, l := range w.real.ReleaseOwner(owner) {
		released = append(released, l.NIC)
	}
	var want []string
	for _, nic := range slices.Sorted(maps.Keys(w.model.leases)) {
		if w.model.release(owner, nic) {
			want = append(want, nic)
		}
	}
	w.note("release all of %s -> %v", owner, released)
	if !slices.Equal(released, want) {
		w.Errorf("released %v, want %v", released, want)
	}
}

func (w *world) randomExcludes() []string {
	var excludes []string
	for range w.random.IntN(3) {
		index := familyIndex(w.random.IntN(2))
		a, b := w.randomAddr(index), w.randomAddr(index)
		if b.Less(a) {
			a, b = b, a
		}
		if far := numberOf(a).add(num(6)).addr(index); far.Less(b) {
			b = far
		}
		excludes = append(excludes, a.String()+util.ExcludeSeparator+b.String())
	}
	return excludes
}

func (w *world) changeSubnet(cidr, gateway string, excludes []string) {
	w.note("subnet %s gateway %s excludes %v", cidr, gateway, excludes)
	spec := Spec{Name: "s", CIDRBlock: cidr, Gateway: gateway, ExcludeIPs: excludes}
	if err := w.real.SetSubnet(spec); err != nil {
		w.Fatalf("SetSubnet: %v", err)
	}
	if w.spec.sameAddresses(spec) {
		return
	}
	w.spec = spec
	var prefixes []netip.Prefix
	for text := range strings.SplitSeq(cidr, ",") {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	var excluded []netip.Addr
	for _, text := range excludes {
		first, last, _ := strings.Cut(text, util.ExcludeSeparator)
		for a := netip.MustParseAddr(first); !netip.MustParseAddr(last).Less(a); a = a.Next() {
			excluded = append(excluded, a)
		}
	}
	w.model.setSubnet(prefixes, addrs(strings.Split(gateway, ",")...), excluded)
}

func (w *world) changePool() {
	if w.random.IntN(3) == 0 {
		w.note("delete pool")
		if w.real.DeletePool("s", "p") != (w.model.pools["p"] != nil) {
			w.Errorf("DeletePool does not say whether the pool was there")
		}
		delete(w.model.pools, "p")
		return
	}
	// Inside the narrowest variant, so that it is never out of range there; other variants clip it.
	var ips []string
	var want []netip.Addr
	for _, index := range bothFamilies {
		if f := w.model.families[index]; f != nil {
			for _, a := range members(f.prefix) {
				if w.random.IntN(4) == 0 {
					ips, want = append(ips, a.String()), append(want, a)
				}
			}
		}
	}
	w.note("pool %v", ips)
	if err := w.real.SetPool("s", "p", ips); err != nil {
		w.Errorf("SetPool: %v", err)
	}
	w.model.pools["p"] = want
}

// rebuild starts a new IPAM from what the old one held, in random order.
func (w *world) rebuild() {
	w.note("rebuild")
	fresh := New()
	if err := fresh.SetSubnet(w.spec); err != nil {
		w.Fatalf("SetSubnet: %v", err)
	}
	var holdings []Holding
	for nic := range w.model.leases {
		if l, ok := w.real.Lookup("s", nic); ok && w.restorable(l) {
			holdings = append(holdings, Holding{Lease: l, AllowShared: true})
		} else {
			w.model.release(w.model.leases[nic].Owner, nic)
		}
	}
	w.random.Shuffle(len(holdings), func(a, b int) { holdings[a], holdings[b] = holdings[b], holdings[a] })
	if failures := fresh.Rebuild(holdings); len(failures) > 0 {
		w.Errorf("rebuild: %v", failures)
	}
	for _, h := range holdings {
		if l, _ := fresh.Lookup("s", h.NIC); l != h.Lease {
			w.Errorf("rebuilt %+v, was %+v", l, h.Lease)
		}
	}
	w.real = fresh
	delete(w.model.pools, "p")
	for _, f := range w.model.families {
		if f != nil {
			clear(f.released)
		}
	}
}

// restorable says whether a new IPAM may give the lease its addresses: a change of the subnet can leave a port on what is
// the gateway's or no host's address now.
func (w *world) restorable(l Lease) bool {
	for _, a := range l.Addresses() {
		f := w.model.families[familyOf(a)]
		if a == f.gateway || !slices.Contains(f.usable(), a) {
			return false
		}
	}
	return true
}

// compare compares the whole state.
func (w *world) compare() {
	macs := map[string]string{}
	for nic, want := range w.model.leases {
		l, ok := w.real.Lookup("s", nic)
		if !ok || l.V4 != want.V4 || l.V6 != want.V6 || l.Owner != want.Owner {
			w.Errorf("%s holds %+v, want %+v", nic, l, *want)
		}
		if other, taken := macs[l.MAC]; taken && !w.shared[l.MAC] {
			w.Errorf("%s and %s have the same MAC %s", nic, other, l.MAC)
		}
		macs[l.MAC] = nic
	}
	if n := len(w.real.subnets["s"].leases); n != len(w.model.leases) {
		w.Errorf("%d leases, want %d", n, len(w.model.leases))
	}
	stats, _ := w.real.Stats("s")
	for _, index := range bothFamilies {
		have := []FamilyStats{stats.V4, stats.V6}[index]
		using, available, usingRange, availableRange := w.model.stats(index)
		if have.UsingRange != usingRange || have.AvailableRange != availableRange || have.Available.Int64() != int64(available) {
			w.Errorf("%s: using %s available %v %s, want %s, %d %s", index, have.UsingRange, have.Available, have.AvailableRange, usingRange, available, availableRange)
		}
		f := w.model.families[index]
		if f == nil {
			continue
		}
		if have.Using.Int64() != int64(using) {
			w.Errorf("%s: %v in use outside excludes, want %d", index, have.Using, using)
		}
		for _, a := range members(f.prefix) {
			var nics []string
			for _, l := range w.real.Holders("s", a) {
				nics = append(nics, l.NIC)
			}
			slices.Sort(nics)
			want := slices.Sorted(slices.Values(f.holders[a]))
			if !slices.Equal(nics, want) {
				w.Errorf("%s is held by %v, want %v", a, nics, want)
			}
		}
		for _, pool := range []string{"", "p"} {
			none := len(w.model.unheld(f, pool, false)) == 0 && len(w.model.unheld(f, pool, true)) == 0
			only := []Family{IPv4Only, IPv6Only}[index]
			if w.real.HasAvailable("s", pool, only) == none {
				w.Errorf("%s, pool %q: HasAvailable is %v", index, pool, !none)
			}
		}
	}
}
