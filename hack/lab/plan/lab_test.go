package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func noEnv(string) string { return "" }

func mustNew(t *testing.T, name string, nodes int) *Lab {
	t.Helper()
	l, err := New(name, "/src", nodes, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDefaultLab(t *testing.T) {
	l := mustNew(t, "", DefaultNodes)
	var names []string
	for _, n := range l.Nodes {
		names = append(names, n.Name+" "+n.Management.String()+" "+n.Tunnel.String())
	}
	want := []string{
		"kube-ovn-control-plane 172.30.16.11 172.30.17.11",
		"kube-ovn-worker 172.30.16.12 172.30.17.12",
		"kube-ovn-worker2 172.30.16.13 172.30.17.13",
	}
	if !slices.Equal(names, want) {
		t.Errorf("nodes:\n%s", strings.Join(names, "\n"))
	}
	if !l.Nodes[0].ControlPlane || l.Nodes[1].ControlPlane {
		t.Error("the first node alone is the control plane")
	}
	if l.Dir() != "/src/.lab/kube-ovn" || l.TunnelNIC != "eth2" || l.Host().String() != "172.30.16.1" || l.Router().String() != "172.30.16.254" {
		t.Errorf("%s %s %s %s", l.Dir(), l.TunnelNIC, l.Host(), l.Router())
	}
}

func TestNodeNames(t *testing.T) {
	l := mustNew(t, "", MaxNodes)
	if got := l.Nodes[MaxNodes-1].Name; got != "kube-ovn-worker8" {
		t.Errorf("last of %d is %s", MaxNodes, got)
	}
	if _, err := l.Node("kube-ovn-worker3"); err != nil {
		t.Error(err)
	}
	if _, err := l.Node("worker"); err == nil || !strings.Contains(err.Error(), "kube-ovn-worker2") {
		t.Errorf("unknown node: %v, want the names there are", err)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name  string
		lab   string
		nodes int
		env   string
		want  string
	}{
		{"capital letters", "Lab", 3, "", "lower case"},
		{"a dot would end the prefix", "a.b", 3, "", "lower case"},
		{"long name", strings.Repeat("a", 21), 3, "", "at most 20"},
		{"slash", "../x", 3, "", "lower case"},
		{"no node", "a", 0, "", "1 to 9"},
		{"too many nodes", "a", 10, "", "1 to 9"},
		{"no prefix", "a", 1, "vlan", "nic=prefix"},
		{"long NIC", "a", 1, "abcdefghijkl=10.0.0.0/24", "at most 10"},
		{"taken by the kubelet", "a", 1, "eth0=10.0.0.0/24", "taken"},
		{"taken by the tunnel", "a", 1, "eth2=10.0.0.0/24", "taken"},
		{"twice", "a", 1, "x=10.0.0.0/24 x=10.0.1.0/24", "taken"},
		{"not a prefix", "a", 1, "x=10.0.0.0", "no '/'"},
		{"IPv6", "a", 1, "x=fd00::/64", "IPv4"},
		{"too small for .254", "a", 1, "x=10.0.0.0/28", "/24"},
		{"tag 0", "a", 1, "x=10.0.0.0/24@0", "1 to 4094"},
		{"tag 4095", "a", 1, "x=10.0.0.0/24@4095", "1 to 4094"},
		{"tag text", "a", 1, "x=10.0.0.0/24@a", "1 to 4094"},
		{"nothing behind the plus", "a", 1, "x=10.0.0.0/24+", "no '/'"},
		{"two untagged on one NIC", "a", 1, "x=10.0.0.0/24+10.0.1.0/24", "one tag"},
		{"one tag twice on one NIC", "a", 1, "x=10.0.0.0/24@7+10.0.1.0/24@7", "one tag"},
		{"overlap", "a", 1, "x=10.0.0.0/16 y=10.0.1.0/24", "overlaps"},
		{"one IPv6 prefix for two", "a", 1, "x=10.0.1.0/24 y=11.0.1.0/24", "fd00:0:1::/64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := func(name string) string {
				if name == "LAB_OUTSIDE" {
					return tt.env
				}
				return ""
			}
			if _, err := New(tt.lab, "/src", tt.nodes, env); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOutside(t *testing.T) {
	l := mustNew(t, "", 1)
	var got []string
	for _, o := range l.Outside {
		got = append(got, fmt.Sprint(o.NIC, " ", o.Tag, " ", o.Routers()))
	}
	want := []string{
		"vlan 204 [10.5.204.254/24 fd00:5:204::254/64]",
		"vlan 0 [10.10.204.254/24 fd00:10:204::254/64]",
		"vlan 49 [10.5.49.254/24 fd00:5:49::254/64]",
		"eth1 0 [172.56.0.254/16 172.56.0.1/16 fd00:56::254/64]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if list := l.OutsideList(); list != DefaultOutside {
		t.Errorf("as a list: %s", list)
	}
}

func TestUplinks(t *testing.T) {
	all := mustNew(t, "", 1).Uplinks()
	if len(all) != 2 || all[0].NIC != "vlan" || len(all[0].Networks) != 3 || !all[0].Tagged() || all[1].NIC != "eth1" || len(all[1].Networks) != 1 || all[1].Tagged() {
		t.Errorf("%+v", all)
	}
}

func TestOwnNICs(t *testing.T) {
	env := map[string]string{"LAB_TUNNEL_NIC": "ens2", "LAB_OUTSIDE": "eth2=172.56.0.0/16  eth3=10.0.0.0/24@4094"}
	l, err := New("", "/src", 1, func(name string) string { return env[name] })
	if err != nil || l.TunnelNIC != "ens2" || l.OutsideList() != "eth2=172.56.0.0/16 eth3=10.0.0.0/24@4094" {
		t.Errorf("%+v, %v", l, err)
	}
}

// Two labs on one machine share nothing that has a name or an address.
func TestLabsDoNotMeet(t *testing.T) {
	names := []string{"", "a", "a-1", "a-br", "second", "kube-ovn-2", "a-rather-long-name-1", "a-rather-long-name-2"}
	owner := map[string]string{}
	var nets []netip.Prefix
	for _, name := range names {
		l := mustNew(t, name, MaxNodes)
		mine := append(l.HostInterfaces(), l.Prefix(), l.Dir())
		for _, thing := range mine {
			if other, ok := owner[thing]; ok {
				t.Errorf("%q belongs to %q and %q", thing, other, l.Name)
			}
			owner[thing] = l.Name
		}
		for _, net := range []netip.Prefix{l.Management, l.Tunnel} {
			for _, other := range nets {
				if other.Overlaps(net) {
					t.Errorf("%s of %q overlaps %s", net, l.Name, other)
				}
			}
			nets = append(nets, net)
		}
	}
	for a, nameA := range owner {
		for b, nameB := range owner {
			if nameA != nameB && strings.HasPrefix(a, "lab.") && strings.HasPrefix(b, a) {
				t.Errorf("%q of %q begins with %q of %q", b, nameB, a, nameA)
			}
		}
	}
}

func TestInterfaceNamesFit(t *testing.T) {
	for _, name := range []string{"", "a", "twelve-chars", strings.Repeat("x", maxName)} {
		l := mustNew(t, name, MaxNodes)
		for _, n := range l.HostInterfaces() {
			if len(n) > maxInterface {
				t.Errorf("%q has %d characters", n, len(n))
			}
		}
	}
}

func TestKernelNames(t *testing.T) {
	l := mustNew(t, "", 3)
	n := l.Nodes[1]
	for got, want := range map[string]string{
		l.NodeNetns(n):      "lab.kube-ovn.kube-ovn-worker",
		l.NodeCgroup(n):     "lab.kube-ovn.kube-ovn-worker",
		l.OutsideNetns():    "lab.kube-ovn.ext",
		l.HostCgroup():      "lab.kube-ovn.host",
		l.Bridge():          "kube-ovn-br",
		l.HostVeth(n):       "kube-ovn-1",
		l.HostOutsideVeth(): "kube-ovn-ext",
		l.NodeDir(n):        "/src/.lab/kube-ovn/nodes/kube-ovn-worker",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
