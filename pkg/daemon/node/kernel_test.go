package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ipset"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/kerneltest"
)

// Every rule must be in the form in which iptables prints it back: otherwise each pass would rewrite it.
func TestRulesAreCanonical(t *testing.T) {
	for name, in := range cases() {
		t.Run(name, func(t *testing.T) {
			kerneltest.NewNetns(t)
			for set := range in.Facts.KubeSets {
				family := "inet"
				if strings.HasPrefix(set, "KUBE-6-") {
					family = "inet6"
				}
				kind := "bitmap:port"
				if strings.HasSuffix(set, "CLUSTER-IP") {
					kind = "hash:ip,port"
				}
				args := []string{"ipset", "create", set, kind, "range", "0-65535"}
				if kind != "bitmap:port" {
					args = []string{"ipset", "create", set, kind, "family", family}
				}
				kerneltest.Run(t, args...)
			}
			s := Desired(in)
			if err := (ipset.Driver{}).Ensure(s.Sets); err != nil {
				t.Fatal(err)
			}
			d, err := iptables.New(t.Context(), Mark())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range s.Rulesets {
				if err := d.Sync(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				compareChains(t, r)
			}
			for _, r := range s.Rulesets {
				if err := d.Sync(t.Context(), iptables.Ruleset{Family: r.Family}); err != nil {
					t.Fatal(err)
				}
			}
			if err := (ipset.Driver{}).Prune(t.Context(), nil); err != nil {
				t.Errorf("sets cannot go after their rules: %v", err)
			}
		})
	}
}

// compareChains compares what iptables prints of each chain with what was asked for.
func compareChains(t *testing.T, r iptables.Ruleset) {
	t.Helper()
	want := map[string][]string{}
	for _, c := range r.Chains {
		key := c.Table + " " + c.Name
		want[key] = []string{"-N " + c.Name}
		for _, rule := range c.Rules {
			want[key] = append(want[key], "-A "+c.Name+" "+rule)
		}
	}
	for _, h := range r.Hooks {
		key := h.Table + " " + h.Chain
		if want[key] == nil {
			want[key] = []string{"-P " + h.Chain + " ACCEPT"}
		}
		want[key] = append(want[key], "-A "+h.Chain+" "+h.Rule)
	}
	for key, lines := range want {
		table, chain, _ := strings.Cut(key, " ")
		got := strings.Split(kerneltest.Run(t, r.Family.String()+"-nft", "-t", table, "-S", chain), "\n")
		if d := cmp.Diff(lines, got); d != "" {
			t.Errorf("%s -t %s -S %s (-want +got):\n%s", r.Family, table, chain, d)
		}
	}
}
