package ingress

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// The kernel of the test has the family, so the fallback is called by itself.
func TestRawFallback(t *testing.T) {
	kerneltest.NewNetns(t)
	other := kerneltest.Second(t)
	kerneltest.Veth(t, "near", "far", other)
	kerneltest.AddAddr(t, "near", "10.1.1.1/24")
	mac := strings.Fields(kerneltest.Run(t, "cat", "/proc/sys/net/ipv6/conf/near/disable_ipv6"))
	if len(mac) != 1 || mac[0] != "0" {
		t.Skip("the kernel has no IPv6")
	}
	near, err := netlink.LinkByName("near")
	if err != nil {
		t.Fatal(err)
	}
	ping := func() bool {
		var out string
		kerneltest.In(t, other, func() { out = kerneltest.Run(t, "sh", "-c", "ping -c1 -W1 10.1.1.1 || true") })
		return strings.Contains(out, "1 received")
	}
	kerneltest.In(t, other, func() {
		kerneltest.AddAddr(t, "far", "10.1.1.2/24")
		// With a known neighbour it is the rule, and not the missing ARP reply, that is tested.
		kerneltest.Run(t, "ip", "neigh", "add", "10.1.1.1", "lladdr", near.Attrs().HardwareAddr.String(), "dev", "far")
	})
	if !ping() {
		t.Fatal("the pair does not work")
	}
	for range 2 {
		if err := dropRaw("near"); err != nil {
			t.Fatal(err)
		}
	}
	if ping() {
		t.Error("the host still answers")
	}
	rules := kerneltest.Run(t, "iptables", "-t", "raw", "-S", "PREROUTING")
	if strings.Count(rules, "-i near -j DROP") != 1 {
		t.Errorf("want one rule:\n%s", rules)
	}
	if out := kerneltest.Run(t, "ip", "link", "show", "near"); !strings.Contains(out, "NOARP") {
		t.Errorf("the device still speaks ARP: %s", out)
	}
	for range 2 {
		if err := acceptRaw("near"); err != nil {
			t.Fatal(err)
		}
	}
	if !ping() {
		t.Error("the host does not answer again")
	}
	if err := acceptRaw("gone"); err != nil {
		t.Errorf("a device that is gone: %v", err)
	}
}

func TestUnsupported(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                                    false,
		unix.EPERM:                             false,
		unix.EOPNOTSUPP:                        true,
		fmt.Errorf("x: %w", unix.EAFNOSUPPORT): true,
		errors.New("operation not supported"):  false,
	} {
		if got := unsupported(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
