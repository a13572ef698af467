package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// provider is the bridge of a provider network "p" on eth1.
func provider(edit ...func(*Spec)) Spec {
	s := Spec{Name: "br-p", NIC: "eth1", Userspace: true, Trunks: []int{0, 204}, OtherConfig: map[string]string{"mac-learning-fallback": "false"}}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func exchanged(s *Spec) { s.Name, s.NIC, s.Exchange = "eth1", "br-p", true }

func (n *node) attachTo(s Spec) {
	n.t.Helper()
	if err := n.manager.Attach(n.t.Context(), s); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) expectOf(what, device string, devices ...string) {
	n.t.Helper()
	if got := n.stateOf(devices...); got != on(device) {
		n.t.Errorf("%s: got\n%s\nwant\n%s", what, got, on(device))
	}
}

func (n *node) removed(bridge string) {
	n.t.Helper()
	if err := n.manager.Remove(n.t.Context(), bridge); err != nil {
		n.t.Fatal(err)
	}
	if got := n.vsctl("list-br"); strings.Contains(got, bridge) {
		n.t.Errorf("bridges left: %s", got)
	}
	kerneltest.Eventually(n.t, 5*time.Second, func() string {
		if kind(bridge) == "tuntap" {
			return "vswitchd has not removed the device of bridge " + bridge
		}
		return ""
	})
}

// kind is the type of a device, "" without one.
func kind(name string) string {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return ""
	}
	return l.Type()
}

func TestTrunksChangeInPlace(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attachTo(provider())
	get := func(column string) string { return strings.TrimSpace(n.vsctl("get", "port", "eth1", column)) }
	id := get("_uuid")
	if got := get("trunks"); got != "[0, 204]" {
		t.Errorf("trunks %s", got)
	}
	if got := n.vsctl("get", "bridge", "br-p", "other_config"); !strings.Contains(got, `mac-learning-fallback="false"`) || !strings.Contains(got, "hwaddr=") {
		t.Errorf("other_config %s", got)
	}
	if got := n.vsctl("get", "bridge", "br-p", "external_ids:exchange-link-name"); strings.Trim(got, "\"\n") != "false" {
		t.Errorf("exchange-link-name is %s", got)
	}
	stop := n.pingers()
	n.attachTo(provider(func(s *Spec) { s.Trunks = []int{0, 100, 204} }))
	if lost, _ := stop(); lost > 2 {
		t.Errorf("%d replies lost while a VLAN was added", lost)
	}
	if got := get("trunks"); got != "[0, 100, 204]" || get("_uuid") != id {
		t.Errorf("trunks %s, row %s and was %s", got, get("_uuid"), id)
	}
}

func TestNICGoesToAnotherBridge(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attachTo(provider())
	n.removed("br-p")
	n.attachTo(provider(func(s *Spec) { s.Name = "br-other" }))
	n.expectOf("in the other bridge", "br-other", "eth1", "br-other", "br-p")
	n.ping()
	n.removed("br-other")
	n.expectOf("back", "eth1", "eth1", "br-other", "br-p")
	n.ping()
}

// connection echoes lines between the far end and the node's address until the test ends.
func (n *node) connection() (say func(string)) {
	n.t.Helper()
	listener, err := net.Listen("tcp", "172.30.17.13:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffer := make([]byte, 100)
		for {
			count, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if _, err := conn.Write(buffer[:count]); err != nil {
				return
			}
		}
	}()
	var conn net.Conn
	kerneltest.In(n.t, n.far, func() {
		if conn, err = net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second); err != nil {
			n.t.Fatal(err)
		}
	})
	n.t.Cleanup(func() { _ = conn.Close() })
	return func(text string) {
		n.t.Helper()
		_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
		if _, err := conn.Write([]byte(text)); err != nil {
			n.t.Fatalf("%s: %v", text, err)
		}
		buffer := make([]byte, 100)
		count, err := conn.Read(buffer)
		if err != nil || string(buffer[:count]) != text {
			n.t.Fatalf("%s: got %q, %v", text, buffer[:count], err)
		}
	}
}

func TestConnectionSurvivesTheMove(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	say := n.connection()
	say("before")
	n.attachTo(provider())
	say("attached")
	n.removed("br-p")
	say("detached")
	n.attachTo(provider(exchanged))
	say("attached with names exchanged")
	n.removed("eth1")
	say("detached again")
}

func TestExchangeThereAndBack(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	for range 2 {
		for range 2 {
			n.attachTo(provider(exchanged))
			n.expectOf("exchanged", "eth1", "eth1", "br-p")
		}
		if kind("eth1") != "tuntap" || kind("br-p") != "veth" {
			t.Errorf("eth1 is a %s, br-p is a %s", kind("eth1"), kind("br-p"))
		}
		if got, err := n.manager.Bridges(); err != nil || len(got) != 1 || got["br-p"] != "eth1" {
			t.Errorf("bridges %v", got)
		}
		if got := n.vsctl("get", "bridge", "eth1", "external_ids:exchange-link-name"); strings.Trim(got, "\"\n") != "true" {
			t.Errorf("exchange-link-name is %s", got)
		}
		n.ping()
		n.removed("eth1")
		n.expectOf("removed", "eth1", "eth1", "br-p")
		n.expectVeth()
		n.ping()
	}
	t.Log("the object changes its mind")
	n.attachTo(provider())
	n.removed("br-p")
	n.attachTo(provider(exchanged))
	n.expectOf("exchanged", "eth1", "eth1", "br-p")
	n.removed("eth1")
	n.attachTo(provider())
	n.expectOf("not exchanged", "br-p", "eth1", "br-p")
	n.ping()
}

// expectVeth checks that eth1 is the NIC and that nothing reminds of another name.
func (n *node) expectVeth() {
	n.t.Helper()
	l, err := netlink.LinkByName("eth1")
	if err != nil {
		n.t.Fatal(err)
	}
	if l.Type() != "veth" || len(l.Attrs().AltNames) != 0 || l.Attrs().Name != "eth1" {
		n.t.Errorf("eth1 is %s, a %s, other names %v", l.Attrs().Name, l.Type(), l.Attrs().AltNames)
	}
}

func TestExchangeResumesAfterACrash(t *testing.T) {
	for name, harm := range map[string]func(*node){
		"marked": func(n *node) {
			kerneltest.Run(n.t, "ip", "link", "property", "add", "dev", "eth1", "altname", util.FormerNamePrefix+"eth1")
		},
		"renamed": func(n *node) {
			if _, err := n.manager.prepare(n.t.Context(), provider(exchanged), find(n.t, "eth1")); err != nil {
				n.t.Fatal(err)
			}
		},
		"bridge written, nothing moved": func(n *node) {
			s := provider(exchanged)
			nic, err := n.manager.prepare(n.t.Context(), s, find(n.t, "eth1"))
			if err != nil {
				n.t.Fatal(err)
			}
			if _, err := n.manager.vswitch.Apply(n.t.Context(), s.owner(), s.rows(nic.Attrs().HardwareAddr, nil)); err != nil {
				n.t.Fatal(err)
			}
		},
	} {
		t.Run(name+", and goes on", func(t *testing.T) {
			n := newNode(t)
			n.startVswitchd()
			harm(n)
			n.manager = New(n.manager.vswitch)
			n.attachTo(provider(exchanged))
			n.expectOf("resumed", "eth1", "eth1", "br-p")
			n.ping()
			n.removed("eth1")
			n.expectVeth()
		})
		t.Run(name+", and is not wanted any more", func(t *testing.T) {
			n := newNode(t)
			n.startVswitchd()
			harm(n)
			n.manager = New(n.manager.vswitch)
			for _, b := range n.manager.Names() {
				n.removed(b)
			}
			if err := n.manager.RestoreNames(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			n.expectOf("given back", "eth1", "eth1", "br-p")
			n.expectVeth()
			n.ping()
		})
	}
}

// A daemon that dies between the removal of the bridge and the renaming leaves a NIC that only its mark knows.
func TestNameComesBackAfterACrash(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	s := provider(exchanged)
	n.attachTo(s)
	if err := move(find(t, "eth1"), find(t, "br-p")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.manager.vswitch.Apply(t.Context(), s.owner(), nil); err != nil {
		t.Fatal(err)
	}
	n.manager = New(n.manager.vswitch)
	if err := n.manager.RestoreNames(t.Context(), []string{"br-p"}); err != nil || kind("br-p") != "veth" {
		t.Errorf("a NIC whose bridge is wanted was renamed: %v", err)
	}
	if err := n.manager.RestoreNames(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	n.expectVeth()
	n.expectOf("given back", "eth1", "eth1", "br-p")
}

// The machine was started again: the NIC has its old name, and the database knows the bridge of that name.
func TestExchangeAfterAReboot(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attachTo(provider(exchanged))
	n.stopVswitchd()
	before := n.stateOf("eth1")
	_ = netlink.LinkDel(find(t, "eth1")) // the tap goes with the kernel
	kerneltest.Run(t, "ip", "link", "property", "del", "dev", "br-p", "altname", util.FormerNamePrefix+"eth1")
	kerneltest.Run(t, "ip", "link", "set", "br-p", "name", "eth1")
	for _, a := range []string{"172.30.17.13/24", "fd00:17::13/64"} {
		kerneltest.AddAddr(t, "eth1", a)
	}
	n.startVswitchd()
	n.manager = New(n.manager.vswitch)
	kerneltest.Eventually(t, 15*time.Second, func() string {
		if err := n.manager.Attach(t.Context(), provider(exchanged)); err != nil {
			return err.Error()
		}
		return ""
	})
	if got := n.stateOf("eth1", "br-p"); !strings.HasPrefix(got, "eth1 172.30.17.13/24\neth1 fd00:17::13/64\n") || kind("br-p") != "veth" {
		t.Errorf("after a reboot:\n%s\nbefore it:\n%s", got, before)
	}
	n.ping()
}

func TestForeignBridgeIsLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		commands [][]string
		want     string
	}{
		"it holds the NIC": {
			[][]string{{"add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev"}, {"add-port", "br-ex", "eth1"}}, "not ours",
		},
		"it has our name": {
			[][]string{{"add-br", "br-p", "--", "set", "bridge", "br-p", "datapath_type=netdev"}}, "bridge br-p exists",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.startVswitchd()
			for _, c := range tc.commands {
				n.vsctl(c...)
			}
			kerneltest.Eventually(t, 5*time.Second, func() string {
				if o, ok := n.manager.vswitch.Get("Bridge", tc.commands[0][1]); !ok {
					return fmt.Sprintf("the client has not seen the bridge: %v", o)
				}
				return ""
			})
			before := n.vsctl("list-br") + n.vsctl("list", "port")
			for _, s := range []Spec{provider(), provider(exchanged), provider(func(s *Spec) { s.Dedicated = true })} {
				if s.Exchange && len(tc.commands) == 1 {
					continue // that one wants another name
				}
				err := n.manager.Attach(t.Context(), s)
				var refused *RefusedError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("want a refusal with %q, got %v", tc.want, err)
				}
			}
			if after := n.vsctl("list-br") + n.vsctl("list", "port"); after != before {
				t.Errorf("the database was\n%s\nand is\n%s", before, after)
			}
			n.expectVeth()
			n.expect("refused", "eth1")
		})
	}
}

func TestDedicatedNICKeepsItsAddresses(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	dedicated := provider(func(s *Spec) { s.Dedicated, s.Trunks = true, nil })
	for range 2 {
		n.attachTo(dedicated)
	}
	n.expectOf("dedicated", "eth1", "eth1", "br-p")
	if got, err := n.manager.Bridges(); err != nil || got["eth1"] != "br-p" {
		t.Errorf("NICs in bridges: %v", got)
	}
	t.Log("a provider network takes the bridge over, and lets go")
	n.attachTo(provider())
	n.expectOf("taken over", "br-p", "eth1", "br-p")
	n.ping()
	n.removed("br-p")
	n.expectOf("given back", "eth1", "eth1", "br-p")
	n.ping()
}

// The kernel of the tests has no VLAN devices; the name is all that matters here.
func TestVLANDevicesBecomePorts(t *testing.T) {
	n := newNode(t)
	kerneltest.Veth(t, "eth1.10", "peer10", netns.None())
	kerneltest.AddAddr(t, "eth1.10", "10.10.0.13/24")
	kerneltest.Run(t, "ip", "route", "add", "10.20.0.0/16", "via", "10.10.0.1")
	n.startVswitchd()
	s := provider(func(s *Spec) { s.VLANs = []VLANPort{{"br-p-vlan10", 10, "eth1.10"}} })
	for range 2 {
		n.attachTo(s)
	}
	if got, err := n.manager.Bridges(); err != nil || len(got) != 1 || got["eth1"] != "br-p" {
		t.Errorf("NICs in bridges: %v", got)
	}
	if got := strings.TrimSpace(n.vsctl("get", "port", "br-p-vlan10", "tag")); got != "10" {
		t.Errorf("tag %s", got)
	}
	want := "10.10.0.13/24\n10.10.0.0/24 proto kernel scope link src 10.10.0.13\n10.20.0.0/16 via 10.10.0.1"
	has := func(device, want string) {
		t.Helper()
		lines := strings.Split(content(t, device), "\n")
		slices.Sort(lines[min(1, len(lines)):])
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s has\n%s\nwant\n%s", device, got, want)
		}
	}
	has("br-p-vlan10", want)
	has("eth1.10", "")
	if find(t, "br-p-vlan10").Attrs().HardwareAddr.String() != find(t, "eth1.10").Attrs().HardwareAddr.String() {
		t.Error("the port has another MAC than the device")
	}
	n.expectOf("the NIC itself", "br-p", "eth1", "br-p")

	t.Log("not preserved any more")
	n.attachTo(provider())
	has("eth1.10", want)
	n.attachTo(s)
	has("br-p-vlan10", want)
	n.removed("br-p")
	has("eth1.10", want)
}

func TestCreateVLANDevice(t *testing.T) {
	n := newNode(t)
	_, err := n.manager.find(Spec{Name: "br-p", NIC: "eth1.10", CreateVLAN: "p"})
	if err != nil {
		if !strings.Contains(err.Error(), "the kernel has no VLAN devices") {
			t.Fatal(err)
		}
		t.Log(err)
	} else {
		if got := find(t, "eth1.10").Attrs().Alias; got != "kube-ovn:p" {
			t.Errorf("alias %q", got)
		}
		if err := n.manager.RemoveVLANs(nil); err != nil || kind("eth1.10") != "" {
			t.Errorf("the device stays: %v", err)
		}
	}
	if _, err := n.manager.find(Spec{Name: "br-p", NIC: "eth9.10", CreateVLAN: "p"}); !errors.As(err, &netlink.LinkNotFoundError{}) || !strings.Contains(err.Error(), "eth9") {
		t.Errorf("want LinkNotFoundError about eth9, got %v", err)
	}
}

func TestSplitVLAN(t *testing.T) {
	for name, want := range map[string]string{
		"eth0.10": "eth0 10", "eth0.1.20": "eth0.1 20", "eth0": "", "eth0.": "", ".5": "", "eth0.0": "", "eth0.4095": "", "eth0.010": "", "eth0.x": "",
	} {
		got := ""
		if base, id, ok := SplitVLAN(name); ok {
			got = fmt.Sprint(base, " ", id)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// somewhere are the addresses of all devices.
func somewhere(t *testing.T) string {
	t.Helper()
	all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(all)
}

// Whenever a daemon is stopped while it attaches, the next one finishes.
func TestAttachInterruptedAtAnyTime(t *testing.T) {
	for name, s := range map[string]Spec{"plain": provider(), "exchanged": provider(exchanged)} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.startVswitchd()
			interrupted := 0
			for _, after := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond} {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				if err := n.manager.Attach(ctx, s); err != nil {
					interrupted++
				}
				cancel()
				if got := somewhere(t); !strings.Contains(got, "172.30.17.13/24") || !strings.Contains(got, "fd00:17::13/64") {
					t.Fatalf("stopped after %v: the addresses are lost: %s", after, got)
				}
				n.manager = New(n.manager.vswitch)
			}
			if interrupted == 0 {
				t.Error("nothing was interrupted, the test proves nothing")
			}
			n.attachTo(s)
			n.expectOf("finished", s.Name, "eth1", "br-p")
			n.ping()
			n.removed(s.Name)
			n.expectOf("removed", "eth1", "eth1", "br-p")
			n.expectVeth()
		})
	}
}
