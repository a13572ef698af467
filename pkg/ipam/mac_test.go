package ipam

import (
	"errors"
	"fmt"
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

// A host that still has the address is known by its other MAC (RFC 5227 section 2.1.1), so a MAC must not follow from the
// address: two holders of one address, of two clusters on one segment too, would never find each other.
func TestGeneratedMACIsNotThatOfAFormerHolder(t *testing.T) {
	one, two := newIPAM(t, seed), newIPAM(t, seed)
	first := claim(t, one, pod("a"))
	if other := claim(t, two, pod("a")); other.V4 != first.V4 || other.MAC == first.MAC {
		t.Errorf("%s is at %s and at %s of another book", first.V4, first.MAC, other.MAC)
	}
	release(t, one, "a")
	r := pod("b")
	r.Addresses = first.Addresses()
	if next := claim(t, one, r); next.MAC == first.MAC {
		t.Errorf("the next holder of %s has the MAC of the former one, %s", first.V4, first.MAC)
	}
}

func TestGenerateMACGivesUp(t *testing.T) {
	if _, ok := generateMAC(func(hwAddr) bool { return true }); ok {
		t.Error("a taken MAC was handed out")
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
