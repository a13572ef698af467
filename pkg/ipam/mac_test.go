package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestMACs(t *testing.T) {
	withMAC := func(name, mac string) Request {
		r := pod(name)
		r.MAC = mac
		return r
	}
	spec := seed
	spec.GatewayMAC = "00:00:00:AA:AA:AA"
	i := newIPAM(t, spec)
	generated := claim(t, i, pod("a"))
	if !regexp.MustCompile(`^00:00:00(:[0-9A-F]{2}){3}$`).MatchString(generated.MAC) {
		t.Errorf("generated MAC %s", generated.MAC)
	}
	if l := claim(t, i, withMAC("b", "0a:58:c0:a8:00:01")); l.MAC != "0a:58:c0:a8:00:01" {
		t.Errorf("a static MAC came back as %s", l.MAC)
	}
	if l := claim(t, i, withMAC("b", "0A:58:C0:A8:00:01")); l.MAC != "0a:58:c0:a8:00:01" {
		t.Errorf("the same MAC in other case changed the lease to %s", l.MAC)
	}
	if l := claim(t, i, withMAC("b", "0a:58:c0:a8:00:02")); l.MAC != "0a:58:c0:a8:00:02" {
		t.Errorf("another static MAC came back as %s", l.MAC)
	}
	claim(t, i, withMAC("c", "0a:58:c0:a8:00:01")) // b gave it up
	for _, tt := range []struct {
		mac  string
		kind error
		text string
	}{
		{"0A:58:C0:A8:00:02", ErrConflict, "MAC 0A:58:C0:A8:00:02 in subnet s is held by ns/b (port b.ns)"},
		{strings.ToLower(generated.MAC), ErrConflict, "held by ns/a"},
		{"00:00:00:aa:aa:aa", ErrConflict, "held by the gateway"},
		{"01:00:5e:00:00:01", ErrInvalidMAC, "not a unicast address"},
		{"00:00:00:00:00:00", ErrInvalidMAC, "not a unicast address"},
		{"ff:ff:ff:ff:ff:ff", ErrInvalidMAC, "not a unicast address"},
		{"00:00:00:00:00:00:00:01", ErrInvalidMAC, "not a MAC address"},
		{"nonsense", ErrInvalidMAC, `"nonsense" is not a MAC address`},
	} {
		wantRefused(t, i, withMAC("x", tt.mac), tt.kind, tt.text)
	}
	wantClaim(t, i, pod("d"), "192.168.0.5") // the refused ones took no address
	r := pod("none")
	r.NoMAC = true
	if l := claim(t, i, r); l.MAC != "" {
		t.Errorf("NoMAC got %s", l.MAC)
	}
	if l := claim(t, i, pod("none")); l.MAC == "" {
		t.Error("a later claim does not complete the MAC")
	}
}

func TestGeneratedMACsAreUnique(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/16"})
	seen := map[string]string{}
	for n := range 20_000 {
		l := claim(t, i, pod(fmt.Sprint(n)))
		if other, taken := seen[l.MAC]; taken {
			t.Fatalf("%s and %s have MAC %s", l.NIC, other, l.MAC)
		}
		seen[l.MAC] = l.NIC
	}
}

func TestGenerateMACGivesUp(t *testing.T) {
	if _, ok := generateMAC("s/10.0.0.2", func(hwAddr) bool { return true }); ok {
		t.Error("a taken MAC was handed out")
	}
}

// TestMACOfAddress: neighbours who remember an address reach its next holder, also when a program that knows nothing of the
// first one gave it.
func TestMACOfAddress(t *testing.T) {
	for name, spec := range map[string]Spec{
		"IPv4":       {Name: "s", CIDRBlock: "10.0.0.0/16"},
		"IPv6":       {Name: "s", CIDRBlock: "fd00::/112"},
		"dual stack": {Name: "s", CIDRBlock: "10.0.0.0/16,fd00::/112"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIPAM(t, spec)
			first, other := claim(t, i, pod("first")), claim(t, i, pod("other"))
			if first.MAC == other.MAC {
				t.Errorf("two addresses have MAC %s", first.MAC)
			}
			r := pod("next")
			r.Addresses = first.Addresses()
			if l := claim(t, newIPAM(t, spec), r); l.MAC != first.MAC {
				t.Errorf("%s was at %s and is at %s", first.V4, first.MAC, l.MAC)
			}
			release(t, i, "first")
			if l := claim(t, i, r); l.MAC != first.MAC {
				t.Errorf("%s was at %s and is at %s", first.V4, first.MAC, l.MAC)
			}
		})
	}
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/16"}, Spec{Name: "t", CIDRBlock: "10.0.0.0/16"})
	r := pod("a")
	r.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	one := claim(t, i, r)
	two, err := i.Claim("t", r)
	if err != nil || one.MAC == two.MAC {
		t.Errorf("one address of two subnets: %+v, %+v, %v", one, two, err)
	}
}

func TestGatewayMAC(t *testing.T) {
	i := newIPAM(t, seed)
	held := claim(t, i, pod("a"))
	spec := seed
	spec.GatewayMAC = held.MAC
	err := i.SetSubnet(spec)
	if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "ns/a") {
		t.Errorf("a port's MAC became the gateway's: %v", err)
	}
	spec.GatewayMAC = "00:00:00:00:00:99"
	if err := i.SetSubnet(spec); err != nil {
		t.Fatal(err)
	}
	if l, _ := i.Lookup("s", "a.ns"); l != held {
		t.Errorf("the gateway MAC changed the lease %+v to %+v", held, l)
	}
}

func TestMacOnlySubnet(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s"})
	l := wantClaim(t, i, pod("a"), "")
	if l.MAC == "" {
		t.Error("no MAC")
	}
	if again := claim(t, i, pod("a")); again != l {
		t.Errorf("got %+v, had %+v", again, l)
	}
	wantRefused(t, i, podAt("b", "10.0.0.1"), ErrOutOfRange, "no CIDR")
	r := pod("b")
	r.Family = IPv4Only
	wantRefused(t, i, r, ErrInvalidIPFamily, "")
	release(t, i, "a")
	r = pod("b")
	r.MAC = l.MAC
	claim(t, i, r)
}
