package node

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var update = flag.Bool("update", false, "write the golden files")

// cases are nodes whose whole state is kept in testdata/<name>.txt.
func cases() map[string]Inputs {
	out := map[string]Inputs{"seed-node3": seed(), "dual-netdev": dual()}

	in := dual()
	in.Facts.Links[1].Addresses, in.Facts.Links[1].Bridge = nil, "br-phy"
	in.Facts.Links = append(in.Facts.Links, Link{Name: "br-phy", MTU: 1500, Addresses: prefixes("172.30.17.13/24")})
	out["dual-netdev-moved"] = in

	in = seed()
	in.Facts.KubeSets = map[string]bool{"KUBE-CLUSTER-IP": true, "KUBE-NODE-PORT-LOCAL-TCP": true, "KUBE-NODE-PORT-LOCAL-UDP": true, "KUBE-6-CLUSTER-IP": true}
	in.Facts.RandomFully = false
	out["kube-proxy-ipvs"] = in

	in = seed()
	in.Subnets = append(in.Subnets,
		testSubnet("active", "10.20.0.0/16", func(s *kubeovnv1.Subnet) {
			s.Spec.GatewayType, s.Spec.GatewayNode, s.Status.ActivateGateway = "centralized", "node3:192.168.123.100,node1:192.168.123.101", "node3"
		}),
		testSubnet("ecmp", "10.21.0.0/16", func(s *kubeovnv1.Subnet) {
			s.Spec.GatewayType, s.Spec.GatewayNode, s.Spec.EnableEcmp = "centralized", "node1, node3:192.168.123.102", true
		}),
		testSubnet("elsewhere", "10.22.0.0/16", func(s *kubeovnv1.Subnet) {
			s.Spec.GatewayType, s.Spec.GatewayNode, s.Status.ActivateGateway = "centralized", "node3:192.168.123.103,node1", "node1"
		}))
	out["centralized"] = in

	in = dual()
	in.Subnets = append(in.Subnets, testSubnet("policed.net", "10.30.0.0/16,fd00:10:30::/64", func(s *kubeovnv1.Subnet) {
		rule := func(id, action, src, dst string) kubeovnv1.NatOutgoingPolicyRuleStatus {
			return kubeovnv1.NatOutgoingPolicyRuleStatus{RuleID: id, NatOutgoingPolicyRule: kubeovnv1.NatOutgoingPolicyRule{
				Action: action, Match: kubeovnv1.NatOutGoingPolicyMatch{SrcIPs: src, DstIPs: dst},
			}}
		}
		s.Status.NatOutgoingPolicyRules = []kubeovnv1.NatOutgoingPolicyRuleStatus{
			rule("aaaaaaaaaaaa", "forward", "10.30.0.5,10.30.1.0/24", "8.8.8.8"),
			rule("bbbbbbbbbbbb", "nat", "", "fd01::/64"),
			rule("cccccccccccc", "forward", "", ""),
			rule("short", "nat", "", ""),
			rule("dddddddddddd", "nat", "10.30.0.x", ""),
		}
	}))
	out["nat-policy"] = in

	in = seed()
	lb := true
	in.Subnets = append(in.Subnets,
		testSubnet("custom", "10.40.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Vpc = "tenant" }),
		testSubnet("macvlan", "10.41.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Provider = "net.default" }),
		testSubnet("attached", "10.42.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Provider = "net.default.ovn" }),
		testSubnet("vlan", "10.43.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Vlan = "v1" }),
		testSubnet("vlan-lgw", "10.44.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Vlan, s.Spec.LogicalGateway = "v1", true }),
		testSubnet("vlan-u2o", "10.45.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Vlan, s.Spec.U2OInterconnection = "v1", true }),
		testSubnet("vlan-u2o-lb", "10.46.0.0/16", func(s *kubeovnv1.Subnet) {
			s.Spec.Vlan, s.Spec.U2OInterconnection, s.Spec.EnableLb = "v1", true, &lb
		}),
		testSubnet("deleting", "10.47.0.0/16", func(s *kubeovnv1.Subnet) { s.DeletionTimestamp = &metav1.Time{} }),
		testSubnet("no-nat", "10.48.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.NatOutgoing = false }),
		testSubnet("unchecked", "10.49.0.0/16", func(s *kubeovnv1.Subnet) { s.Status.Conditions = nil }),
		testSubnet("refused", "192.168.123.0/24", func(s *kubeovnv1.Subnet) { s.Status.Conditions[0].Status = metav1.ConditionFalse }),
		testSubnet("refused-edit", "10.51.0.0/16", func(s *kubeovnv1.Subnet) {
			s.Generation, s.Status.Accepted = 2, &kubeovnv1.AcceptedSubnet{Generation: 1, Spec: *s.Spec.DeepCopy()}
			s.Spec.CIDRBlock, s.Spec.NatOutgoing, s.Status.Conditions[0].Status = "192.168.123.0/24", false, metav1.ConditionFalse
		}),
		testSubnet("node-inside", "192.168.0.0/16"),
		testSubnet("typo", "10.50.0.0/160"),
		testSubnet("empty", ""),
	)
	out["subnet-kinds"] = in

	in = seed()
	in.Nodes[2] = testNode("node3", "192.168.123.23", "")
	out["before-allocation"] = in

	out["seed-000-provider-networks"], out["seed-002-external-gateway"] = seed000(), seed002()
	return out
}

func TestDesired(t *testing.T) {
	for name, in := range cases() {
		t.Run(name, func(t *testing.T) {
			got := Desired(in).String()
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("state (-want +got):\n%s", d)
			}
		})
	}
}

// The order in which listers return objects must not matter.
func TestDesiredIgnoresOrder(t *testing.T) {
	for name, in := range cases() {
		want := Desired(in).String()
		in.Nodes, in.Subnets = slices.Clone(in.Nodes), slices.Clone(in.Subnets)
		slices.Reverse(in.Nodes)
		slices.Reverse(in.Subnets)
		if d := cmp.Diff(want, Desired(in).String()); d != "" {
			t.Errorf("%s: reversed inputs give another state:\n%s", name, d)
		}
	}
}

func TestDesiredOfNothing(t *testing.T) {
	s := Desired(Inputs{})
	if s.Join != nil || s.Tunnel != nil || len(s.Sets) != 0 {
		t.Errorf("nothing is known, yet something is wanted:\n%s", s)
	}
	for _, r := range s.Rulesets {
		if len(r.Chains)+len(r.Hooks)+len(r.Policies) != 0 {
			t.Errorf("rules without a node:\n%s", r)
		}
	}
}

func TestJoinProblems(t *testing.T) {
	for key, value := range map[string]string{
		"ip_address": "100.64.0.x", "cidr": "100.64.0.0", "gateway": "none", "mac_address": "00:11", "allocated": "false",
	} {
		in := seed()
		in.Nodes[2].Annotations["ovn.kubernetes.io/"+key] = value
		s := Desired(in)
		if s.Join != nil {
			t.Errorf("%s=%q: ovn0 is wanted all the same", key, value)
		}
		if key != "allocated" && len(s.Problems) != 1 {
			t.Errorf("%s=%q: problems %q, want one", key, value, s.Problems)
		}
	}
	in := seed()
	in.Nodes[2].Annotations["ovn.kubernetes.io/ip_address"] = "10.0.0.1"
	if s := Desired(in); s.Join != nil || !strings.Contains(strings.Join(s.Problems, " "), "outside") {
		t.Errorf("an address outside the join network: %v", s.Problems)
	}
}

func TestTunnel(t *testing.T) {
	type expect struct {
		nic, bridge, encap string
		mtu                int
	}
	for name, tc := range map[string]struct {
		edit func(*Inputs)
		want expect
	}{
		"owner of the pod address": {func(*Inputs) {}, expect{"eth0", "", "192.168.123.23", 1400}},
		"owner of the node address": {
			func(in *Inputs) { in.Config.PodIPs = nil }, expect{"eth0", "", "192.168.123.23", 1400},
		},
		"flag":         {func(in *Inputs) { in.Config.Iface = "eth1" }, expect{"eth1", "", "10.1.0.3", 8900}},
		"flag pattern": {func(in *Inputs) { in.Config.Iface = "nope,^bond,eth[1-9]" }, expect{"eth1", "", "10.1.0.3", 8900}},
		"flag names no part of a name": {
			func(in *Inputs) { in.Config.Iface = "eth" }, expect{},
		},
		"dotted name is a name": {
			func(in *Inputs) {
				in.Config.Iface = "eth1.5"
				in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1x5", MTU: 1500, Addresses: prefixes("10.9.0.1/24")},
					Link{Name: "eth1.5", MTU: 1500, Addresses: prefixes("10.9.0.2/24")})
			},
			expect{"eth1.5", "", "10.9.0.2", 1400},
		},
		"annotation wins": {
			func(in *Inputs) {
				in.Config.Iface = "eth0"
				in.Nodes[2].Annotations[util.TunnelInterfaceAnnotation] = "eth1"
			},
			expect{"eth1", "", "10.1.0.3", 8900},
		},
		"given MTU":       {func(in *Inputs) { in.Config.MTU = 1300 }, expect{"eth0", "", "192.168.123.23", 1300}},
		"vxlan":           {func(in *Inputs) { in.Config.NetworkType = "vxlan" }, expect{"eth0", "", "192.168.123.23", 1450}},
		"stt":             {func(in *Inputs) { in.Config.NetworkType = "stt" }, expect{"eth0", "", "192.168.123.23", 1428}},
		"vlan":            {func(in *Inputs) { in.Config.NetworkType = "vlan" }, expect{"eth0", "", "192.168.123.23", 1400}},
		"NIC is missing":  {func(in *Inputs) { in.Config.Iface = "eth7" }, expect{}},
		"no address":      {func(in *Inputs) { in.Config.Iface = "eth2" }, expect{}},
		"bad expression":  {func(in *Inputs) { in.Config.Iface = "eth(" }, expect{}},
		"loopback source": {func(in *Inputs) { in.Config.Iface = "lo" }, expect{}},
		"loopback source allowed": {
			func(in *Inputs) { in.Config.Iface, in.Config.HostTunnelSrc = "lo", true }, expect{"lo", "", "10.255.0.3", 65436},
		},
		"IPv6 node": {
			func(in *Inputs) {
				in.Config.PodIPs = []netip.Addr{netip.MustParseAddr("fd00::3")}
				in.Facts.Links[1].Addresses = append(in.Facts.Links[1].Addresses, prefixes("fd00::3/64")...)
			},
			expect{"eth0", "", "fd00::3", 1380},
		},
		"userspace moves the NIC": {
			func(in *Inputs) { in.Config.Iface, in.Facts.Netdev = "eth1", true }, expect{"eth1", "br-phy", "10.1.0.3", 8900},
		},
		"userspace, operator's bridge": {
			func(in *Inputs) {
				in.Facts.Netdev = true
				in.Nodes[2].Labels["ovn.kubernetes.io/ovs_dp_type"] = "userspace"
				in.Facts.Links = append(in.Facts.Links, Link{Name: "br-phy", MTU: 1500, Addresses: prefixes("10.2.0.3/24")})
			},
			expect{"br-phy", "", "10.2.0.3", 1400},
		},
		"NIC in a provider bridge": {
			func(in *Inputs) {
				in.Facts.Netdev = true
				in.Config.Iface = "eth1"
				in.Facts.Links[2] = Link{Name: "eth1", MTU: 9000, Bridge: "br-provider"}
				in.Facts.Links = append(in.Facts.Links, Link{Name: "br-provider", MTU: 9000, Addresses: prefixes("10.1.0.3/24")})
			},
			expect{"eth1", "", "10.1.0.3", 8900},
		},
		"bridge of a NIC, names exchanged": {
			func(in *Inputs) {
				in.Facts.Netdev = true
				in.Config.Iface = "eth1"
				in.Facts.Links[2] = Link{Name: "br-p", Former: "eth1", MTU: 9000, Bridge: "eth1"}
				in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1", MTU: 9000, Addresses: prefixes("10.1.0.3/24")})
			},
			expect{"eth1", "", "10.1.0.3", 8900},
		},
		"owner found on its bridge": {
			func(in *Inputs) {
				in.Facts.Netdev = true
				in.Facts.Links[1] = Link{Name: "eth0", MTU: 1500, Bridge: "br-phy"}
				in.Facts.Links = append(in.Facts.Links, Link{Name: "br-phy", MTU: 1500, Addresses: prefixes("192.168.123.23/24")})
			},
			expect{"eth0", "br-phy", "192.168.123.23", 1400},
		},
		"node networks": {
			func(in *Inputs) {
				in.Nodes[2].Annotations[util.NodeNetworksAnnotation] = `{"b":"10.3.0.3","a":"10.2.0.3","same":"192.168.123.23","bad":"x"}`
			},
			expect{"eth0", "", "192.168.123.23,10.2.0.3,10.3.0.3", 1400},
		},
		"broken node networks": {
			func(in *Inputs) { in.Nodes[2].Annotations[util.NodeNetworksAnnotation] = `{"b"` },
			expect{"eth0", "", "192.168.123.23", 1400},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := seed()
			in.Facts.Links[0].Addresses = append(in.Facts.Links[0].Addresses, prefixes("10.255.0.3/32")...)
			in.Facts.Links = append(in.Facts.Links, Link{Name: "eth1", MTU: 9000, Addresses: prefixes("10.1.0.3/24")}, Link{Name: "eth2", MTU: 1500})
			tc.edit(&in)
			s := Desired(in)
			var got expect
			if tun := s.Tunnel; tun != nil {
				got = expect{tun.NIC, tun.Bridge, tun.Settings.ExternalIDs[util.OvnEncapIP], tun.PodMTU}
				if first, _, _ := strings.Cut(got.encap, ","); first != tun.Settings.ExternalIDs[util.OvnEncapIPDefault] {
					t.Errorf("default %q is not the first of %q", tun.Settings.ExternalIDs[util.OvnEncapIPDefault], got.encap)
				}
			} else if len(s.Problems) == 0 {
				t.Error("no tunnel NIC, and no problem says so")
			}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestInterconnectionGateway(t *testing.T) {
	in := seed()
	in.Nodes[2].Labels[util.ICGatewayLabel] = "true"
	if got := Desired(in).Tunnel.Settings.ExternalIDs[util.OvnIsInterconn]; got != "true" {
		t.Errorf("%s=%q, want true", util.OvnIsInterconn, got)
	}
}

func FuzzDesired(f *testing.F) {
	f.Add("10.16.0.0/16,fd00::/64", "node3:1.2.3.4", "10.0.0.1, ::1", `{"a":"b"}`, "eth.*")
	f.Add("::/0", "node3::::", ",,", `[]`, "((")
	f.Fuzz(func(_ *testing.T, cidr, gatewayNode, match, networks, iface string) {
		in := seed()
		in.Config.Iface = iface
		in.Subnets = append(in.Subnets, testSubnet("fuzz", cidr, func(s *kubeovnv1.Subnet) {
			s.Spec.GatewayType, s.Spec.GatewayNode, s.Spec.EnableEcmp = "centralized", gatewayNode, true
			s.Status.NatOutgoingPolicyRules = []kubeovnv1.NatOutgoingPolicyRuleStatus{{RuleID: match, NatOutgoingPolicyRule: kubeovnv1.NatOutgoingPolicyRule{
				Match: kubeovnv1.NatOutGoingPolicyMatch{SrcIPs: match, DstIPs: cidr},
			}}}
		}))
		in.Nodes = append(in.Nodes, &corev1.Node{Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: match}}}})
		in.Nodes[2].Annotations[util.NodeNetworksAnnotation] = networks
		in.Nodes[2].Annotations["ovn.kubernetes.io/ip_address"] = match
		in.Providers = append(in.Providers, testProvider(match, iface, 1), testProvider(cidr, iface, 2, func(pn *kubeovnv1.ProviderNetwork) {
			pn.Spec.PreserveVlanInterfaces, pn.Spec.AutoCreateVlanSubinterfaces = true, true
		}))
		in.Facts.Networks = Networks{Mappings: gatewayNode, Ours: networks}
		_ = Desired(in).String()
	})
}
