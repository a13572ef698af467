package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// testProvider is a provider network that is a number of minutes old.
func testProvider(name, nic string, age int, edit ...func(*kubeovnv1.ProviderNetwork)) *kubeovnv1.ProviderNetwork {
	pn := &kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-time.Duration(age) * time.Minute))},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterface: nic},
	}
	for _, e := range edit {
		e(pn)
	}
	return pn
}

func testVlan(name string, id int) *kubeovnv1.Vlan {
	return &kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.VlanSpec{ID: id}}
}

func vlansOf(names ...string) func(*kubeovnv1.ProviderNetwork) {
	return func(pn *kubeovnv1.ProviderNetwork) { pn.Status.Vlans = names }
}

// seed000 is the user's document with two networks on the NIC "vlan".
func seed000() Inputs {
	in := seed()
	in.Facts.Netdev = true
	in.Config.GatewaySwitch = "external204"
	in.Facts.Links = append(in.Facts.Links, Link{Name: "vlan", MTU: 1500})
	in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("extra", "vlan", 1, vlansOf("vlan0")), testProvider("external204", "vlan", 2, vlansOf("vlan204"))}
	in.Vlans = []*kubeovnv1.Vlan{testVlan("vlan204", 204), testVlan("vlan0", 0), testVlan("other", 7)}
	in.Nodes[2].Labels[util.ExternalGWLabel] = "true"
	in.Gateway = &util.ExternalGateway{Enabled: true, NIC: "vlan"}
	return in
}

// seed002 is the user's document with a dedicated NIC for the external gateway.
func seed002() Inputs {
	in := seed()
	in.Config.GatewaySwitch = "external"
	in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1", MTU: 1500, Addresses: prefixes("fe80::5/64")})
	in.Nodes[2].Labels[util.ExternalGWLabel] = "true"
	in.Gateway = &util.ExternalGateway{Enabled: true, Nodes: []string{"node3"}, NIC: "eth1"}
	return in
}

// networksText is the part of the state that is about networks outside of the cluster.
func networksText(s State) string {
	var out []string
	for _, p := range s.Providers {
		text := p.String()
		if before, _, ok := strings.Cut(text, " mac "); ok {
			text = before + "\n"
		}
		out = append(out, text)
	}
	for _, b := range s.Bridges {
		out = append(out, strings.ReplaceAll(bridgeText(b), " other_config map[mac-learning-fallback:false]", ""))
	}
	return strings.Join(out, "")
}

// networkCase is a node and the part of its state that is about networks outside of the cluster.
type networkCase struct {
	in   Inputs
	want string
}

func networkCases() map[string]networkCase {
	base := func(edit func(*Inputs)) Inputs {
		in := seed()
		in.Config.GatewaySwitch = "external"
		in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1", MTU: 9000, Addresses: prefixes("10.1.0.3/24")}, Link{Name: "eth2", MTU: 1500})
		edit(&in)
		return in
	}
	one := func(nic string, edit ...func(*kubeovnv1.ProviderNetwork)) func(*Inputs) {
		return func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("p", nic, 1, edit...)}
		}
	}
	deleted := func(pn *kubeovnv1.ProviderNetwork) { pn.DeletionTimestamp = &metav1.Time{} }
	return map[string]networkCase{
		"nothing": {base(func(*Inputs) {}), ""},
		"one": {base(one("eth1")), "provider p nic eth1 bridge br-p mtu 9000 vlan_interfaces false\n" +
			"bridge br-p nic eth1 netdev false trunks [0]\n"},
		"custom interface": {base(one("eth1", func(pn *kubeovnv1.ProviderNetwork) {
			pn.Spec.CustomInterfaces = []kubeovnv1.CustomInterface{{Interface: "eth9", Nodes: []string{"node1"}}, {Interface: "eth2", Nodes: []string{"node2", "node3"}}}
		})), "provider p nic eth2 bridge br-p mtu 1500 vlan_interfaces false\nbridge br-p nic eth2 netdev false trunks [0]\n"},
		"excluded": {base(one("eth1", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExcludeNodes = []string{"node3"} })), "provider p excluded\n"},
		"selected although excluded": {base(func(in *Inputs) {
			in.Nodes[2].Labels["rack"] = "a"
			one("eth1", func(pn *kubeovnv1.ProviderNetwork) {
				pn.Spec.ExcludeNodes = []string{"node3"}
				pn.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"rack": "a"}}
			})(in)
		}), "provider p nic eth1 bridge br-p mtu 9000 vlan_interfaces false\nbridge br-p nic eth1 netdev false trunks [0]\n"},
		"not selected": {base(one("eth1", func(pn *kubeovnv1.ProviderNetwork) {
			pn.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"rack": "b"}}
		})), "provider p excluded\n"},
		"broken selector": {base(one("eth1", func(pn *kubeovnv1.ProviderNetwork) {
			pn.Spec.NodeSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
		})), "provider p nic eth1 refused: nodeSelector: \"Near\" is not a valid label selector operator\n"},
		"being deleted": {base(one("eth1", deleted)), ""},
		"to be deleted after its VLANs": {base(one("eth1", deleted, func(pn *kubeovnv1.ProviderNetwork) { pn.Status.Vlans = []string{"gone"} })),
			"provider p nic eth1 bridge br-p mtu 9000 vlan_interfaces false\nbridge br-p nic eth1 netdev false trunks [0]\n"},
		"NIC is missing": {base(one("eth7")), "provider p nic eth7 bridge br-p mtu 0 vlan_interfaces false\n" +
			"bridge br-p nic eth7 netdev false trunks [0]\n"},
		"tunnel NIC, kernel datapath": {base(one("eth0")), "provider p nic eth0 bridge br-p mtu 1500 vlan_interfaces false\n" +
			"bridge br-p nic eth0 netdev false trunks [0]\n"},
		"tunnel NIC, userspace datapath": {base(func(in *Inputs) {
			in.Facts.Netdev = true
			one("eth0")(in)
		}), "provider p nic eth0 refused: eth0 is the tunnel NIC, which the userspace datapath needs in bridge br-phy\n"},
		"former tunnel NIC still in its bridge": {base(func(in *Inputs) {
			in.Facts.Netdev = true
			in.Facts.Links[2].Bridge = "br-phy"
			one("eth1")(in)
		}), "provider p nic eth1 refused: eth1 is in bridge br-phy\n"},
		"device of Open vSwitch": {base(one("br-int")), "provider p nic br-int refused: br-int is a device of Open vSwitch\n"},
		"its own bridge":         {base(one("br-p")), "provider p nic br-p refused: br-p is a device of Open vSwitch\n"},
		"name of the tunnel bridge": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("phy", "eth1", 1)}
		}), "provider phy nic eth1 refused: its bridge would be called br-phy, which is another bridge of this node\n"},
		"exchanged names, before": {base(one("eth1", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExchangeLinkName = true })),
			"provider p nic eth1 bridge eth1 mtu 9000 vlan_interfaces false\nbridge eth1 nic br-p netdev false trunks [0] exchanged\n"},
		"exchanged names, after": {base(func(in *Inputs) {
			in.Facts.Links[2] = Link{Name: "br-p", Former: "eth1", Bridge: "eth1", MTU: 9000}
			in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1", MTU: 1400, Addresses: prefixes("10.1.0.3/24")})
			one("eth1", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExchangeLinkName = true })(in)
		}), "provider p nic eth1 bridge eth1 mtu 9000 vlan_interfaces false\nbridge eth1 nic br-p netdev false trunks [0] exchanged\n"},
		"two on one NIC, the older owns": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("a", "eth1", 1, vlansOf("v5")), testProvider("b", "eth1", 2, vlansOf("v6"))}
			in.Vlans = []*kubeovnv1.Vlan{testVlan("v5", 5), testVlan("v6", 6)}
		}), "provider a nic eth1 bridge br-b mtu 9000 vlan_interfaces false\nprovider b nic eth1 bridge br-b mtu 9000 vlan_interfaces false\n" +
			"bridge br-b nic eth1 netdev false trunks [0 5 6]\n"},
		"two on one NIC, the one that has it owns": {base(func(in *Inputs) {
			in.Facts.Links[2].Bridge = "br-a"
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("a", "eth1", 1), testProvider("b", "eth1", 2)}
		}), "provider a nic eth1 bridge br-a mtu 9000 vlan_interfaces false\nprovider b nic eth1 bridge br-a mtu 9000 vlan_interfaces false\n" +
			"bridge br-a nic eth1 netdev false trunks [0]\n"},
		"two of one age, first by name": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("b", "eth1", 1), testProvider("a", "eth1", 1)}
		}), "provider a nic eth1 bridge br-a mtu 9000 vlan_interfaces false\nprovider b nic eth1 bridge br-a mtu 9000 vlan_interfaces false\n" +
			"bridge br-a nic eth1 netdev false trunks [0]\n"},
		"the owner goes, the other inherits": {base(func(in *Inputs) {
			in.Facts.Links[2].Bridge = "br-a"
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("a", "eth1", 1, deleted), testProvider("b", "eth1", 2)}
		}), "provider b nic eth1 bridge br-b mtu 9000 vlan_interfaces false\nbridge br-b nic eth1 netdev false trunks [0]\n"},
		"two with exchanged names": {base(func(in *Inputs) {
			exchange := func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExchangeLinkName = true }
			in.Facts.Links[2] = Link{Name: "br-a", Former: "eth1", Bridge: "eth1", MTU: 9000}
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("a", "eth1", 1, exchange), testProvider("b", "eth1", 2, exchange)}
		}), "provider a nic eth1 bridge eth1 mtu 9000 vlan_interfaces false\nprovider b nic eth1 bridge eth1 mtu 9000 vlan_interfaces false\n" +
			"bridge eth1 nic br-a netdev false trunks [0] exchanged\n"},
		"mapped by somebody else": {base(func(in *Inputs) {
			in.Facts.Networks = Networks{Mappings: "x:br-x,p:br-ex"}
			one("eth1")(in)
		}), "provider p nic eth1 refused: somebody else has mapped the network to bridge br-ex\n"},
		"mapped by an earlier release": {base(func(in *Inputs) {
			in.Facts.Networks = Networks{Mappings: "p:br-p"}
			one("eth1")(in)
		}), "provider p nic eth1 bridge br-p mtu 9000 vlan_interfaces false\nbridge br-p nic eth1 netdev false trunks [0]\n"},
		"VLAN devices, all": {base(func(in *Inputs) {
			in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1.10"}, Link{Name: "eth1.4000"}, Link{Name: "eth2.5"}, Link{Name: "eth1.30", Bridge: "br-q"})
			one("eth1", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.PreserveVlanInterfaces = true })(in)
		}), "provider p nic eth1 bridge br-p mtu 9000 vlan_interfaces true\n" +
			"bridge br-p nic eth1 netdev false trunks [0 10 4000] vlan br-p-vlan10 tag 10 of eth1.10 vlan br-p-vlan4000 tag 4000 of eth1.4000\n"},
		"VLAN devices, listed, and one is another network's": {base(func(in *Inputs) {
			in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1.10"}, Link{Name: "eth1.20", MTU: 1496}, Link{Name: "eth1.30"})
			in.Providers = []*kubeovnv1.ProviderNetwork{
				testProvider("provider9", "eth1", 1, func(pn *kubeovnv1.ProviderNetwork) {
					pn.Spec.VlanInterfaces = []string{"eth1.20", "eth1.30", "eth1.99"}
				}),
				testProvider("q", "eth1.20", 2),
			}
		}), "provider provider9 nic eth1 bridge br-provider9 mtu 9000 vlan_interfaces true\nprovider q nic eth1.20 bridge br-q mtu 1496 vlan_interfaces false\n" +
			"bridge br-provider9 nic eth1 netdev false trunks [0 30] vlan " + vlanPortName("br-provider9", 30) + " tag 30 of eth1.30\n" +
			"bridge br-q nic eth1.20 netdev false trunks [0]\n"},
		"VLAN device to make": {base(one("eth1.20", func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.AutoCreateVlanSubinterfaces = true })),
			"provider p nic eth1.20 bridge br-p mtu 0 vlan_interfaces false\nbridge br-p nic eth1.20 netdev false trunks [0] create for p\n"},
	}
}

func gatewayCases() map[string]networkCase {
	base := func(edit func(*Inputs)) Inputs {
		in := seed002()
		edit(&in)
		return in
	}
	return map[string]networkCase{
		"dedicated": {base(func(*Inputs) {}), "external gateway external nic eth1 bridge br-external mtu 1500 vlan_interfaces false\n" +
			"bridge br-external nic eth1 netdev false trunks [] dedicated\n"},
		"switched off":  {base(func(in *Inputs) { in.Gateway = &util.ExternalGateway{} }), ""},
		"not known yet": {base(func(in *Inputs) { in.Gateway = nil }), ""},
		"label false":   {base(func(in *Inputs) { in.Nodes[2].Labels[util.ExternalGWLabel] = "false" }), ""},
		"label missing": {base(func(in *Inputs) { delete(in.Nodes[2].Labels, util.ExternalGWLabel) }), ""},
		"no NIC named": {base(func(in *Inputs) { in.Gateway.NIC = "" }),
			"external gateway external nic  refused: ConfigMap ovn-external-gw-config has no external-gw-nic\n"},
		"NIC with addresses": {base(func(in *Inputs) { in.Facts.Links[2].Addresses = prefixes("10.0.0.1/24") }),
			"external gateway external nic eth1 refused: eth1 has addresses (10.0.0.1), and the NIC of the external gateway must be dedicated; a ProviderNetwork moves addresses to its bridge\n"},
		"NIC got addresses later": {base(func(in *Inputs) {
			in.Facts.Links[2] = Link{Name: "eth1", MTU: 1500, Bridge: "br-external", Addresses: prefixes("10.0.0.1/24")}
		}), "external gateway external nic eth1 bridge br-external mtu 1500 vlan_interfaces false\nbridge br-external nic eth1 netdev false trunks [] dedicated\n"},
		"addresses that another bridge will give back": {base(func(in *Inputs) {
			in.Facts.Links[2] = Link{Name: "eth1", MTU: 1500, Bridge: "br-old"}
			in.Facts.Links = append(in.Facts.Links, Link{Name: "br-old", Addresses: prefixes("10.0.0.1/24")})
		}), "external gateway external nic eth1 refused: eth1 has addresses (10.0.0.1), and the NIC of the external gateway must be dedicated; a ProviderNetwork moves addresses to its bridge\n"},
		"tunnel NIC":  {base(func(in *Inputs) { in.Gateway.NIC = "eth0" }), "external gateway external nic eth0 refused: eth0 is the tunnel NIC\n"},
		"no such NIC": {base(func(in *Inputs) { in.Gateway.NIC = "eth9" }), "external gateway external nic eth9 refused: this node has no NIC eth9\n"},
		"a provider network has the NIC": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("p", "eth1", 1)}
		}), "provider p nic eth1 bridge br-p mtu 1500 vlan_interfaces false\nexternal gateway external nic eth1 bridge br-p mtu 1500 vlan_interfaces false\n" +
			"bridge br-p nic eth1 netdev false trunks []\n"},
		"a provider network has the name": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("external", "eth2", 1)}
		}), "provider external nic eth2 bridge br-external mtu 0 vlan_interfaces false\nbridge br-external nic eth2 netdev false trunks [0]\n"},
		"a provider network of the name is not on this node": {base(func(in *Inputs) {
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("external", "eth2", 1, func(pn *kubeovnv1.ProviderNetwork) { pn.Spec.ExcludeNodes = []string{"node3"} })}
		}), "provider external excluded\nexternal gateway external nic eth1 bridge br-external mtu 1500 vlan_interfaces false\n" +
			"bridge br-external nic eth1 netdev false trunks [] dedicated\n"},
		"mapped by somebody else": {base(func(in *Inputs) { in.Facts.Networks.Mappings = "external:br-ex" }),
			"external gateway external nic eth1 refused: somebody else has mapped the network to bridge br-ex\n"},
		"seed 000": {seed000(), "provider external204 nic vlan bridge br-external204 mtu 1500 vlan_interfaces false\n" +
			"provider extra nic vlan bridge br-external204 mtu 1500 vlan_interfaces false\nbridge br-external204 nic vlan netdev true trunks [0 204]\n"},
	}
}

// keptCases are gateways whose NIC eth1 is in its bridge already.
func keptCases() map[string]networkCase {
	base := func(edit func(*Inputs)) Inputs {
		in := seed002()
		in.Facts.Links[2].Bridge = "br-external"
		in.Facts.Links = append(in.Facts.Links, Link{Name: "eth2", MTU: 1500})
		edit(&in)
		return in
	}
	const gateway = "nic eth1 bridge br-external mtu 1500 vlan_interfaces false\nbridge br-external nic eth1 netdev false trunks [] dedicated\n"
	return map[string]networkCase{
		"not known, bridge is there": {base(func(in *Inputs) { in.Gateway = nil }), "external gateway external " + gateway},
		"off, bridge is there":       {base(func(in *Inputs) { in.Gateway = &util.ExternalGateway{} }), ""},
		"not known, but the label is gone": {base(func(in *Inputs) {
			in.Gateway = nil
			delete(in.Nodes[2].Labels, util.ExternalGWLabel)
		}), ""},
		"another NIC": {base(func(in *Inputs) { in.Gateway.NIC = "eth2" }),
			"external gateway external nic eth2 bridge br-external mtu 1500 vlan_interfaces false\nbridge br-external nic eth2 netdev false trunks [] dedicated\n"},
		"no NIC any more": {base(func(in *Inputs) { in.Gateway.NIC = "" }),
			"external gateway external kept: ConfigMap ovn-external-gw-config has no external-gw-nic; eth1 stays in bridge br-external: " + gateway},
		"another NIC that is missing": {base(func(in *Inputs) { in.Gateway.NIC = "eth9" }),
			"external gateway external kept: this node has no NIC eth9; eth1 stays in bridge br-external: " + gateway},
		"another NIC that is the tunnel's": {base(func(in *Inputs) { in.Gateway.NIC = "eth0" }),
			"external gateway external kept: eth0 is the tunnel NIC; eth1 stays in bridge br-external: " + gateway},
		"another NIC is missing, and a provider network takes the one that is there": {base(func(in *Inputs) {
			in.Gateway.NIC = "eth9"
			in.Providers = []*kubeovnv1.ProviderNetwork{testProvider("p", "eth1", 1)}
		}), "provider p nic eth1 bridge br-p mtu 1500 vlan_interfaces false\n" +
			"external gateway external kept: this node has no NIC eth9; eth1 stays in bridge br-p: nic eth1 bridge br-p mtu 1500 vlan_interfaces false\n" +
			"bridge br-p nic eth1 netdev false trunks []\n"},
		"no NIC any more, and somebody else has mapped the network": {base(func(in *Inputs) {
			in.Gateway.NIC, in.Facts.Networks.Mappings = "", "external:br-ex"
		}), "external gateway external nic  refused: ConfigMap ovn-external-gw-config has no external-gw-nic\n"},
	}
}

func TestNetworks(t *testing.T) {
	for _, cases := range []map[string]networkCase{networkCases(), gatewayCases(), keptCases()} {
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				if d := cmp.Diff(tc.want, networksText(Desired(tc.in))); d != "" {
					t.Errorf("networks (-want +got):\n%s", d)
				}
				tc.in.Providers, tc.in.Vlans, tc.in.Facts.Links = slices.Clone(tc.in.Providers), slices.Clone(tc.in.Vlans), slices.Clone(tc.in.Facts.Links)
				slices.Reverse(tc.in.Providers)
				slices.Reverse(tc.in.Vlans)
				slices.Reverse(tc.in.Facts.Links)
				if d := cmp.Diff(tc.want, networksText(Desired(tc.in))); d != "" {
					t.Errorf("the order of inputs matters:\n%s", d)
				}
			})
		}
	}
}

func TestVLANPortName(t *testing.T) {
	if got := vlanPortName("br-p", 10); got != "br-p-vlan10" {
		t.Errorf("short name %s", got)
	}
	long, other := vlanPortName("br-provider9", 4000), vlanPortName("br-provider8", 4000)
	if len(long) != 15 || !strings.HasPrefix(long, "kv4000-") || long == other {
		t.Errorf("long names %s, %s", long, other)
	}
}

func TestNetworkMAC(t *testing.T) {
	v, w := newView(Inputs{Name: "node1"}), newView(Inputs{Name: "node2"})
	mac := v.networkMAC("p")
	if mac[0]&3 != 2 || mac.String() != v.networkMAC("p").String() {
		t.Errorf("MAC %s is no stable local unicast address", mac)
	}
	if mac.String() == w.networkMAC("p").String() || mac.String() == v.networkMAC("q").String() {
		t.Errorf("MAC %s is not unique", mac)
	}
}

func TestMappingsKeepForeignEntries(t *testing.T) {
	all := func(string) bool { return true }
	providers := []Provider{{Name: "b", Bridge: "br-b", MAC: []byte{2, 0, 0, 0, 0, 1}}, {Name: "a", Bridge: "br-b", MAC: []byte{2, 0, 0, 0, 0, 2}}, {Name: "bad", Refused: "x"}}
	for name, tc := range map[string]struct {
		have      Networks
		providers []Provider
		there     func(string) bool
		want      Networks
	}{
		"from nothing": {Networks{}, providers, all, Networks{"a:br-b,b:br-b", "a:02:00:00:00:00:02,b:02:00:00:00:00:01", "a,b"}},
		"among others": {
			Networks{"x:br-x, y:br-y", "x:00:00:00:00:00:09", ""}, providers[:1], all,
			Networks{"x:br-x,y:br-y,b:br-b", "x:00:00:00:00:00:09,b:02:00:00:00:00:01", "b"},
		},
		"one of ours goes": {
			Networks{"a:br-b,x:br-x,b:br-b", "b:02:00:00:00:00:01,a:02:00:00:00:00:02", "a,b"}, providers[:1], all,
			Networks{"x:br-x,b:br-b", "b:02:00:00:00:00:01", "b"},
		},
		"all of ours go":          {Networks{"a:br-b,x:br-x", "a:02:00:00:00:00:02", "a"}, nil, all, Networks{"x:br-x", "", ""}},
		"nothing is ours":         {Networks{"x:br-x", "", ""}, nil, all, Networks{"x:br-x", "", ""}},
		"the bridge is not there": {Networks{"b:br-b", "", "b"}, providers, func(string) bool { return false }, Networks{}},
		"another bridge":          {Networks{"b:br-old", "b:00:00:00:00:00:07", "b"}, providers[:1], all, Networks{"b:br-b", "b:02:00:00:00:00:01", "b"}},
	} {
		row := tc.have.Row(tc.providers, tc.there)
		if d := cmp.Diff(tc.want, NetworksOf(row.ExternalIDs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		again := NetworksOf(row.ExternalIDs).Row(tc.providers, tc.there)
		if d := cmp.Diff(row, again); d != "" {
			t.Errorf("%s: a second time gives something else:\n%s", name, d)
		}
	}
}

func TestLabelsAndErrors(t *testing.T) {
	providers := []Provider{
		{Name: "ok", NIC: "eth1", Bridge: "br-ok", MTU: 1500, VLANs: true}, {Name: "new", NIC: "eth9", Bridge: "br-new"},
		{Name: "out", Excluded: true}, {Name: "bad", NIC: "eth2", Bridge: "br-bad", MTU: 1500}, {Name: "gw", Gateway: true, NIC: "eth3", Bridge: "br-gw"},
	}
	failed := map[string]string{"bad": "no such NIC", "gw": "whatever"}
	have := map[string]string{
		"ok.provider-network.kubernetes.io/ready": "true", "ok.provider-network.kubernetes.io/mtu": "9000", "ok.provider-network.kubernetes.io/exclude": "true",
		"out.provider-network.kubernetes.io/ready": "true", "out.provider-network.kubernetes.io/interface": "eth1",
		"bad.provider-network.kubernetes.io/ready": "true", "bad.provider-network.kubernetes.io/mtu": "1500",
		"gone.provider-network.kubernetes.io/ready": "true", "gone.provider-network.kubernetes.io/vlan_interfaces": "true",
		"a.dotted.provider-network.kubernetes.io/exclude": "true",
		".provider-network.kubernetes.io/ready":           "true", "x.provider-network.kubernetes.io/unknown": "1", "kubernetes.io/hostname": "node3",
	}
	apply := func(have map[string]string, change map[string]*string) map[string]string {
		out := map[string]string{}
		for k, v := range have {
			out[k] = v
		}
		for k, v := range change {
			if v == nil {
				delete(out, k)
			} else {
				out[k] = *v
			}
		}
		return out
	}
	got := apply(have, ProviderLabels(have, providers, failed))
	want := map[string]string{
		"ok.provider-network.kubernetes.io/ready": "true", "ok.provider-network.kubernetes.io/mtu": "1500",
		"ok.provider-network.kubernetes.io/interface": "eth1", "ok.provider-network.kubernetes.io/vlan_interfaces": "true",
		"new.provider-network.kubernetes.io/ready": "true", "new.provider-network.kubernetes.io/interface": "eth9",
		"out.provider-network.kubernetes.io/exclude": "true",
		".provider-network.kubernetes.io/ready":      "true", "x.provider-network.kubernetes.io/unknown": "1", "kubernetes.io/hostname": "node3",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	if change := ProviderLabels(got, providers, failed); len(change) != 0 {
		t.Errorf("nothing differs, yet %v would be patched", change)
	}

	have = map[string]string{"ok.provider-network.kubernetes.io/err_mesg": "old", "gone.provider-network.kubernetes.io/err_mesg": "old", "other": "1"}
	got = apply(have, ProviderErrors(have, providers, failed))
	if d := cmp.Diff(map[string]string{"bad.provider-network.kubernetes.io/err_mesg": "no such NIC", "other": "1"}, got); d != "" {
		t.Errorf("annotations (-want +got):\n%s", d)
	}
	if change := ProviderErrors(got, providers, failed); len(change) != 0 {
		t.Errorf("nothing differs, yet %v would be patched", change)
	}
}
