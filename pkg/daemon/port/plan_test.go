package port

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// inputs is an IPv4 pod of the default network, ready to be planned; each case changes it.
func inputs() Inputs {
	return Inputs{
		Request: api.Request{
			CNIType: "kube-ovn", PodName: "web", PodNamespace: "default", ContainerID: "abc", NetNS: "/run/netns/x", IfName: "eth0",
			Network: "kube-ovn",
		},
		Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u1", Annotations: map[string]string{
			"ovn.kubernetes.io/allocated":      "true",
			"ovn.kubernetes.io/routed":         "true",
			"ovn.kubernetes.io/ip_address":     "10.16.0.5",
			"ovn.kubernetes.io/mac_address":    "00:00:00:aa:bb:cc",
			"ovn.kubernetes.io/cidr":           "10.16.0.0/16",
			"ovn.kubernetes.io/gateway":        "10.16.0.1",
			"ovn.kubernetes.io/logical_switch": "ovn-default",
		}}},
		Subnet: &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "ovn-default"}},
		Node:   &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}},
		Defaults: Defaults{
			MTU: 1400, DetectConflicts: true, Underlay: announce.RFC5227(), Overlay: announce.Local(),
		},
	}
}

// set changes annotations of the default network; an empty value removes.
func (in Inputs) set(pairs ...string) Inputs {
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i]
		if !strings.Contains(key, "/") {
			key = "ovn.kubernetes.io/" + key
		}
		in.Pod.Annotations[key] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(in.Pod.Annotations, key)
		}
	}
	return in
}

// secondary turns the pod's annotations and the request into those of a further network.
func (in Inputs) secondary(provider, ifName string) Inputs {
	annotations := map[string]string{}
	for key, value := range in.Pod.Annotations {
		annotations[strings.Replace(key, "ovn.kubernetes.io", provider+".kubernetes.io", 1)] = value
	}
	in.Pod.Annotations = annotations
	in.Request.Provider = strings.TrimSuffix(provider, "."+ifName)
	in.Request.IfName = ifName
	return in
}

func TestPlan(t *testing.T) {
	got, err := Plan(inputs())
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		ID: ID{Container: "abc", IfName: "eth0"}, Netns: "/run/netns/x", Namespace: "default", Pod: "web", PodUID: "u1",
		Network: "kube-ovn", Provider: "ovn", Subnet: "ovn-default", IfaceID: "web.default",
		MAC: []byte{0, 0, 0, 0xaa, 0xbb, 0xcc}, MTU: 1400,
		Addresses: prefixes("10.16.0.5/16"), CIDRs: prefixes("10.16.0.0/16"), Gateways: addrs("10.16.0.1"), DefaultRoute: true,
		Routes:        []Route{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.16.0.1")}},
		CheckGateways: addrs("10.16.0.1"), Conflict: announce.Local(), FastDAD: true,
	}
	if diff := cmp.Diff(want, got, compareNet); diff != "" {
		t.Error(diff)
	}
}

var compareNet = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// Each case changes the plain pod and looks at the one thing that follows from the change.
func TestPlanFollows(t *testing.T) {
	underlay := func(in Inputs) Inputs { in.Subnet.Spec.Vlan = "vlan100"; return in }
	for name, c := range map[string]struct {
		in   Inputs
		look func(Spec) any
		want any
	}{
		"dual stack, IPv4 first": {
			inputs().set("ip_address", "10.16.0.5,fd00::5", "cidr", "10.16.0.0/16,fd00::/64", "gateway", "10.16.0.1,fd00::1"),
			func(s Spec) any { return [][]netip.Prefix{s.Addresses, s.CIDRs} },
			[][]netip.Prefix{prefixes("10.16.0.5/16", "fd00::5/64"), prefixes("10.16.0.0/16", "fd00::/64")},
		},
		"the CIDR's order does not matter": {
			inputs().set("ip_address", "10.16.0.5,fd00::5", "cidr", "fd00::/64,10.16.0.0/16", "gateway", "fd00::1,10.16.0.1"),
			func(s Spec) any { return [][]netip.Addr{s.Gateways, s.CheckGateways} },
			[][]netip.Addr{addrs("10.16.0.1", "fd00::1"), addrs("10.16.0.1", "fd00::1")},
		},
		"a pod of one family in a subnet of two": {
			inputs().set("ip_address", "fd00::5", "cidr", "10.16.0.0/16,fd00::/64", "gateway", "10.16.0.1,fd00::1"),
			func(s Spec) any { return [][]netip.Addr{s.Gateways, s.CheckGateways} },
			[][]netip.Addr{addrs("fd00::1"), addrs("fd00::1")},
		},
		"MAC only": {
			inputs().set("ip_address", "", "cidr", "", "gateway", "", "routed", ""),
			func(s Spec) any { return [3]int{len(s.Addresses), len(s.Routes), len(s.CheckGateways)} },
			[3]int{},
		},
		"a virtual machine's name": {
			inputs().set("virtualmachine", "vm1"), func(s Spec) any { return [2]string{s.IfaceID, s.Pod} }, [2]string{"vm1.default", "vm1"},
		},
		"a migration looks for nothing": {
			inputs().set("kubevirt.io/migrationJobName", "job"),
			func(s Spec) any { return [3]any{s.Migrating, s.Conflict, len(s.CheckGateways)} }, [3]any{true, announce.Timing{}, 0},
		},
		"an activation strategy skips the gateway": {
			inputs().set("activation_strategy", "rarp"), func(s Spec) any { return len(s.CheckGateways) }, 0,
		},
		"the subnet skips the gateway": {
			func() Inputs { in := inputs(); in.Subnet.Spec.DisableGatewayCheck = true; return in }(),
			func(s Spec) any { return len(s.CheckGateways) }, 0,
		},
		"the flag against conflicts is off": {
			func() Inputs { in := inputs(); in.Defaults.DetectConflicts = false; return in }(),
			func(s Spec) any { return s.Conflict }, announce.Timing{},
		},
		"underlay": {
			underlay(inputs()), func(s Spec) any { return [3]any{s.PatchPort, s.Conflict, s.FastDAD} },
			[3]any{"patch-localnet.ovn-default-to-br-int", announce.RFC5227(), false},
		},
		"underlay with a logical gateway": {
			func() Inputs { in := underlay(inputs()); in.Subnet.Spec.LogicalGateway = true; return in }(),
			func(s Spec) any { return [3]any{s.PatchPort, s.Conflict, s.FastDAD} }, [3]any{"patch-localnet.ovn-default-to-br-int", announce.Local(), true},
		},
		"underlay to overlay: the router is the gateway, both must answer": {
			func() Inputs {
				in := underlay(inputs())
				in.Subnet.Spec.U2OInterconnection, in.Subnet.Status.U2OInterconnectionIP = true, "10.16.0.254"
				return in
			}(),
			func(s Spec) any { return [][]netip.Addr{s.Gateways, s.CheckGateways} },
			[][]netip.Addr{addrs("10.16.0.254"), addrs("10.16.0.1", "10.16.0.254")},
		},
		"the subnet's MTU": {
			func() Inputs { in := inputs(); in.Subnet.Spec.Mtu = 1300; return in }(), func(s Spec) any { return s.MTU }, 1300,
		},
		"the provider network's MTU": {
			func() Inputs {
				in := underlay(inputs()).set("provider_network", "pn1")
				in.Node.Labels = map[string]string{"pn1.provider-network.kubernetes.io/mtu": "9000"}
				return in
			}(), func(s Spec) any { return s.MTU }, 9000,
		},
		"the provider network's MTU is not for overlays": {
			func() Inputs {
				in := inputs().set("provider_network", "pn1")
				in.Node.Labels = map[string]string{"pn1.provider-network.kubernetes.io/mtu": "9000"}
				return in
			}(), func(s Spec) any { return s.MTU }, 1400,
		},
		"a tunnel network": {
			func() Inputs {
				in := inputs()
				in.Subnet.Spec.NodeNetwork = "storage"
				in.Node.Annotations = map[string]string{"ovn.kubernetes.io/node_networks": `{"storage":"192.168.7.4"}`}
				return in
			}(), func(s Spec) any { return s.EncapIP.String() }, "192.168.7.4",
		},
		"no default route on request": {
			inputs().set("default_route", "false", "routed", ""),
			func(s Spec) any { return [2]any{s.DefaultRoute, len(s.Routes)} }, [2]any{false, 0},
		},
		"a further network": {
			inputs().secondary("net2.ns1.ovn", "net1").set("net2.ns1.ovn.kubernetes.io/routed", ""),
			func(s Spec) any { return [4]any{s.IfaceID, s.Provider, s.DefaultRoute, s.IPAMOnly} },
			[4]any{"web.default.net2.ns1.ovn", "net2.ns1.ovn", false, false},
		},
		"a further network with the default route": {
			inputs().secondary("net2.ns1.ovn", "net1").set("net2.ns1.ovn.kubernetes.io/default_route", "true"),
			func(s Spec) any { return [2]any{s.DefaultRoute, len(s.Routes)} }, [2]any{true, 1},
		},
		"one network twice": {
			inputs().secondary("net2.ns1.ovn.net5", "net5"),
			func(s Spec) any { return [2]string{s.IfaceID, s.Provider} }, [2]string{"web.default.net2.ns1.ovn.net5", "net2.ns1.ovn.net5"},
		},
		"addresses for another plugin": {
			func() Inputs {
				in := inputs().secondary("macvlan.default", "net1")
				in.Request.CNIType = "macvlan"
				return in.set("macvlan.default.kubernetes.io/mac_address", "")
			}(), func(s Spec) any { return [2]any{s.IPAMOnly, s.Addresses[0].String()} }, [2]any{true, "10.16.0.5/16"},
		},
		"routes of configuration and annotation": {
			func() Inputs {
				in := inputs().set("routes", `[{"dst":"172.16.0.9","gw":"10.16.0.7"},{"dst":"192.168.1.1/24"}]`)
				in.Request.Routes = []api.Route{{Destination: "172.20.0.0/16", Gateway: "10.16.0.8"}, {Gateway: "10.16.0.9"}}
				return in
			}(), func(s Spec) any { return routeText(s.Routes) },
			"0.0.0.0/0 10.16.0.1, 172.20.0.0/16 10.16.0.8, 0.0.0.0/0 10.16.0.9, 172.16.0.9/32 10.16.0.7, 192.168.1.0/24 -",
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := Plan(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.look(spec), compareNet); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func routeText(routes []Route) string {
	var out []string
	for _, r := range routes {
		via := "-"
		if r.Gateway.IsValid() {
			via = r.Gateway.String()
		}
		out = append(out, r.Destination.String()+" "+via)
	}
	return strings.Join(out, ", ")
}

func TestPlanWaits(t *testing.T) {
	for name, c := range map[string]struct {
		in   Inputs
		want WaitFor
		text string
	}{
		"nothing yet":                    {inputs().set("allocated", "", "ip_address", "", "mac_address", "", "cidr", ""), ForAddress, "no address allocated to pod default/web provider ovn"},
		"a user's address is no grant":   {inputs().set("allocated", ""), ForAddress, "no address allocated"},
		"a subnet that is not known yet": {func() Inputs { in := inputs(); in.Subnet = nil; return in }(), ForAddress, `subnet "ovn-default"`},
		"routes":                         {inputs().set("routed", ""), ForRoute, "route is not ready for pod default/web provider ovn"},
		"routes that a user asks anew":   {inputs().set("routed", "false"), ForRoute, "route is not ready"},
		"the router of an interconnected subnet": {func() Inputs {
			in := inputs()
			in.Subnet.Spec.Vlan, in.Subnet.Spec.U2OInterconnection = "v", true
			return in
		}(), ForRoute, "the router has no address"},
		"an address, with a CIDR already": {inputs().set("ip_address", ""), ForAddress, "no address allocated"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plan(c.in)
			var wait *WaitError
			if !errors.As(err, &wait) || wait.For != c.want || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want to wait for the %s because of %q", err, c.want, c.text)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	node := func(key, value string) Inputs {
		in := inputs()
		in.Subnet.Spec.NodeNetwork, in.Subnet.Spec.Vlan = "storage", "vlan1"
		in.Node.Labels, in.Node.Annotations = map[string]string{key: value}, map[string]string{key: value}
		return in.set("provider_network", "pn1")
	}
	for name, c := range map[string]struct {
		in   Inputs
		text string
	}{
		"an address":               {inputs().set("ip_address", "10.16.0"), `ovn.kubernetes.io/ip_address: "10.16.0"`},
		"an address with a length": {inputs().set("ip_address", "10.16.0.5/16"), "is not an IP address"},
		"an address with a zone":   {inputs().set("ip_address", "fe80::1%eth0", "cidr", "fe80::/64"), "is not an IP address"},
		"a mapped address":         {inputs().set("ip_address", "::ffff:10.0.0.1"), "is not an IP address"},
		"a CIDR":                   {inputs().set("cidr", "10.16.0.0"), "is not a CIDR"},
		"no CIDR of the family":    {inputs().set("cidr", "fd00::/64"), "has no prefix for address 10.16.0.5"},
		"two CIDRs of one family":  {inputs().set("cidr", "10.16.0.0/16,10.17.0.0/16"), "two prefixes of one family"},
		"two addresses of one":     {inputs().set("ip_address", "10.16.0.5,10.16.0.6"), "has no prefix for address 10.16.0.6"},
		"a MAC":                    {inputs().set("mac_address", "00:00:00:aa:bb"), "is not an Ethernet address"},
		"an InfiniBand address":    {inputs().set("mac_address", "00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01"), "is not an Ethernet address"},
		"no MAC":                   {inputs().set("mac_address", ""), "is not an Ethernet address"},
		"a gateway":                {inputs().set("gateway", "10.16.0.1,x"), `ovn.kubernetes.io/gateway: "x"`},
		"default_route":            {inputs().set("default_route", "maybe"), "neither true nor false"},
		"routes that are no JSON":  {inputs().set("routes", "172.16.0.0/16"), "is not a JSON list of routes"},
		"an empty route":           {inputs().set("routes", "[{}]"), "neither dst nor gw"},
		"a route of two families":  {inputs().set("routes", `[{"dst":"fd00::/8","gw":"10.16.0.1"}]`), "different families"},
		"a route's destination":    {inputs().set("routes", `[{"dst":"10.0.0.0/33"}]`), "10.0.0.0/33"},
		"a route's gateway":        {inputs().set("routes", `[{"gw":"gateway"}]`), "gateway"},
		"a rate":                   {inputs().set("ingress_rate", "10M"), "ingress_rate: \"10M\" is not a whole number"},
		"a negative rate":          {inputs().set("egress_rate", "-1"), "is not a whole number"},
		"a rate beyond everything": {inputs().set("egress_rate", "99999999999"), "is not a whole number"},
		"a loss":                   {inputs().set("loss", "101"), "is not a percentage"},
		"no number as loss":        {inputs().set("loss", "NaN"), "is not a percentage"},
		"a kind of interface":      {inputs().set("pod_nic_type", "dpdk-port"), `"dpdk-port" is not supported`},
		"SR-IOV":                   {func() Inputs { in := inputs(); in.Request.DeviceID = "0000:01:00.1"; return in }(), "SR-IOV"},
		"vhost-user":               {func() Inputs { in := inputs(); in.Request.VhostUserSocketVolumeName = "v"; return in }(), "vhost-user"},
		"a node's MTU label":       {node("pn1.provider-network.kubernetes.io/mtu", "big"), "is not an MTU"},
		"a node's networks":        {node("ovn.kubernetes.io/node_networks", "storage=1"), "is not a JSON map"},
		"a node without network":   {node("ovn.kubernetes.io/node_networks", `{"other":"1.1.1.1"}`), `has no address in the network "storage"`},
		"a route of the network configuration": {
			func() Inputs { in := inputs(); in.Request.Routes = []api.Route{{Destination: "x"}}; return in }(), "network configuration",
		},
		"a status of the subnet": {
			func() Inputs {
				in := inputs()
				in.Subnet.Spec.Vlan, in.Subnet.Spec.U2OInterconnection, in.Subnet.Status.U2OInterconnectionIP = "v", true, "x"
				return in
			}(), "status of subnet ovn-default",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plan(c.in)
			var wrong *InvalidError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want a refusal with %q", err, c.text)
			}
		})
	}
}

// Whatever a user writes into annotations, planning ends with a specification that can be applied or a reason.
func FuzzPlan(f *testing.F) {
	f.Add("10.16.0.5", "10.16.0.0/16", "10.16.0.1", "00:00:00:aa:bb:cc", `[{"dst":"0.0.0.0/0","gw":"1.2.3.4"}]`, "5")
	f.Add("10.16.0.5,fd00::5", "fd00::/64,10.16.0.0/16", "fd00::1", "0000.00aa.bbcc", `[{"gw":"::1"}]`, "0")
	f.Add("", "", ",", "", "{", "-1")
	f.Fuzz(func(t *testing.T, ip, cidr, gateway, mac, routes, rate string) {
		in := inputs().set("ip_address", ip, "cidr", cidr, "gateway", gateway, "mac_address", mac, "routes", routes, "egress_rate", rate, "loss", rate)
		spec, err := Plan(in)
		if err != nil {
			return
		}
		if len(spec.MAC) != 6 || len(spec.CIDRs) != len(spec.Addresses) || len(spec.Gateways) != len(spec.Addresses) || len(spec.Addresses) > 2 {
			t.Errorf("inconsistent: %+v", spec)
		}
		for _, r := range spec.Routes {
			if !r.Destination.IsValid() || r.Gateway.IsValid() && r.Gateway.Is4() != r.Destination.Addr().Is4() {
				t.Errorf("route %+v", r)
			}
		}
		spec.Response(in.Request)
		spec.row()
	})
}

func TestResponse(t *testing.T) {
	in := inputs().set("ip_address", "10.16.0.5,fd00::5", "cidr", "10.16.0.0/16,fd00::/64", "gateway", "10.16.0.1,fd00::1")
	in.Request.DNS.Nameservers = []string{"10.96.0.10"}
	spec, err := Plan(in)
	if err != nil {
		t.Fatal(err)
	}
	want := api.Response{
		IPs: []api.IP{
			{Protocol: "IPv4", IP: "10.16.0.5", CIDR: "10.16.0.0/16", Gateway: "10.16.0.1"},
			{Protocol: "IPv6", IP: "fd00::5", CIDR: "fd00::/64", Gateway: "fd00::1"},
		},
		MACAddress: "00:00:00:aa:bb:cc", MTU: 1400, NicName: "eth0", DNS: in.Request.DNS,
		Routes: []api.Route{{Destination: "0.0.0.0/0", Gateway: "10.16.0.1"}, {Destination: "::/0", Gateway: "fd00::1"}},
	}
	if diff := cmp.Diff(want, spec.Response(in.Request)); diff != "" {
		t.Error(diff)
	}
	spec.DefaultRoute = false
	if got := spec.Response(in.Request).IPs[0].Gateway; got != "" {
		t.Errorf("an interface without the default route answers gateway %q", got)
	}
}

func TestLinkNames(t *testing.T) {
	seen := map[string]ID{}
	for _, id := range []ID{
		{"abc", "eth0"},
		{"abc", "net1"},
		{"abd", "eth0"},
		{"0123456789abcdef0123456789abcdef", "averylongname12"},
		{"0123456789abcdef0123456789abcdee", "averylongname12"},
		{"0123456789abcdef0123456789abcdef", "averylongname13"},
	} {
		host, pod := id.HostLink(), id.PodLink()
		if len(host) > 15 || !strings.HasSuffix(host, "_h") || len(pod) > 15 || !strings.HasSuffix(pod, "_c") {
			t.Errorf("%s: names %q and %q", id, host, pod)
		}
		if other, taken := seen[host]; taken {
			t.Errorf("%s and %s are both named %s", id, other, host)
		}
		seen[host] = id
		if again, ok := parseID(id.String()); !ok || again != id {
			t.Errorf("%s is read back as %+v, %t", id, again, ok)
		}
	}
	for id, want := range map[ID]string{
		{"0123456789abcdef", "eth0"}:            "0123456789ab_h",
		{"0123456789abcdef", "net1"}:            "01234567_net1_h",
		{"0123456789abcdef", "averylongname12"}: "",
		{"0123456789abcdef", "averylongnam"}:    "",
		{"abc", "eth0"}:                         "",
	} {
		if got, ok := id.oldHostLink(); got != want || ok != (want != "") {
			t.Errorf("%s: old name %q, %t, want %q", id, got, ok, want)
		}
	}
	for _, key := range []string{"", "abc", "abc/", "/eth0"} {
		if id, ok := parseID(key); ok {
			t.Errorf("%q is read as %+v", key, id)
		}
	}
}
