package iptables

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var testMark = Mark{Chains: []string{"OVN-PREROUTING", "OVN-NAT-PSUBNET-*"}, Rules: []string{"--match-set ovn40"}}

func TestDiffHooks(t *testing.T) {
	hook := Hook{Rule: "-j OVN-PREROUTING", Before: "KUBE-SERVICES"}
	const a, b, c = "-m set --match-set ovn40a src -j ACCEPT", "-m set --match-set ovn40b src -j ACCEPT", "-j DROP"
	ab := []Hook{{Rule: a}, {Rule: b}}
	for name, tc := range map[string]struct {
		have []string
		want []Hook
		ops  []op
	}{
		"all there":                    {[]string{a, b, c}, ab, nil},
		"foreign rules between":        {[]string{c, a, c, b}, ab, nil},
		"nothing there":                {[]string{c}, ab, []op{{1, a}, {2, b}}},
		"first missing":                {[]string{b, c}, ab, []op{{1, a}}},
		"second missing":               {[]string{c, a, c}, ab, []op{{3, b}}},
		"wrong order":                  {[]string{b, a}, ab, []op{{0, a}, {1, a}}},
		"duplicate":                    {[]string{a, b, a}, ab, []op{{0, a}, {0, a}, {1, a}}},
		"stale rule of ours":           {[]string{a, c}, nil, []op{{0, a}}},
		"stale jump":                   {[]string{"-m comment --comment x -j OVN-PREROUTING"}, nil, []op{{0, "-m comment --comment x -j OVN-PREROUTING"}}},
		"foreign chain of like name":   {[]string{"-j OVN-PREROUTING-X"}, nil, nil},
		"in front of kube-proxy":       {[]string{hook.Rule, "-j KUBE-SERVICES"}, []Hook{hook}, nil},
		"kube-proxy moved in front":    {[]string{"-m comment --comment \"k\" -j KUBE-SERVICES", hook.Rule}, []Hook{hook}, []op{{0, hook.Rule}, {1, hook.Rule}}},
		"kube-proxy came while absent": {[]string{"-j KUBE-SERVICES"}, []Hook{hook}, []op{{1, hook.Rule}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := diffHooks(tc.have, tc.want, testMark)
			if d := cmp.Diff(tc.ops, got, cmp.AllowUnexported(op{})); d != "" {
				t.Errorf("operations (-want +got):\n%s", d)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	want := Ruleset{
		Family:   IPv4,
		Chains:   []Chain{{Table: "nat", Name: "OVN-PREROUTING", Rules: []string{"-i ovn0 -j ACCEPT", "-j RETURN"}}},
		Hooks:    []Hook{{Table: "nat", Chain: "PREROUTING", Rule: "-j OVN-PREROUTING"}},
		Policies: []Policy{{"filter", "FORWARD", "ACCEPT"}},
	}
	const agreeing = `# Generated
*nat
:PREROUTING ACCEPT [0:0]
:OVN-PREROUTING - [0:0]
-A PREROUTING -j OVN-PREROUTING
-A OVN-PREROUTING -i ovn0 -j ACCEPT
-A OVN-PREROUTING -j RETURN
COMMIT
`
	for name, tc := range map[string]struct {
		have, change string
		want         Ruleset
	}{
		"equal":   {agreeing, "", want},
		"nothing": {"", "*nat\n:OVN-PREROUTING - [0:0]\n-A OVN-PREROUTING -i ovn0 -j ACCEPT\n-A OVN-PREROUTING -j RETURN\n-I PREROUTING 1 -j OVN-PREROUTING\nCOMMIT\n", want},
		"one rule differs": {
			strings.Replace(agreeing, "-i ovn0 -j ACCEPT", "-i ovn0 -j DROP", 1),
			"*nat\n:OVN-PREROUTING - [0:0]\n-A OVN-PREROUTING -i ovn0 -j ACCEPT\n-A OVN-PREROUTING -j RETURN\nCOMMIT\n", want,
		},
		"order differs": {
			strings.Replace(agreeing, "-A OVN-PREROUTING -j RETURN\n", "", 1) + "*raw\nCOMMIT\n",
			"*nat\n:OVN-PREROUTING - [0:0]\n-A OVN-PREROUTING -i ovn0 -j ACCEPT\n-A OVN-PREROUTING -j RETURN\nCOMMIT\n", want,
		},
		"policy": {
			agreeing + "*filter\n:FORWARD DROP [3:4]\nCOMMIT\n",
			"*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", want,
		},
		"all of ours goes": {
			agreeing, "*nat\n:OVN-PREROUTING - [0:0]\n-D PREROUTING -j OVN-PREROUTING\n-X OVN-PREROUTING\nCOMMIT\n", Ruleset{},
		},
		"stale chain": {
			"*nat\n:OVN-NAT-PSUBNET-abc - [0:0]\n:MINE - [0:0]\nCOMMIT\n",
			"*nat\n:OVN-NAT-PSUBNET-abc - [0:0]\n-X OVN-NAT-PSUBNET-abc\nCOMMIT\n", Ruleset{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := parseSave(tc.have)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.change, diff(have, tc.want, testMark)); d != "" {
				t.Errorf("restore input (-want +got):\n%s", d)
			}
		})
	}
}

func TestParseSaveRefusesNonsense(t *testing.T) {
	for _, text := range []string{"-A X -j Y\n", "*nat\nhello\n"} {
		if _, err := parseSave(text); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}

func TestParseCounters(t *testing.T) {
	const text = `*filter
[1:2] -A INPUT -m comment --comment ovn-subnet-gateway,a -s 10.0.0.0/8
[7:4900] -A FORWARD -s 10.16.0.0/16 -m comment --comment ovn-subnet-gateway,a
[3:4] -A FORWARD -j ACCEPT
COMMIT
`
	got, err := parseCounters(text, "FORWARD", "ovn-subnet-gateway,")
	want := []Counter{{"-s 10.16.0.0/16 -m comment --comment ovn-subnet-gateway,a", 7, 4900}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := parseCounters("[x:1] -A FORWARD -m comment --comment m\n", "FORWARD", "m"); err == nil {
		t.Error("a bad counter was read without an error")
	}
}
