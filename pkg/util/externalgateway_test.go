package util

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seed002 is the ConfigMap of the L3 gateway document, seed000 that of the document on OVN EIPs.
func seed002() map[string]string {
	return map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "kube-ovn-worker", "external-gw-nic": "eth1",
		"nic-ip": "172.56.0.100/16", "nic-mac": "16:52:f3:13:6a:25",
	}
}

func seed000() map[string]string {
	return map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "pc-node-1,pc-node-2, pc-node-3", "type": "centralized",
		"external-gw-nic": "vlan", "external-gw-addr": "10.5.204.254/24",
	}
}

func TestParseExternalGateway(t *testing.T) {
	g, err := ParseExternalGateway(seed002())
	if err != nil || !g.Enabled || g.Distributed || g.NIC != "eth1" || g.RouterMAC != "16:52:f3:13:6a:25" {
		t.Errorf("%+v, %v", g, err)
	}
	if diff := cmp.Diff([]string{"kube-ovn-worker"}, g.Nodes); diff != "" {
		t.Error(diff)
	}
	if len(g.RouterPort) != 1 || g.RouterPort[0].String() != "172.56.0.100/16" {
		t.Errorf("router port %v", g.RouterPort)
	}
	g, err = ParseExternalGateway(seed000())
	if err != nil || !g.Enabled || len(g.RouterPort) != 0 || FormatAddrs(g.Gateways) != "10.5.204.254" {
		t.Errorf("%+v, %v", g, err)
	}
	if diff := cmp.Diff([]string{"pc-node-1", "pc-node-2", "pc-node-3"}, g.Nodes); diff != "" {
		t.Error(diff)
	}
}

func TestParseExternalGatewayValues(t *testing.T) {
	tests := []struct {
		name, key, value string
		wrong            string // part of the error
		check            func(ExternalGateway) bool
	}{
		{"off", "enable-external-gw", "false", "", func(g ExternalGateway) bool { return !g.Enabled && g.NIC == "" }},
		{"anything else is on", "enable-external-gw", "no", "", func(g ExternalGateway) bool { return g.Enabled }},
		{"distributed has no list", "type", "distributed", "", func(g ExternalGateway) bool { return g.Distributed && g.Nodes == nil }},
		{"unknown type", "type", "both", "type: ", nil},
		{"a node twice", "external-gw-nodes", "a,b,,a", "", func(g ExternalGateway) bool { return strings.Join(g.Nodes, " ") == "a b" }},
		{"gateway without mask", "external-gw-addr", "10.0.0.1", "", func(g ExternalGateway) bool { return FormatAddrs(g.Gateways) == "10.0.0.1" }},
		{"gateways of both families", "external-gw-addr", "fd00::1/64,10.0.0.1/24", "", func(g ExternalGateway) bool { return FormatAddrs(g.Gateways) == "10.0.0.1,fd00::1" }},
		{"wrong gateway", "external-gw-addr", "10.0.0.256", "external-gw-addr: ", nil},
		{"wrong mask of the gateway", "external-gw-addr", "10.0.0.1/33", "external-gw-addr: ", nil},
		{"nic-ip without mask", "nic-ip", "172.56.0.100", "nic-ip: ", nil},
		{"nic-ip is a network", "nic-ip", "172.56.0.0/16", "nic-ip: ", nil},
		{"two of one family", "nic-ip", "172.56.0.1/16,172.57.0.1/16", "nic-ip: ", nil},
		{"both families", "nic-ip", "fd00::2/64,172.56.0.1/16", "", func(g ExternalGateway) bool { return g.RouterPort[0].Addr().Is4() && g.RouterPort[1].Addr().Is6() }},
		{"MAC with dashes", "nic-mac", "16-52-f3-13-6a-25", "", func(g ExternalGateway) bool { return g.RouterMAC == "16:52:f3:13:6a:25" }},
		{"multicast MAC", "nic-mac", "17:52:f3:13:6a:25", "nic-mac: ", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := seed002()
			data[test.key] = test.value
			g, err := ParseExternalGateway(data)
			switch {
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
				t.Errorf("error %v, want %q", err, test.wrong)
			case test.wrong == "" && (err != nil || !test.check(g)):
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
}

func TestNextHops(t *testing.T) {
	tests := []struct{ name, addr, nicIP, subnet, want string }{
		{"the given gateway wins", "10.5.204.253/24", "", "10.5.204.254", "10.5.204.253"},
		{"then the subnet's", "", "10.5.204.10/24", "10.5.204.254", "10.5.204.254"},
		{"then the first of the network", "", "172.56.0.100/16", "", "172.56.0.1"},
		{"which the port itself cannot be", "", "172.56.0.1/16", "", ""},
		{"each family by itself", "10.5.204.253", "10.5.204.10/24,fd00::10/64", "10.5.204.254,fd00::fe", "10.5.204.253,fd00::fe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, err := ParseExternalGateway(map[string]string{"external-gw-addr": test.addr, "nic-ip": test.nicIP})
			if got := FormatAddrs(g.NextHops(test.subnet)); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestExternalGatewayAnnotation(t *testing.T) {
	text := EncodeExternalGateway(map[string]string{"type": " distributed ", "external-gw-nic": "", "comment": "x"})
	if text != `{"type":"distributed"}` {
		t.Errorf("got %s", text)
	}
	if g, on := DecodeExternalGateway(map[string]string{ExternalGatewayInEffect: text}); !on || !g.Distributed {
		t.Errorf("got %+v, %v", g, on)
	}
	for _, annotations := range []map[string]string{nil, {ExternalGatewayInEffect: "x"}, {ExternalGatewayInEffect: `{"enable-external-gw":"false"}`}} {
		if _, on := DecodeExternalGateway(annotations); on {
			t.Errorf("%v is on", annotations)
		}
	}
}
