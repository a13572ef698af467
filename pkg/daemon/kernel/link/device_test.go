package link

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// show prints a device as the kernel has it.
func show(t *testing.T, name string) string {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := Addresses(link)
	if err != nil {
		t.Fatal(err)
	}
	a := link.Attrs()
	state := " down"
	if a.Flags&net.FlagUp != 0 {
		state = " up"
	}
	d := Device{Name: name, MAC: a.HardwareAddr, MTU: a.MTU, TxQLen: a.TxQLen, Addresses: addrs}
	return strings.TrimRight(d.String(), "\n") + state
}

func TestSync(t *testing.T) {
	kerneltest.NewNetns(t)
	kerneltest.Veth(t, "ovn0", "peer", netns.None())
	kerneltest.Run(t, "ip", "link", "set", "ovn0", "down", "addrgenmode", "none")
	kerneltest.AddAddr(t, "ovn0", "10.9.9.9/24")
	mac, _ := net.ParseMAC("00:00:00:12:34:56")

	for _, step := range []struct {
		name string
		want Device
		text string
	}{
		{"from nothing", Device{Name: "ovn0", MAC: mac, MTU: 1400, TxQLen: 1000, Addresses: []netip.Prefix{netip.MustParsePrefix("100.64.0.4/16"), netip.MustParsePrefix("fd00:100:64::4/112")}},
			"ovn0 mac 00:00:00:12:34:56 mtu 1400 txqlen 1000 100.64.0.4/16 fd00:100:64::4/112 fe80::200:ff:fe12:3456/64 up"},
		{"another address", Device{Name: "ovn0", MAC: mac, MTU: 1300, Addresses: []netip.Prefix{netip.MustParsePrefix("100.64.0.5/16")}},
			"ovn0 mac 00:00:00:12:34:56 mtu 1300 txqlen 1000 100.64.0.5/16 fe80::200:ff:fe12:3456/64 up"},
		{"addresses not ours to say", Device{Name: "ovn0"},
			"ovn0 mac 00:00:00:12:34:56 mtu 1300 txqlen 1000 100.64.0.5/16 fe80::200:ff:fe12:3456/64 up"},
	} {
		for range 2 {
			if err := (Driver{}).Sync(step.want); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if got := show(t, "ovn0"); got != step.text {
				t.Errorf("%s:\ngot  %s\nwant %s", step.name, got, step.text)
			}
		}
	}
}

func TestSyncOfMissingDevice(t *testing.T) {
	kerneltest.NewNetns(t)
	err := (Driver{}).Sync(Device{Name: "ovn0"})
	if !errors.As(err, &netlink.LinkNotFoundError{}) || !strings.Contains(err.Error(), "ovn0") {
		t.Errorf("want LinkNotFoundError with the name, got %v", err)
	}
}
