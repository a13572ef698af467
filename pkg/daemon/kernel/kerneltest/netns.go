package kerneltest

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// NewNetns moves the test's goroutine, and every process it starts, into a fresh network namespace with lo up until the
// test ends. Other goroutines stay outside: such a test must not be parallel, and a subtest needs a namespace of its own.
func NewNetns(t *testing.T) netns.NsHandle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatalf("open the current network namespace: %v", err)
	}
	fresh, err := netns.New()
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		// A thread that cannot go back stays locked, so that the runtime ends it with its goroutine.
		if err := netns.Set(old); err != nil {
			t.Errorf("go back to the first network namespace: %v", err)
			return
		}
		fresh.Close()
		old.Close()
		runtime.UnlockOSThread()
	})
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatalf("set lo up: %v", err)
	}
	return fresh
}

// Second makes a further namespace without entering it. It lives until the test ends.
func Second(t *testing.T) netns.NsHandle {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatalf("open the current network namespace: %v", err)
	}
	defer here.Close()
	fresh, err := netns.New()
	if err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() { fresh.Close() })
	if lo, err := netlink.LinkByName("lo"); err == nil {
		_ = netlink.LinkSetUp(lo)
	}
	if err := netns.Set(here); err != nil {
		t.Fatalf("return to the test's network namespace: %v", err)
	}
	return fresh
}

// In runs fn inside a namespace and comes back.
func In(t *testing.T, ns netns.NsHandle, fn func()) {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatalf("open the current network namespace: %v", err)
	}
	defer here.Close()
	if err := netns.Set(ns); err != nil {
		t.Fatalf("enter the namespace: %v", err)
	}
	defer func() {
		if err := netns.Set(here); err != nil {
			t.Fatalf("come back from the namespace: %v", err)
		}
	}()
	fn()
}

// Veth makes a pair of devices, both up, the second one in ns when that is open.
func Veth(t *testing.T, name, peer string, ns netns.NsHandle) {
	t.Helper()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("make veth %s-%s: %v", name, peer, err)
	}
	other, err := netlink.LinkByName(peer)
	if err != nil {
		t.Fatalf("find %s: %v", peer, err)
	}
	if err := netlink.LinkSetUp(pair); err != nil {
		t.Fatalf("set %s up: %v", name, err)
	}
	up := func() {
		if err := netlink.LinkSetUp(other); err != nil {
			t.Fatalf("set %s up: %v", peer, err)
		}
	}
	if !ns.IsOpen() {
		up()
		return
	}
	if err := netlink.LinkSetNsFd(other, int(ns)); err != nil {
		t.Fatalf("move %s: %v", peer, err)
	}
	In(t, ns, func() {
		if other, err = netlink.LinkByName(peer); err != nil {
			t.Fatalf("find %s: %v", peer, err)
		}
		up()
	})
}

// AddAddr puts an address on a device.
func AddAddr(t *testing.T, device, prefix string) {
	t.Helper()
	link, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatalf("find %s: %v", device, err)
	}
	p := netip.MustParsePrefix(prefix)
	addr, err := netlink.ParseAddr(p.String())
	if err != nil {
		t.Fatalf("parse %s: %v", prefix, err)
	}
	if p.Addr().Is6() {
		addr.Flags = 0x02 // IFA_F_NODAD: a tentative address would fail the test's first packets
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		t.Fatalf("add %s to %s: %v", prefix, device, err)
	}
}

// Run runs a command in the test's namespace and returns its standard output without the last newline.
func Run(t *testing.T, argv ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, stderr.String())
	}
	return strings.TrimRight(string(out), "\n")
}

// Eventually polls until ok returns "" and fails the test with its last answer at the deadline.
func Eventually(t *testing.T, within time.Duration, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := ok()
		if last == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", within, last)
		}
		<-tick.C
	}
}
