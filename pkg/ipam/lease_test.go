package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// TestSharedAddress: live migration and a pod on a Vip.
func TestSharedAddress(t *testing.T) {
	i := newIPAM(t, seed)
	vip := claim(t, i, Request{Owner: "vip1", NIC: "vip1"})
	wantRefused(t, i, podAt("a", "192.168.0.2"), ErrConflict, "held by port vip1")
	r := podAt("a", "192.168.0.2")
	r.AllowShared = true
	if l := wantClaim(t, i, r, "192.168.0.2"); l.MAC != vip.MAC {
		t.Errorf("the sharing port has MAC %s, want %s", l.MAC, vip.MAC)
	}
	if stats, _ := i.Stats("s"); stats.V4.Using.Int64() != 1 {
		t.Errorf("a shared address counts %v times", stats.V4.Using)
	}
	if holders := i.Holders("s", vip.V4); len(holders) != 2 {
		t.Errorf("holders %v", holders)
	}
	wantRefused(t, i, podAt("b", "192.168.0.2"), ErrConflict, "")
	release(t, i, "a")
	if holders := i.Holders("s", vip.V4); len(holders) != 1 || holders[0] != vip {
		t.Errorf("after the pod left: %v", holders)
	}
	if !i.Release("s", "vip1", "vip1") || len(i.Holders("s", vip.V4)) != 0 {
		t.Error("the vip did not leave")
	}
	r = pod("c")
	r.MAC = vip.MAC
	wantClaim(t, i, r, "192.168.0.3")
}

// TestLeavingASharedAddress: a port that shares only a MAC any more would be a duplicate on the wire.
func TestLeavingASharedAddress(t *testing.T) {
	i := newIPAM(t, small)
	first := wantClaim(t, i, pod("a"), "10.0.0.2,fd00::2")
	r := podAt("b", "10.0.0.2", "fd00::2")
	r.AllowShared = true
	wantClaim(t, i, r, "10.0.0.2,fd00::2")
	if l := wantClaim(t, i, podAt("b", "10.0.0.5"), "10.0.0.5,fd00::2"); l.MAC != first.MAC {
		t.Errorf("MAC %s while the IPv6 address is shared, want %s", l.MAC, first.MAC)
	}
	if l := wantClaim(t, i, podAt("b", "fd00::5"), "10.0.0.5,fd00::5"); l.MAC == first.MAC {
		t.Errorf("MAC %s of %s is kept without a shared address", l.MAC, first.Owner)
	}
	if l, _ := i.Lookup("s", "a.ns"); l != first {
		t.Errorf("the other port changed from %+v to %+v", first, l)
	}
}

func TestOwnerOfAPort(t *testing.T) {
	i := newIPAM(t, seed)
	wantClaim(t, i, Request{NIC: "a.ns"}, "192.168.0.2") // a reservation by name
	if l := i.Leases(""); len(l) != 1 || l[0].NIC != "a.ns" {
		t.Errorf("leases without owner: %v", l)
	}
	wantClaim(t, i, pod("a"), "192.168.0.2")
	if l := i.Leases("ns/a"); len(l) != 1 || len(i.Leases("")) != 0 {
		t.Errorf("the owner did not take the lease over: %v", l)
	}
	wantRefused(t, i, Request{Owner: "vip", NIC: "a.ns"}, ErrConflict, "port a.ns in subnet s is held by ns/a")
	for _, owner := range []string{"vip", ""} {
		if i.Release("s", owner, "a.ns") {
			t.Errorf("owner %q released what ns/a holds", owner)
		}
	}
	if _, err := i.Claim("s", Request{Owner: "ns/x"}); err == nil {
		t.Error("a request without port was served")
	}
}

func TestOwnersOverSubnets(t *testing.T) {
	other := Spec{Name: "r", CIDRBlock: "10.1.0.0/24"}
	i := newIPAM(t, seed, other)
	for n := range 3 {
		if _, err := i.Claim("r", Request{Owner: "ns/a", NIC: fmt.Sprintf("a.ns.net%d", n)}); err != nil {
			t.Fatal(err)
		}
	}
	claim(t, i, pod("a"))
	claim(t, i, pod("b"))
	var nics []string
	for _, l := range i.ReleaseOwner("ns/a") {
		nics = append(nics, l.Subnet+"/"+l.NIC)
	}
	if want := []string{"r/a.ns.net0", "r/a.ns.net1", "r/a.ns.net2", "s/a.ns"}; !slices.Equal(nics, want) {
		t.Errorf("released %v, want %v", nics, want)
	}
	if left := i.Leases("ns/a"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, ok := i.Lookup("s", "b.ns"); !ok {
		t.Error("another owner's lease is gone")
	}
	if !i.DeleteSubnet("s") || i.DeleteSubnet("s") {
		t.Error("DeleteSubnet does not say whether it did something")
	}
	if left := i.Leases("ns/b"); len(left) != 0 {
		t.Errorf("leases of a deleted subnet: %v", left)
	}
	wantRefused(t, i, pod("a"), ErrNoSubnet, "subnet s is not known")
	if i.Release("s", "ns/b", "b.ns") || i.Holders("s", netip.MustParseAddr("192.168.0.3")) != nil {
		t.Error("a deleted subnet answers")
	}
}
