package ipset

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		if !strings.Contains(s, "/") {
			a := netip.MustParseAddr(s)
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func net4(name string, members ...string) Set { return New(name, HashNet, false, prefixes(members...)) }

func TestNewIsCanonical(t *testing.T) {
	for _, tc := range []struct {
		set  Set
		want string
	}{
		{net4("ovn40a"), "ovn40a hash:net:"},
		{net4("ovn40a", "10.0.1.7/24", "10.0.0.1", "10.0.1.0/24"), "ovn40a hash:net: 10.0.0.1 10.0.1.0/24"},
		{net4("ovn40a", "0.0.0.0/0"), "ovn40a hash:net: 0.0.0.0/1 128.0.0.0/1"},
		{New("ovn60a", HashNet, true, prefixes("::/0", "fd00::1")), "ovn60a hash:net: ::/1 8000::/1 fd00::1"},
		{New("ovn40b", HashIP, false, prefixes("10.0.0.2")), "ovn40b hash:ip: 10.0.0.2"},
	} {
		if got := tc.set.String(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestDiff(t *testing.T) {
	old := net4("ovn40a", "10.0.0.0/8", "11.0.0.0/8")
	for name, tc := range map[string]struct {
		have *Set
		want Set
		out  change
	}{
		"new":           {nil, net4("ovn40a", "10.0.0.0/8"), change{create: true, add: prefixes("10.0.0.0/8")}},
		"equal":         {&old, net4("ovn40a", "11.0.0.0/8", "10.0.0.0/8"), change{}},
		"one for one":   {&old, net4("ovn40a", "10.0.0.0/8", "12.0.0.0/8"), change{add: prefixes("12.0.0.0/8"), del: prefixes("11.0.0.0/8")}},
		"other length":  {&old, net4("ovn40a", "10.0.0.0/9", "11.0.0.0/8"), change{add: prefixes("10.0.0.0/9"), del: prefixes("10.0.0.0/8")}},
		"emptied":       {&old, net4("ovn40a"), change{del: prefixes("10.0.0.0/8", "11.0.0.0/8")}},
		"another type":  {&old, New("ovn40a", HashIP, false, nil), change{recreate: true}},
		"other family":  {&old, New("ovn40a", HashNet, true, prefixes("fd00::/64")), change{recreate: true, add: prefixes("fd00::/64")}},
		"empty and new": {nil, net4("ovn40a"), change{create: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := diff(tc.have, tc.want)
			if d := cmp.Diff(tc.out, got, cmp.AllowUnexported(change{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
				t.Errorf("change (-want +got):\n%s", d)
			}
		})
	}
}

// members prints a set as the kernel has it.
func members(t *testing.T, name string) string {
	t.Helper()
	_, list, ok := strings.Cut(kerneltest.Run(t, "ipset", "list", name, "-sorted"), "Members:")
	if !ok {
		t.Fatalf("ipset %s has no member list", name)
	}
	return strings.Join(strings.Fields(list), " ")
}

func TestEnsureAndPrune(t *testing.T) {
	kerneltest.NewNetns(t)
	var d Driver
	kerneltest.Run(t, "ipset", "create", "KUBE-CLUSTER-IP", "hash:ip,port")
	steps := []struct {
		want   []Set
		expect map[string]string
	}{
		{
			[]Set{net4("ovn40subnets", "10.16.0.0/16", "0.0.0.0/0"), New("ovn60subnets", HashNet, true, prefixes("fd00::/64", "fd01::1")), New("ovn40ips", HashIP, false, prefixes("10.0.0.1", "10.0.0.2"))},
			map[string]string{"ovn40subnets": "0.0.0.0/1 10.16.0.0/16 128.0.0.0/1", "ovn60subnets": "fd00::/64 fd01::1", "ovn40ips": "10.0.0.1 10.0.0.2"},
		},
		{
			[]Set{net4("ovn40subnets", "10.16.0.0/16", "10.17.0.0/16"), New("ovn60subnets", HashNet, true, nil), New("ovn40ips", HashNet, false, prefixes("10.0.0.0/31"))},
			map[string]string{"ovn40subnets": "10.16.0.0/16 10.17.0.0/16", "ovn60subnets": "", "ovn40ips": "10.0.0.0/31"},
		},
		{[]Set{net4("ovn40subnets", "10.17.0.0/16")}, map[string]string{"ovn40subnets": "10.17.0.0/16"}},
	}
	for i, step := range steps {
		if err := d.Ensure(step.want); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		have, err := list()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range step.want {
			h := have[w.Name]
			if c := diff(&h, w); !cmp.Equal(c, change{}, cmp.AllowUnexported(change{})) {
				t.Errorf("step %d: a second pass would change %s: %+v", i, w.Name, c)
			}
			if got := members(t, w.Name); got != step.expect[w.Name] {
				t.Errorf("step %d: %s has %q, want %q", i, w.Name, got, step.expect[w.Name])
			}
		}
		if err := d.Prune(t.Context(), step.want); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	names, err := d.Names()
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]bool{"KUBE-CLUSTER-IP": true, "ovn40subnets": true}; !cmp.Equal(names, want) {
		t.Errorf("sets left: %v, want %v", names, want)
	}
}

func TestSetInUse(t *testing.T) {
	kerneltest.NewNetns(t)
	var d Driver
	if err := d.Ensure([]Set{net4("ovn40a", "10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	kerneltest.Run(t, "iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "ovn40a", "src", "-j", "ACCEPT")
	if err := d.Prune(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "ovn40a") {
		t.Errorf("a set in use cannot go; want an error with its name, got %v", err)
	}
	if err := d.Ensure([]Set{net4("ovn40a", "11.0.0.0/8")}); err != nil {
		t.Errorf("members of a set in use must change: %v", err)
	}
	if got := members(t, "ovn40a"); got != "11.0.0.0/8" {
		t.Errorf("members %q", got)
	}
}

// Sets of others, of whatever type, with or without members, are read past and left.
func TestForeignSets(t *testing.T) {
	kerneltest.NewNetns(t)
	for _, commands := range [][]string{
		{"create KUBE-LOOP-BACK hash:ip,port,ip counters comment", "add KUBE-LOOP-BACK 10.0.0.1,tcp:80,10.0.0.1 comment me"},
		{"create KUBE-6-CLUSTER-IP hash:ip,port family inet6 timeout 300", "add KUBE-6-CLUSTER-IP fd00::1,udp:53"},
		{"create KUBE-NODE-PORT-LOCAL-TCP bitmap:port range 0-65535", "add KUBE-NODE-PORT-LOCAL-TCP 30000"},
		{"create mine hash:net,iface skbinfo", "add mine 10.0.0.0/8,eth0"},
		{"create all list:set", "add all mine"},
		{"create nets hash:net,port,net", "add nets 10.0.0.0/8,tcp:80,11.0.0.0/8"},
		{"create marks hash:ip,mark", "add marks 10.0.0.1,0x10"},
	} {
		for _, c := range commands {
			out, err := exec.Command("ipset", strings.Fields(c)...).CombinedOutput()
			if err != nil {
				t.Logf("this kernel cannot %q: %s", c, out)
				break
			}
		}
	}
	var d Driver
	before, err := d.Names()
	if err != nil || len(before) < 3 {
		t.Fatalf("sets %v, %v", before, err)
	}
	if err := d.Ensure([]Set{net4("ovn40a", "10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Prune(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	after, err := d.Names()
	if err != nil || !cmp.Equal(before, after) {
		t.Errorf("sets %v became %v, %v", before, after, err)
	}
}
