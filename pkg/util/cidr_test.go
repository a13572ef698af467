package util

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go4.org/netipx"
)

func mustCIDRs(t testing.TB, text string) []netip.Prefix {
	t.Helper()
	prefixes, err := ParseCIDRs(text)
	if err != nil {
		t.Fatalf("ParseCIDRs(%q): %v", text, err)
	}
	return prefixes
}

// wantError fails unless err holds the text; want "" means no error.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && err == nil:
		t.Errorf("no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("error %q does not say %q", err, want)
	}
}

func TestNormalizeCIDR(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{in: "10.16.0.0/16", want: "10.16.0.0/16"},
		{in: "10.0.1.5/24", want: "10.0.1.0/24"},
		{in: "fd00:10:16::1/64", want: "fd00:10:16::/64"},
		{in: "10.0.0.0/8,fd00::/64", want: "10.0.0.0/8,fd00::/64"},
		{in: "fd00::5/64,10.0.1.5/24", want: "10.0.1.0/24,fd00::/64"},
		{in: " 10.0.0.0/8 , fd00::/64 ", want: "10.0.0.0/8,fd00::/64"},
		{in: "fd00:0:0:0::/64", want: "fd00::/64"},
		{in: "", want: ""},
		{in: "10.0.0.0/33", err: "format error"},
		{in: "10.0.0.0", err: "format error"},
		{in: "10.0.0/8", err: "10.0.0/8 is not a valid CIDR"},
		{in: "10.0.0.0/8,", err: "format error"},
		{in: "10.0.0.0/8,11.0.0.0/8", err: "at most one prefix per address family"},
		{in: "fd00::/64,fd01::/64", err: "at most one prefix per address family"},
		{in: "10.0.0.0/8,fd00::/64,fd01::/64", err: "at most one prefix per address family"},
		{in: "fe80::1%eth0/64", err: "format error"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := NormalizeCIDR(tt.in)
			wantError(t, err, tt.err)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseSubnetCIDRs(t *testing.T) {
	tests := []struct{ in, err string }{
		{in: "10.16.0.0/16,fd00:10:16::/112"},
		{in: "192.168.0.0/31"},
		{in: "fd00::/127"},
		{in: "100.64.0.0/16"},
		{in: "2001:db8::/32"},
		{in: "", err: "format error"},
		{in: "nonsense", err: "CIDR nonsense format error"},
		{in: "10.0.0.1/32", err: "mask is invalid"},
		{in: "fd00::1/128", err: "mask is invalid"},
		{in: "10.0.0.0/24,fd00::1/128", err: "CIDR fd00::1/128 mask is invalid"},
		{in: "FD00::/64", err: "can not contain upper case"},
		{in: "10.0.0.0/8,fd00:AB::/64", err: "can not contain upper case"},
		{in: "127.0.0.0/16", err: "special range 127.0.0.0/8"},
		{in: "169.254.1.0/24", err: "special range 169.254.0.0/16"},
		{in: "224.1.0.0/16", err: "special range 224.0.0.0/4"},
		{in: "0.0.0.0/0", err: "special range"},
		{in: "::/64", err: "special range"},
		{in: "fe80::/64", err: "special range fe80::/10"},
		{in: "ff02::/64", err: "special range ff00::/8"},
		{in: "255.255.255.0/24", err: "special range 255.255.255.255/32"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			_, err := ParseSubnetCIDRs(tt.in)
			wantError(t, err, tt.err)
		})
	}
}

func TestProtocolOf(t *testing.T) {
	tests := []struct{ in, want string }{
		{"10.0.0.0/8", ProtocolIPv4},
		{"10.0.0.1", ProtocolIPv4},
		{"fd00::/64", ProtocolIPv6},
		{"fd00::1", ProtocolIPv6},
		{"10.0.0.0/8,fd00::/64", ProtocolDual},
		{"fd00::1,10.0.0.1", ProtocolDual},
		{"10.0.0.1,10.0.0.2", ProtocolIPv4},
		{"", ""},
		{"x", ""},
		{"10.0.0.1,x", ""},
	}
	for _, tt := range tests {
		if got := ProtocolOf(tt.in); got != tt.want {
			t.Errorf("ProtocolOf(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSplitAndJoinDual(t *testing.T) {
	tests := []struct{ in, v4, v6, joined string }{
		{"10.0.0.1", "10.0.0.1", "", "10.0.0.1"},
		{"fd00::1", "", "fd00::1", "fd00::1"},
		{"10.0.0.1,fd00::1", "10.0.0.1", "fd00::1", "10.0.0.1,fd00::1"},
		{"fd00::1, 10.0.0.1", "10.0.0.1", "fd00::1", "10.0.0.1,fd00::1"},
		{"10.0.0.0/24,fd00::/64", "10.0.0.0/24", "fd00::/64", "10.0.0.0/24,fd00::/64"},
		{"", "", "", ""},
		{",fd00::1", "", "fd00::1", "fd00::1"},
		{"10.0.0.1,10.0.0.2", "10.0.0.1", "", "10.0.0.1"},
	}
	for _, tt := range tests {
		v4, v6 := SplitDual(tt.in)
		if v4 != tt.v4 || v6 != tt.v6 {
			t.Errorf("SplitDual(%q) = %q, %q, want %q, %q", tt.in, v4, v6, tt.v4, tt.v6)
		}
		if joined := JoinDual(v4, v6); joined != tt.joined {
			t.Errorf("JoinDual(%q, %q) = %q, want %q", v4, v6, joined, tt.joined)
		}
	}
}

func TestParseAddrs(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{in: "10.0.0.1", want: "10.0.0.1"},
		{in: "fd00::1,10.0.0.1", want: "10.0.0.1,fd00::1"},
		{in: "", want: ""},
		{in: "10.0.0.1,10.0.0.2", err: "more than one address of a family"},
		{in: "10.0.0.1,fd00::1,fd00::2", err: "more than one address of a family"},
		{in: "10.0.0.1/24", err: `"10.0.0.1/24" is not a valid address`},
		{in: "10.0.0.256", err: "is not a valid address"},
		{in: "fe80::1%eth0", err: "is not a valid address"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseAddrs(tt.in)
			wantError(t, err, tt.err)
			if FormatAddrs(got) != tt.want {
				t.Errorf("got %q, want %q", FormatAddrs(got), tt.want)
			}
		})
	}
}

func TestUsableRange(t *testing.T) {
	tests := []struct{ cidr, first, last, count string }{
		{"10.16.0.0/16", "10.16.0.1", "10.16.255.254", "65534"},
		{"10.5.204.0/24", "10.5.204.1", "10.5.204.254", "254"},
		{"10.0.0.4/30", "10.0.0.5", "10.0.0.6", "2"},
		{"10.0.0.4/31", "10.0.0.4", "10.0.0.5", "2"},
		{"10.0.0.4/32", "10.0.0.4", "10.0.0.4", "1"},
		{"0.0.0.0/0", "0.0.0.1", "255.255.255.254", "4294967294"},
		{"fd00::/120", "fd00::1", "fd00::fe", "254"},
		{"fd00::/127", "fd00::", "fd00::1", "2"},
		{"fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:fffe", "18446744073709551614"},
		{"::/0", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "340282366920938463463374607431768211454"},
	}
	for _, tt := range tests {
		p := netip.MustParsePrefix(tt.cidr)
		if got := FirstUsable(p).String(); got != tt.first {
			t.Errorf("FirstUsable(%s) = %s, want %s", p, got, tt.first)
		}
		if got := LastUsable(p).String(); got != tt.last {
			t.Errorf("LastUsable(%s) = %s, want %s", p, got, tt.last)
		}
		if got := HostCount(p).String(); got != tt.count {
			t.Errorf("HostCount(%s) = %s, want %s", p, got, tt.count)
		}
	}
}

func TestAllocatableCount(t *testing.T) {
	tests := []struct {
		name, cidr string
		excludes   []string
		want       string
	}{
		{"seed 000", "10.5.204.0/24", []string{"10.5.204.1..10.5.204.100", "10.5.204.254"}, "153"},
		{"seed 001", "192.168.0.0/24", []string{"192.168.0.1..192.168.0.10"}, "244"},
		{"overlaps count once", "10.0.0.0/24", []string{"10.0.0.1..10.0.0.9", "10.0.0.5..10.0.0.10", "10.0.0.7"}, "244"},
		{"outside does not count", "10.0.0.0/24", []string{"10.0.1.1", "9.0.0.0..10.0.0.4", "10.0.0.250..11.0.0.0"}, "245"},
		{"other family does not count", "10.0.0.0/24", []string{"fd00::1..fd00::9"}, "254"},
		{"all", "10.0.0.0/24", []string{"0.0.0.0..255.255.255.255"}, "0"},
		{"none", "10.0.0.0/31", nil, "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ranges, err := ParseExcludeIPs(tt.excludes)
			if err != nil {
				t.Fatal(err)
			}
			if got := AllocatableCount(netip.MustParsePrefix(tt.cidr), ranges).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestContainsAndOverlap(t *testing.T) {
	dual := mustCIDRs(t, "10.16.0.0/16,fd00::/64")
	for addr, want := range map[string]bool{
		"10.16.0.1": true, "10.16.255.255": true, "10.17.0.0": false, "fd00::5": true, "fd00:0:0:1::": false,
	} {
		if got := ContainsAddr(dual, netip.MustParseAddr(addr)); got != want {
			t.Errorf("ContainsAddr(%s) = %v, want %v", addr, got, want)
		}
	}
	for other, want := range map[string]bool{
		"10.16.5.0/24":              true,
		"10.0.0.0/8":                true,
		"10.17.0.0/16":              false,
		"fd00::/80":                 true,
		"10.17.0.0/16,fd00::1:0/16": true,
		"192.168.0.0/16,fd01::/64":  false,
		"":                          false,
	} {
		if got := PrefixesOverlap(dual, mustCIDRs(t, other)); got != want {
			t.Errorf("PrefixesOverlap(%s) = %v, want %v", other, got, want)
		}
	}
}

func TestCompleteGateway(t *testing.T) {
	tests := []struct{ gateway, cidr, want, err string }{
		{gateway: "", cidr: "10.16.0.0/16", want: "10.16.0.1"},
		{gateway: "", cidr: "10.16.0.0/16,fd00::/64", want: "10.16.0.1,fd00::1"},
		{gateway: "10.16.0.9", cidr: "10.16.0.0/16,fd00::/64", want: "10.16.0.9,fd00::1"},
		{gateway: "fd00::9", cidr: "10.16.0.0/16,fd00::/64", want: "10.16.0.1,fd00::9"},
		{gateway: "fd00::9,10.16.0.9", cidr: "10.16.0.0/16,fd00::/64", want: "10.16.0.9,fd00::9"},
		{gateway: "", cidr: "10.0.0.0/31", want: "10.0.0.0"},
		{gateway: "", cidr: "", want: ""},
		{gateway: "x", cidr: "10.0.0.0/24", err: `gateway "x" is not a valid address`},
	}
	for _, tt := range tests {
		t.Run(tt.gateway+" in "+tt.cidr, func(t *testing.T) {
			got, err := CompleteGateway(tt.gateway, mustCIDRs(t, tt.cidr))
			wantError(t, err, tt.err)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestValidateGateway(t *testing.T) {
	tests := []struct{ gateway, cidr, err string }{
		{gateway: "10.16.0.1", cidr: "10.16.0.0/16"},
		{gateway: "10.16.0.1,fd00::1", cidr: "10.16.0.0/16,fd00::/64"},
		{gateway: "10.0.0.0", cidr: "10.0.0.0/31"},
		{gateway: "10.0.0.1", cidr: "10.0.0.0/31"},
		{gateway: "fd00::ffff:ffff:ffff:ffff", cidr: "fd00::/64"},
		{gateway: "10.17.0.1", cidr: "10.16.0.0/16", err: "gateway 10.17.0.1 is not in cidr 10.16.0.0/16"},
		{gateway: "fd00::1", cidr: "10.16.0.0/16", err: "gateway fd00::1 is not in cidr"},
		{gateway: "10.16.0.1,fd01::1", cidr: "10.16.0.0/16,fd00::/64", err: "gateway fd01::1 is not in cidr"},
		{gateway: "10.16.0.0", cidr: "10.16.0.0/16", err: "network address"},
		{gateway: "10.16.255.255", cidr: "10.16.0.0/16", err: "broadcast address"},
		{gateway: "fd00::", cidr: "fd00::/64", err: "network address"},
		{gateway: "FD00::1", cidr: "fd00::/64", err: "can not contain upper case"},
		{gateway: "nonsense", cidr: "10.16.0.0/16", err: "is not a valid address"},
	}
	for _, tt := range tests {
		t.Run(tt.gateway+" in "+tt.cidr, func(t *testing.T) {
			wantError(t, ValidateGateway(tt.gateway, mustCIDRs(t, tt.cidr)), tt.err)
		})
	}
}

func TestParseIPRange(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{in: "10.0.0.1", want: "10.0.0.1"},
		{in: "10.0.0.1..10.0.0.5", want: "10.0.0.1..10.0.0.5"},
		{in: "10.0.0.1..10.0.0.1", want: "10.0.0.1"},
		{in: "fd00::1..fd00::ff", want: "fd00::1..fd00::ff"},
		{in: " 10.0.0.1 ", want: "10.0.0.1"},
		{in: "10.0.0.5..10.0.0.1", err: "10.0.0.5..10.0.0.1 is not a valid ip range"},
		{in: "10.0.0.5..fd00::1", err: "is not a valid ip range"},
		{in: "10.0.0.1-10.0.0.5", err: "is not a valid address"},
		{in: "10.0.0.1..10.0.0.2..10.0.0.3", err: "is not a valid address"},
		{in: "10.0.0.0/24", err: "is not a valid address"},
		{in: "", err: "is not a valid address"},
		{in: "FD00::1", err: "can not contain upper case"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			r, err := ParseIPRange(tt.in)
			wantError(t, err, tt.err)
			if err == nil && FormatIPRange(r) != tt.want {
				t.Errorf("got %q, want %q", FormatIPRange(r), tt.want)
			}
		})
	}
}

func TestNormalizeExcludeIPs(t *testing.T) {
	tests := []struct {
		name     string
		excludes []string
		gateway  string
		want     []string
		err      string
	}{
		{name: "gateway alone", gateway: "10.16.0.1", want: []string{"10.16.0.1"}},
		{name: "seed 000: gateway outside the range", excludes: []string{"10.5.204.1..10.5.204.100"}, gateway: "10.5.204.254",
			want: []string{"10.5.204.1..10.5.204.100", "10.5.204.254"}},
		{name: "gateway covered", excludes: []string{"192.168.0.1..192.168.0.10"}, gateway: "192.168.0.1", want: []string{"192.168.0.1..192.168.0.10"}},
		{name: "both gateways", gateway: "10.0.0.1,fd00::1", want: []string{"10.0.0.1", "fd00::1"}},
		{name: "sorted as strings", excludes: []string{"10.0.0.9", "10.0.0.10", "10.0.0.100"}, want: []string{"10.0.0.10", "10.0.0.100", "10.0.0.9"}},
		{name: "deduplicated", excludes: []string{"10.0.0.9", "10.0.0.9", "10.0.0.9..10.0.0.9"}, want: []string{"10.0.0.9"}},
		{name: "overlap merged", excludes: []string{"10.0.0.5..10.0.0.9", "10.0.0.1..10.0.0.6", "10.0.0.3"}, want: []string{"10.0.0.1..10.0.0.9"}},
		{name: "contained range", excludes: []string{"10.0.0.1..10.0.0.90", "10.0.0.5..10.0.0.6", "10.0.0.80..10.0.0.91"}, want: []string{"10.0.0.1..10.0.0.91"}},
		{name: "touching stays apart", excludes: []string{"10.0.0.1", "10.0.0.2..10.0.0.3"}, want: []string{"10.0.0.1", "10.0.0.2..10.0.0.3"}},
		{name: "reversed", excludes: []string{"10.0.0.3..10.0.0.1"}, err: "excludeIps: 10.0.0.3..10.0.0.1 is not a valid ip range"},
		{name: "bad entry", excludes: []string{"10.0.0.1", "x"}, err: `excludeIps: "x" is not a valid address`},
		{name: "bad gateway", gateway: "x", err: "gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NormalizeExcludeIPs(tt.excludes, tt.gateway)
			wantError(t, err, tt.err)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParsePoolIPs(t *testing.T) {
	tests := []struct {
		ips  []string
		want []string
		err  string
	}{
		{ips: []string{"10.0.0.9", "10.0.0.1..10.0.0.3"}, want: []string{"10.0.0.1..10.0.0.3", "10.0.0.9"}},
		{ips: []string{"10.0.0.0/30", "10.0.0.2..10.0.0.9", "fd00::/126"}, want: []string{"10.0.0.0..10.0.0.9", "fd00::..fd00::3"}},
		{ips: []string{"10.0.0.0/33"}, err: "10.0.0.0/33 is not a valid CIDR"},
		{ips: []string{"pool"}, err: `"pool" is not a valid address`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.ips, " "), func(t *testing.T) {
			ranges, err := ParsePoolIPs(tt.ips)
			wantError(t, err, tt.err)
			var got []string
			for _, r := range ranges {
				got = append(got, FormatIPRange(r))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzNormalizeCIDR(f *testing.F) {
	for _, seed := range []string{"10.0.1.5/24", "fd00::5/64,10.0.1.5/24", "10.0.0.0/31", "::ffff:1.2.3.4/100", "0.0.0.0/0", ",", "fe80::%a/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := NormalizeCIDR(text)
		if err != nil {
			return
		}
		twice, err := NormalizeCIDR(once)
		if err != nil || twice != once {
			t.Fatalf("%q -> %q -> %q, %v: not idempotent", text, once, twice, err)
		}
		for _, p := range mustCIDRs(t, once) {
			if p != p.Masked() {
				t.Errorf("%q -> %s is not in network form", text, p)
			}
			first, last := FirstUsable(p), LastUsable(p)
			if !p.Contains(first) || !p.Contains(last) || last.Less(first) || HostCount(p).Sign() <= 0 {
				t.Errorf("%s: usable %s..%s of %s", p, first, last, HostCount(p))
			}
			if what := NotAHost(p, first); what != "" {
				t.Errorf("%s: first usable %s is the %s", p, first, what)
			}
		}
		gateway, err := CompleteGateway("", mustCIDRs(t, once))
		if err != nil {
			t.Fatalf("CompleteGateway of %q: %v", once, err)
		}
		if err := ValidateGateway(gateway, mustCIDRs(t, once)); err != nil {
			t.Errorf("the default gateway of %q: %v", once, err)
		}
	})
}

func FuzzNormalizeExcludeIPs(f *testing.F) {
	f.Add("10.0.0.1..10.0.0.9;10.0.0.5", "10.0.0.1", "10.0.0.7")
	f.Add("fd00::1..fd00::f;fd00::10", "10.0.0.1,fd00::1", "fd00::8")
	f.Add("a..b;..;", "", "::")
	f.Fuzz(func(t *testing.T, list, gateway, probe string) {
		excludes := strings.Split(list, ";")
		once, err := NormalizeExcludeIPs(excludes, gateway)
		if err != nil {
			return
		}
		twice, err := NormalizeExcludeIPs(once, gateway)
		if err != nil || !slices.Equal(once, twice) {
			t.Fatalf("%q -> %q -> %q, %v: not idempotent", excludes, once, twice, err)
		}
		if !slices.IsSorted(once) {
			t.Errorf("%q is not sorted", once)
		}
		addr, err := netip.ParseAddr(probe)
		if err != nil {
			return
		}
		gateways, err := ParseAddrs(gateway)
		if err != nil {
			t.Fatal(err)
		}
		want := covers(t, excludes, addr) || slices.Contains(gateways, addr)
		if got := covers(t, once, addr); got != want {
			t.Errorf("%s covered by %q: %v, by %q and gateway %q: %v", addr, once, got, excludes, gateway, want)
		}
	})
}

// covers says whether addr is in one of the excludes, which parse.
func covers(t *testing.T, excludes []string, addr netip.Addr) bool {
	t.Helper()
	ranges, err := ParseExcludeIPs(excludes)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(ranges, func(r netipx.IPRange) bool { return r.Contains(addr) })
}
