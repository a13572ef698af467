package start

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// TestUninstall builds a node with what the network makes there, and things that belong to others, and cleans it.
func TestUninstall(t *testing.T) {
	needs(t, "ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "nft", "xtables-nft-multi")
	root := t.TempDir()
	write := func(path string) string {
		t.Helper()
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := []string{write("etc/cni/net.d/10-other.conflist"), write("opt/cni/bin/loopback"), write("etc/origin/other"), write("var/log/syslog")}
	for _, path := range []string{"etc/cni/net.d/01-kube-ovn.conflist", "opt/cni/bin/kube-ovn", "usr/local/bin/kubectl-ko",
		"etc/origin/ovn/ovnnb_db.db", "run/ovn/ovnnb_db.sock", "var/log/openvswitch/ovs-vswitchd.log", "var/log/ovn/x", "var/log/kube-ovn/x"} {
		write(path)
	}

	makeBridges(t, newSettings(t, map[string]string{"NODE_NAME": "node1", "OVN_DB_IPS": "127.0.0.1", "DATAPATH": "netdev",
		"OVS_DBDIR": filepath.Join(root, "etc/origin/openvswitch"), "OVS_RUNDIR": filepath.Join(root, "run/openvswitch")}))
	for _, set := range []string{"ovn40subnets", "ovn60services", "theirs"} {
		if err := netlink.IpsetCreate(set, "hash:net", netlink.IpsetCreateOptions{Family: 2}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = netlink.IpsetDestroy("theirs") })
	if err := runInput(t.Context(), rules, "xtables-nft-multi", "iptables-restore"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = run(context.WithoutCancel(t.Context()), "nft", "flush", "ruleset") })
	if err := runInput(t.Context(), "table netdev kube-ovn {}\ntable inet theirs {}\n", "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	mark := uint32(0x90003)
	rule := netlink.NewRule()
	rule.Mark, rule.Mask, rule.Table = mark, &mark, tproxyTable
	if err := netlink.RuleAdd(rule); err != nil {
		t.Fatal(err)
	}

	environment := settings{"HOST_ROOT": root}
	for _, which := range []string{"first", "second"} { // the second finds nothing and is content
		if err := Uninstall(t.Context(), environment.get); err != nil {
			t.Fatalf("%s run: %v", which, err)
		}
	}

	checkLinks(t)
	for _, path := range foreign {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a foreign file is gone: %v", err)
		}
	}
	var left []string
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, _ error) error {
		if !d.IsDir() && !slices.Contains(foreign, path) {
			left = append(left, path)
		}
		return nil
	})
	if len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
	saved := tool(t, "xtables-nft-multi", "iptables-save")
	for _, ours := range []string{"OVN-", "ovn40", "ovn-subnet-gateway", "6081"} {
		if strings.Contains(saved, ours) {
			t.Errorf("rules left with %s:\n%s", ours, saved)
		}
	}
	for _, theirs := range []string{"-A FORWARD -s 192.0.2.0/24 -j DROP", "-A KUBE-SERVICES -j RETURN", "-A PREROUTING -j KUBE-SERVICES", "theirs"} {
		if !strings.Contains(saved, theirs) {
			t.Errorf("a foreign rule is gone: %s\n%s", theirs, saved)
		}
	}
	if tables := tool(t, "nft", "list", "tables"); strings.Contains(tables, "kube-ovn") || !strings.Contains(tables, "inet theirs") {
		t.Errorf("nft tables:\n%s", tables)
	}
	sets, err := netlink.IpsetListAll()
	if err != nil || len(sets) != 1 || sets[0].SetName != "theirs" {
		t.Errorf("ip sets left: %v, %v", sets, err)
	}
	routing, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil || slices.ContainsFunc(routing, func(r netlink.Rule) bool { return r.Table == tproxyTable }) {
		t.Errorf("routing rules left: %v, %v", routing, err)
	}
}

const rules = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:OVN-PREROUTING - [0:0]
:OVN-POSTROUTING - [0:0]
:OVN-MASQUERADE - [0:0]
-A PREROUTING -m comment --comment "kube-ovn prerouting rules" -j OVN-PREROUTING
-A PREROUTING -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kube-ovn postrouting rules" -j OVN-POSTROUTING
-A KUBE-SERVICES -j RETURN
-A OVN-POSTROUTING -m set --match-set ovn40subnets src -j OVN-MASQUERADE
-A OVN-MASQUERADE -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m set --match-set ovn40subnets src -j ACCEPT
-A INPUT -m set --match-set theirs src -j ACCEPT
-A FORWARD -s 10.16.0.0/16 -m comment --comment "ovn-subnet-gateway,ovn-default"
-A FORWARD -s 192.0.2.0/24 -j DROP
-A OUTPUT -p udp -m udp --dport 6081 -j MARK --set-xmark 0x0/0xffffffff
COMMIT
`

// makeBridges leaves what a stopped OVS leaves: br-int with a pod's veth and ovn0, and br-phy that took a NIC and its
// addresses.
func makeBridges(t *testing.T, s settings) {
	t.Helper()
	veths := [][2]string{{"eth9", "eth9-peer"}, {"eth8", "eth8-peer"}, {"eth9.10", "vlan-peer"}, {"abc_h", "abc_c"}}
	for _, v := range veths {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = v[0]
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: v[1]}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, v := range veths {
			_ = deleteLink(v[0])
		}
	})
	r := startOVS(t, s, nil)
	r.eventually("life", func(ctx context.Context) error { return HealthOVS(ctx, s.get, true) })
	vsctl(t, s, "add-port", "br-int", "ovn0", "--", "set", "Interface", "ovn0", "type=internal", "--",
		"add-port", "br-int", "abc_h", "--",
		"add-br", "br-phy", "--", "set", "Bridge", "br-phy", "datapath_type=netdev", "--", "add-port", "br-phy", "eth9", "--",
		"add-port", "br-phy", "br-phy-vlan10", "tag=10", "--", "set", "Interface", "br-phy-vlan10", "type=internal", "external_ids:provider-vlan-interface=eth9.10")
	// A provider network that exchanged the names of its bridge and its NIC.
	nic, err := netlink.LinkByName("eth8")
	if err == nil {
		err = errors.Join(netlink.LinkAddAltName(nic, "kube-ovn-was-eth8"), netlink.LinkSetName(nic, "br-x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	vsctl(t, s, "add-br", "eth8", "--", "set", "Bridge", "eth8", "datapath_type=netdev", "external_ids:exchange-link-name=true", "--", "add-port", "eth8", "br-x")
	// A bridge takes its MAC a moment after it is made, and goes down for that: IPv6 addresses and routes would go.
	for bridge, nic := range map[string]string{"br-phy": "eth9", "eth8": "br-x"} {
		n, err := netlink.LinkByName(nic)
		if err != nil {
			t.Fatal(err)
		}
		vsctl(t, s, "set", "Bridge", bridge, `other_config:hwaddr="`+n.Attrs().HardwareAddr.String()+`"`)
		r.eventually("MAC of "+bridge, func(context.Context) error {
			b, err := netlink.LinkByName(bridge)
			if err != nil {
				return err
			}
			if got, want := b.Attrs().HardwareAddr.String(), n.Attrs().HardwareAddr.String(); got != want {
				return fmt.Errorf("it is %s, that of its NIC is %s", got, want)
			}
			return nil
		})
	}
	for device, address := range map[string]string{"eth8": "172.30.98.11/24", "br-phy-vlan10": "10.10.0.11/24"} {
		l, err := netlink.LinkByName(device)
		if err == nil {
			err = errors.Join(netlink.LinkSetUp(l), netlink.AddrAdd(l, &netlink.Addr{IPNet: mustParseCIDR(t, address)}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	bridge, err := netlink.LinkByName("br-phy")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(netlink.LinkSetUp(bridge),
		netlink.AddrAdd(bridge, &netlink.Addr{IPNet: mustParseCIDR(t, "172.30.99.11/24")}),
		netlink.AddrAdd(bridge, &netlink.Addr{IPNet: mustParseCIDR(t, "fd00:99::11/64")}),
		netlink.RouteAdd(&netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: mustParseCIDR(t, "198.51.100.0/24"), Gw: net.ParseIP("172.30.99.1")}))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"br-int", "ovn0", "br-phy", "br-phy-vlan10", "eth8", "br-x"} {
		if _, err := netlink.LinkByName(name); err != nil {
			t.Fatalf("the test proves nothing, %s is gone before: %v", name, err)
		}
	}
}

func checkLinks(t *testing.T) {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range links {
		// A few kernels put fallback tunnel devices into every namespace.
		if !slices.Contains([]string{"tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"}, l.Attrs().Name) {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"eth8", "eth8-peer", "eth9", "eth9-peer", "eth9.10", "lo", "vlan-peer"}, names); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	for name, want := range map[string][]string{
		"eth9": {"172.30.99.11/24", "fd00:99::11/64"}, "eth8": {"172.30.98.11/24"}, "eth9.10": {"10.10.0.11/24"},
	} {
		nic, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		var addresses []string
		list, err := netlink.AddrList(nic, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if !a.IP.IsLinkLocalUnicast() {
				addresses = append(addresses, a.IPNet.String())
			}
		}
		slices.Sort(addresses)
		if diff := cmp.Diff(want, addresses); diff != "" {
			t.Errorf("addresses of %s (-want +got):\n%s", name, diff)
		}
		if names := nic.Attrs().AltNames; len(names) != 0 || nic.Type() != "veth" {
			t.Errorf("%s is a %s and also called %v", name, nic.Type(), names)
		}
	}
	nic, err := netlink.LinkByName("eth9")
	if err != nil {
		t.Fatal(err)
	}
	routes, err := netlink.RouteList(nic, netlink.FAMILY_V4)
	if err != nil || !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Gw.String() == "172.30.99.1" }) {
		t.Errorf("routes of the NIC: %v, %v", routes, err)
	}
}

func TestRemovalScript(t *testing.T) {
	for _, test := range []struct{ name, saved, want string }{
		{"nothing of ours", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n", ""},
		{"chains before what they refer to", "*nat\n:OVN-A - [0:0]\n:OVN-B - [0:0]\n-A PREROUTING -j OVN-A\n-A OVN-A -j OVN-B\nCOMMIT\n",
			"*nat\n-D PREROUTING -j OVN-A\n-F OVN-A\n-F OVN-B\n-X OVN-A\n-X OVN-B\nCOMMIT\n"},
		{"quotes stay", "*filter\n-A FORWARD -m comment --comment \"ovn-subnet-gateway,a b\" -s 10.0.0.0/8\nCOMMIT\n",
			"*filter\n-D FORWARD -m comment --comment \"ovn-subnet-gateway,a b\" -s 10.0.0.0/8\nCOMMIT\n"},
		{"tables keep apart", "*nat\n:OVN-A - [0:0]\nCOMMIT\n*mangle\n:X - [0:0]\nCOMMIT\n", "*nat\n-F OVN-A\n-X OVN-A\nCOMMIT\n"},
		{"another's mark stays", "*filter\n-A OUTPUT -p udp -m udp --dport 6081 -j MARK --set-xmark 0x1/0x1\nCOMMIT\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, removalScript(test.saved)); diff != "" {
				t.Errorf("script (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUUIDs(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want []string
	}{
		{`["uuid","a"]`, []string{"a"}},
		{`["set",[["uuid","a"],["uuid","b"]]]`, []string{"a", "b"}},
		{`["set",[]]`, nil},
		{`"text"`, nil},
	} {
		if diff := cmp.Diff(test.want, uuids([]byte(test.raw))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.raw, diff)
		}
	}
}
