package ingress

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

func TestDropAndAccept(t *testing.T) {
	kerneltest.NewNetns(t)
	// A container device's name may begin with a digit.
	const device = "0a1b2c3d4e5f_h"
	kerneltest.Veth(t, device, "far", netns.None())

	for range 2 {
		if err := Drop(device); err != nil {
			t.Fatal(err)
		}
	}
	rules := kerneltest.Run(t, "nft", "list", "table", "netdev", TableName)
	if strings.Count(rules, "policy drop") != 1 || !strings.Contains(rules, device) {
		t.Errorf("want one dropping chain for %s:\n%s", device, rules)
	}
	for range 2 {
		if err := Accept(device); err != nil {
			t.Fatal(err)
		}
	}
	if dropped, err := Dropped(device); err != nil || dropped {
		t.Errorf("still dropped after Accept: %v, %v", dropped, err)
	}
}

func TestDropStopsTheHostFromAnswering(t *testing.T) {
	kerneltest.NewNetns(t)
	other := kerneltest.Second(t)
	kerneltest.Veth(t, "near", "far", other)
	kerneltest.AddAddr(t, "near", "10.1.1.1/24")
	kerneltest.In(t, other, func() {
		kerneltest.AddAddr(t, "far", "10.1.1.2/24")
		kerneltest.Run(t, "ping", "-c1", "-W2", "10.1.1.1")
	})
	if err := Drop("near"); err != nil {
		t.Fatal(err)
	}
	kerneltest.In(t, other, func() {
		out := kerneltest.Run(t, "sh", "-c", "ping -c1 -W1 10.1.1.1 || true")
		if !strings.Contains(out, "0 received") {
			t.Errorf("the host still answers:\n%s", out)
		}
	})
}

func TestSweepRemovesChainsOfGoneDevices(t *testing.T) {
	kerneltest.NewNetns(t)
	for _, name := range []string{"stays", "goes"} {
		kerneltest.Veth(t, name, "peer-"+name, netns.None())
		if err := Drop(name); err != nil {
			t.Fatal(err)
		}
	}
	link, err := netlink.LinkByName("goes")
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"stays": true, "goes": false} {
		if dropped, err := Dropped(name); err != nil || dropped != want {
			t.Errorf("%s: dropped %v, %v; want %v", name, dropped, err, want)
		}
	}
	kerneltest.Veth(t, "goes", "peer-goes", netns.None())
	if err := Drop("goes"); err != nil {
		t.Errorf("a new device of the same name: %v", err)
	}
}

func TestDropOfMissingDeviceFails(t *testing.T) {
	kerneltest.NewNetns(t)
	if err := Drop("nosuch"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("want an error that names the device, got %v", err)
	}
}
