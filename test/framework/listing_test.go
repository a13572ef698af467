package framework

import (
	"net/netip"
	"strings"
	"testing"
)

const printed = `
router 87ad06fd-71d5-4ff8-a1f0-54fa3bba1a7f (vpc1)
    port vpc1-net
        mac: "00:00:00:ED:8E:C7"
        networks: ["192.168.0.1/24"]
    port vpc1-external204
        mac: "00:00:00:EF:05:C7"
        networks: ["10.5.204.105/24"]
        gateway chassis: [7cedd14f-265b-42e5-ac17-e03e7a1f2342 276baccb-fe9c-4476-b41d-05872a94976d]
    nat 21d853b0-f7b4-40bd-9a53-31d2e2745739
        external ip: "10.5.204.115"
        logical ip: "192.168.0.0/24"
        type: "snat"
`

var outside = netip.MustParsePrefix("10.5.204.0/24")

// same is the listing as another cluster prints it: other UUIDs, MACs and allocated addresses, another order, no indentation, and a newer OVN.
const same = `router aaaaaaaa-71d5-4ff8-a1f0-54fa3bba1a7f (vpc1)
nat bbbbbbbb-f7b4-40bd-9a53-31d2e2745739
external ip: "10.5.204.101"
logical ip: "192.168.0.0/24"
type: "snat"
port vpc1-external204
mac: "00:00:00:01:02:0A"
networks: ["10.5.204.102/24"]
gateway chassis: [cccccccc-fe9c-4476-b41d-05872a94976d dddddddd-265b-42e5-ac17-e03e7a1f2342]
port vpc1-net
mac: "00:00:00:FF:FF:FF"
ipv6-lla: "fe80::200:ff:feff:ffff"
networks: ["192.168.0.1/24"]
`

func TestCanonicalHidesChance(t *testing.T) {
	if a, b := Canonical(printed, outside), Canonical(same, outside); a != b {
		t.Errorf("differ:\n%s\n%s", a, b)
	}
}

func TestCanonicalShowsDifferences(t *testing.T) {
	for what, change := range map[string][2]string{
		"MAC in lower case":    {"00:00:00:FF:FF:FF", "00:00:00:ff:ff:ff"},
		"foreign MAC":          {"00:00:00:FF:FF:FF", "02:00:00:FF:FF:FF"},
		"inside address":       {"192.168.0.1/24", "192.168.0.2/24"},
		"prefix length":        {"10.5.204.102/24", "10.5.204.102/16"},
		"address elsewhere":    {"10.5.204.102/24", "10.10.204.102/24"},
		"gateway as an own":    {"10.5.204.102/24", "10.5.204.254/24"},
		"one chassis less":     {" dddddddd-265b-42e5-ac17-e03e7a1f2342", ""},
		"NAT of one address":   {"192.168.0.0/24", "192.168.0.0"},
		"type":                 {`"snat"`, `"dnat_and_snat"`},
		"name of a port":       {"port vpc1-net", "port vpc1-net2"},
		"another router":       {"(vpc1)", "(vpc2)"},
		"line in another port": {"port vpc1-net\n", ""},
	} {
		if !strings.Contains(same, change[0]) {
			t.Fatalf("%s: nothing to change", what)
		}
		if Canonical(printed, outside) == Canonical(strings.Replace(same, change[0], change[1], 1), outside) {
			t.Errorf("%s: not seen", what)
		}
	}
}

func TestCanonicalOfRoutes(t *testing.T) {
	got := Canonical("IPv4 Routes\nRoute Table <main>:\n                0.0.0.0/0              10.5.204.254 dst-ip\n# a comment\n", outside)
	if want := "IPv4 Routes\n  Route Table <main>:\n  0.0.0.0/0 10.5.204.254 dst-ip\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSections(t *testing.T) {
	all := Sections("switch 1 (a)\n    port p\n        type: localnet\nrouter 2 (b)\n" + printed)
	if len(all) != 3 || all[0].Block("port p") != "port p\ntype: localnet" || all[0].Block("port q") != "" || len(all[1].Blocks) != 0 {
		t.Fatalf("%+v", all)
	}
	if got := all[2].Without("nat").String(); strings.Contains(got, "snat") || !strings.Contains(got, "port vpc1-net") || len(all[2].Blocks) != 3 {
		t.Errorf("without NAT: %s", got)
	}
}
