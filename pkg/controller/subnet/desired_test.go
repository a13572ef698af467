package subnet

import (
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var config = Config{
	DefaultVpc:    util.DefaultVpc,
	DefaultSubnet: util.DefaultSubnet,
	JoinSubnet:    util.JoinSubnet,
	MTU:           1400,
	APIServerIP:   "10.96.0.1",
}

// normal is a subnet as its controller reads it after normalisation.
func normal(t *testing.T, s *v1.Subnet) *v1.Subnet {
	t.Helper()
	out, err := normalized(s, config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRows(t *testing.T) {
	_, def, join := controllertest.DefaultSubnets()
	tests := []struct {
		name   string
		subnet *v1.Subnet
	}{
		{"default subnet", def},
		{"join subnet", join},
		{"custom vpc", controllertest.Subnet("net1", "test-vpc-1", "10.0.1.0/24")},
		{"dual stack with router advertisements", controllertest.Subnet("dual", "vpc1", "10.0.1.0/24,fd00:10:1::/64", func(s *v1.SubnetSpec) {
			s.EnableIPv6RA = true
		})},
		{"own router advertisements", controllertest.Subnet("six", "vpc1", "fd00:10:1::/64", func(s *v1.SubnetSpec) {
			s.EnableIPv6RA, s.IPv6RAConfigs = true, "address_mode=slaac, max_interval=60"
		})},
		{"route table", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.RouteTable = "rtb1" })},
		{"dhcp", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:10:1::/64", func(s *v1.SubnetSpec) { s.EnableDHCP = true })},
		{"own dhcp options", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:10:1::/64", func(s *v1.SubnetSpec) {
			s.EnableDHCP, s.Mtu = true, 1300
			s.DHCPv4Options = "lease_time=60, dns_server=8.8.8.8;8.8.4.4, router=10.0.1.9"
			s.DHCPv6Options = "dns_server=fd00::53;fd00::54"
		})},
		{"private", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:10:1::/64", func(s *v1.SubnetSpec) {
			s.Private, s.AllowSubnets = true, []string{"10.0.2.7/24", "fd00:10:2::/64"}
		})},
		{"own acls with east west traffic", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) {
			s.AllowEWTraffic = true
			s.Acls = []v1.ACL{
				{Direction: "from-lport", Priority: 1111, Match: "ip4.dst==10.0.1.2 && ip", Action: "allow-related"},
				{Direction: "to-lport", Priority: 1010, Match: "ip4.src == 10.10.0.3", Action: "drop"},
			}
		})},
		{"east west traffic alone needs no rule", controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.AllowEWTraffic = true })},
		{"other provider", controllertest.Subnet("ovn-vpc-external-network", "", "192.168.0.0/16", func(s *v1.SubnetSpec) { s.Provider = "eth1.kube-system" })},
		{"further ovn network", controllertest.Subnet("att", "", "10.9.0.0/24", func(s *v1.SubnetSpec) { s.Provider = "net.ns.ovn" })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := rows(inputs{config: config, subnet: normal(t, test.subnet), join: join})
			if err != nil {
				t.Fatal(err)
			}
			controllertest.Golden(t, test.name, controllertest.Rows(got))
		})
	}
}

func TestBadOptions(t *testing.T) {
	for name, edit := range map[string]func(*v1.SubnetSpec){
		"dhcpV4Options": func(s *v1.SubnetSpec) { s.EnableDHCP, s.DHCPv4Options = true, "lease_time" },
		"dhcpV6Options": func(s *v1.SubnetSpec) { s.EnableDHCP, s.DHCPv6Options = true, "=x" },
		"ipv6RAConfigs": func(s *v1.SubnetSpec) { s.EnableIPv6RA, s.IPv6RAConfigs = true, "slaac" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rows(inputs{config: config, subnet: normal(t, controllertest.Subnet("s", "v", "10.0.1.0/24,fd00::/64", edit))})
			wantInvalid(t, err, name)
		})
	}
}

func TestNormalized(t *testing.T) {
	yes, no := true, false
	enabled := config
	enabled.EnableLb, enabled.EnableEcmp = true, true
	spec := func(edit func(*v1.SubnetSpec)) v1.SubnetSpec {
		s := v1.SubnetSpec{
			Vpc: "vpc1", Provider: "ovn", Protocol: "IPv4", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1",
			ExcludeIps: []string{"10.0.1.1"}, EnableLb: &no,
		}
		edit(&s)
		return s
	}
	inDefaultVpc := func(s *v1.SubnetSpec) { s.Vpc, s.GatewayType = util.DefaultVpc, "distributed" }
	tests := []struct {
		name   string
		config Config
		in     *v1.Subnet
		want   v1.SubnetSpec
	}{
		{"network address", config, controllertest.Subnet("s", "vpc1", "10.0.1.5/24"), spec(func(*v1.SubnetSpec) {})},
		{"vpc, gateway type", config, controllertest.Subnet("s", "", "10.0.1.0/24"), spec(inDefaultVpc)},
		{"only one subnet is the default", config, controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Default = true }), spec(inDefaultVpc)},
		{"custom vpc keeps default", config, controllertest.Subnet("s", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Default = true }),
			spec(func(s *v1.SubnetSpec) { s.Default = true })},
		{"dual stack", config, controllertest.Subnet("s", "vpc1", "fd00::/64,10.0.1.0/24", func(s *v1.SubnetSpec) { s.Gateway = "10.0.1.9" }),
			spec(func(s *v1.SubnetSpec) {
				s.Protocol, s.CIDRBlock, s.Gateway = "Dual", "10.0.1.0/24,fd00::/64", "10.0.1.9,fd00::1"
				s.ExcludeIps = []string{"10.0.1.9", "fd00::1"}
			})},
		{"excludes are merged and sorted", config, controllertest.Subnet("s", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) {
			s.ExcludeIps = []string{"10.0.1.9", "10.0.1.1..10.0.1.5", "10.0.1.4..10.0.1.10"}
		}), spec(func(s *v1.SubnetSpec) { s.ExcludeIps = []string{"10.0.1.1..10.0.1.10"} })},
		{"distributed has no gateway node", config, controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) {
			s.GatewayType, s.GatewayNode = "distributed", "node1"
		}), spec(inDefaultVpc)},
		{"ecmp and load balancers by flag", enabled, controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.GatewayType = "centralized" }),
			spec(func(s *v1.SubnetSpec) {
				s.Vpc, s.GatewayType, s.EnableEcmp, s.EnableLb = util.DefaultVpc, "centralized", true, &yes
			})},
		{"no load balancers on join", enabled, controllertest.Subnet(util.JoinSubnet, "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.EnableLb = &yes }),
			spec(func(s *v1.SubnetSpec) { s.Vpc, s.EnableLb = util.DefaultVpc, nil })},
		{"no interconnection without vlan", config, controllertest.Subnet("s", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) {
			s.U2OInterconnection, s.U2OInterconnectionIP = true, "10.0.1.7"
		}), spec(func(*v1.SubnetSpec) {})},
		{"other provider", enabled, controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Provider = "nad.ns" }),
			spec(func(s *v1.SubnetSpec) { s.Vpc, s.Provider, s.EnableLb = "", "nad.ns", nil })},
		{"underlay without addresses", config, controllertest.Subnet("s", "vpc1", "", func(s *v1.SubnetSpec) { s.Vlan = "v" }),
			v1.SubnetSpec{Vpc: "vpc1", Provider: "ovn", Protocol: "Mac", Vlan: "v", EnableLb: &no}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			original := test.in.DeepCopy()
			got, err := normalized(test.in, test.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Spec); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(original, test.in); diff != "" {
				t.Errorf("the object from the cache was changed\n%s", diff)
			}
			again, err := normalized(got, test.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("not idempotent\n%s", diff)
			}
		})
	}
}

func TestRouterMAC(t *testing.T) {
	of := func(vpc, observed, recordedIn string) string {
		s := controllertest.Subnet("net1", vpc, "", u2o)
		s.Status.U2OInterconnectionMAC, s.Status.U2OInterconnectionVPC = "00:00:00:00:00:99", recordedIn
		return routerMAC(inputs{subnet: s, portMAC: observed})
	}
	one, two := util.HashMAC("vpc1-net1", 0), util.HashMAC("vpc2-net1", 0)
	got := []string{of("vpc1", "", ""), of("vpc2", "", ""), of("vpc1", "d6:1f:4a:0b:9c:02", ""), of("vpc1", "d6:1f:4a:0b:9c:02", "vpc1"), of("vpc2", "", "vpc1")}
	if diff := cmp.Diff([]string{one, two, "d6:1f:4a:0b:9c:02", "00:00:00:00:00:99", two}, got); diff != "" || one == two {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	huge, _ := new(big.Int).SetString("18446744073709551613", 10)
	subnet := controllertest.Subnet("net1", "", "10.0.1.0/24,fd00::/64", func(s *v1.SubnetSpec) {
		s.NatOutgoing = true
		s.NatOutgoingPolicyRules = []v1.NatOutgoingPolicyRule{
			{Action: "forward", Match: v1.NatOutGoingPolicyMatch{DstIPs: "10.1.0.0/16"}},
			{Action: "nat"},
		}
	})
	subnet.Status.ActivateGateway = "node1"
	subnet.Status.Conditions = []v1.Condition{{Type: "Ready"}}
	known := facts{
		stats: ipam.Stats{
			V4: ipam.FamilyStats{Using: big.NewInt(2), Available: big.NewInt(251), UsingRange: "10.0.1.2-10.0.1.3", AvailableRange: "10.0.1.4-10.0.1.254"},
			V6: ipam.FamilyStats{Using: big.NewInt(0), Available: huge, AvailableRange: "fd00::2-fd00::ffff:ffff:ffff:fffe"},
		},
		dhcpV4UUID: "uuid4",
	}
	want := v1.SubnetStatus{
		Conditions:     []v1.Condition{{Type: "Ready"}},
		V4UsingIPs:     v1.NewBigInt(2),
		V4UsingIPRange: "10.0.1.2-10.0.1.3", V4AvailableIPs: v1.NewBigInt(251), V4AvailableIPRange: "10.0.1.4-10.0.1.254",
		V6AvailableIPs: v1.BigIntOf(huge), V6AvailableIPRange: "fd00::2-fd00::ffff:ffff:ffff:fffe",
		ActivateGateway:   "node1",
		DHCPv4OptionsUUID: "uuid4",
		// printf 'net10{"match":{"dstIPs":"10.1.0.0/16"},"action":"forward"}' | sha256sum | cut -c-12
		NatOutgoingPolicyRules: []v1.NatOutgoingPolicyRuleStatus{
			{RuleID: "96903a9c5e28", NatOutgoingPolicyRule: subnet.Spec.NatOutgoingPolicyRules[0]},
			{RuleID: "2a6467fd8141", NatOutgoingPolicyRule: subnet.Spec.NatOutgoingPolicyRules[1]},
		},
	}
	got := status(inputs{config: config, subnet: subnet}, known)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	subnet.Spec.NatOutgoing = false
	if rules := natRules(subnet); rules != nil {
		t.Errorf("rules without natOutgoing: %v", rules)
	}
}
