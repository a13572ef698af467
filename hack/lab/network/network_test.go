package network

import (
	"context"
	"errors"
	"fmt"
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

// An untagged outside network is one segment: what a node puts on it the router answers.
func TestOutsideNetwork(t *testing.T) {
	l, onMachine := testLab(t, "labtest-out")
	build(t, l, onMachine)
	o := l.Outside[1]
	if o.Tag != 0 {
		t.Fatalf("%+v is tagged", o)
	}
	node := l.NodeNetns(l.Nodes[1])
	err := ns.InNetns(node, func() error {
		link, err := netlink.LinkByName(o.NIC)
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr("10.10.204.50/24")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, address)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ping(node, o.Gateway().String()); err != nil {
		t.Error(err)
	}
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
	args := strings.Join(NewSwitch(l).bridge(l.Outside[0]), " ")
	for _, want := range []string{
		"add-br br-vlan", "datapath_type=netdev", "add-port br-vlan gw-vlan tag=204", "set interface gw-vlan type=internal", "add-port br-vlan vlan-0", "add-port br-vlan vlan-1",
	} {
		if !strings.Contains(args, want) {
			t.Errorf("no %q in %s", want, args)
		}
	}
	l.Outside = l.Outside[1:]
	if s := NewSwitch(l); len(s.Daemons()) != 0 || s.Start(t.Context()) != nil {
		t.Error("a lab without tagged networks runs a switch")
	}
}

// The switch takes the tag off: frames with it reach the router, frames without do not.
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
	o := l.Outside[0]
	node := l.NodeNetns(l.Nodes[0])
	gateway, err := routerMAC(l, o)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[uint16]bool{o.Tag: true, 0: false, o.Tag + 1: false} {
		answered := false
		err := ns.InNetns(node, func() error {
			var err error
			answered, err = arp(o.NIC, tag, "10.5.204.50", o.Gateway().String(), gateway)
			return err
		})
		if err != nil || answered != want {
			t.Errorf("tag %d: answered %v, %v; want %v", tag, answered, err, want)
		}
	}
}
