package util

import (
	"fmt"
	"strings"
	"testing"
)

func TestExternalNextHops(t *testing.T) {
	config := func(address, nicIP string) map[string]string {
		return map[string]string{ExternalGatewayConfigAddress: address, ExternalGatewayConfigNICIP: nicIP}
	}
	for name, c := range map[string]struct {
		data    map[string]string
		gateway string
		want    string
	}{
		"nothing":             {nil, "", "none none"},
		"address with mask":   {config("10.5.204.254/24", ""), "", "10.5.204.254 none"},
		"address comes first": {config("10.5.204.253", "10.5.204.100/24"), "10.5.204.254", "10.5.204.253 none"},
		"gateway of subnet":   {config("", "10.5.204.100/24"), "10.5.204.254", "10.5.204.254 none"},
		"network of nic-ip":   {config("", "172.56.0.100/16"), "", "172.56.0.1 none"},
		"per family":          {config("10.5.204.254", "10.5.204.9/24,fd00:204::9/64"), "", "10.5.204.254 fd00:204::1"},
		"dual":                {config("10.5.204.254/24, fd00:204::fe/64", ""), "fd00::1", "10.5.204.254 fd00:204::fe"},
		"malformed address":   {config("10.5.204", ""), "", "external-gw-addr: "},
		"malformed gateway":   {config("", ""), "x", "gateway of the external subnet: "},
		"nic-ip without mask": {config("", "10.5.204.9"), "", "nic-ip: "},
	} {
		hops, err := ExternalNextHops(c.data, c.gateway)
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.ReplaceAll(fmt.Sprint(hops[0], " ", hops[1]), "invalid IP", "none")
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSourceMatch(t *testing.T) {
	for _, source := range []string{"10.0.0.1", "10.0.0.0/24", "fd00::1", "fd00::/64"} {
		match := SourceMatch(source)
		if got := SourceOfMatch(match); got != source {
			t.Errorf("%q is from %q", match, got)
		}
		if got := SourceOfMatch(match + " && tcp.src == 22"); got != source {
			t.Errorf("%q with a port is from %q", match, got)
		}
	}
	if got := SourceOfMatch("ip4.dst == 10.0.0.1"); got != "" {
		t.Errorf("a destination is taken for source %q", got)
	}
}
