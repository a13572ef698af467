package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestSetSubnetRefusals(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		kind error
		text string
	}{
		{"CIDR typo", Spec{CIDRBlock: "10.0.0.0/33"}, ErrInvalidCIDR, "10.0.0.0/33 is not a valid CIDR"},
		{"two of one family", Spec{CIDRBlock: "10.0.0.0/24,10.1.0.0/24"}, ErrInvalidCIDR, "at most one prefix per address family"},
		{"gateway", Spec{CIDRBlock: "10.0.0.0/24", Gateway: "x"}, nil, `"x" is not a valid address`},
		{"excludes", Spec{CIDRBlock: "10.0.0.0/24", ExcludeIPs: []string{"10.0.0.9..10.0.0.1"}}, nil, "not a valid ip range"},
		{"gateway MAC", Spec{CIDRBlock: "10.0.0.0/24", GatewayMAC: "x"}, ErrInvalidMAC, "gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "s"
			i := New()
			err := i.SetSubnet(tt.spec)
			if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "subnet s") {
				t.Errorf("error %v, want %v with %q and the subnet's name", err, tt.kind, tt.text)
			}
			wantRefused(t, i, pod("a"), ErrNoSubnet, "")

			i = newIPAM(t, seed)
			held := claim(t, i, pod("a"))
			if i.SetSubnet(tt.spec) == nil {
				t.Error("accepted as a change")
			}
			if l, _ := i.Lookup("s", "a.ns"); l != held {
				t.Errorf("a refused change made %+v of %+v", l, held)
			}
		})
	}
}

// TestSameSpecKeepsTheOrder: a subnet that is reconciled again keeps released addresses behind the free ones.
func TestSameSpecKeepsTheOrder(t *testing.T) {
	i := newIPAM(t, small)
	claim(t, i, pod("a"))
	release(t, i, "a")
	same := small
	same.GatewayMAC = "00:00:00:00:00:01"
	if err := i.SetSubnet(same); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, i, pod("b"), "10.0.0.3,fd00::3")
}

func TestExcludeChange(t *testing.T) {
	spec := Spec{Name: "s", CIDRBlock: "10.0.0.0/28", Gateway: "10.0.0.1"}
	i := newIPAM(t, spec)
	wantClaim(t, i, pod("a"), "10.0.0.2")
	wantClaim(t, i, pod("b"), "10.0.0.3")
	wantClaim(t, i, pod("c"), "10.0.0.4")
	release(t, i, "a")

	spec.ExcludeIPs = []string{"10.0.0.3", "10.0.0.6..10.0.0.10"}
	if err := i.SetSubnet(spec); err != nil {
		t.Fatal(err)
	}
	wantStats(t, i, "using 1/10.0.0.3-10.0.0.4 available 6/10.0.0.2,10.0.0.5,10.0.0.11-10.0.0.14")
	wantClaim(t, i, pod("d"), "10.0.0.2") // released was cleared: free again
	wantClaim(t, i, pod("e"), "10.0.0.5")
	wantClaim(t, i, pod("f"), "10.0.0.11")
	release(t, i, "b") // excluded now, so it never comes back

	spec.ExcludeIPs = []string{"10.0.0.7..10.0.0.14"}
	if err := i.SetSubnet(spec); err != nil {
		t.Fatal(err)
	}
	wantStats(t, i, "using 3/10.0.0.2,10.0.0.4-10.0.0.5,10.0.0.11 available 2/10.0.0.3,10.0.0.6")
}

// wantStats compares the IPv4 half of the counters.
func wantStats(t *testing.T, i *IPAM, want string) {
	t.Helper()
	stats, ok := i.Stats("s")
	if text := v4Text(stats); !ok || text != want {
		t.Errorf("stats %s\n want %s", text, want)
	}
}

func v4Text(s Stats) string {
	return fmt.Sprintf("using %v/%s available %v/%s", s.V4.Using, s.V4.UsingRange, s.V4.Available, s.V4.AvailableRange)
}

func TestCIDRChange(t *testing.T) {
	tests := []struct {
		name, cidr, gateway string
		want                map[string]string // port: addresses, "gone" when the lease is dropped
		next                string
	}{
		{"wider", "10.0.0.0/24,fd00::/64", "10.0.0.1,fd00::1",
			map[string]string{"a": "10.0.0.2,fd00::2", "b": "10.0.0.6,fd00::6"}, "10.0.0.3,fd00::3"},
		{"narrower", "10.0.0.0/30,fd00::/126", "10.0.0.1,fd00::1",
			map[string]string{"a": "10.0.0.2,fd00::2", "b": "gone"}, ""},
		{"one family narrower", "10.0.0.0/30,fd00::/125", "10.0.0.1,fd00::1",
			map[string]string{"a": "10.0.0.2,fd00::2", "b": "fd00::6"}, ""},
		{"v6 removed", "10.0.0.0/29", "10.0.0.1",
			map[string]string{"a": "10.0.0.2", "b": "10.0.0.6"}, "10.0.0.3"},
		{"v6 elsewhere", "10.0.0.0/29,fd01::/64", "10.0.0.1,fd01::1",
			map[string]string{"a": "10.0.0.2", "b": "10.0.0.6"}, "10.0.0.3,fd01::2"},
		{"elsewhere", "10.9.0.0/24", "10.9.0.1",
			map[string]string{"a": "gone", "b": "gone"}, "10.9.0.2"},
		{"gateway onto a held address", "10.0.0.0/29,fd00::/125", "10.0.0.6,fd00::6",
			map[string]string{"a": "10.0.0.2,fd00::2", "b": "10.0.0.6,fd00::6"}, "10.0.0.1,fd00::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIPAM(t, small)
			claim(t, i, podAt("a", "10.0.0.2", "fd00::2"))
			claim(t, i, podAt("b", "10.0.0.6", "fd00::6"))
			if err := i.SetSubnet(Spec{Name: "s", CIDRBlock: tt.cidr, Gateway: tt.gateway}); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				l, ok := i.Lookup("s", name+".ns")
				have := got(l)
				if !ok {
					have = "gone"
				}
				if have != want {
					t.Errorf("%s has %s, want %s", name, have, want)
				}
				if leases := i.Leases("ns/" + name); (len(leases) == 0) != (want == "gone") {
					t.Errorf("leases of %s: %v", name, leases)
				}
			}
			if tt.next != "" {
				wantClaim(t, i, pod("next"), tt.next)
			}
			for name, want := range tt.want {
				if i.Release("s", "ns/"+name, name+".ns") != (want != "gone") {
					t.Errorf("release of %s, which was %s", name, want)
				}
			}
		})
	}
}

// TestSingleToDual: a subnet that is widened to dual stack leaves its ports alone until one demands both families.
func TestSingleToDual(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1"})
	wantClaim(t, i, pod("a"), "10.0.0.2")
	if err := i.SetSubnet(small); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, i, pod("a"), "10.0.0.2")
	wantClaim(t, i, pod("b"), "10.0.0.3,fd00::2")
	r := pod("a")
	r.Family = DualStack
	wantClaim(t, i, r, "10.0.0.2,fd00::3")
}

func inPool(name, pool string) Request {
	r := pod(name)
	r.Pool = pool
	return r
}

func TestPools(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/28", Gateway: "10.0.0.1", ExcludeIPs: []string{"10.0.0.4"}})
	wantClaim(t, i, pod("a"), "10.0.0.2")
	wantClaim(t, i, pod("b"), "10.0.0.3")
	wantClaim(t, i, pod("c"), "10.0.0.5")
	release(t, i, "b")
	if err := i.SetPool("s", "p", []string{"10.0.0.3..10.0.0.6", "10.0.0.12/31"}); err != nil {
		t.Fatal(err)
	}
	stats, ok := i.PoolStats("s", "p")
	if want := "using 1/10.0.0.5 available 4/10.0.0.3,10.0.0.6,10.0.0.12-10.0.0.13"; !ok || v4Text(stats) != want {
		t.Errorf("pool stats %s\n     want %s", v4Text(stats), want)
	}
	wantStats(t, i, "using 2/10.0.0.2,10.0.0.5 available 10/10.0.0.3,10.0.0.6-10.0.0.14")

	wantClaim(t, i, pod("d"), "10.0.0.7")
	wantClaim(t, i, inPool("e", "p"), "10.0.0.6") // .3 is released, .4 excluded, .5 held
	wantClaim(t, i, inPool("f", "p"), "10.0.0.12")
	wantClaim(t, i, podAt("g", "10.0.0.13"), "10.0.0.13") // a static request finds the pool
	wantClaim(t, i, inPool("h", "p"), "10.0.0.3")
	if i.HasAvailable("s", "p", AnyFamily) || !i.HasAvailable("s", "", AnyFamily) {
		t.Error("HasAvailable does not tell the full pool from the rest")
	}
	wantRefused(t, i, inPool("x", "p"), ErrNoAvailable, "no IPv4 address is left in pool p of subnet s")
	wantRefused(t, i, inPool("x", "q"), ErrNoPool, "subnet s has no pool q")
	wantClaim(t, i, inPool("a", "p"), "10.0.0.2") // a held address is kept, whatever pool it is from
	static := inPool("x", "p")
	static.Addresses = addrs("10.0.0.8")
	wantRefused(t, i, static, ErrOutOfRange, "10.0.0.8 is not in pool p")

	release(t, i, "c") // the address goes back into the pool
	wantClaim(t, i, inPool("i", "p"), "10.0.0.5")

	release(t, i, "f")
	if !i.DeletePool("s", "p") || i.DeletePool("s", "p") {
		t.Error("DeletePool does not say whether it did something")
	}
	wantRefused(t, i, inPool("x", "p"), ErrNoPool, "")
	for _, want := range []string{"10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.14", "10.0.0.12"} {
		wantClaim(t, i, pod("after"+want), want)
	}
}

func TestPoolChange(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/28", Gateway: "10.0.0.1"})
	for _, ips := range []string{"10.0.0.2..10.0.0.4", "10.0.0.4..10.0.0.6"} {
		if err := i.SetPool("s", "p", []string{ips}); err != nil {
			t.Fatal(err)
		}
	}
	wantClaim(t, i, inPool("a", "p"), "10.0.0.4")
	wantClaim(t, i, pod("b"), "10.0.0.2")

	// The carve-out survives a change of the subnet, also of the CIDR.
	if err := i.SetSubnet(Spec{Name: "s", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1", ExcludeIPs: []string{"10.0.0.5"}}); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, i, inPool("c", "p"), "10.0.0.6")
	wantRefused(t, i, inPool("d", "p"), ErrNoAvailable, "")
	wantClaim(t, i, pod("d"), "10.0.0.3")
	wantClaim(t, i, pod("e"), "10.0.0.7")
}

func TestPoolRefusals(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1"})
	if err := i.SetPool("s", "p", []string{"10.0.0.10..10.0.0.20"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		subnet, pool, ips string
		kind              error
		text              string
	}{
		{"s", "q", "10.0.0.20..10.0.0.30", ErrConflict, "range 10.0.0.20 in subnet s is held by pool p"},
		{"s", "q", "10.0.0.0/24", ErrConflict, "range 10.0.0.10..10.0.0.20 in subnet s is held by pool p"},
		{"s", "q", "10.0.1.1", ErrOutOfRange, "10.0.1.1 is not in 10.0.0.0/24 of subnet s"},
		{"s", "q", "10.0.0.250..10.0.1.5", ErrOutOfRange, "10.0.0.250..10.0.1.5 is not in"},
		{"s", "q", "fd00::1", ErrOutOfRange, "fd00::1 is not in"},
		{"s", "q", "nonsense", nil, `pool q: ips: "nonsense" is not a valid address`},
		{"s", "", "10.0.0.30", nil, "has no name"},
		{"r", "q", "10.0.0.30", ErrNoSubnet, "subnet r is not known"},
	}
	for _, tt := range tests {
		err := i.SetPool(tt.subnet, tt.pool, []string{tt.ips})
		if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("SetPool(%s, %s, %s): %v, want %v with %q", tt.subnet, tt.pool, tt.ips, err, tt.kind, tt.text)
		}
	}
	if _, ok := i.PoolStats("s", "q"); ok {
		t.Error("a refused pool exists")
	}
	if err := i.SetPool("s", "p", []string{"10.0.0.15..10.0.0.25"}); err != nil {
		t.Errorf("a pool conflicts with itself: %v", err)
	}
}

// TestPoolOfOneFamily: in a dual-stack subnet a pool of IPv4 addresses serves IPv4 requests only.
func TestPoolOfOneFamily(t *testing.T) {
	i := newIPAM(t, small)
	if err := i.SetPool("s", "p", []string{"10.0.0.5..10.0.0.6"}); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, i, inPool("a", "p"), ErrNoAvailable, "pool p of subnet s has no IPv6 addresses")
	r := inPool("a", "p")
	r.Family = IPv4Only
	wantClaim(t, i, r, "10.0.0.5")
	for want, yes := range map[Family]bool{AnyFamily: false, DualStack: false, IPv6Only: false, IPv4Only: true} {
		if i.HasAvailable("s", "p", want) != yes {
			t.Errorf("HasAvailable(family %d) is not %v", want, yes)
		}
	}
}

func TestHasAvailable(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/30,fd00::/64", Gateway: "10.0.0.1,fd00::1"})
	check := func(want map[Family]bool) {
		t.Helper()
		for family, yes := range want {
			if i.HasAvailable("s", "", family) != yes {
				t.Errorf("HasAvailable(family %d) is not %v", family, yes)
			}
		}
	}
	check(map[Family]bool{AnyFamily: true, DualStack: true, IPv4Only: true, IPv6Only: true})
	claim(t, i, pod("a"))
	check(map[Family]bool{AnyFamily: false, DualStack: false, IPv4Only: false, IPv6Only: true})
	release(t, i, "a")
	check(map[Family]bool{AnyFamily: true, IPv4Only: true})
	if i.HasAvailable("r", "", AnyFamily) || i.HasAvailable("s", "p", AnyFamily) {
		t.Error("an unknown subnet or pool has addresses")
	}
	single := newIPAM(t, seed)
	if !single.HasAvailable("s", "", AnyFamily) || single.HasAvailable("s", "", DualStack) {
		t.Error("a single-stack subnet has one family")
	}
}

func TestStats(t *testing.T) {
	i := newIPAM(t,
		Spec{Name: "s", CIDRBlock: "10.5.204.0/24,fd00::/64", Gateway: "10.5.204.254,fd00::1", ExcludeIPs: []string{"10.5.204.1..10.5.204.100", "10.5.204.254"}},
		Spec{Name: "mac"})
	for range 2 { // the same after a change of nothing
		wantStats(t, i, "using 0/ available 153/10.5.204.101-10.5.204.253") // S-004
		if err := i.SetPool("s", "p", []string{"10.5.204.120..10.5.204.130"}); err != nil {
			t.Fatal(err)
		}
	}
	claim(t, i, pod("a"))
	claim(t, i, podAt("b", "10.5.204.7"))
	claim(t, i, podAt("c", "10.5.204.125"))
	wantStats(t, i, "using 2/10.5.204.7,10.5.204.101,10.5.204.125 available 151/10.5.204.102-10.5.204.124,10.5.204.126-10.5.204.253")
	stats, _ := i.Stats("s")
	if v6 := stats.V6; v6.Using.Int64() != 3 || v6.UsingRange != "fd00::2-fd00::4" || v6.Available.String() != "18446744073709551610" ||
		v6.AvailableRange != "fd00::5-fd00::ffff:ffff:ffff:fffe" {
		t.Errorf("v6 stats %+v", v6)
	}
	for _, name := range []string{"mac", "unknown"} {
		stats, ok := i.Stats(name)
		if ok != (name == "mac") || stats.V4.Using.Sign() != 0 || stats.V6.Available.Sign() != 0 || stats.V4.AvailableRange != "" {
			t.Errorf("stats of %s: %+v, %v", name, stats, ok)
		}
	}
	if _, ok := i.PoolStats("unknown", "p"); ok {
		t.Error("an unknown subnet has a pool")
	}
}

func TestRebuild(t *testing.T) {
	spec := Spec{Name: "s", CIDRBlock: "10.0.0.0/24,fd00::/120", Gateway: "10.0.0.1,fd00::1", GatewayMAC: "00:00:00:00:00:FE"}
	hold := func(owner, nic, mac string, addresses ...string) Holding {
		h := Holding{Lease: Lease{Subnet: "s", Owner: owner, NIC: nic, MAC: mac}}
		for _, addr := range addrs(addresses...) {
			if addr.Is4() {
				h.V4 = addr
			} else {
				h.V6 = addr
			}
		}
		return h
	}
	shared := hold("vip1", "vip1", "0a:00:00:00:00:01", "10.0.0.2")
	shared.AllowShared = true
	elsewhere := hold("ns/k", "k.ns", "", "10.0.0.60")
	elsewhere.Subnet = "unknown"

	i := newIPAM(t, spec)
	if err := i.SetPool("s", "p", []string{"10.0.0.30..10.0.0.39"}); err != nil {
		t.Fatal(err)
	}
	failures := i.Rebuild([]Holding{
		hold("ns/a", "a.ns", "0a:00:00:00:00:01", "10.0.0.2", "fd00::2"),
		hold("ns/a", "a.ns", "0A:00:00:00:00:01", "10.0.0.2"),             // again from another source
		hold("ns/b", "b.ns", "0a:00:00:00:00:02", "10.0.0.2", "fd00::3"),  // v4 is taken, the rest stands
		hold("ns/c", "c.ns", "0a:00:00:00:00:01", "10.0.0.4"),             // MAC is taken, the address stands
		hold("ns/a", "a.ns", "0a:00:00:00:00:09", "10.0.0.5"),             // the port holds other things
		hold("other", "a.ns", "", "10.0.0.6"),                             // the port is another's
		hold("", "live.ns", "0a:00:00:00:00:07", "10.0.0.7"),              // from a live port
		hold("ns/live", "live.ns", "0a:00:00:00:00:07", "10.0.0.7"),       // its pod
		hold("ns/d", "d.ns", "", "10.0.9.9", "fd00::4"),                   // v4 is outside
		hold("ns/e", "e.ns", "00:00:00:00:00:FE", "10.0.0.1", "fd00::ff"), // the gateway's address and MAC, all-ones
		hold("ns/f", "f.ns", "", "10.0.0.33"),                             // of a pool
		hold("ns/g", "g.ns", ""),                                          // nothing
		shared, elsewhere,
	})
	var texts []string
	for _, err := range failures {
		texts = append(texts, strings.ReplaceAll(err.Error(), "\n", " | "))
	}
	wantTexts := []string{
		"restoring ns/b (port b.ns): AddressConflict: 10.0.0.2 in subnet s is held by ns/a (port a.ns)",
		"restoring ns/c (port c.ns): AddressConflict: MAC 0a:00:00:00:00:01 in subnet s is held by ns/a (port a.ns)",
		"restoring ns/a (port a.ns): AddressConflict: the port holds 10.0.0.2, not 10.0.0.5 | AddressConflict: the port holds MAC 0a:00:00:00:00:01, not 0a:00:00:00:00:09",
		"restoring other (port a.ns): AddressConflict: port a.ns in subnet s is held by ns/a (port a.ns)",
		"restoring ns/d (port d.ns): AddressOutOfRange: 10.0.9.9 is not in 10.0.0.0/24,fd00::/120 of subnet s",
		"restoring ns/e (port e.ns): AddressConflict: 10.0.0.1 in subnet s is held by the gateway | NoAvailableAddress: fd00::ff is the last address of fd00::/120 | AddressConflict: MAC 00:00:00:00:00:FE in subnet s is held by the gateway",
		"restoring ns/k (port k.ns): NoSuchSubnet: subnet unknown is not known",
	}
	if have, want := strings.Join(texts, "\n"), strings.Join(wantTexts, "\n"); have != want {
		t.Errorf("failures:\n%s\nwant:\n%s", have, want)
	}

	for nic, want := range map[string]string{
		"a.ns": "ns/a 10.0.0.2,fd00::2 0a:00:00:00:00:01", "b.ns": "ns/b fd00::3 0a:00:00:00:00:02", "c.ns": "ns/c 10.0.0.4 ",
		"live.ns": "ns/live 10.0.0.7 0a:00:00:00:00:07", "d.ns": "ns/d fd00::4 ", "f.ns": "ns/f 10.0.0.33 ", "vip1": "vip1 10.0.0.2 0a:00:00:00:00:01",
	} {
		l, _ := i.Lookup("s", nic)
		if have := fmt.Sprintf("%s %s %s", l.Owner, got(l), l.MAC); have != want {
			t.Errorf("%s: %q, want %q", nic, have, want)
		}
	}
	for _, nic := range []string{"e.ns", "g.ns", "k.ns"} {
		if l, ok := i.Lookup("s", nic); ok {
			t.Errorf("%s holds %+v", nic, l)
		}
	}

	// Seekers come after: nothing that is held, and the pool keeps its own.
	wantClaim(t, i, pod("new"), "10.0.0.3,fd00::5")
	wantRefused(t, i, podAt("x", "10.0.0.2"), ErrConflict, "held by ns/a")
	if l := claim(t, i, pod("c")); l.MAC == "" {
		t.Error("a later claim does not complete the MAC")
	}
}

func TestRebuildOfAMacOnlySubnet(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s"})
	failures := i.Rebuild([]Holding{{Lease: Lease{Subnet: "s", Owner: "ns/a", NIC: "a.ns", MAC: "0a:00:00:00:00:01"}}})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	if l := claim(t, i, pod("a")); l.MAC != "0a:00:00:00:00:01" {
		t.Errorf("got MAC %s", l.MAC)
	}
}

// TestHoldersOfAnotherFamily: questions about addresses that cannot be held have the answer nobody.
func TestHoldersOfAnotherFamily(t *testing.T) {
	i := newIPAM(t, seed)
	for _, addr := range []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.9.9.9"), {}} {
		if held := i.Holders("s", addr); held != nil {
			t.Errorf("%v is held by %v", addr, held)
		}
	}
}
