package ipam

import (
	"slices"
	"strings"
	"testing"
)

// TestShareWith: an address is shared with those whom the request accepts, and only while all its holders are such.
func TestShareWith(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1"})
	snat := func(name string) Request {
		return Request{Owner: "snat " + name, NIC: name, Addresses: addrs("10.0.0.9"), NoMAC: true,
			ShareWith: func(l Lease) bool { return strings.HasPrefix(l.Owner, "snat ") }}
	}
	wantClaim(t, i, snat("a"), "10.0.0.9")
	wantClaim(t, i, snat("b"), "10.0.0.9")
	wantRefused(t, i, podAt("eip", "10.0.0.9"), ErrConflict, "10.0.0.9 in subnet s is held by snat a (port a)")
	i.Release("s", "snat a", "a")
	i.Release("s", "snat b", "b")
	wantClaim(t, i, podAt("eip", "10.0.0.9"), "10.0.0.9")
	wantRefused(t, i, snat("a"), ErrConflict, "10.0.0.9 in subnet s is held by ns/eip (port eip.ns)")
	anybody := podAt("x", "10.0.0.9")
	anybody.AllowShared = true
	wantClaim(t, i, anybody, "10.0.0.9")
}

// TestShareMAC: the MAC of the accepted holder is shared with its address.
func TestShareMAC(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1"})
	vip := claim(t, i, Request{Owner: "Vip v", NIC: "v", Addresses: addrs("10.0.0.9")})
	user := podAt("a", "10.0.0.9")
	user.MAC, user.ShareWith = vip.MAC, func(l Lease) bool { return l.Owner == "Vip v" }
	if l := claim(t, i, user); l.MAC != vip.MAC || l.V4 != vip.V4 {
		t.Errorf("got %+v, the vip has %+v", l, vip)
	}
	second := podAt("b", "10.0.0.9")
	second.MAC, second.ShareWith = user.MAC, user.ShareWith
	wantRefused(t, i, second, ErrConflict, "held by ns/a (port a.ns)")
}

// TestOnRelease: everyone who asked is told of each ended lease, and may look at the books then.
func TestOnRelease(t *testing.T) {
	i := newIPAM(t, Spec{Name: "s", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1"})
	var told []string
	i.OnRelease(func(l Lease) {
		if len(i.Holders(l.Subnet, l.V4)) > 0 {
			t.Errorf("%+v is still held", l)
		}
		told = append(told, l.NIC+" "+l.V4.String())
	})
	claim(t, i, pod("a"))
	claim(t, i, Request{Owner: "o", NIC: "b"})
	claim(t, i, Request{Owner: "o", NIC: "c"})
	release(t, i, "a")
	i.Release("s", "nobody", "b")
	i.ReleaseOwner("o")
	i.ReleaseOwner("o")
	if want := []string{"a.ns 10.0.0.2", "b 10.0.0.3", "c 10.0.0.4"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
