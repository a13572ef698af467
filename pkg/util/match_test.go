package util

import (
	"strings"
	"testing"
)

func TestCheckMatch(t *testing.T) {
	for _, good := range []string{
		"ip", "ip4.src == 10.0.1.0/24 && tcp", "ip4.src==10.0.1.2&&ip4.dst==10.0.1.0/255.255.255.0", "!ip4.mcast", "!(ip4.src == 10.0.0.1)",
		`outport == "a.ns" && ip`, `inport == @pg.1 && ip4.dst == $set_1.v4 && icmp4.type == 8`, "ip6.src == fd00::/64 || ip6.dst == fd00::1",
		"(ip4.src == 10.0.0.0/24 && ip4.dst == 10.0.1.0/24) || (arp && eth.src == 00:00:00:aa:bb:cc)", "tcp.dst == {80, 443 8080}",
		"1024 <= tcp.dst <= 2048", "80 == tcp.dst", "ip.ttl > 1", "reg0[3..5] == 0x7", "vlan.tci[0] == 1", "1", "ct.est && !ct.rpl", "!ct.new || ct.inv",
		`is_chassis_resident("cr-lrp")`, "eth.dst == 01:00:00:00:00:00/01:00:00:00:00:00", "ip4.dst != {10.0.0.1, 10.0.0.2}", "ip4.src == ^VIP",
		"tcp.flags == 0x2/0x12", " ip4.src == 1.1.1.1\n",
	} {
		if err := CheckMatch(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"ip4.src == nonsense &&":             `at "nonsense", expecting a constant`,
		"ip4.src == 10.0.0.1 &&":             "at the end, expecting a constant",
		"":                                   "at the end",
		"ip4.src = 10.0.0.1":                 `syntax error at "= 10.0.0.1"`,
		"ip4.src == 10.0.0.256":              `"10.0.0.256"`,
		"ip4.src == 10.0.0.0/33":             `"10.0.0.0/33"`,
		"ip && tcp || udp":                   "must be parenthesized",
		"(ip && tcp":                         "at the end, expecting )",
		"ip tcp":                             `at "tcp", expecting &&`,
		"ip4.src == {10.0.0.1":               "at the end",
		"ip4.src == {}":                      `at "}"`,
		"!ip4.src == 10.0.0.1":               "needs parentheses",
		"1 < tcp.dst > 5":                    "a range has the form",
		`outport == "a`:                      "syntax error",
		"is_chassis_resident(a)":             "expecting a string",
		"reg0[a] == 1":                       "expecting bits",
		"10.0.0.1":                           "expecting a comparison",
		"ip4.src == 10.0.0.1 and tcp":        `at "and"`,
		strings.Repeat("(", maxMatchDepth+1): "nest more than",
		"inport == @":                        "syntax error",
		"eth.src == 00:00:00:aa:bb:cc/24":    `"00:00:00:aa:bb:cc/24"`,
		"tcp.dst == 0x":                      `"0x"`,
	} {
		if err := CheckMatch(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
}

// Our own matches are expressions of OVN.
func TestOwnMatches(t *testing.T) {
	for _, match := range []string{SourceMatch("10.0.0.1"), SourceMatch("fd00::/64")} {
		if err := CheckMatch(match); err != nil {
			t.Error(err)
		}
	}
}

func FuzzCheckMatch(f *testing.F) {
	f.Add("ip4.src == {10.0.0.1, $a} && !(tcp || udp)")
	f.Add("1 <= tcp.dst[0..3] <= 0x5/3")
	f.Fuzz(func(t *testing.T, text string) {
		if CheckMatch(text) == nil && CheckMatch("("+text+") && ip") != nil && strings.Count(text, "(") < maxMatchDepth {
			t.Errorf("%q is an expression, but not in parentheses", text)
		}
	})
}
