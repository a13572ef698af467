package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// node is a namespace with eth1, its neighbour "far" in another one, and a real Open vSwitch.
type node struct {
	t        *testing.T
	far      netns.NsHandle
	server   *ovstest.Server
	manager  *Manager
	vswitchd *exec.Cmd
}

var spec = Spec{Name: "br-phy", NIC: "eth1", Userspace: true}

func newNode(t *testing.T) *node {
	t.Helper()
	kerneltest.NewNetns(t)
	n := &node{t: t, far: kerneltest.Second(t), server: ovstest.Start(t, ovs.OpenVSwitchDB)}
	kerneltest.Veth(t, "eth1", "far", n.far)
	kerneltest.AddAddr(t, "eth1", "172.30.17.13/24")
	kerneltest.AddAddr(t, "eth1", "fd00:17::13/64")
	kerneltest.Run(t, "ip", "route", "add", "10.99.0.0/16", "via", "172.30.17.1", "src", "172.30.17.13")
	kerneltest.Run(t, "ip", "route", "add", "10.98.0.0/16", "dev", "eth1", "metric", "50")
	kerneltest.Run(t, "ip", "route", "add", "fd99::/64", "via", "fd00:17::1")
	kerneltest.In(t, n.far, func() {
		// The neighbour's checksums must be on the wire, as any real NIC would send them.
		kerneltest.Run(t, "ethtool", "-K", "far", "tx", "off")
		kerneltest.AddAddr(t, "far", "172.30.17.1/24")
		kerneltest.AddAddr(t, "far", "fd00:17::1/64")
	})
	n.vsctl("--no-wait", "init")
	n.manager = New(n.server.Connect(t))
	return n
}

func (n *node) vsctl(args ...string) string {
	n.t.Helper()
	return kerneltest.Run(n.t, append([]string{"ovs-vsctl", "--db=" + n.server.Endpoint, "--timeout=10"}, args...)...)
}

// startVswitchd runs the daemon in the test's namespace until the test ends or stopVswitchd.
func (n *node) startVswitchd() {
	n.t.Helper()
	dir := n.t.TempDir()
	cmd := exec.Command("ovs-vswitchd", n.server.Endpoint, "--disable-system", "--no-chdir", "-vconsole:off",
		"--log-file="+filepath.Join(dir, "log"), "--unixctl="+filepath.Join(dir, "ctl"))
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+dir)
	if err := cmd.Start(); err != nil {
		n.t.Fatalf("start ovs-vswitchd: %v", err)
	}
	n.vswitchd = cmd
	n.t.Cleanup(n.stopVswitchd)
}

func (n *node) stopVswitchd() {
	if n.vswitchd != nil {
		_ = n.vswitchd.Process.Kill()
		_ = n.vswitchd.Wait()
		n.vswitchd = nil
	}
}

// state prints addresses and routes of the two devices, link-local ones left out.
func (n *node) state() string {
	n.t.Helper()
	return n.stateOf("eth1", "br-phy")
}

func (n *node) stateOf(devices ...string) string {
	n.t.Helper()
	var out []string
	for _, name := range devices {
		link, err := netlink.LinkByName(name)
		if err != nil {
			continue
		}
		addrs, err := movable(link)
		if err != nil {
			n.t.Fatal(err)
		}
		for _, a := range addrs {
			out = append(out, fmt.Sprintf("%s %s", name, a.IPNet))
		}
		for _, family := range []string{"-4", "-6"} {
			for line := range strings.Lines(kerneltest.Run(n.t, "ip", family, "route", "show", "dev", name)) {
				if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, "fe80") {
					out = append(out, name+" route "+strings.NewReplacer(" pref medium", "", " linkdown", "").Replace(line))
				}
			}
		}
	}
	return strings.Join(out, "\n")
}

func on(device string) string {
	return strings.ReplaceAll(`DEV 172.30.17.13/24
DEV fd00:17::13/64
DEV route 10.98.0.0/16 scope link metric 50
DEV route 10.99.0.0/16 via 172.30.17.1 src 172.30.17.13
DEV route 172.30.17.0/24 proto kernel scope link src 172.30.17.13
DEV route fd00:17::/64 proto kernel metric 256
DEV route fd99::/64 via fd00:17::1 metric 1024`, "DEV", device)
}

func (n *node) expect(what, device string) {
	n.t.Helper()
	if got := n.state(); got != on(device) {
		n.t.Errorf("%s: got\n%s\nwant\n%s", what, got, on(device))
	}
}

// pingers sends from the far end to both addresses, which answer when it returns, until stop, which returns how many replies
// are missing or came twice.
func (n *node) pingers() (stop func() (lost, twice int)) {
	n.t.Helper()
	var cmds []*exec.Cmd
	var outs []*replies
	kerneltest.In(n.t, n.far, func() {
		for _, target := range []string{"172.30.17.13", "fd00:17::13"} {
			cmd, out := exec.Command("ping", "-i", "0.02", target), &replies{came: make(chan struct{})}
			cmd.Stdout = out
			if err := cmd.Start(); err != nil {
				n.t.Fatal(err)
			}
			cmds, outs = append(cmds, cmd), append(outs, out)
		}
	})
	for i, out := range outs {
		select {
		case <-out.came:
		case <-time.After(10 * time.Second):
			_ = cmds[i].Process.Kill()
			_ = cmds[i].Wait()
			n.t.Fatalf("ping is not answered:\n%s", out.String())
		}
	}
	return func() (lost, twice int) {
		n.t.Helper()
		for i, cmd := range cmds {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
			m := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindStringSubmatch(outs[i].String())
			if m == nil {
				n.t.Fatalf("ping said nothing:\n%s", outs[i].String())
			}
			var sent, received int
			fmt.Sscan(m[1], &sent)
			fmt.Sscan(m[2], &received)
			lost += sent - received
			twice += strings.Count(outs[i].String(), "DUP!")
		}
		return lost, twice
	}
}

// replies are what ping has written; came is closed at the first one.
type replies struct {
	strings.Builder
	came chan struct{}
}

func (r *replies) Write(text []byte) (int, error) {
	first := !strings.Contains(r.String(), "bytes from")
	n, err := r.Builder.Write(text)
	if first && strings.Contains(r.String(), "bytes from") {
		close(r.came)
	}
	return n, err
}

func (n *node) ping() {
	n.t.Helper()
	kerneltest.In(n.t, n.far, func() {
		for _, target := range []string{"172.30.17.13", "fd00:17::13"} {
			out := kerneltest.Run(n.t, "ping", "-c", "3", "-i", "0.1", "-W", "2", target)
			if strings.Contains(out, "DUP!") || !strings.Contains(out, " 3 received") {
				n.t.Errorf("ping %s:\n%s", target, out)
			}
		}
	})
}

// transfer sends a megabyte by TCP from the far end, which fails when checksums are left to hardware.
func (n *node) transfer() {
	n.t.Helper()
	listener, err := net.Listen("tcp", "172.30.17.13:0")
	if err != nil {
		n.t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer conn.Close()
		count, _ := io.Copy(io.Discard, conn)
		received <- count
	}()
	kerneltest.In(n.t, n.far, func() {
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
		if err != nil {
			n.t.Fatalf("connect: %v", err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
			n.t.Errorf("send: %v", err)
		}
	})
	select {
	case count := <-received:
		if count != 1<<20 {
			n.t.Errorf("received %d bytes of %d", count, 1<<20)
		}
	case <-time.After(15 * time.Second):
		n.t.Error("the transfer does not end")
	}
}

func (n *node) attach() {
	n.t.Helper()
	if err := n.manager.Attach(n.t.Context(), spec); err != nil {
		n.t.Fatal(err)
	}
}

func TestAttachAndDetach(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.expect("before", "eth1")
	n.ping()

	stop := n.pingers()
	n.attach()
	n.expect("attached", "br-phy")
	kerneltest.Eventually(t, 5*time.Second, func() string {
		if port := kerneltest.Run(t, "ip", "neigh", "show", "dev", "br-phy"); !strings.Contains(port, "lladdr") {
			return "no neighbour answered through the bridge: " + port
		}
		return ""
	})
	lost, twice := stop()
	t.Logf("while attaching: %d replies lost, %d doubled", lost, twice)
	if lost > 50 {
		t.Errorf("%d replies lost: one second at most", lost)
	}
	n.ping()
	n.transfer()

	n.attach()
	n.expect("attached again", "br-phy")
	if got, err := n.manager.Bridges(); err != nil || len(got) != 1 || got["eth1"] != "br-phy" {
		t.Errorf("ports of our bridges: %v, %v", got, err)
	}
	if dropped, err := ingress.Dropped("eth1"); err != nil || !dropped {
		t.Errorf("the host still hears eth1: %v", err)
	}

	if err := n.manager.Detach(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	kerneltest.Eventually(t, 5*time.Second, func() string {
		if _, err := netlink.LinkByName("br-phy"); err == nil {
			return "vswitchd has not removed the bridge's device"
		}
		return ""
	})
	n.expect("detached", "eth1")
	n.ping()
	if got := n.vsctl("list-br"); got != "" {
		t.Errorf("bridges left: %s", got)
	}
	if err := n.manager.Detach(t.Context(), spec); err != nil {
		t.Errorf("detach again: %v", err)
	}
}

func TestAttachResumesAfterACrash(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	// What a daemon leaves that died after it had copied one address and one route.
	nic, err := netlink.LinkByName("eth1")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := movable(nic)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.manager.vswitch.Apply(t.Context(), spec.owner(), spec.rows(nic.Attrs().HardwareAddr, addresses)); err != nil {
		t.Fatal(err)
	}
	if err := n.manager.waitOpen(t.Context(), "br-phy"); err != nil {
		t.Fatal(err)
	}
	kerneltest.Run(t, "ip", "link", "set", "br-phy", "up")
	kerneltest.Run(t, "ip", "addr", "add", "172.30.17.13/24", "dev", "br-phy")
	kerneltest.Run(t, "ip", "route", "replace", "10.98.0.0/16", "dev", "br-phy", "metric", "50")
	n.attach()
	n.expect("resumed", "br-phy")
	n.ping()
}

func TestAttachedNICSurvivesVswitchd(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attach()
	n.stopVswitchd()
	n.expect("vswitchd is dead", "br-phy")
	n.startVswitchd()
	kerneltest.Eventually(t, 10*time.Second, func() string {
		if err := n.manager.Attach(t.Context(), spec); err != nil {
			return err.Error()
		}
		return ""
	})
	kerneltest.Eventually(t, 10*time.Second, func() string {
		if out := kerneltest.Run(t, "ip", "link", "show", "br-phy"); strings.Contains(out, "NO-CARRIER") {
			return "vswitchd does not open the tap again: " + out
		}
		return ""
	})
	n.expect("vswitchd is back", "br-phy")
	n.ping()

	// A tap that was made anew has nothing; the bridge's row remembers.
	kerneltest.Run(t, "ip", "addr", "flush", "dev", "br-phy", "scope", "global")
	n.attach()
	if got := n.state(); !strings.Contains(got, "br-phy 172.30.17.13/24\nbr-phy fd00:17::13/64") {
		t.Errorf("addresses are lost:\n%s", got)
	}
	n.ping()
}

// A DHCP client keeps working on the NIC: what it configures there moves on, and only that family is replaced.
func TestNewAddressOnTheNIC(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attach()
	kerneltest.AddAddr(t, "eth1", "172.30.17.99/24")
	n.attach()
	if got := n.state(); !strings.HasPrefix(got, "br-phy 172.30.17.99/24\nbr-phy fd00:17::13/64\n") {
		t.Errorf("after a new address:\n%s", got)
	}
	t.Log("the same address again, as a renewal gives it")
	kerneltest.AddAddr(t, "eth1", "172.30.17.99/24")
	n.attach()
	if got := n.state(); !strings.HasPrefix(got, "br-phy 172.30.17.99/24\nbr-phy fd00:17::13/64\n") {
		t.Errorf("after a renewal:\n%s", got)
	}
	kerneltest.In(t, n.far, func() {
		kerneltest.Run(t, "ping", "-c", "3", "-i", "0.1", "-W", "2", "172.30.17.99")
	})
}

func TestAnotherNIC(t *testing.T) {
	n := newNode(t)
	kerneltest.Veth(t, "eth2", "far2", n.far)
	kerneltest.AddAddr(t, "eth2", "172.30.18.13/24")
	n.startVswitchd()
	n.attach()
	other := spec
	other.NIC = "eth2"
	if err := n.manager.Attach(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got := kerneltest.Run(t, "ip", "-br", "-4", "addr", "show", "dev", "br-phy"); !strings.Contains(got, "172.30.18.13/24") || strings.Contains(got, "172.30.17") {
		t.Errorf("addresses of the bridge: %s", got)
	}
	if got := kerneltest.Run(t, "ip", "-br", "-4", "addr", "show", "dev", "eth1"); !strings.Contains(got, "172.30.17.13/24") {
		t.Errorf("the first NIC did not get its address back: %s", got)
	}
	n.ping()
}

func TestBridgeRemovedBySomebody(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attach()
	n.vsctl("del-br", "br-phy")
	kerneltest.Eventually(t, 5*time.Second, func() string {
		if _, err := netlink.LinkByName("br-phy"); err == nil {
			return "vswitchd has not removed the bridge's device"
		}
		return ""
	})
	if got := n.manager.Lost("eth1"); len(got) != 2 {
		t.Errorf("remembered for eth1: %v", got)
	}
	n.attach()
	if got := n.state(); !strings.HasPrefix(got, "br-phy 172.30.17.13/24\nbr-phy fd00:17::13/64\n") {
		t.Errorf("the addresses are lost:\n%s", got)
	}
	n.ping()
	if err := n.manager.Detach(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if got := n.manager.Lost("eth1"); got != nil {
		t.Errorf("a NIC that has its addresses back lost none: %v", got)
	}
}

func TestAttachWithoutVswitchdGoesBack(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := n.manager.Attach(ctx, spec)
	if err == nil || !strings.Contains(err.Error(), "vswitchd has not opened br-phy") {
		t.Errorf("want an error that names vswitchd, got %v", err)
	}
	n.expect("after the failure", "eth1")
	n.ping()
	if got := n.vsctl("list-br"); got != "" {
		t.Errorf("bridges left: %s", got)
	}
}

// A database that is away must not make the daemon take apart what works.
func TestAttachedNICStaysWhileTheDatabaseIsAway(t *testing.T) {
	n := newNode(t)
	n.startVswitchd()
	n.attach()
	n.server.Stop(t)
	kerneltest.Eventually(t, 5*time.Second, func() string {
		if err := n.manager.Attach(t.Context(), spec); !errors.Is(err, ovs.ErrDisconnected) {
			return fmt.Sprintf("want ErrDisconnected, got %v", err)
		}
		return ""
	})
	n.expect("database away", "br-phy")
	// The userspace datapath forwards nothing meanwhile: vswitchd polls its ports in the loop that waits for the database.
	n.server.Restart(t)
	kerneltest.Eventually(t, 20*time.Second, func() string {
		if err := n.manager.Attach(t.Context(), spec); err != nil {
			return err.Error()
		}
		return ""
	})
	kerneltest.Eventually(t, 10*time.Second, func() (wrong string) {
		kerneltest.In(t, n.far, func() {
			if out, err := exec.Command("ping", "-c", "1", "-W", "1", "172.30.17.13").CombinedOutput(); err != nil {
				wrong = string(out)
			}
		})
		return wrong
	})
	n.expect("database back", "br-phy")
	n.ping()
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(n *node)
		spec    Spec
		reason  string
	}{
		"default route": {func(n *node) { kerneltest.Run(n.t, "ip", "route", "add", "default", "via", "172.30.17.1") }, spec, "default route"},
		"IPv6 default route": {
			func(n *node) { kerneltest.Run(n.t, "ip", "route", "add", "default", "via", "fd00:17::1") }, spec, "default route",
		},
		"API server": {
			func(*node) {}, Spec{Name: "br-phy", NIC: "eth1", Userspace: true, Protected: []netip.Addr{netip.MustParseAddr("10.99.0.1")}}, "10.99.0.1",
		},
		"loopback": {func(*node) {}, Spec{Name: "br-phy", NIC: "lo", Userspace: true}, "loopback"},
		"bridged": {
			func(n *node) {
				kerneltest.Run(n.t, "ip", "link", "add", "br0", "type", "bridge")
				kerneltest.Run(n.t, "ip", "link", "set", "eth1", "master", "br0")
			}, spec, "br0",
		},
		"another bridge of ours": {
			func(n *node) {
				n.startVswitchd()
				n.attach()
			}, Spec{Name: "br-other", NIC: "eth1", Userspace: true}, "br-phy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			tc.prepare(n)
			before := n.state()
			err := n.manager.Attach(t.Context(), tc.spec)
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason, tc.reason) {
				t.Errorf("want a refusal because of %q, got %v", tc.reason, err)
			}
			if got := n.state(); got != before {
				t.Errorf("a refusal changed\n%s\nto\n%s", before, got)
			}
		})
	}
}

func TestMissingNIC(t *testing.T) {
	n := newNode(t)
	err := n.manager.Attach(t.Context(), Spec{Name: "br-phy", NIC: "eth7"})
	if !errors.As(err, &netlink.LinkNotFoundError{}) || !strings.Contains(err.Error(), "eth7") {
		t.Errorf("want LinkNotFoundError with the name, got %v", err)
	}
}
