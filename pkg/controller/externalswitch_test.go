package controller

import "testing"

func TestExternalSwitch(t *testing.T) {
	var none network
	subnet, bare, both := network{subnet: true}, network{inOVN: true}, network{subnet: true, inOVN: true}
	for _, c := range []struct {
		what            string
		given           string
		present, former network
		name, why       string
	}{
		{"fresh cluster", "", none, none, "external", "it is the default"},
		{"flag", "external204", none, none, "external204", "the flag names it"},
		{"flag wins over what is there", "external204", both, both, "external204", "the flag names it"},
		{"flag says the default", "external", none, both, "external", "the flag names it"},
		{"earlier release, bare switch", "", none, bare, "ovn-external", "an earlier release made it"},
		{"earlier release, Subnet", "", none, both, "ovn-external", "an earlier release made it"},
		{"earlier release, Subnet, database lost", "", none, subnet, "ovn-external", "an earlier release made it"},
		{"Subnet of the present name beside it", "", subnet, both, "external", "its Subnet exists"},
		{"present bare switch beside it", "", bare, bare, "external", "it exists"},
	} {
		if name, why := externalSwitch(c.given, c.present, c.former); name != c.name || why != c.why {
			t.Errorf("%s: %s, %s; want %s, %s", c.what, name, why, c.name, c.why)
		}
	}
}
