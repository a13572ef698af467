package port

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func TestMain(m *testing.M) { porttest.Main(m) }

// newNode starts a node with switch net1, 10.1.0.0/24 and fd00:1::/64, whose router answers at .1.
func newNode(t testing.TB) *porttest.Node {
	t.Helper()
	node := porttest.NewNode(t)
	node.Switch("net1", "10.1.0.1/24", "fd00:1::1/64")
	return node
}

// podSpec is a dual-stack pod on net1: number n has 10.1.0.n, fd00:1::n and a MAC that ends in n.
func podSpec(t testing.TB, n int) Spec {
	t.Helper()
	mac, err := net.ParseMAC(fmt.Sprintf("00:00:00:00:01:%02x", n))
	must(t, err)
	name := fmt.Sprintf("p%d", n)
	gw4, gw6 := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00:1::1")
	return Spec{
		ID: ID{Container: "cid-" + name, IfName: "eth0"}, Netns: porttest.NewNetns(t), Namespace: "default", Pod: name, PodUID: "uid-" + name,
		Network: "kube-ovn", Provider: "ovn", Subnet: "net1", IfaceID: name + ".default", MAC: mac, MTU: 1400,
		Addresses: prefixes(fmt.Sprintf("10.1.0.%d/24", n), fmt.Sprintf("fd00:1::%x/64", n)),
		CIDRs:     prefixes("10.1.0.0/24", "fd00:1::/64"),
		Gateways:  []netip.Addr{gw4, gw6}, DefaultRoute: true,
		Routes:        []Route{{netip.MustParsePrefix("0.0.0.0/0"), gw4}, {netip.MustParsePrefix("::/0"), gw6}},
		CheckGateways: []netip.Addr{gw4, gw6}, Conflict: announce.Local(), FastDAD: true,
	}
}

// declare makes the logical port that a specification needs.
func declare(node *porttest.Node, s Spec) {
	text := s.MAC.String()
	for _, a := range s.Addresses {
		text += " " + a.Addr().String()
	}
	node.Port("net1", s.IfaceID, text)
}

func newManager(t testing.TB, node *porttest.Node) *Manager {
	t.Helper()
	m := NewManager(node.Vswitch, Config{Userspace: true, Background: t.Context()})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := m.Sweep(ctx, func(Port) bool { return true }); err != nil {
			t.Error(err)
		}
	})
	return m
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustAdd makes an interface.
func mustAdd(t testing.TB, m *Manager, s Spec) {
	t.Helper()
	_, err := m.Add(testContext(t), s)
	must(t, err)
}

// in runs a command in a namespace.
func in(t testing.TB, netns string, args ...string) string {
	t.Helper()
	out, err := porttest.In(netns, args[0], args[1:]...)
	must(t, err)
	return out
}

const hostNetns = "/proc/self/ns/net"

// assertReaches pings from a pod.
func assertReaches(t testing.TB, s Spec, targets ...string) {
	t.Helper()
	for _, target := range targets {
		out, err := porttest.In(s.Netns, "ping", "-c", "2", "-i", "0.1", "-W", "2", target)
		if err != nil || strings.Contains(out, "DUP!") {
			t.Errorf("%s to %s: %v\n%s", s.Pod, target, err, out)
		}
	}
}

// assertNothingLeft looks at the database, the node's devices and nftables.
func assertNothingLeft(t testing.TB, node *porttest.Node) {
	t.Helper()
	for table, column := range map[string]string{"interface": "name", "port": "name", "qos": "_uuid", "queue": "_uuid"} {
		out := strings.Fields(node.Vsctl("--bare", "--columns="+column, "list", table))
		if len(out) > 1 || len(out) == 1 && out[0] != "br-int" {
			t.Errorf("rows of table %s left: %v", table, out)
		}
	}
	if out := in(t, hostNetns, "ip", "-br", "link", "show", "type", "veth"); strings.TrimSpace(out) != "" {
		t.Errorf("devices left: %s", out)
	}
	if out := in(t, hostNetns, "nft", "list", "ruleset"); strings.Contains(out, "chain") {
		t.Errorf("chains left: %s", out)
	}
}
