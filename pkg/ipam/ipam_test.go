package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func newIPAM(t *testing.T, specs ...Spec) *IPAM {
	t.Helper()
	i := New()
	for _, spec := range specs {
		if err := i.SetSubnet(spec); err != nil {
			t.Fatalf("SetSubnet: %v", err)
		}
	}
	return i
}

// small has the usable addresses .1 (gateway) to .6, and fd00::1 (gateway) to ::6.
var small = Spec{Name: "s", CIDRBlock: "10.0.0.0/29,fd00::/125", Gateway: "10.0.0.1,fd00::1"}

// seed is the custom VPC subnet of seed 000.
var seed = Spec{Name: "s", CIDRBlock: "192.168.0.0/24", Gateway: "192.168.0.1"}

// pod is the request of pod name in namespace ns.
func pod(name string) Request { return Request{Owner: "ns/" + name, NIC: name + ".ns"} }

func podAt(name string, addresses ...string) Request {
	r := pod(name)
	r.Addresses = addrs(addresses...)
	return r
}

// got renders a lease's addresses: "10.0.0.2,fd00::2".
func got(l Lease) string {
	var texts []string
	for _, addr := range l.Addresses() {
		texts = append(texts, addr.String())
	}
	return strings.Join(texts, ",")
}

func claim(t *testing.T, i *IPAM, r Request) Lease {
	t.Helper()
	l, err := i.Claim("s", r)
	if err != nil {
		t.Fatalf("Claim for %s: %v", r.Owner, err)
	}
	return l
}

// wantClaim claims and compares the addresses.
func wantClaim(t *testing.T, i *IPAM, r Request, want string) Lease {
	t.Helper()
	l := claim(t, i, r)
	if got(l) != want {
		t.Errorf("%s got %q, want %q", r.Owner, got(l), want)
	}
	return l
}

// wantRefused claims and wants the error to be of a kind and to hold a text.
func wantRefused(t *testing.T, i *IPAM, r Request, kind error, text string) {
	t.Helper()
	l, err := i.Claim("s", r)
	if !errors.Is(err, kind) {
		t.Errorf("%s got %q, %v, want %v", r.Owner, got(l), err, kind)
		return
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q does not say %q", err, text)
	}
}

func release(t *testing.T, i *IPAM, names ...string) {
	t.Helper()
	for _, name := range names {
		if !i.Release("s", "ns/"+name, name+".ns") {
			t.Errorf("%s held nothing", name)
		}
	}
}

// TestLowestFreeFirst is S-021: pods and a Vip in order get .2, .3, .4, .5, .6, .7.
func TestLowestFreeFirst(t *testing.T) {
	i := newIPAM(t, seed)
	for n, name := range []string{"01", "vip", "02", "03", "04", "05"} {
		wantClaim(t, i, pod(name), fmt.Sprintf("192.168.0.%d", n+2))
	}
}

func TestSameOwnerSameLease(t *testing.T) {
	i := newIPAM(t, small)
	first := claim(t, i, pod("a"))
	claim(t, i, pod("b"))
	for _, again := range []Request{pod("a"), podAt("a", "10.0.0.2"), podAt("a", "10.0.0.2", "fd00::2"), {Owner: "ns/a", NIC: "a.ns", Family: DualStack},
		{Owner: "ns/a", NIC: "a.ns", MAC: strings.ToLower(first.MAC)}, {Owner: "ns/a", NIC: "a.ns", NoMAC: true}} {
		if second := claim(t, i, again); second != first {
			t.Errorf("%+v got %+v, had %+v", again, second, first)
		}
	}
}

// TestReuseOrder: what is given back comes again only after everything else, and then lowest first.
func TestReuseOrder(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1"})
	wantClaim(t, i, pod("a"), "10.0.0.2")
	wantClaim(t, i, pod("b"), "10.0.0.3")
	wantClaim(t, i, pod("c"), "10.0.0.4")
	release(t, i, "b", "a")
	wantClaim(t, i, pod("d"), "10.0.0.5")
	wantClaim(t, i, pod("e"), "10.0.0.6")
	wantClaim(t, i, pod("f"), "10.0.0.2") // free is exhausted: released becomes free
	release(t, i, "c", "f")
	wantClaim(t, i, pod("g"), "10.0.0.3") // still the generation before
	wantClaim(t, i, pod("h"), "10.0.0.2")
	wantClaim(t, i, pod("i"), "10.0.0.4")
	wantRefused(t, i, pod("j"), ErrNoAvailable, "no IPv4 address is left in subnet s (10.0.0.0/29)")
	release(t, i, "d")
	wantClaim(t, i, pod("j"), "10.0.0.5")
}

func TestUsableAddresses(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		want string
	}{
		{"v4", Spec{CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1"}, "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6"},
		{"v6", Spec{CIDRBlock: "fd00::/125", Gateway: "fd00::1"}, "fd00::2 fd00::3 fd00::4 fd00::5 fd00::6"},
		{"dual", Spec{CIDRBlock: "10.0.0.0/30,fd00::/126", Gateway: "10.0.0.1,fd00::1"}, "10.0.0.2,fd00::2"},
		{"slash 31", Spec{CIDRBlock: "10.0.0.0/31"}, "10.0.0.0 10.0.0.1"},
		{"slash 31 with gateway", Spec{CIDRBlock: "10.0.0.0/31", Gateway: "10.0.0.0"}, "10.0.0.1"},
		{"slash 127", Spec{CIDRBlock: "fd00::/127", Gateway: "fd00::"}, "fd00::1"},
		{"excludes", Spec{CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1", ExcludeIPs: []string{"10.0.0.1..10.0.0.3", "10.0.0.5"}}, "10.0.0.4 10.0.0.6"},
		{"gateway last", Spec{CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.6", ExcludeIPs: []string{"10.0.0.6"}}, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5"},
		{"excludes beyond the subnet", Spec{CIDRBlock: "10.0.0.0/29", ExcludeIPs: []string{"9.0.0.0..10.0.0.4", "fd00::1", "10.1.0.0"}}, "10.0.0.5 10.0.0.6"},
		{"all excluded", Spec{CIDRBlock: "10.0.0.0/29", ExcludeIPs: []string{"0.0.0.0..255.255.255.255"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "s"
			i := newIPAM(t, tt.spec)
			var all []string
			for n := 0; ; n++ {
				l, err := i.Claim("s", pod(fmt.Sprint(n)))
				if errors.Is(err, ErrNoAvailable) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, got(l))
			}
			if have := strings.Join(all, " "); have != tt.want {
				t.Errorf("got %s, want %s", have, tt.want)
			}
		})
	}
}

func TestStaticAddresses(t *testing.T) {
	spec := Spec{Name: "s", CIDRBlock: "10.0.0.0/24,fd00::/120", Gateway: "10.0.0.1,fd00::1", ExcludeIPs: []string{"10.0.0.1..10.0.0.9"}}
	tests := []struct {
		name string
		in   []string
		want string
		kind error
		text string
	}{
		{name: "free, the other family is drawn", in: []string{"10.0.0.77"}, want: "10.0.0.77,fd00::3"},
		{name: "v6 free, v4 is drawn", in: []string{"fd00::77"}, want: "10.0.0.11,fd00::77"},
		{name: "both, any order", in: []string{"fd00::77", "10.0.0.77"}, want: "10.0.0.77,fd00::77"},
		{name: "excluded is allowed", in: []string{"10.0.0.5"}, want: "10.0.0.5,fd00::3"},
		{name: "outside", in: []string{"10.0.1.1"}, kind: ErrOutOfRange, text: "10.0.1.1 is not in 10.0.0.0/24,fd00::/120 of subnet s"},
		{name: "v6 outside", in: []string{"fd00::1:1"}, kind: ErrOutOfRange, text: "fd00::1:1 is not in"},
		{name: "gateway", in: []string{"10.0.0.1"}, kind: ErrConflict, text: "10.0.0.1 in subnet s is held by the gateway"},
		{name: "v6 gateway", in: []string{"fd00::1"}, kind: ErrConflict, text: "held by the gateway"},
		{name: "held", in: []string{"10.0.0.10"}, kind: ErrConflict, text: "10.0.0.10 in subnet s is held by ns/first (port first.ns)"},
		{name: "v6 held, v4 free", in: []string{"10.0.0.77", "fd00::2"}, kind: ErrConflict, text: "fd00::2 in subnet s is held by ns/first"},
		{name: "network", in: []string{"10.0.0.0"}, kind: ErrNoAvailable, text: "10.0.0.0 is the network address of 10.0.0.0/24"},
		{name: "broadcast", in: []string{"10.0.0.255"}, kind: ErrNoAvailable, text: "10.0.0.255 is the broadcast address"},
		{name: "v6 network", in: []string{"fd00::"}, kind: ErrNoAvailable, text: "network address"},
		{name: "v6 all-ones", in: []string{"fd00::ff"}, kind: ErrNoAvailable, text: "last address"},
		{name: "twice v4", in: []string{"10.0.0.77", "10.0.0.78"}, kind: ErrInvalidIPFamily, text: "more than one IPv4 address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIPAM(t, spec)
			wantClaim(t, i, pod("first"), "10.0.0.10,fd00::2")
			before, _ := i.Stats("s")
			if tt.kind == nil {
				wantClaim(t, i, podAt("x", tt.in...), tt.want)
				return
			}
			wantRefused(t, i, podAt("x", tt.in...), tt.kind, tt.text)
			if _, held := i.Lookup("s", "x.ns"); held {
				t.Error("a refused port holds a lease")
			}
			if after, _ := i.Stats("s"); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("a refused claim left a trace: %v, was %v", after, before)
			}
			wantClaim(t, i, pod("next"), "10.0.0.11,fd00::3")
		})
	}
}

// TestExcludedAddressIsNeverDrawn: an excluded address that was held statically does not join the released ones.
func TestExcludedAddressIsNeverDrawn(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1", ExcludeIPs: []string{"10.0.0.2..10.0.0.5"}})
	wantClaim(t, i, podAt("a", "10.0.0.3"), "10.0.0.3")
	release(t, i, "a")
	wantClaim(t, i, pod("b"), "10.0.0.6")
	wantRefused(t, i, pod("c"), ErrNoAvailable, "")
}

// TestMove: a port that asks for another static address gets it and gives the old one back; a refused move keeps the old.
func TestMove(t *testing.T) {
	i := newIPAM(t, small)
	first := wantClaim(t, i, pod("a"), "10.0.0.2,fd00::2")
	wantClaim(t, i, pod("b"), "10.0.0.3,fd00::3")
	wantRefused(t, i, podAt("a", "10.0.0.4", "fd00::3"), ErrConflict, "held by ns/b (port b.ns)")
	if l, _ := i.Lookup("s", "a.ns"); l != first {
		t.Errorf("a refused move changed %+v to %+v", first, l)
	}
	if moved := wantClaim(t, i, podAt("a", "10.0.0.5"), "10.0.0.5,fd00::2"); moved.MAC != first.MAC {
		t.Errorf("the move changed the MAC from %s to %s", first.MAC, moved.MAC)
	}
	wantClaim(t, i, podAt("c", "10.0.0.2"), "10.0.0.2,fd00::4")
}

func TestFamilies(t *testing.T) {
	dual := small
	onlyV4 := Spec{Name: "s", CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1"}
	onlyV6 := Spec{Name: "s", CIDRBlock: "fd00::/125", Gateway: "fd00::1"}
	tests := []struct {
		name   string
		spec   Spec
		family string
		static []string
		want   string
		kind   error
	}{
		{name: "any of dual", spec: dual, want: "10.0.0.2,fd00::2"},
		{name: "v4 of dual", spec: dual, family: "ipv4", want: "10.0.0.2"},
		{name: "v6 of dual", spec: dual, family: "ipv6", want: "fd00::2"},
		{name: "static v4 of dual", spec: dual, family: "ipv4", static: []string{"10.0.0.5"}, want: "10.0.0.5"},
		{name: "v4 of v4", spec: onlyV4, family: "ipv4", want: "10.0.0.2"},
		{name: "v6 of v4", spec: onlyV4, family: "ipv6", kind: ErrInvalidIPFamily},
		{name: "v4 of v6", spec: onlyV6, family: "ipv4", kind: ErrInvalidIPFamily},
		{name: "static of the other family", spec: dual, family: "ipv6", static: []string{"10.0.0.5"}, kind: ErrInvalidIPFamily},
		{name: "static v6 in v4", spec: onlyV4, static: []string{"fd00::5"}, kind: ErrOutOfRange},
		{name: "unknown word", spec: dual, family: "IPX", kind: ErrInvalidIPFamily},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newIPAM(t, tt.spec)
			r := podAt("a", tt.static...)
			var err error
			if r.Family, err = ParseFamily(tt.family); err == nil {
				var l Lease
				if l, err = i.Claim("s", r); got(l) != tt.want {
					t.Errorf("got %q, want %q", got(l), tt.want)
				}
			}
			if !errors.Is(err, tt.kind) {
				t.Errorf("error %v, want %v", err, tt.kind)
			}
		})
	}
	i := newIPAM(t, onlyV4)
	r := pod("a")
	r.Family = DualStack
	wantRefused(t, i, r, ErrInvalidIPFamily, "subnet s (10.0.0.0/29) has no IPv6")
}

// TestFamilyOfAnExistingLease: AnyFamily keeps what is held, an explicit wish changes it.
func TestFamilyOfAnExistingLease(t *testing.T) {
	i := newIPAM(t, small)
	r := pod("a")
	r.Family = IPv4Only
	wantClaim(t, i, r, "10.0.0.2")
	wantClaim(t, i, pod("a"), "10.0.0.2")
	r.Family = DualStack
	wantClaim(t, i, r, "10.0.0.2,fd00::2")
	r.Family = IPv6Only
	wantClaim(t, i, r, "fd00::2")
}

func TestSkip(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/29", Gateway: "10.0.0.1"})
	nodes := addrs("10.0.0.2", "10.0.0.4")
	skip := func(addr netip.Addr) bool { return slices.Contains(nodes, addr) }
	skipping := func(name string) Request {
		r := pod(name)
		r.Skip = skip
		return r
	}
	wantClaim(t, i, skipping("a"), "10.0.0.3")
	wantClaim(t, i, skipping("b"), "10.0.0.5")
	release(t, i, "a")
	wantClaim(t, i, skipping("c"), "10.0.0.6")
	wantClaim(t, i, skipping("d"), "10.0.0.3") // only skipped ones are free: released ones come
	wantRefused(t, i, skipping("e"), ErrNoAvailable, "")
	wantClaim(t, i, pod("e"), "10.0.0.2") // skipped addresses were kept for others
	r := podAt("f", "10.0.0.4")
	r.Skip = skip
	wantClaim(t, i, r, "10.0.0.4") // static ones are the user's decision
}

// TestSkipEverythingEnds: a Skip that refuses a whole /64 is an error, not an endless loop.
func TestSkipEverythingEnds(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "fd00::/64"})
	r := pod("a")
	calls := 0
	r.Skip = func(netip.Addr) bool { calls++; return true }
	wantRefused(t, i, r, ErrNoAvailable, "")
	if calls > maxSkipped {
		t.Errorf("%d addresses tried, want at most %d", calls, maxSkipped)
	}
}

func TestCandidates(t *testing.T) {
	list := func(name string, entries ...string) Request {
		r := pod(name)
		for _, entry := range entries {
			r.Candidates = append(r.Candidates, addrs(strings.Split(entry, ",")...))
		}
		return r
	}
	i := newIPAM(t, small)
	wantClaim(t, i, list("a", "10.0.0.4", "10.0.0.5"), "10.0.0.4,fd00::2")
	wantClaim(t, i, list("b", "10.0.0.4", "10.0.0.5"), "10.0.0.5,fd00::3")
	wantClaim(t, i, list("c", "10.0.0.4,fd00::4", "10.0.0.6,fd00::6"), "10.0.0.6,fd00::6")
	wantRefused(t, i, list("d", "10.0.0.4", "10.0.0.5"), ErrNoAvailable, "held by ns/a (port a.ns)")
	wantRefused(t, i, list("d", "10.0.0.4"), ErrConflict, "held by ns/a (port a.ns)")
	wantRefused(t, i, list("d", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.9.0.1", "10.9.0.2"), ErrNoAvailable, "and 2 more")
	release(t, i, "a")
	wantClaim(t, i, list("b", "10.0.0.4", "10.0.0.5"), "10.0.0.5,fd00::3") // stays although the first is free now
	wantClaim(t, i, list("b", "10.0.0.2", "10.0.0.4"), "10.0.0.2,fd00::3") // moves when its own is off the list
	empty := pod("e")
	empty.Candidates = [][]netip.Addr{{}}
	wantRefused(t, i, empty, ErrOutOfRange, "empty")
}

// TestLargeSubnetsAreCheap: a /8 and a /64 cost a few allocations, not a table of their addresses.
func TestLargeSubnetsAreCheap(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/8", "fd00::/64", "10.0.0.0/8,fd00::/48"} {
		spec := Spec{Name: "s", CIDRBlock: cidr, ExcludeIPs: []string{"10.1.0.0..10.200.0.0", "fd00::1:0..fd00::ffff:0"}}
		work := func() {
			i := newIPAM(t, spec)
			if err := i.SetPool("s", "p", []string{"10.0.128.0/17"}); err != nil && strings.HasPrefix(cidr, "10") {
				t.Fatal(err)
			}
			claim(t, i, pod("a"))
			i.Stats("s")
			release(t, i, "a")
		}
		if n := testing.AllocsPerRun(10, work); n > 400 {
			t.Errorf("%s: %v allocations", cidr, n)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		work()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes allocated", cidr, n)
		}
	}
}

func TestConcurrentClaims(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/22"})
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for n := range 200 {
				r := pod(fmt.Sprintf("%d-%d", w, n))
				if n >= 100 {
					r.Owner = fmt.Sprintf("ns/%d", w)
				}
				l, err := i.Claim("s", r)
				if err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
				if held := i.Holders("s", l.V4); len(held) != 1 || held[0] != l {
					t.Errorf("%s is held by %v, want %v", l.V4, held, l)
				}
				if n < 100 {
					i.Release("s", r.Owner, r.NIC)
				}
				i.Stats("s")
			}
			if released := i.ReleaseOwner(fmt.Sprintf("ns/%d", w)); len(released) != 100 {
				t.Errorf("worker %d released %d leases", w, len(released))
			}
		})
	}
	workers.Wait()
	if stats, _ := i.Stats("s"); stats.V4.Using.Sign() != 0 || stats.V4.AvailableRange != "10.0.0.1-10.0.3.254" {
		t.Errorf("after all left: %+v", stats.V4)
	}
}
