package iptables

import (
	"context"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

func newDriver(t *testing.T) *Driver {
	t.Helper()
	kerneltest.NewNetns(t)
	d, err := New(t.Context(), testMark)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sync(t *testing.T, d *Driver, want Ruleset) {
	t.Helper()
	if err := d.Sync(t.Context(), want); err != nil {
		t.Fatal(err)
	}
}

// change says what a Sync would write now.
func change(t *testing.T, d *Driver, want Ruleset) string {
	t.Helper()
	text, err := d.save(t.Context(), want.Family)
	if err != nil {
		t.Fatal(err)
	}
	have, err := parseSave(text)
	if err != nil {
		t.Fatal(err)
	}
	return diff(have, want, d.mark)
}

func ruleset(family Family, rules ...string) Ruleset {
	return Ruleset{
		Family: family,
		Chains: []Chain{{Table: "nat", Name: "OVN-PREROUTING", Rules: rules}},
		Hooks: []Hook{
			{Table: "nat", Chain: "PREROUTING", Rule: Comment("our rules") + " -j OVN-PREROUTING", Before: "KUBE-SERVICES"},
			{Table: "filter", Chain: "FORWARD", Rule: "-i ovn0 " + Comment("mark-me")},
		},
		Policies: []Policy{{"filter", "FORWARD", "ACCEPT"}},
	}
}

func TestSync(t *testing.T) {
	for _, family := range []Family{IPv4, IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			d := newDriver(t)
			ipt := family.String() + "-nft"
			kerneltest.Run(t, ipt, "-t", "nat", "-N", "KUBE-SERVICES")
			kerneltest.Run(t, ipt, "-t", "nat", "-A", "PREROUTING", "-m", "comment", "--comment", "kube proxy", "-j", "KUBE-SERVICES")
			kerneltest.Run(t, ipt, "-P", "FORWARD", "DROP")
			want := ruleset(family, "-i ovn0 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x4000/0x4000", "-j RETURN")

			sync(t, d, want)
			if left := change(t, d, want); left != "" {
				t.Fatalf("a second sync would write:\n%s", left)
			}
			got := kerneltest.Run(t, ipt, "-t", "nat", "-S")
			ours, theirs := strings.Index(got, "-j OVN-PREROUTING"), strings.Index(got, "-j KUBE-SERVICES")
			if ours < 0 || theirs < ours {
				t.Errorf("our jump must come before kube-proxy's:\n%s", got)
			}
			if got := kerneltest.Run(t, ipt, "-S", "FORWARD"); !strings.Contains(got, "-P FORWARD ACCEPT") {
				t.Errorf("forwarding is not accepted:\n%s", got)
			}
		})
	}
}

func TestSyncRepairs(t *testing.T) {
	want := ruleset(IPv4, "-i ovn0 -j RETURN", "-j ACCEPT")
	for name, harm := range map[string][]string{
		"rule removed":          {"-t", "nat", "-D", "OVN-PREROUTING", "1"},
		"rule added":            {"-t", "nat", "-A", "OVN-PREROUTING", "-j", "ACCEPT"},
		"hook removed":          {"-t", "nat", "-F", "PREROUTING"},
		"hook doubled":          {"-t", "nat", "-A", "PREROUTING", "-m", "comment", "--comment", "our rules", "-j", "OVN-PREROUTING"},
		"kube-proxy in front":   {"-t", "nat", "-I", "PREROUTING", "1", "-j", "KUBE-SERVICES"},
		"policy changed":        {"-P", "FORWARD", "DROP"},
		"everything but tables": {"-t", "nat", "-F"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t)
			kerneltest.Run(t, "iptables-nft", "-t", "nat", "-N", "KUBE-SERVICES")
			sync(t, d, want)
			kerneltest.Run(t, append([]string{"iptables-nft"}, harm...)...)
			if change(t, d, want) == "" {
				t.Fatal("the harm is not seen")
			}
			sync(t, d, want)
			if left := change(t, d, want); left != "" {
				t.Errorf("not repaired, left:\n%s", left)
			}
		})
	}
}

func TestSyncKeepsForeignRulesAndCounters(t *testing.T) {
	d := newDriver(t)
	want := ruleset(IPv4, "-j RETURN")
	want.Hooks = append(want.Hooks, Hook{Table: "filter", Chain: "OUTPUT", Rule: "-o lo " + Comment("ovn-subnet-gateway,net1")})
	d.mark.Rules = append(d.mark.Rules, "ovn-subnet-gateway,", "mark-me")
	kerneltest.Run(t, "iptables-nft", "-A", "OUTPUT", "-d", "1.2.3.4/32", "-j", "DROP")
	sync(t, d, want)
	kerneltest.Run(t, "ping", "-c", "2", "-W", "1", "127.0.0.1")

	want.Hooks = append(want.Hooks, Hook{Table: "filter", Chain: "OUTPUT", Rule: "-o lo " + Comment("ovn-subnet-gateway,net2")})
	sync(t, d, want)
	got, err := d.Counters(t.Context(), IPv4, "OUTPUT", "ovn-subnet-gateway,")
	if err != nil || len(got) != 2 {
		t.Fatalf("counters: %v, %v", got, err)
	}
	if got[0].Packets < 2 || got[1].Packets != 0 {
		t.Errorf("an edit of the chain must keep what the old rule counted: %v", got)
	}

	sync(t, d, Ruleset{Family: IPv4})
	left := kerneltest.Run(t, "iptables-nft-save")
	if strings.Contains(left, "OVN-") || strings.Contains(left, "ovn-subnet") || strings.Contains(left, "mark-me") {
		t.Errorf("something of ours is left:\n%s", left)
	}
	if !strings.Contains(left, "-d 1.2.3.4/32 -j DROP") {
		t.Errorf("a foreign rule is gone:\n%s", left)
	}
}

func TestCommentIsCanonical(t *testing.T) {
	d := newDriver(t)
	want := Ruleset{Family: IPv4}
	for _, text := range []string{"plain-text_1", "with space", "a,b", "net.1", `a"b`, `it's`, "a:b/c@d"} {
		want.Hooks = append(want.Hooks, Hook{Table: "filter", Chain: "INPUT", Rule: "-i lo " + Comment(text)})
	}
	sync(t, d, want)
	if left := change(t, d, want); left != "" {
		t.Errorf("iptables prints a comment differently:\n%s", left)
	}
}

func TestSyncRemovesChainsThatReferToEachOther(t *testing.T) {
	d := newDriver(t)
	want := ruleset(IPv4, "-j OVN-NAT-PSUBNET-1")
	want.Chains = append(want.Chains, Chain{Table: "nat", Name: "OVN-NAT-PSUBNET-1", Rules: []string{"-j OVN-NAT-PSUBNET-2"}},
		Chain{Table: "nat", Name: "OVN-NAT-PSUBNET-2"})
	sync(t, d, want)
	sync(t, d, ruleset(IPv4, "-j RETURN"))
	if got := kerneltest.Run(t, "iptables-nft-save"); strings.Contains(got, "PSUBNET") {
		t.Errorf("stale chains are left:\n%s", got)
	}
}

func TestBadRuleNamesItself(t *testing.T) {
	d := newDriver(t)
	err := d.Sync(t.Context(), ruleset(IPv4, "-j NOSUCHTARGET"))
	if err == nil || !strings.Contains(err.Error(), "iptables") || !strings.Contains(err.Error(), "NOSUCHTARGET") {
		t.Errorf("want an error that names the command and the target, got %v", err)
	}
	if got := kerneltest.Run(t, "iptables-nft-save"); strings.Contains(got, "OVN-") {
		t.Errorf("a refused ruleset must leave nothing:\n%s", got)
	}
}

func TestSyncEndsWithItsContext(t *testing.T) {
	d := newDriver(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Sync(ctx, ruleset(IPv4, "-j RETURN")); err == nil {
		t.Error("a cancelled sync reported success")
	}
}
