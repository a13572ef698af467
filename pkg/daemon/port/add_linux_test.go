package port

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// TestTwoPods is the whole way with every daemon real: two interfaces on one switch reach each other and their gateway in
// both families, and leave nothing behind.
func TestTwoPods(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	a, b := podSpec(t, 10), podSpec(t, 11)
	for _, s := range []Spec{a, b} {
		declare(node, s)
		mustAdd(t, m, s)
	}
	assertReaches(t, a, "10.1.0.11", "10.1.0.1", "fd00:1::b", "fd00:1::1")
	assertReaches(t, b, "10.1.0.10", "fd00:1::a")

	want := `cni_network=kube-ovn, container_id=cid-p10, iface-id=p10.default, ip="10.1.0.10,fd00:1::a"`
	if got := node.Vsctl("get", "interface", a.HostLink(), "external_ids"); !strings.Contains(got, want) {
		t.Errorf("external_ids %s, want %s", got, want)
	}
	link := in(t, a.Netns, "ip", "-d", "link", "show", "eth0")
	for _, want := range []string{"mtu 1400", "00:00:00:00:01:0a", "qlen 1000", "alias " + a.PodLink()} {
		if !strings.Contains(link, want) {
			t.Errorf("no %q in %s", want, link)
		}
	}
	routes := in(t, a.Netns, "ip", "route") + in(t, a.Netns, "ip", "-6", "route")
	for _, want := range []string{"default via 10.1.0.1 dev eth0", "10.1.0.0/24 dev eth0", "default via fd00:1::1 dev eth0", "fd00:1::/64 dev eth0"} {
		if !strings.Contains(routes, want) {
			t.Errorf("no %q in %s", want, routes)
		}
	}
	// The kernel's constants are as before the detection of conflicts.
	if got := in(t, a.Netns, "sysctl", "-n", "net.ipv6.conf.eth0.dad_transmits", "net.ipv6.conf.eth0.router_solicitation_delay",
		"net.ipv6.neigh.eth0.retrans_time_ms"); got != "1\n1\n1000\n" {
		t.Errorf("IPv6 settings of the pod %q", got)
	}
	for netns, dev := range map[string]string{a.Netns: "eth0", hostNetns: a.HostLink()} {
		features := in(t, netns, "ethtool", "-k", dev)
		for _, want := range []string{"tx-checksumming: off", "tx-tcp-segmentation: off", "tx-tcp6-segmentation: off", "generic-receive-offload: off"} {
			if !strings.Contains(features, want) {
				t.Errorf("%s: no %q in %s", dev, want, features)
			}
		}
	}
	for _, s := range []Spec{a, b, a} {
		must(t, m.Remove(testContext(t), s.ID))
	}
	assertNothingLeft(t, node)
}

// A pod with a second network, whose interface has the longest name there is, is probed for with the kernel's own timing,
// and leaves the default route to the first.
func TestTwoInterfaces(t *testing.T) {
	node := newNode(t)
	node.Switch("net2", "10.2.0.1/24", "fd00:2::1/64")
	m := newManager(t, node)
	first, second := podSpec(t, 12), podSpec(t, 12)
	second.Netns, second.IfName, second.DefaultRoute, second.FastDAD = first.Netns, "averylongname12", false, false
	second.IfaceID, second.Provider, second.Network = "p12.default.net2.ns1.ovn", "net2.ns1.ovn", "net2"
	second.MAC[3] = 2
	second.Addresses, second.CIDRs = prefixes("10.2.0.12/24", "fd00:2::c/64"), prefixes("10.2.0.0/24", "fd00:2::/64")
	second.CheckGateways, second.Routes = addrs("10.2.0.1", "fd00:2::1"), []Route{{netip.MustParsePrefix("10.3.0.0/16"), netip.MustParseAddr("10.2.0.1")}}
	declare(node, first)
	node.Port("net2", second.IfaceID, second.MAC.String()+" 10.2.0.12 fd00:2::c")
	mustAdd(t, m, first)
	mustAdd(t, m, second)
	assertReaches(t, first, "10.1.0.1", "fd00:1::1", "10.2.0.1", "fd00:2::1")
	got := in(t, first.Netns, "ip", "route")
	if strings.Count(got, "default") != 1 || !strings.Contains(got, "default via 10.1.0.1 dev eth0") || !strings.Contains(got, "10.3.0.0/16 via 10.2.0.1 dev averylongname12") {
		t.Errorf("routes %s", got)
	}
	must(t, m.Remove(testContext(t), second.ID))
	assertPorts(t, m, first)
	assertReaches(t, first, "10.1.0.1")
	if out, err := porttest.In(first.Netns, "ip", "link", "show", second.IfName); err == nil {
		t.Errorf("the pod keeps %s", out)
	}
}

// TestAddRollsBack fails an Add at each of its stages: the reason is told, and nothing of it is left.
func TestAddRollsBack(t *testing.T) {
	node := newNode(t)
	cfg := Config{Userspace: true, Background: t.Context(), InstallTimeout: 300 * time.Millisecond, GatewayTimeout: 300 * time.Millisecond}
	m := NewManager(node.Vswitch, cfg)
	thief := squatter(t, node, newManager(t, node))
	for name, c := range map[string]struct {
		spoil    func(*Spec)
		declared bool
		text     string
	}{
		"no logical port":      {func(*Spec) {}, false, "ovn-controller has not bound logical port"},
		"no namespace":         {func(s *Spec) { s.Netns = "/run/netns/none" }, true, "open network namespace /run/netns/none"},
		"no namespace at all":  {func(s *Spec) { s.Netns = "/proc/self/stat" }, true, "/proc/self/stat"},
		"the name is taken":    {func(s *Spec) { must(t, occupy(s.Netns)) }, true, "already has an interface eth0"},
		"a silent gateway":     {func(s *Spec) { s.CheckGateways = addrs("10.1.0.99") }, true, "gateway 10.1.0.99 of subnet net1 does not answer"},
		"a silent gateway, v6": {func(s *Spec) { s.CheckGateways = addrs("fd00:1::99") }, true, "gateway fd00:1::99 of subnet net1 does not answer"},
		"no patch port":        {func(s *Spec) { s.PatchPort = "patch-localnet.net1-to-br-int" }, true, "patch port patch-localnet.net1-to-br-int"},
		"an IPv4 address in use": {func(s *Spec) { s.Addresses[0] = netip.MustParsePrefix("10.1.0.66/24") }, true,
			"IP address 10.1.0.66 has already been used by host with MAC " + thief.MAC.String()},
		"an IPv6 address in use": {func(s *Spec) { s.Addresses[1] = netip.MustParsePrefix("fd00:1::66/64") }, true,
			"IP address fd00:1::66 has already been used by host with MAC " + thief.MAC.String()},
		"a default route that cannot be": {func(s *Spec) { s.Routes[0].Gateway = netip.MustParseAddr("224.0.0.1") }, true, "add route 0.0.0.0/0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := podSpec(t, 20)
			before := s.Netns
			c.spoil(&s)
			if c.declared {
				declare(node, s)
			}
			_, err := m.Add(testContext(t), s)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want an error with %q", err, c.text)
			}
			if name != "the name is taken" {
				if out, err := porttest.In(before, "ip", "link", "show", "eth0"); err == nil {
					t.Errorf("the pod keeps %s", out)
				}
			}
			node.Undeclare(s.IfaceID)
			if ports := m.Ports(); len(ports) != 1 || ports[0].ID != thief.ID {
				t.Errorf("ports left: %v", ports)
			}
		})
	}
	must(t, m.Remove(testContext(t), thief.ID))
	for _, link := range strings.Fields(in(t, hostNetns, "ip", "-br", "link", "show", "type", "veth")) {
		if strings.HasSuffix(link, "_h") {
			t.Errorf("device %s is left", link)
		}
	}
	if out := in(t, hostNetns, "nft", "list", "ruleset"); strings.Contains(out, "chain") {
		t.Errorf("chains left: %s", out)
	}
}

// occupy gives a namespace an eth0 of another plugin.
func occupy(netns string) error {
	return errors.Join(
		porttest.Exec("ip", "link", "add", "foreign0", "type", "veth", "peer", "name", "eth0", "netns", netns[strings.LastIndex(netns, "/")+1:]),
	)
}

// squatter is a machine that uses 10.1.0.66 and fd00:1::66, which OVN does not know of.
func squatter(t *testing.T, node *porttest.Node, m *Manager) Spec {
	t.Helper()
	s := podSpec(t, 60)
	node.Apply(ovs.LogicalSwitchPort{Switch: "net1", Name: s.IfaceID, Addresses: []string{"unknown"}})
	s.Addresses, s.Routes, s.CheckGateways = nil, nil, nil
	mustAdd(t, m, s)
	in(t, s.Netns, "ip", "addr", "add", "10.1.0.66/24", "dev", "eth0")
	in(t, s.Netns, "ip", "addr", "add", "fd00:1::66/64", "dev", "eth0", "nodad")
	return s
}

// A runtime that gives up ends the Add at once, and takes everything back although the context is over.
func TestAddCancelled(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	s := podSpec(t, 21)
	ctx, cancel := context.WithCancel(testContext(t))
	stop := time.AfterFunc(200*time.Millisecond, cancel)
	defer stop.Stop()
	if _, err := m.Add(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	assertNothingLeft(t, node)
}

// A second Add of an interface, after a daemon died in the first, starts over.
func TestAddAgain(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	s := podSpec(t, 22)
	declare(node, s)
	mustAdd(t, m, s)
	mustAdd(t, m, s)
	assertReaches(t, s, "10.1.0.1")
	must(t, m.Remove(testContext(t), s.ID))
	assertNothingLeft(t, node)
}

// A pod of a StatefulSet comes back under its name while the port of the dead one is still there.
func TestAddReplacesAStalePort(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	old, fresh := podSpec(t, 23), podSpec(t, 23)
	fresh.Container = "cid-again"
	declare(node, old)
	mustAdd(t, m, old)
	mustAdd(t, m, fresh)
	if ports := m.Ports(); len(ports) != 1 || ports[0].ID != fresh.ID {
		t.Errorf("ports %v, want the new one alone", ports)
	}
	assertReaches(t, fresh, "10.1.0.1", "fd00:1::1")
}

// One network attached twice, without annotations for each: the first interface keeps its port.
func TestAddRefusesAPortTwice(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	first, second := podSpec(t, 19), podSpec(t, 19)
	second.IfName, second.Netns = "net1", first.Netns
	declare(node, first)
	mustAdd(t, m, first)
	_, err := m.Add(testContext(t), second)
	var wrong *InvalidError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "interface eth0 of the pod already uses logical port p19.default") {
		t.Errorf("got %v, want a refusal", err)
	}
	assertPorts(t, m, first)
	assertReaches(t, first, "10.1.0.1")
}

// The node was run by a plugin that named ports by container ids: the pods it made are removed too, and nobody else's port.
func TestRemoveOld(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	for _, name := range []string{"0123456789ab_h", "01234567_net1_h", "fffffffffffe_h"} {
		in(t, hostNetns, "ip", "link", "add", name, "type", "veth", "peer", "name", strings.TrimSuffix(name, "_h")+"_c")
		t.Cleanup(func() { must(t, deleteLink(name)) })
		node.Vsctl("add-port", "br-int", name, "--", "set", "interface", name, "external_ids:vendor=kube-ovn", "external_ids:iface-id="+name)
	}
	node.Vsctl("remove", "interface", "01234567_net1_h", "external_ids", "vendor")
	eventually(t, func() error {
		if o, ok := m.vswitch.Get(interfaceTable, "01234567_net1_h"); !ok || o.ExternalIDs["vendor"] != "" {
			return errors.New("the client has not seen the ports yet")
		}
		return nil
	})
	for _, ifName := range []string{"eth0", "net1"} {
		must(t, m.Remove(testContext(t), ID{Container: "0123456789abcdef", IfName: ifName}))
	}
	if got := strings.Fields(node.Vsctl("list-ports", "br-int")); len(got) != 2 || got[0] != "01234567_net1_h" || got[1] != "fffffffffffe_h" {
		t.Errorf("ports %v, want the foreign one and the other container's", got)
	}
	node.Vsctl("del-port", "01234567_net1_h", "--", "del-port", "fffffffffffe_h")
}

// On the kernel datapath the kernel's own hooks do the work: no drop rule, no qdisc, offloads as they are.
func TestKernelDatapath(t *testing.T) {
	node := newNode(t)
	m := NewManager(node.Vswitch, Config{Background: t.Context()})
	s := podSpec(t, 18)
	s.QoS = QoS{EgressRate: 10}
	declare(node, s)
	mustAdd(t, m, s)
	assertReaches(t, s, "10.1.0.1")
	if out := in(t, hostNetns, "nft", "list", "ruleset"); strings.Contains(out, "chain") {
		t.Errorf("rules %s", out)
	}
	if out := in(t, s.Netns, "tc", "qdisc", "show", "dev", "eth0"); strings.Contains(out, "tbf") {
		t.Errorf("qdisc %s", out)
	}
	if out := in(t, s.Netns, "ethtool", "-k", "eth0"); !strings.Contains(out, "tx-checksumming: on") {
		t.Errorf("features %s", out)
	}
	if got := node.Vsctl("get", "interface", s.HostLink(), "ingress_policing_rate"); got != "10000\n" {
		t.Errorf("policing %q", got)
	}
	must(t, m.Remove(testContext(t), s.ID))
	assertNothingLeft(t, node)
}

// While the database is away an ADD fails with the reason, and what it made is gone; a DEL takes away what it can, and the
// rest when it is called again.
func TestDatabaseAway(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	there, late := podSpec(t, 16), podSpec(t, 17)
	for _, s := range []Spec{there, late} {
		declare(node, s)
	}
	mustAdd(t, m, there)
	node.StopDatabase()
	eventually(t, func() error {
		if _, err := m.Add(testContext(t), late); !errors.Is(err, ovs.ErrDisconnected) {
			return fmt.Errorf("ADD: got %w, want %w", err, ovs.ErrDisconnected)
		}
		return nil
	})
	if err := m.Remove(testContext(t), there.ID); !errors.Is(err, ovs.ErrDisconnected) {
		t.Errorf("DEL: got %v, want %v", err, ovs.ErrDisconnected)
	}
	if out := in(t, hostNetns, "ip", "-br", "link", "show", "type", "veth"); strings.TrimSpace(out) != "" {
		t.Errorf("devices left: %s", out)
	}
	node.StartDatabase()
	eventually(t, func() error { return m.Remove(testContext(t), there.ID) })
	assertNothingLeft(t, node)
}

func TestAddMany(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	var specs []Spec
	for n := 100; n < 120; n++ {
		specs = append(specs, podSpec(t, n))
		declare(node, specs[len(specs)-1])
	}
	var group sync.WaitGroup
	for _, s := range specs {
		group.Go(func() {
			if _, err := m.Add(testContext(t), s); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, s := range specs[1:] {
		assertReaches(t, specs[0], s.Addresses[0].Addr().String())
	}
	for _, s := range specs {
		group.Go(func() {
			if err := m.Remove(testContext(t), s.ID); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	assertNothingLeft(t, node)
}

// An interface without addresses gets its MAC and no answer is awaited.
func TestAddMACOnly(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	s := podSpec(t, 24)
	declare(node, s)
	s.Addresses, s.CIDRs, s.Gateways, s.Routes, s.CheckGateways = nil, nil, nil, nil, nil
	mustAdd(t, m, s)
	if out := in(t, s.Netns, "ip", "-4", "addr", "show", "eth0"); out != "" {
		t.Errorf("addresses %s", out)
	}
	if out := node.Vsctl("get", "interface", s.HostLink(), "external_ids"); strings.Contains(out, "ip=") {
		t.Errorf("external_ids %s", out)
	}
}

// The address of a machine that migrates is in use on both sides for a moment.
func TestAddMigrating(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	thief := squatter(t, node, m)
	s := podSpec(t, 25)
	s.Addresses = prefixes("10.1.0.66/24", "fd00:1::66/64")
	s.Migrating, s.Conflict, s.CheckGateways = true, announce.Timing{}, nil
	declare(node, s)
	mustAdd(t, m, s)
	for _, s := range []Spec{s, thief} {
		must(t, m.Remove(testContext(t), s.ID))
	}
	assertNothingLeft(t, node)
}

// A gateway outside the subnet, and a route that the kernel refuses, which costs nothing but itself.
func TestAddRoutes(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	s := podSpec(t, 26)
	declare(node, s)
	s.Routes = append(s.Routes,
		Route{netip.MustParsePrefix("172.16.0.0/16"), netip.MustParseAddr("169.254.1.1")},
		Route{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParseAddr("224.0.0.1")},
		Route{netip.MustParsePrefix("172.18.0.0/16"), netip.Addr{}})
	mustAdd(t, m, s)
	got := in(t, s.Netns, "ip", "route")
	for _, want := range []string{"172.16.0.0/16 via 169.254.1.1 dev eth0 onlink", "172.18.0.0/16 dev eth0 scope link"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "172.17") {
		t.Errorf("an impossible route in %s", got)
	}
}

// Another plugin makes the interface and its default route; ours has to make room.
func TestAddForAnotherPlugin(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	first, second := podSpec(t, 27), podSpec(t, 28)
	declare(node, first)
	mustAdd(t, m, first)
	second.Netns, second.IfName, second.IPAMOnly = first.Netns, "net1", true
	second.Routes = second.Routes[:1]
	mustAdd(t, m, second)
	if got := in(t, first.Netns, "ip", "route"); strings.Contains(got, "default") {
		t.Errorf("the IPv4 default route is still there: %s", got)
	}
	if got := in(t, first.Netns, "ip", "-6", "route"); !strings.Contains(got, "default via fd00:1::1") {
		t.Errorf("the IPv6 default route is gone: %s", got)
	}
	if ports := m.Ports(); len(ports) != 1 {
		t.Errorf("ports %v", ports)
	}
}

// The node has an address of the pods' network: its own stack must not answer for it, nor for pings to the gateway a second time.
func TestShield(t *testing.T) {
	node := newNode(t)
	m := newManager(t, node)
	s := podSpec(t, 29)
	declare(node, s)
	in(t, hostNetns, "ip", "addr", "add", "10.1.0.200/32", "dev", "lo")
	t.Cleanup(func() { in(t, hostNetns, "ip", "addr", "del", "10.1.0.200/32", "dev", "lo") })
	mustAdd(t, m, s)
	ruleset := in(t, hostNetns, "nft", "list", "ruleset")
	for _, want := range []string{"table netdev kube-ovn", "chain drop-" + s.HostLink(), "policy drop"} {
		if !strings.Contains(ruleset, want) {
			t.Errorf("no %q in %s", want, ruleset)
		}
	}
	if out, err := porttest.In(s.Netns, "ping", "-c", "1", "-W", "1", "10.1.0.200"); err == nil {
		t.Errorf("the node's own stack answered: %s", out)
	}
	assertReaches(t, s, "10.1.0.1")
}
