package port

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func TestMain(m *testing.M) { porttest.Main(m) }

// testSpec is a dual-stack interface on switch net1.
func testSpec(t testing.TB, container, pod, v4, v6, mac string) Spec {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	gw4, gw6 := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00:1::1")
	return Spec{
		ID: ID{Container: container, IfName: "eth0"}, Netns: porttest.NewNetns(t), Namespace: "default", Pod: pod, PodUID: "uid-" + pod,
		Network: "kube-ovn", Provider: "ovn", Subnet: "net1", IfaceID: pod + ".default", MAC: hw, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix(v4 + "/24"), netip.MustParsePrefix(v6 + "/64")},
		CIDRs:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00:1::/64")},
		Gateways:  []netip.Addr{gw4, gw6}, DefaultRoute: true,
		Routes:        []Route{{netip.MustParsePrefix("0.0.0.0/0"), gw4}, {netip.MustParsePrefix("::/0"), gw6}},
		CheckGateways: []netip.Addr{gw4, gw6}, FastDAD: true,
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestTwoPods is the whole way with every daemon real: two interfaces on one switch reach each other and their gateway, check
// out, and leave nothing behind.
func TestTwoPods(t *testing.T) {
	node := porttest.NewNode(t)
	node.Switch("net1", "10.1.0.1/24", "fd00:1::1/64")
	node.Port("net1", "a.default", "00:00:00:00:01:0a 10.1.0.10 fd00:1::10")
	node.Port("net1", "b.default", "00:00:00:00:01:0b 10.1.0.11 fd00:1::11")
	m := NewManager(node.Vswitch, Config{Userspace: true, Background: t.Context()})
	a := testSpec(t, "cid-a", "a", "10.1.0.10", "fd00:1::10", "00:00:00:00:01:0a")
	b := testSpec(t, "cid-b", "b", "10.1.0.11", "fd00:1::11", "00:00:00:00:01:0b")
	a.Conflict, b.Conflict = announce.Local(), announce.Local()
	ctx := testContext(t)
	for _, s := range []Spec{a, b} {
		start := time.Now()
		waited, err := m.Add(ctx, s)
		must(t, err)
		t.Logf("ADD took %s, of it %s waiting", time.Since(start), waited)
	}
	for _, target := range []string{"10.1.0.11", "10.1.0.1", "fd00:1::11", "fd00:1::1"} {
		if _, err := porttest.In(a.Netns, "ping", "-c", "2", "-i", "0.1", "-W", "2", target); err != nil {
			t.Error(err)
		}
	}
	t.Log(node.Vsctl("--columns=name,external_ids", "list", "interface", a.HostLink()))
	for _, s := range []Spec{a, b} {
		must(t, m.Remove(ctx, s.ID))
		must(t, m.Remove(ctx, s.ID))
	}
	assertNothingLeft(t, node)
}

// assertNothingLeft looks at the database, the node's devices and nftables.
func assertNothingLeft(t *testing.T, node *porttest.Node) {
	t.Helper()
	if out := strings.Fields(node.Vsctl("--bare", "--columns=name", "list", "port")); len(out) != 1 || out[0] != "br-int" {
		t.Errorf("ports left: %v", out)
	}
	for _, table := range []string{"qos", "queue"} {
		if out := node.Vsctl("--bare", "--columns=_uuid", "list", table); strings.TrimSpace(out) != "" {
			t.Errorf("%s left: %s", table, out)
		}
	}
	links, err := porttest.In("/proc/self/ns/net", "ip", "-br", "link", "show", "type", "veth")
	must(t, err)
	if strings.TrimSpace(links) != "" {
		t.Errorf("veth left: %s", links)
	}
	rules, err := porttest.In("/proc/self/ns/net", "nft", "list", "ruleset")
	must(t, err)
	if strings.Contains(rules, "chain") {
		t.Errorf("chains left: %s", rules)
	}
}

var _ = errors.Is
var _ = os.Args
