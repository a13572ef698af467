package route

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// parse reads "dst [via gw] [src addr]".
func parse(text string) Route {
	words := strings.Fields(text)
	r := Route{Dst: netip.MustParsePrefix(words[0]), Protocol: ProtoKernel}
	for i := 1; i+1 < len(words); i += 2 {
		a := netip.MustParseAddr(words[i+1])
		if words[i] == "via" {
			r.Gateway, r.Protocol = a, ProtoStatic
		} else {
			r.Src = a
		}
	}
	return r
}

func parseAll(texts ...string) []Route {
	var out []Route
	for _, s := range texts {
		out = append(out, parse(s))
	}
	return out
}

func TestDiff(t *testing.T) {
	const link, a, b = "100.64.0.0/16 src 100.64.0.4", "10.16.0.0/16 via 100.64.0.1", "10.17.0.0/16 via 100.64.0.1"
	for name, tc := range map[string]struct {
		have, want []string
		taken      string
		set, gone  []string
	}{
		"equal":              {have: []string{link, a}, want: []string{link, a}},
		"new":                {have: []string{link}, want: []string{link, a}, set: []string{a}},
		"stale":              {have: []string{link, a, b}, want: []string{link, a}, gone: []string{b}},
		"source changed":     {have: []string{a}, want: []string{a + " src 10.0.0.1"}, set: []string{a + " src 10.0.0.1"}},
		"link route missing": {want: []string{link}, set: []string{link}},
		"link route stays":   {have: []string{link}},
		"link local stays":   {have: []string{"fe80::/64 via fe80::1"}},
		"taken by another":   {have: []string{link, a}, want: []string{link, a}, taken: "10.16.0.0/16", gone: []string{a}},
		"taken join network": {want: []string{link}, taken: "100.64.0.0/16", set: []string{link}},
	} {
		t.Run(name, func(t *testing.T) {
			taken := map[netip.Prefix]bool{}
			if tc.taken != "" {
				taken[netip.MustParsePrefix(tc.taken)] = true
			}
			set, gone := diff(parseAll(tc.have...), parseAll(tc.want...), taken)
			same := cmp.Comparer(func(a, b Route) bool { return a == b })
			if d := cmp.Diff(parseAll(tc.set...), set, same); d != "" {
				t.Errorf("set (-want +got):\n%s", d)
			}
			if d := cmp.Diff(parseAll(tc.gone...), gone, same); d != "" {
				t.Errorf("removed (-want +got):\n%s", d)
			}
		})
	}
}

// routes prints what the kernel has on ovn0, both families, without link-local and multicast.
func routes(t *testing.T) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(kerneltest.Run(t, "ip", "-4", "route", "show", "dev", "ovn0") + "\n" +
		kerneltest.Run(t, "ip", "-6", "route", "show", "dev", "ovn0")) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, "fe80") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestSync(t *testing.T) {
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "ovn0", "peer", netns.None())
	kerneltest.Veth(t, "eth0", "far", netns.None())
	kerneltest.AddAddr(t, "ovn0", "100.64.0.4/16")
	kerneltest.AddAddr(t, "ovn0", "fd00:100:64::4/112")
	kerneltest.AddAddr(t, "eth0", "192.168.123.23/24")
	kerneltest.Run(t, "ip", "route", "add", "10.99.0.0/16", "via", "192.168.123.1")
	join := parseAll("100.64.0.0/16 src 100.64.0.4", "fd00:100:64::/112")

	for _, step := range []struct {
		name string
		want []Route
		text string
	}{
		{"node joins", append(join, parseAll("10.233.64.0/18 via 100.64.0.1 src 192.168.123.23", "fd00:10:16::/64 via fd00:100:64::1")...),
			"10.233.64.0/18 via 100.64.0.1 proto static src 192.168.123.23\n100.64.0.0/16 proto kernel scope link src 100.64.0.4\n" +
				"fd00:10:16::/64 via fd00:100:64::1 proto static metric 1024 pref medium\nfd00:100:64::/112 proto kernel metric 256 pref medium"},
		{"subnets change", append(join, parseAll("10.233.64.0/18 via 100.64.0.1", "10.20.0.0/16 via 100.64.0.1", "10.99.0.0/16 via 100.64.0.1")...),
			"10.20.0.0/16 via 100.64.0.1 proto static\n10.233.64.0/18 via 100.64.0.1 proto static\n100.64.0.0/16 proto kernel scope link src 100.64.0.4\n" +
				"fd00:100:64::/112 proto kernel metric 256 pref medium"},
		{"no subnet", join, "100.64.0.0/16 proto kernel scope link src 100.64.0.4\nfd00:100:64::/112 proto kernel metric 256 pref medium"},
	} {
		want := Device{Name: "ovn0", Routes: step.want}
		for range 2 {
			if err := (Driver{}).Sync(want); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if d := cmp.Diff(step.text, routes(t)); d != "" {
				t.Errorf("%s: routes (-want +got):\n%s", step.name, d)
			}
		}
	}
	if got := kerneltest.Run(t, "ip", "route", "show", "10.99.0.0/16"); !strings.Contains(got, "192.168.123.1") {
		t.Errorf("a foreign route is gone: %q", got)
	}
}

func TestSyncRestoresTheLinkRoute(t *testing.T) {
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "ovn0", "peer", netns.None())
	kerneltest.AddAddr(t, "ovn0", "100.64.0.4/16")
	kerneltest.Run(t, "ip", "route", "flush", "dev", "ovn0")
	if err := (Driver{}).Sync(Device{Name: "ovn0", Routes: parseAll("100.64.0.0/16 src 100.64.0.4")}); err != nil {
		t.Fatal(err)
	}
	if got, want := routes(t), "100.64.0.0/16 proto kernel scope link src 100.64.0.4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSyncReportsEveryRoute(t *testing.T) {
	kerneltest.NewNetns(t)
	if err := (Driver{}).Sync(Device{Name: "nosuch"}); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("want an error that names the device, got %v", err)
	}
	kerneltest.Veth(t, "ovn0", "peer", netns.None())
	kerneltest.AddAddr(t, "ovn0", "100.64.0.4/16")
	err := (Driver{}).Sync(Device{Name: "ovn0", Routes: parseAll("10.1.0.0/16 via 1.2.3.4", "10.2.0.0/16 via 100.64.0.1")})
	if err == nil || !strings.Contains(err.Error(), "10.1.0.0/16 via 1.2.3.4") {
		t.Errorf("want an error that names the bad route, got %v", err)
	}
	if got := routes(t); !strings.Contains(got, "10.2.0.0/16 via 100.64.0.1") {
		t.Errorf("one bad route must not stop the others:\n%s", got)
	}
}
