package bridge

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// pair makes two devices in a fresh namespace and returns them.
func pair(t *testing.T) (a, b netlink.Link) {
	t.Helper()
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "a", "a-peer", netns.None())
	kerneltest.Veth(t, "b", "b-peer", netns.None())
	return find(t, "a"), find(t, "b")
}

func find(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// content prints addresses and routes of a device, its own name and link-local things left out.
func content(t *testing.T, name string) string {
	t.Helper()
	var out []string
	addrs, err := movable(find(t, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		text := a.IPNet.String()
		if a.Flags&0x200 != 0 { // IFA_F_NOPREFIXROUTE
			text += " noprefixroute"
		}
		out = append(out, text)
	}
	for _, args := range [][]string{{"-4", "route", "show", "table", "all", "dev", name}, {"-6", "route", "show", "table", "all", "dev", name}} {
		for line := range strings.Lines(kerneltest.Run(t, append([]string{"ip"}, args...)...)) {
			line = strings.Join(strings.Fields(line), " ")
			for _, skip := range []string{"local ", "broadcast ", "multicast ", "anycast ", "fe80", "ff00"} {
				if strings.HasPrefix(line, skip) {
					line = ""
				}
			}
			if line != "" {
				out = append(out, strings.TrimSuffix(line, " pref medium"))
			}
		}
	}
	return strings.Join(out, "\n")
}

func TestMove(t *testing.T) {
	for name, commands := range map[string][]string{
		"nothing":     nil,
		"one address": {"addr add 10.1.0.2/24 dev a"},
		"default route": {
			"addr add 10.1.0.2/24 dev a", "route add default via 10.1.0.1",
		},
		"routes of several scopes and tables": {
			"addr add 10.1.0.2/24 dev a", "route add 10.9.0.0/24 dev a scope link", "route add 10.8.0.0/24 via 10.9.0.1 dev a onlink",
			"route add default via 10.1.0.1 table 100", "route add 10.7.0.0/24 via 10.1.0.1 metric 7", "route add 10.7.0.0/24 via 10.1.0.9 metric 8",
		},
		"several addresses of one network": {
			"addr add 10.1.0.2/24 dev a", "addr add 10.1.0.3/24 dev a", "addr add 10.1.0.4/32 dev a", "route add 10.5.0.0/16 via 10.1.0.1 src 10.1.0.3",
		},
		"no prefix route": {
			"addr add 10.1.0.2/24 dev a noprefixroute", "route add 10.1.0.0/24 dev a proto kernel scope link src 10.1.0.2 metric 100",
			"route add default via 10.1.0.1 metric 100",
		},
		"IPv6": {
			"addr add fd00:1::2/64 dev a nodad", "-6 route add default via fd00:1::1", "-6 route add fd00:5::/64 via fd00:1::1 metric 50",
		},
		"point to point": {"addr add 10.1.0.2 peer 10.1.0.1/32 dev a", "route add default via 10.1.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			for _, c := range commands {
				kerneltest.Run(t, append([]string{"ip"}, strings.Fields(c)...)...)
			}
			before := content(t, "a")
			for range 2 {
				if err := move(a, b); err != nil {
					t.Fatal(err)
				}
				if got := content(t, "b"); got != before {
					t.Errorf("moved:\n%s\nwant:\n%s", got, before)
				}
				if left := content(t, "a"); left != "" {
					t.Errorf("left behind:\n%s", left)
				}
			}
			if err := move(b, a); err != nil {
				t.Fatal(err)
			}
			if got := content(t, "a"); got != before {
				t.Errorf("moved back:\n%s\nwant:\n%s", got, before)
			}
		})
	}
}

func TestMoveLeavesOtherDevicesAlone(t *testing.T) {
	a, b := pair(t)
	kerneltest.Veth(t, "c", "c-peer", netns.None())
	for _, c := range []string{
		"addr add 10.1.0.2/24 dev a", "addr add 10.3.0.2/24 dev c", "route add default via 10.3.0.1 metric 5", "route add default via 10.1.0.1 metric 10",
	} {
		kerneltest.Run(t, append([]string{"ip"}, strings.Fields(c)...)...)
	}
	other := content(t, "c")
	if err := move(a, b); err != nil {
		t.Fatal(err)
	}
	if got := content(t, "c"); got != other {
		t.Errorf("another device has\n%s\nand had\n%s", got, other)
	}
}

func TestSetAddresses(t *testing.T) {
	_, b := pair(t)
	for _, address := range []string{"10.1.0.2/24", "10.1.0.3/24", "fd00:1::2/64"} {
		kerneltest.AddAddr(t, "b", address)
	}
	keep, err := netlink.ParseAddr("10.1.0.3/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := setAddresses(b, []netlink.Addr{*keep}); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, "b"), "10.1.0.3/24\n10.1.0.0/24 proto kernel scope link src 10.1.0.3"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
