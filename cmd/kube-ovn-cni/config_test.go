package main

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

func TestParseConf(t *testing.T) {
	for name, c := range map[string]struct {
		stdin string
		want  source
		code  uint
	}{
		"the shipped configuration": {
			`{"cniVersion":"0.3.1","name":"kube-ovn","type":"kube-ovn","server_socket":"/run/openvswitch/kube-ovn-daemon.sock"}`,
			source{ServerSocket: "/run/openvswitch/kube-ovn-daemon.sock"}, 0,
		},
		"an attachment of our own": {
			`{"name":"n","type":"kube-ovn","server_socket":"/s","provider":"n.ns.ovn","routes":[{"dst":"10.0.0.0/8","gw":"10.1.1.1"}]}`,
			source{"/s", "n.ns.ovn", []api.Route{{Destination: "10.0.0.0/8", Gateway: "10.1.1.1"}}}, 0,
		},
		"addresses for macvlan": {
			`{"name":"n","type":"macvlan","master":"eth0","provider":"ignored","ipam":{"type":"kube-ovn","server_socket":"/s","provider":"n.ns","routes":[{"gw":"10.1.1.1"}]}}`,
			source{"/s", "n.ns", []api.Route{{Gateway: "10.1.1.1"}}}, 0,
		},
		"our own type keeps its own keys": {
			`{"name":"n","type":"kube-ovn","server_socket":"/top","ipam":{"server_socket":"/below","provider":"x"}}`,
			source{ServerSocket: "/top"}, 0,
		},
		"no socket":              {`{"name":"n","type":"kube-ovn"}`, source{}, api.CodeInvalidConfig},
		"no socket below ipam":   {`{"name":"n","type":"macvlan","server_socket":"/s","ipam":{"type":"kube-ovn"}}`, source{}, api.CodeInvalidConfig},
		"no JSON":                {`{"name":`, source{}, api.CodeDecodingFailure},
		"nothing":                {``, source{}, api.CodeDecodingFailure},
		"routes of another form": {`{"name":"n","type":"kube-ovn","server_socket":"/s","routes":"10.0.0.0/8"}`, source{}, api.CodeDecodingFailure},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := parseConf([]byte(c.stdin))
			if c.code != 0 {
				assertCode(t, err, c.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, conf.source); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func assertCode(t testing.TB, err error, code uint) {
	t.Helper()
	var e *types.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want code %d", err, code)
	}
}

func TestParsePod(t *testing.T) {
	for args, ok := range map[string]bool{
		"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u": true,
		"K8S_POD_NAMESPACE=default;K8S_POD_NAME=web":                                                              true,
		"K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;OTHER=1":                                                      false,
		"K8S_POD_NAMESPACE=default":                                                                               false,
		"K8S_POD_NAME=web":                                                                                        false,
		"":                                                                                                        false,
		"K8S_POD_NAME":                                                                                            false,
		"IgnoreUnknown=maybe;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b":                                                  false,
	} {
		pod, err := parsePod(args)
		if !ok {
			if err == nil {
				t.Errorf("%q is accepted", args)
			}
			assertCode(t, err, api.CodeInvalidConfig)
			continue
		}
		if err != nil || pod.K8S_POD_NAME != "web" || pod.K8S_POD_NAMESPACE != "default" {
			t.Errorf("%q: got %+v, %v", args, pod, err)
		}
	}
}

func TestBuildResult(t *testing.T) {
	dual := api.Response{
		IPs: []api.IP{
			{Protocol: "IPv4", IP: "10.16.0.5", CIDR: "10.16.0.0/16", Gateway: "10.16.0.1"},
			{Protocol: "IPv6", IP: "fd00::5", CIDR: "fd00::/64", Gateway: "fd00::1"},
		},
		MACAddress: "00:00:00:aa:bb:cc", MTU: 1400, NicName: "eth0", DNS: types.DNS{Nameservers: []string{"10.96.0.10"}},
	}
	noGateway := dual
	noGateway.IPs = []api.IP{{Protocol: "IPv4", IP: "10.16.0.5", CIDR: "10.16.0.0/16"}}
	routed := dual
	routed.Routes = []api.Route{{Destination: "10.0.0.0/8", Gateway: "10.16.0.9"}, {Gateway: "fd00::9"}, {Destination: "172.16.0.0/16"}}
	own := &netConf{Type: "kube-ovn"}
	ipam := &netConf{Type: "macvlan", IPAM: &ipamConfig{}}
	for name, c := range map[string]struct {
		conf *netConf
		res  api.Response
		want string
	}{
		"dual stack": {own, dual, `{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"00:00:00:aa:bb:cc","mtu":1400,"sandbox":"/ns"}],` +
			`"ips":[{"interface":0,"address":"10.16.0.5/16","gateway":"10.16.0.1"},{"interface":0,"address":"fd00::5/64","gateway":"fd00::1"}],` +
			`"routes":[{"dst":"0.0.0.0/0","gw":"10.16.0.1"},{"dst":"::/0","gw":"fd00::1"}],"dns":{"nameservers":["10.96.0.10"]}}`},
		"no default route": {own, noGateway, `{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"00:00:00:aa:bb:cc","mtu":1400,"sandbox":"/ns"}],` +
			`"ips":[{"interface":0,"address":"10.16.0.5/16"}],"dns":{"nameservers":["10.96.0.10"]}}`},
		"the daemon's routes": {own, routed, `{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"00:00:00:aa:bb:cc","mtu":1400,"sandbox":"/ns"}],` +
			`"ips":[{"interface":0,"address":"10.16.0.5/16","gateway":"10.16.0.1"},{"interface":0,"address":"fd00::5/64","gateway":"fd00::1"}],` +
			`"routes":[{"dst":"10.0.0.0/8","gw":"10.16.0.9"},{"dst":"::/0","gw":"fd00::9"},{"dst":"172.16.0.0/16"}],"dns":{"nameservers":["10.96.0.10"]}}`},
		"for another plugin": {ipam, noGateway, `{"cniVersion":"1.1.0","ips":[{"address":"10.16.0.5/16"}],"dns":{"nameservers":["10.96.0.10"]}}`},
		"a MAC alone": {own, api.Response{MACAddress: "00:00:00:aa:bb:cc", NicName: "eth0", MTU: 1400},
			`{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"00:00:00:aa:bb:cc","mtu":1400,"sandbox":"/ns"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := buildResult(c.conf, &skel.CmdArgs{Netns: "/ns"}, c.res)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asMap(t, []byte(c.want)), asMap(t, mustJSON(t, result))); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, ip := range map[string]api.IP{
		"address": {IP: "x", CIDR: "10.0.0.0/8"}, "CIDR": {IP: "10.0.0.1", CIDR: "x"}, "gateway": {IP: "10.0.0.1", CIDR: "10.0.0.0/8", Gateway: "x"},
	} {
		if _, err := buildResult(own, &skel.CmdArgs{}, api.Response{IPs: []api.IP{ip}}); err == nil {
			t.Errorf("a malformed %s is accepted", name)
		}
	}
	for name, r := range map[string]api.Route{"gateway": {Gateway: "x"}, "destination": {Destination: "10.0.0.1"}} {
		if _, err := buildResult(own, &skel.CmdArgs{}, api.Response{Routes: []api.Route{r}}); err == nil {
			t.Errorf("a route's malformed %s is accepted", name)
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func asMap(t testing.TB, data []byte) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return out
}

func TestExpected(t *testing.T) {
	prev := func(version, result string) *netConf {
		conf, err := parseConf([]byte(`{"cniVersion":"` + version + `","name":"n","type":"kube-ovn","server_socket":"/s","prevResult":` + result + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return conf
	}
	// A chain's result also has the host end of another plugin and an address of it.
	got, err := prev("1.0.0", `{"cniVersion":"1.0.0","interfaces":[{"name":"veth1"},{"name":"eth0","mac":"00:00:00:aa:bb:cc","sandbox":"/ns"},{"name":"net1","sandbox":"/ns"}],`+
		`"ips":[{"interface":1,"address":"10.16.0.5/16","gateway":"10.16.0.1"},{"interface":2,"address":"10.99.0.5/16"}],"routes":[{"dst":"0.0.0.0/0","gw":"10.16.0.1"}]}`).expected("eth0")
	if err != nil {
		t.Fatal(err)
	}
	want := &api.Expected{MAC: "00:00:00:aa:bb:cc", Addresses: []string{"10.16.0.5/16"}, Routes: []api.Route{{Destination: "0.0.0.0/0", Gateway: "10.16.0.1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := (&netConf{}).expected("eth0"); got != nil || err != nil {
		t.Errorf("without prevResult: got %v, %v", got, err)
	}
	_, err = prev("1.0.0", `{"cniVersion":"1.0.0","ips":[{"address":"x"}]}`).expected("eth0")
	assertCode(t, err, api.CodeDecodingFailure)
}

// FuzzStdin feeds configurations as a runtime, or whoever edits the directory, may.
func FuzzStdin(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.1.0","name":"n","type":"macvlan","ipam":{"type":"kube-ovn","server_socket":"/s"},"prevResult":{"cniVersion":"1.1.0","ips":[{"interface":7,"address":"10.0.0.1/8"}]}}`), "K8S_POD_NAME=a;K8S_POD_NAMESPACE=b")
	f.Add([]byte(`{"name":"n","type":"kube-ovn","server_socket":"/s","cni.dev/valid-attachments":[{"containerID":"c","ifname":"eth0"}]}`), "IgnoreUnknown=1")
	f.Add([]byte(`{"server_socket":"/s","prevResult":{"interfaces":[null],"ips":[null],"routes":[null]}}`), ";=;")
	f.Add([]byte(`{"server_socket":"/s","cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0","interfaces":[null],"ips":[null],"routes":[null]}}`), ";=;")
	f.Fuzz(func(t *testing.T, stdin []byte, args string) {
		conf, err := parseConf(stdin)
		if err != nil {
			return
		}
		if conf.ServerSocket == "" {
			t.Error("accepted without a socket")
		}
		if _, err := conf.expected("eth0"); err != nil {
			return
		}
		if pod, err := parsePod(args); err == nil {
			mustJSON(t, conf.request(&skel.CmdArgs{ContainerID: "c", IfName: "eth0"}, pod))
		}
	})
}
