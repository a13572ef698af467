package subnet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// wantInvalid checks that err is the user's mistake and says message; "" wants no error.
func wantInvalid(t *testing.T, err error, message string) {
	t.Helper()
	if message == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	invalid, ok := reconcile.AsInvalid(err)
	if !ok || invalid.Reason != util.ReasonSubnetInvalid || !strings.Contains(invalid.Message, message) {
		t.Errorf("got %v, want %s with %q", err, util.ReasonSubnetInvalid, message)
	}
}

// check is what a sync does to a spec before it looks at other objects.
func check(s *v1.Subnet) error {
	normal, err := normalized(s, config)
	if err != nil {
		return err
	}
	return validate(normal, config)
}

func TestValidate(t *testing.T) {
	edit := func(f func(*v1.SubnetSpec)) *v1.Subnet {
		return controllertest.Subnet("s", "vpc1", "10.0.1.0/24,fd00:1::/64", f)
	}
	rule := func(src, dst string) *v1.Subnet {
		return edit(func(s *v1.SubnetSpec) {
			s.NatOutgoingPolicyRules = []v1.NatOutgoingPolicyRule{{Action: "nat", Match: v1.NatOutGoingPolicyMatch{SrcIPs: src, DstIPs: dst}}}
		})
	}
	acl := func(a v1.ACL) *v1.Subnet { return edit(func(s *v1.SubnetSpec) { s.Acls = []v1.ACL{a} }) }
	tests := []struct {
		name    string
		subnet  *v1.Subnet
		message string
	}{
		{"plain", controllertest.Subnet("s", "", "10.0.1.0/24"), ""},
		{"no cidr", controllertest.Subnet("s", "", ""), "cidrBlock is empty"},
		{"typo in cidr", controllertest.Subnet("s", "", "10.0.1.0/42"), "format error"},
		{"single address", controllertest.Subnet("s", "", "10.0.1.1/32"), "mask is invalid"},
		{"loopback", controllertest.Subnet("s", "", "127.0.0.0/16"), "special range"},
		{"link local", controllertest.Subnet("s", "", "fe80::/64"), "special range"},
		{"multicast", controllertest.Subnet("s", "", "224.0.0.0/24"), "special range"},
		{"upper case", controllertest.Subnet("s", "", "FD00::/64"), "can not contain upper case"},
		{"two of one family", controllertest.Subnet("s", "", "10.0.1.0/24,10.0.2.0/24"), "one prefix per address family"},
		{"api server inside", controllertest.Subnet("s", "", "10.96.0.0/24"), "conflicts with k8s apiserver svc ip"},
		{"api server inside a custom vpc", controllertest.Subnet("s", "vpc1", "10.96.0.0/24"), ""},
		{"gateway outside", edit(func(s *v1.SubnetSpec) { s.Gateway = "10.0.2.1" }), "gateway 10.0.2.1 is not in cidr"},
		{"gateway is the network", edit(func(s *v1.SubnetSpec) { s.Gateway = "10.0.1.0" }), "network address"},
		{"gateway is the broadcast address", edit(func(s *v1.SubnetSpec) { s.Gateway = "10.0.1.255" }), "broadcast address"},
		{"gateway in upper case", edit(func(s *v1.SubnetSpec) { s.Gateway = "FD00:1::1" }), "can not contain upper case"},
		{"exclude is no address", edit(func(s *v1.SubnetSpec) { s.ExcludeIps = []string{"10.0.1.x"} }), "excludeIps"},
		{"exclude is reversed", edit(func(s *v1.SubnetSpec) { s.ExcludeIps = []string{"10.0.1.9..10.0.1.2"} }), "not a valid ip range"},
		{"allowed subnet", edit(func(s *v1.SubnetSpec) { s.AllowSubnets = []string{"10.0.2.0"} }), "is not a valid CIDR"},
		{"selector of gateways", edit(func(s *v1.SubnetSpec) { s.GatewayNodeSelectors = selector("Foo") }), `gatewayNodeSelectors[0]: "Foo" is not a valid label selector operator`},
		{"selector of gateways without values", edit(func(s *v1.SubnetSpec) { s.GatewayNodeSelectors = selector("In") }), "gatewayNodeSelectors[0]"},
		{"selector of namespaces", edit(func(s *v1.SubnetSpec) { s.NamespaceSelectors = selector("NotIn") }), "namespaceSelectors[0]"},
		{"selector without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.NamespaceSelectors = "v", selector("In") }), "namespaceSelectors[0]"},
		{"selectors", edit(func(s *v1.SubnetSpec) {
			s.NamespaceSelectors, s.GatewayNodeSelectors = selector("Exists"), selector("DoesNotExist")
		}), ""},
		{"gateway type", edit(func(s *v1.SubnetSpec) { s.GatewayType = "central" }), "central is not a valid gatewayType"},
		{"mtu of ipv6", edit(func(s *v1.SubnetSpec) { s.Mtu = 1279 }), "below the IPv6 minimum 1280"},
		{"small mtu of ipv4", controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Mtu = 576 }), ""},
		{"vip outside", edit(func(s *v1.SubnetSpec) { s.Vips = []string{"10.0.1.9", "10.0.2.9"} }), "vip 10.0.2.9 is not in cidr"},
		{"nat and egress gateway", edit(func(s *v1.SubnetSpec) { s.NatOutgoing, s.ExternalEgressGateway = true, "10.9.0.1,fd09::1" }), "conflict configuration"},
		{"egress gateway", edit(func(s *v1.SubnetSpec) { s.ExternalEgressGateway = "10.9.0.1,fd09::1" }), ""},
		{"egress gateway of one family", edit(func(s *v1.SubnetSpec) { s.ExternalEgressGateway = "10.9.0.1" }), "invalid external egress gateway"},
		{"three egress gateways", edit(func(s *v1.SubnetSpec) { s.ExternalEgressGateway = "10.9.0.1,10.9.0.2,fd09::1" }), "invalid external egress gateway"},
		{"logical gateway and u2o", edit(func(s *v1.SubnetSpec) { s.Vlan, s.LogicalGateway, s.U2OInterconnection = "v", true, true }), "exclude each other"},
		{"overlay only without u2o", edit(func(s *v1.SubnetSpec) { s.U2OFeatures = &v1.U2OFeatures{OverlayOnlyRouting: true} }), "overlayOnlyRouting needs"},
		{"u2o address outside", edit(func(s *v1.SubnetSpec) {
			s.Vlan, s.U2OInterconnection, s.U2OInterconnectionIP = "v", true, "10.0.2.2"
		}), "u2oInterconnectionIP 10.0.2.2 is not in cidr"},
		{"u2o address is the gateway", edit(func(s *v1.SubnetSpec) {
			s.Vlan, s.U2OInterconnection, s.U2OInterconnectionIP = "v", true, "10.0.1.1"
		}), "is the gateway"},
		{"nat rule", rule("10.0.1.2,10.0.1.0/25", "8.8.8.8"), ""},
		{"nat rule of two families", rule("10.0.1.2", "fd00::1"), "protocol is not consistent"},
		{"nat rule of no address", rule("x", ""), "is not an address or CIDR"},
		{"acl", acl(v1.ACL{Direction: "to-lport", Match: "ip", Action: "allow-stateless"}), ""},
		{"acl direction", acl(v1.ACL{Direction: "in", Match: "ip", Action: "drop"}), `"in" is not a valid direction`},
		{"acl action", acl(v1.ACL{Direction: "to-lport", Match: "ip", Action: "deny"}), `"deny" is not a valid action`},
		{"acl priority", acl(v1.ACL{Direction: "to-lport", Priority: 40000, Match: "ip", Action: "drop"}), "priority 40000"},
		{"acl match", acl(v1.ACL{Direction: "to-lport", Match: " ", Action: "drop"}), "match is empty"},
		{"acl syntax", acl(v1.ACL{Direction: "to-lport", Match: "ip4.src == nonsense &&", Action: "drop"}), `at "nonsense", expecting a constant`},
		{"acl syntax without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) {
			s.Vlan, s.Acls = "v", []v1.ACL{{Direction: "to-lport", Match: "ip4.src ==", Action: "drop"}}
		}), "at the end, expecting a constant"},
		{"underlay without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan = "v" }), ""},
		{"gateway without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.Gateway = "v", "10.0.0.1" }), "gateway must be empty"},
		{"excludes without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.ExcludeIps = "v", []string{"10.0.0.1"} }), "excludeIps must be empty"},
		{"u2o without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection = "v", true }), "need a cidrBlock"},
		{"logical gateway without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.LogicalGateway = "v", true }), "need a cidrBlock"},
		{"vips without cidr", controllertest.Subnet("s", "", "", func(s *v1.SubnetSpec) { s.Vlan, s.Vips = "v", []string{"10.0.0.1"} }), "vips must be empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantInvalid(t, check(test.subnet), test.message) })
	}
}

// selector has one expression without values.
func selector(operator metav1.LabelSelectorOperator) []metav1.LabelSelector {
	return []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: operator}}}}
}

// aged sets when an object was made, in seconds.
func aged(s *v1.Subnet, second int64) *v1.Subnet {
	s.CreationTimestamp = metav1.NewTime(time.Unix(second, 0))
	return s
}

// accepted marks a subnet as accepted at its present generation, or at the one before.
func accepted(s *v1.Subnet, present bool) *v1.Subnet {
	s.Generation = 5
	s.Status.Accepted = &v1.AcceptedSubnet{Generation: 4, Spec: s.Spec}
	if present {
		s.Status.Accepted.Generation = 5
	}
	return s
}

// edited is an accepted subnet whose spec was changed since.
func edited(s *v1.Subnet, edit func(*v1.SubnetSpec)) *v1.Subnet {
	s = accepted(s, false)
	edit(&s.Spec)
	return s
}

func TestPrecedes(t *testing.T) {
	young := func() *v1.Subnet { return aged(controllertest.Subnet("young", "v", "10.0.0.0/24"), 20) }
	old := func() *v1.Subnet { return aged(controllertest.Subnet("old", "v", "10.0.0.0/24"), 10) }
	tests := []struct {
		name          string
		first, second *v1.Subnet
	}{
		{"the older of two new ones", old(), young()},
		{"an accepted one before an older newcomer", accepted(young(), true), old()},
		{"an unchanged one before an older one that was edited", accepted(young(), true), accepted(old(), false)},
		{"an edited one before an older refused one", accepted(young(), false), old()},
		{"the older of two accepted ones", accepted(old(), true), accepted(young(), true)},
		{"names decide between twins", controllertest.Subnet("a", "v", ""), controllertest.Subnet("b", "v", "")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !precedes(test.first, test.second) || precedes(test.second, test.first) {
				t.Errorf("standing %d and %d", standing(test.first), standing(test.second))
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	vpc := func(name string, standby bool, namespaces ...string) *v1.Vpc {
		v := controllertest.Vpc(name, func(s *v1.VpcSpec) { s.Namespaces = namespaces })
		v.Status.Standby = standby
		return v
	}
	vpcs := []*v1.Vpc{vpc(util.DefaultVpc, true), vpc("vpc1", true, "ns1"), vpc("vpc2", true), vpc("late", false)}
	node := []*corev1.Node{controllertest.Node("node1", "10.0.1.77", "fd00::77")}
	namespaces := func(list ...string) func(*v1.SubnetSpec) { return func(s *v1.SubnetSpec) { s.Namespaces = list } }
	egress := func(table uint32) func(*v1.SubnetSpec) {
		return func(s *v1.SubnetSpec) { s.ExternalEgressGateway, s.PolicyRoutingTableID = "10.200.0.1", table }
	}
	tests := []struct {
		name     string
		subnet   *v1.Subnet
		siblings []*v1.Subnet
		nodes    []*corev1.Node
		message  string
	}{
		{"alone", controllertest.Subnet("s", "vpc1", "10.0.1.0/24"), nil, node, ""},
		{"same cidr in another vpc", controllertest.Subnet("s", "vpc1", "10.0.1.0/24"), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc2", "10.0.1.0/24"), 1)}, nil, ""},
		{"overlap", controllertest.Subnet("s", "vpc1", "10.0.1.0/24"), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc1", "10.0.0.0/16"), 1)}, nil,
			"cidr 10.0.1.0/24 is conflict with subnet t cidr 10.0.0.0/16"},
		{"overlap of one family", controllertest.Subnet("s", "vpc1", "10.0.1.0/24,fd00::/64"), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc1", "fd00::/80"), 1)}, nil, "is conflict with subnet t"},
		{"overlap with a younger one is the other's problem", controllertest.Subnet("s", "vpc1", "10.0.1.0/24"), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc1", "10.0.1.0/24"), 99)}, nil, ""},
		{"same cidr on another vlan", controllertest.Subnet("s", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Vlan = "v1" }), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc1", "10.0.1.0/24"), 1)}, nil, ""},
		{"policy routing table", controllertest.Subnet("s", "vpc1", "10.0.1.0/24", egress(7)), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc2", "10.0.2.0/24", egress(7)), 1)}, nil, "policyRoutingTableID 7 is conflict with subnet t"},
		{"another policy routing table", controllertest.Subnet("s", "vpc1", "10.0.1.0/24", egress(7)), []*v1.Subnet{aged(controllertest.Subnet("t", "vpc2", "10.0.2.0/24", egress(8)), 1)}, nil, ""},
		{"node inside", controllertest.Subnet("s", util.DefaultVpc, "10.0.1.0/24"), nil, node, "conflicts with address 10.0.1.77 of node node1"},
		{"ipv6 node inside", controllertest.Subnet("s", util.DefaultVpc, "fd00::/64"), nil, node, "conflicts with address fd00::77 of node node1"},
		{"node inside a subnet in place", accepted(controllertest.Subnet("s", util.DefaultVpc, "10.0.1.0/24"), false), nil, node, ""},
		{"node inside an edited prefix", edited(controllertest.Subnet("s", util.DefaultVpc, "10.0.9.0/24"), func(s *v1.SubnetSpec) { s.CIDRBlock = "10.0.1.0/24" }), nil, node, "conflicts with address 10.0.1.77 of node node1"},
		{"node inside an underlay", controllertest.Subnet("s", util.DefaultVpc, "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Vlan = "v1" }), nil, node, ""},
		{"unknown vpc", controllertest.Subnet("s", "nowhere", "10.0.1.0/24"), nil, nil, "vpc nowhere does not exist"},
		{"name of a vpc", aged(controllertest.Subnet("vpc2", "vpc1", "10.0.1.0/24"), 99), nil, nil, "cannot have the same name"},
		{"namespace of its vpc", controllertest.Subnet("s", "vpc1", "10.0.1.0/24", namespaces("ns1")), nil, nil, ""},
		{"namespace outside its vpc", controllertest.Subnet("s", "vpc1", "10.0.1.0/24", namespaces("ns1", "ns2")), nil, nil, "namespace 'ns2' is out of range to custom vpc vpc1"},
		{"any namespace in an unrestricted vpc", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns1", "ns2")), nil, nil, ""},
		{"namespace of a custom vpc in the default vpc", controllertest.Subnet("s", util.DefaultVpc, "10.0.1.0/24", namespaces("ns1")), nil, nil, "namespace 'ns1' belongs to vpc vpc1"},
		{"namespace of another vpc's subnet", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns3", "ns2")),
			[]*v1.Subnet{aged(controllertest.Subnet("t", util.DefaultVpc, "10.0.2.0/24", namespaces("ns2")), 1)}, nil, "namespace 'ns2' belongs to vpc ovn-cluster by subnet t"},
		{"namespace of a younger subnet of another vpc", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns2")),
			[]*v1.Subnet{aged(controllertest.Subnet("t", util.DefaultVpc, "10.0.2.0/24", namespaces("ns2")), 99)}, nil, ""},
		{"namespace of an accepted subnet of another vpc", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns2")),
			[]*v1.Subnet{accepted(aged(controllertest.Subnet("t", util.DefaultVpc, "10.0.2.0/24", namespaces("ns2")), 99), true)}, nil, "namespace 'ns2' belongs to vpc ovn-cluster by subnet t"},
		{"namespace of two subnets of one vpc", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns2")),
			[]*v1.Subnet{aged(controllertest.Subnet("t", "vpc2", "10.0.2.0/24", namespaces("ns2")), 1)}, nil, ""},
		{"namespace of a further network of another vpc", controllertest.Subnet("s", "vpc2", "10.0.1.0/24", namespaces("ns2")),
			[]*v1.Subnet{aged(controllertest.Subnet("t", util.DefaultVpc, "10.0.2.0/24", namespaces("ns2"), func(s *v1.SubnetSpec) { s.Provider = "net.ns.ovn" }), 1)}, nil, ""},
		{"two networks of other providers", controllertest.Subnet("s", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Provider = "a.ns" }),
			[]*v1.Subnet{aged(controllertest.Subnet("t", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Provider = "b.ns" }), 1)}, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.subnet.CreationTimestamp.IsZero() {
				aged(test.subnet, 10)
			}
			wantInvalid(t, conflicts(inputs{config: config, subnet: test.subnet, siblings: test.siblings, vpcs: vpcs, nodes: test.nodes}), test.message)
		})
	}
	broken := vpc("broken", false)
	broken.Status.Conditions = []v1.Condition{{Type: v1.ConditionReady, Status: metav1.ConditionFalse, Message: "invalid cidr"}}
	wantInvalid(t, conflicts(inputs{config: config, subnet: controllertest.Subnet("s", "broken", "10.0.1.0/24"), vpcs: []*v1.Vpc{broken}}), "vpc broken is not ready: invalid cidr")

	late := controllertest.Subnet("s", "late", "10.0.1.0/24")
	if err := conflicts(inputs{config: config, subnet: late, vpcs: vpcs}); fmt.Sprint(err) != "waiting for vpc late" {
		t.Errorf("vpc that is not ready: %v", err)
	}
}
