package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// TestMain lets the test program be the lab program for the daemons that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == daemon.ChildVerb {
		fmt.Fprintln(os.Stderr, daemon.Child(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// testLab plans a lab whose machine is a network namespace too, so that the real machine's interfaces are left alone.
func testLab(t *testing.T, name string) (l *plan.Lab, onMachine func(func() error) error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	l, err := plan.New(name, t.TempDir(), 2, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	machine := "machine-" + name
	if err := ns.CreateNetns(machine); err != nil {
		t.Fatal(err)
	}
	onMachine = func(do func() error) error { return ns.InNetns(machine, do) }
	t.Cleanup(func() {
		if err := errors.Join(onMachine(func() error { return Clear(l) }), ns.DeleteNetns(machine)); err != nil {
			t.Error(err)
		}
	})
	return l, onMachine
}

func build(t *testing.T, l *plan.Lab, onMachine func(func() error) error) {
	t.Helper()
	err := onMachine(func() error {
		err := errors.Join(Host(l), Outside(l))
		for _, n := range l.Nodes {
			err = errors.Join(err, AttachNode(l, n))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ping(netns, address string) error {
	return ns.InNetns(netns, func() error {
		if out, err := exec.Command("ping", "-c", "1", "-W", "2", address).CombinedOutput(); err != nil {
			return fmt.Errorf("ping %s in %s: %w: %s", address, netns, err, out)
		}
		return nil
	})
}

func TestWires(t *testing.T) {
	l, onMachine := testLab(t, "labtest-wires")
	build(t, l, onMachine)
	first, second := l.NodeNetns(l.Nodes[0]), l.Nodes[1]
	for what, address := range map[string]string{
		"management network": second.Management.String(),
		"machine":            l.Host().String(),
		"tunnel network":     second.Tunnel.String(),
		"internet":           plan.Internet,
	} {
		if err := ping(first, address); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	err := ns.InNetns(first, func() error {
		for _, o := range l.Outside {
			link, err := netlink.LinkByName(o.NIC)
			if err != nil {
				return err
			}
			addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
			if err != nil || len(addresses) != 0 {
				t.Errorf("%s has addresses %v, %v", o.NIC, addresses, err)
			}
		}
		for _, nic := range []string{plan.ManagementNIC, l.TunnelNIC, l.Outside[0].NIC} {
			out, err := exec.Command("ethtool", "-k", nic).Output()
			if err != nil || !strings.Contains(string(out), "tx-checksumming: off") {
				t.Errorf("%s computes checksums in hardware that it has not: %v", nic, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An untagged outside network is one segment: what a node puts on it the router answers, and passes on to where it routes.
func TestOutsideNetwork(t *testing.T) {
	l, onMachine := testLab(t, "labtest-out")
	build(t, l, onMachine)
	o := l.Outside[3]
	if l.Uplinks()[1].Tagged() || o.NIC != "eth1" {
		t.Fatalf("%+v is tagged", o)
	}
	node := l.NodeNetns(l.Nodes[1])
	err := ns.InNetns(node, func() error {
		return errors.Join(
			addAddress(o.NIC, netip.MustParsePrefix("172.56.0.50/16")), addAddress(o.NIC, netip.MustParsePrefix("fd00:56::50/64")),
			addRoute(plan.Internet6, o.Gateway6().String()),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, address := range map[string]string{
		"gateway": o.Gateway().String(), "first address": "172.56.0.1", "IPv6 gateway": o.Gateway6().String(), "IPv6 internet": plan.Internet6,
	} {
		if err := ping(node, address); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := ping(l.NodeNetns(l.Nodes[0]), "172.56.0.50"); err != nil {
		t.Errorf("another node, from its management NIC: %v", err)
	}
}

// addRoute is a host route in this thread's namespace.
func addRoute(to, via string) error {
	destination := netip.MustParseAddr(to)
	bits := destination.BitLen()
	return netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: destination.AsSlice(), Mask: net.CIDRMask(bits, bits)}, Gw: net.ParseIP(via)})
}

func TestDetachAndAttachAgain(t *testing.T) {
	l, onMachine := testLab(t, "labtest-again")
	build(t, l, onMachine)
	n := l.Nodes[1]
	for range 2 { // the second time nothing is left to detach
		if err := onMachine(func() error { return DetachNode(l, n) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(ns.Path(l.NodeNetns(n))); !os.IsNotExist(err) {
		t.Errorf("its namespace: %v", err)
	}
	if err := onMachine(func() error { return AttachNode(l, n) }); err != nil {
		t.Fatal(err)
	}
	if err := ping(l.NodeNetns(l.Nodes[0]), n.Management.String()); err != nil {
		t.Error(err)
	}
}

func TestClearLeavesNothing(t *testing.T) {
	l, onMachine := testLab(t, "labtest-clear")
	build(t, l, onMachine)
	err := onMachine(func() error {
		before, err := Interfaces(l)
		if err != nil || !slices.Contains(before, l.Bridge()) || len(before) != 4 { // bridge, ext, two nodes
			t.Errorf("interfaces %v, %v", before, err)
		}
		if err := Clear(l); err != nil {
			return err
		}
		after, err := Interfaces(l)
		if len(after) != 0 {
			t.Errorf("left: %v", after)
		}
		return errors.Join(err, Clear(l))
	})
	if err != nil {
		t.Fatal(err)
	}
	if names, err := ns.NetnsNames(l.Prefix()); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

func TestHostRefusesAForeignSubnet(t *testing.T) {
	l, onMachine := testLab(t, "labtest-taken")
	err := onMachine(func() error {
		if err := addBridge("other"); err != nil {
			return err
		}
		if err := addAddress("other", l.Management); err != nil {
			return err
		}
		if err := Host(l); err == nil || !strings.Contains(err.Error(), "other") || !strings.Contains(err.Error(), "LAB") {
			t.Errorf("got %v, want the interface and what to do", err)
		}
		return removeLink("other")
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTaggedSwitchArguments(t *testing.T) {
	l, err := plan.New("", "/src", 2, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	vlan := l.Uplinks()[0]
	args := strings.Join(NewSwitch(l).bridge(vlan), " ")
	for _, want := range []string{
		"add-br br-vlan", "datapath_type=netdev", "add-port br-vlan vlan.204 tag=204", "set interface vlan.204 type=internal", "add-port br-vlan vlan.0 trunks=0",
		"add-port br-vlan vlan.49 tag=49", "add-port br-vlan vlan-0", "add-port br-vlan vlan-1",
	} {
		if !strings.Contains(args, want) {
			t.Errorf("no %q in %s", want, args)
		}
	}
	l.Outside = l.Outside[len(vlan.Networks):]
	if s := NewSwitch(l); len(s.Daemons()) != 0 || s.Start(t.Context()) != nil {
		t.Error("a lab without tagged networks runs a switch")
	}
}

// Each network of a NIC is a segment of its own: the router answers to a frame with the network's tag, or with none in the untagged one, and to no other.
func TestTaggedNetwork(t *testing.T) {
	l, onMachine := testLab(t, "labtest-tag")
	if err := cgroup.Create(l.HostCgroup()); err != nil {
		t.Fatal(err)
	}
	s := NewSwitch(l)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(s.Stop(ctx), cgroup.Remove(ctx, l.HostCgroup())); err != nil {
			t.Error(err)
		}
	})
	build(t, l, onMachine)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range l.Uplinks()[0].Networks {
		for _, tag := range []uint16{204, 0, 49} {
			wantAnswer(t, l, o, tag, tag == o.Tag)
		}
	}
	// A node that comes back has new NICs.
	first := l.Nodes[0]
	if err := onMachine(func() error { return errors.Join(DetachNode(l, first), AttachNode(l, first)) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range l.Uplinks()[0].Networks {
		wantAnswer(t, l, o, o.Tag, true)
	}
}

// wantAnswer asks on the first node, with a tag, for a network's gateway.
func wantAnswer(t *testing.T, l *plan.Lab, o plan.Outside, tag uint16, want bool) {
	t.Helper()
	gateway, err := routerMAC(l, o)
	if err != nil {
		t.Fatal(err)
	}
	answered, patience := false, time.Second
	if want {
		patience = 20 * time.Second
	}
	err = ns.InNetns(l.NodeNetns(l.Nodes[0]), func() error {
		var err error
		answered, err = arp(o.NIC, tag, o.Prefix.Addr().Next().String(), o.Gateway().String(), gateway, patience)
		return err
	})
	if err != nil || answered != want {
		t.Errorf("%s with tag %d: answered %v, %v; want %v", o, tag, answered, err, want)
	}
}
