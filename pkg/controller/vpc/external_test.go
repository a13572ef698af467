package vpc

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func TestExternalLaws(t *testing.T) {
	def, _, join := controllertest.DefaultSubnets()
	tenant := controllertest.Vpc("vpc1", outside, func(s *v1.VpcSpec) { s.AddExternalSubnets = []string{"extra"} })
	controllertest.Laws(t, controllertest.Scenario{
		Build: buildExternal,
		Objects: append(threeNodes(true), external204(), extra(), def, join, configMap(nil), tenant,
			controllertest.Vpc("vpc2", outside)),
		Removed: []runtime.Object{tenant},
	})
}

// S-008, S-009, S-013, S-015: a tenant's ports, their chassis, its only route, and a further network later.
func TestTenantIsConnected(t *testing.T) {
	n := startedExternal(t, append(threeNodes(true), external204(), controllertest.Vpc("vpc1", outside), controllertest.Vpc("vpc2", outside))...)
	vpc := controllertest.Stored(n.Fixture, controllertest.Vpc("vpc1"))
	if !ready(vpc) || !vpc.Status.EnableExternal || !vpc.Status.Standby {
		t.Errorf("status %+v", vpc.Status)
	}
	eip := n.eip("vpc1-external204")
	if port := n.port("vpc1-external204"); !strings.Contains(port, eip.Status.V4Ip+"/24") || !strings.Contains(port, eip.Status.MacAddress) {
		t.Errorf("port %s", port)
	}
	if lsp := n.line("Logical_Switch_Port external204-vpc1:"); !strings.Contains(lsp, "nat-addresses=router") || !strings.Contains(lsp, "router-port=vpc1-external204") {
		t.Errorf("switch port %s", lsp)
	}
	if routes := strings.Count(n.Dump(), "ip_prefix="); routes != 2 || !strings.Contains(n.Dump(), "nexthop=10.5.204.254") {
		t.Errorf("%d routes:\n%s", routes, n.Dump())
	}
	if len(controllertest.Stored(n.Fixture, vpc).Spec.StaticRoutes) != 0 {
		t.Error("the route is in the spec")
	}
	before, uuids := n.port("vpc1-external204"), n.Server.UUIDs(t)
	n.Create(extra())
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.AddExternalSubnets = []string{"extra"} })
	n.Eventually("the second port", func() bool { return strings.Contains(n.port("vpc1-extra"), "10.10.204.") })
	n.Eventually("the status", func() bool {
		return slices.Equal(controllertest.Stored(n.Fixture, vpc).Status.ExtraExternalSubnets, []string{"extra"})
	})
	if n.port("vpc1-external204") != before || !sameUUID(n, uuids, "vpc1-external204") {
		t.Errorf("the first port changed to %s", n.port("vpc1-external204"))
	}
	if a, b := n.priorities("vpc1-external204"), n.priorities("vpc1-extra"); a != b || len(strings.Fields(a)) != 3 {
		t.Errorf("chassis %q and %q", a, b)
	}
	if strings.Contains(n.Dump(), "nexthop=10.10.204.254") {
		t.Error("a second default route")
	}
}

// D-06: the default network is connected besides the extra ones, unless the VPC lists some and says that it wants no other.
func TestWithoutTheDefaultNetwork(t *testing.T) {
	vpc := controllertest.Vpc("vpc1", outside)
	metav1.SetMetaDataAnnotation(&vpc.ObjectMeta, util.OnlyExtraExternalAnnotation, "true")
	n := startedExternal(t, append(threeNodes(true), external204(), extra(), vpc)...)
	settled := func(what, route string, ports ...string) {
		t.Helper()
		n.Eventually(what, func() bool {
			for _, port := range []string{"vpc1-external204", "vpc1-extra"} {
				wanted := slices.Contains(ports, port)
				if (n.port(port) != "") != wanted || n.Exists(lrpEip(port, "")) != wanted {
					return false
				}
			}
			dump := n.Dump()
			return strings.Count(dump, "ip_prefix=") == 1 && strings.Contains(dump, "nexthop="+route+" ")
		})
	}
	settled("without extra networks it means nothing", "10.5.204.254", "vpc1-external204")
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.ExtraExternalSubnets = []string{"extra"} })
	settled("only the extra network", "10.10.204.254", "vpc1-extra")
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Annotations[util.OnlyExtraExternalAnnotation] = "false" })
	settled("both", "10.5.204.254", "vpc1-external204", "vpc1-extra")
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Annotations[util.OnlyExtraExternalAnnotation] = "true" })
	settled("only the extra network again", "10.10.204.254", "vpc1-extra")
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.AddExternalSubnets = []string{"external204"} })
	settled("both, as listed", "10.10.204.254", "vpc1-external204", "vpc1-extra")
}

func sameUUID(n network1, before map[string]string, port string) bool {
	for uuid, name := range n.Server.UUIDs(n.t) {
		if name == "Logical_Router_Port:"+port && before[uuid] == name {
			return true
		}
	}
	return false
}

// The order of chassis is the same for ever and not the same in all VPCs.
func TestChassisOrder(t *testing.T) {
	chassis := []string{"a", "b", "c"}
	orders := map[string]bool{}
	for _, vpc := range []string{"vpc1", "vpc2", "vpc3", "vpc4", "vpc5", "vpc6", "vpc7", "vpc8"} {
		order := spread(vpc, chassis)
		if again := spread(vpc, []string{"c", "a", "b"}); !slices.Equal(order, again) {
			t.Errorf("%s: %v and %v", vpc, order, again)
		}
		orders[strings.Join(order, "")] = true
	}
	if len(orders) < 2 {
		t.Errorf("all VPCs have %v", orders)
	}
}

// U-09: labels and chassis change priorities in place; without any gateway node the port goes and the VPC says why.
func TestGatewayNodesChange(t *testing.T) {
	n := startedExternal(t, append(threeNodes(true), external204(), controllertest.Vpc("vpc1", outside))...)
	uuids := n.Server.UUIDs(t)
	node := gatewayNode("pc-node-2", true)
	label := func(value string) {
		controllertest.Edit(n.Fixture, node, func(o *corev1.Node) { o.Labels[util.ExternalGWLabel] = value })
	}
	all := n.priorities("vpc1-external204")
	label("false")
	n.Eventually("two chassis", func() bool { return len(strings.Fields(n.priorities("vpc1-external204"))) == 2 })
	label("true")
	n.Eventually("three chassis", func() bool { return n.priorities("vpc1-external204") == all })
	controllertest.Edit(n.Fixture, node, func(o *corev1.Node) { o.Annotations[util.ChassisAnnotation] = "chassis-pc-node-9" })
	n.Eventually("the new chassis", func() bool {
		now := n.priorities("vpc1-external204")
		return strings.Contains(now, "9") && !strings.Contains(now, "2") && len(strings.Fields(now)) == 3
	})
	if !sameUUID(n, uuids, "vpc1-external204") {
		t.Error("the port was made anew")
	}
	for _, name := range []string{"pc-node-1", "pc-node-2", "pc-node-3"} {
		n.Delete(gatewayNode(name, true))
	}
	if message := n.condition("vpc1", util.ReasonExternalNoGatewayNode); !strings.Contains(message, util.ExternalGWLabel) {
		t.Errorf("message %q", message)
	}
	if n.port("vpc1-external204") != "" || strings.Contains(n.Dump(), "Static_Route") {
		t.Errorf("a port on every node:\n%s", n.Dump())
	}
	if n.line("Logical_Router vpc1:") == "" || !n.Exists(lrpEip("vpc1-external204", "")) {
		t.Error("router or address are gone")
	}
}

// A gateway node without the bridge of an external network comes last for that network, and for no other.
func TestGatewayNodeWithoutTheNetwork(t *testing.T) {
	vlan := func(name string) *v1.Vlan {
		return &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan-" + name}, Spec: v1.VlanSpec{Provider: "net-" + name}, Status: v1.VlanStatus{Subnets: []string{name}}}
	}
	both := controllertest.Vpc("vpc1", outside, func(s *v1.VpcSpec) { s.ExtraExternalSubnets = []string{"extra"} })
	n := startedExternal(t, append(threeNodes(true), external204(), extra(), vlan("external204"), vlan("extra"), both)...)
	before := n.priorities("vpc1-external204")
	first := strings.Fields(before)[0]
	ready := func(node, network, value string) {
		controllertest.Edit(n.Fixture, gatewayNode(node, true), func(o *corev1.Node) { o.Labels[util.ProviderNetworkKey(network, util.ProviderReady)] = value })
	}
	for _, node := range []string{"pc-node-1", "pc-node-2", "pc-node-3"} {
		ready(node, "net-external204", "true")
		ready(node, "net-extra", "true")
	}
	n.Eventually("nothing is changed", func() bool { return n.priorities("vpc1-external204") == before })
	ready("pc-node-"+first, "net-external204", "")
	n.Eventually("it comes last", func() bool {
		fields := strings.Fields(n.priorities("vpc1-external204"))
		return len(fields) == 3 && fields[2] == first
	})
	if extra := n.priorities("vpc1-extra"); extra != before {
		t.Errorf("of the other network the order is %s, was %s", extra, before)
	}
	ready("pc-node-"+first, "net-external204", "true")
	n.Eventually("it is first again", func() bool { return n.priorities("vpc1-external204") == before })
}

// Where rules of outside addresses have policies, which go before routes, the spec's own routes stay in effect.
func TestRoutesGoBeforeOutsideAddresses(t *testing.T) {
	route := func(cidr, hop string, policy v1.RoutePolicy, table string) *v1.StaticRoute {
		return &v1.StaticRoute{CIDR: cidr, NextHopIP: hop, Policy: policy, RouteTable: table}
	}
	vpc := controllertest.Vpc("vpc1", outside, func(s *v1.VpcSpec) {
		s.StaticRoutes = []*v1.StaticRoute{
			route("0.0.0.0/0", "192.168.0.9", v1.PolicyDst, ""), route("172.16.0.0/16", "192.168.0.10", v1.PolicyDst, ""),
			route("172.16.0.0/16", "192.168.0.11", "", ""), route("fd01::/64", "fd00::10", v1.PolicyDst, ""),
			route("192.168.0.0/24", "192.168.0.12", v1.PolicySrc, ""), route("172.17.0.0/16", "192.168.0.13", v1.PolicyDst, "rtb1"),
		}
	})
	n := startedExternal(t, append(threeNodes(true), external204(), extra(), vpc)...)
	if strings.Contains(n.Dump(), "Logical_Router_Policy") {
		t.Errorf("with one network there is a policy:\n%s", n.Dump())
	}
	controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.AddExternalSubnets = []string{"extra"} })
	n.Eventually("the policies", func() bool {
		var lines []string
		for line := range strings.SplitSeq(n.Dump(), "\n") {
			if strings.HasPrefix(line, "Logical_Router_Policy ") {
				lines = append(lines, strings.Split(line, ": ")[0])
			}
		}
		return slices.Equal(lines, []string{"Logical_Router_Policy 29270,ip4.dst == 172.16.0.0/16", "Logical_Router_Policy 29270,ip6.dst == fd01::/64"})
	})
}

// S-007: what the user made in advance is used, and stays when the VPC leaves.
func TestOwnOvnEipIsAdopted(t *testing.T) {
	n := startedExternal(t, append(threeNodes(true), external204(), lrpEip("vpc1-external204", "10.5.204.77"), controllertest.Vpc("vpc1", outside))...)
	if port := n.port("vpc1-external204"); !strings.Contains(port, "10.5.204.77/24") {
		t.Errorf("port %s", port)
	}
	controllertest.Edit(n.Fixture, controllertest.Vpc("vpc1"), func(v *v1.Vpc) { v.Spec.EnableExternal = false })
	n.Eventually("the port is gone", func() bool { return n.port("vpc1-external204") == "" })
	n.Settle()
	if eip := n.eip("vpc1-external204"); eip.DeletionTimestamp != nil {
		t.Error("the user's ovn eip is being deleted")
	}
}

// One that cannot be used is told.
func TestUnusableOvnEip(t *testing.T) {
	wrong := lrpEip("vpc1-external204", "10.5.204.77")
	wrong.Spec.Type = util.EipTypeNAT
	n := startedExternal(t, append(threeNodes(true), external204(), wrong, controllertest.Vpc("vpc1", outside))...)
	if message := n.condition("vpc1", util.ReasonExternalEipNotReady); !strings.Contains(message, "its type is nat") {
		t.Errorf("message %q", message)
	}
	if n.line("Logical_Router vpc1:") == "" {
		t.Error("no router")
	}
}

// A network that NAT rules use is not left before they are gone; then everything we made goes.
func TestLeavingWaitsForNatRules(t *testing.T) {
	fip := &v1.OvnFip{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1.OvnFipSpec{OvnEip: "web"}, Status: v1.OvnFipStatus{Vpc: "vpc1"}}
	address := &v1.OvnEip{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: util.EipTypeNAT}}
	for _, test := range []struct {
		name   string
		reason string
		leave  func(n network1, vpc *v1.Vpc)
		left   func(n network1, vpc *v1.Vpc) bool
	}{
		{"off", util.ReasonExternalInUse, func(n network1, vpc *v1.Vpc) {
			controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.EnableExternal = false })
		},
			func(n network1, vpc *v1.Vpc) bool {
				got := controllertest.Stored(n.Fixture, vpc)
				return ready(got) && !got.Status.EnableExternal
			}},
		{"vpc deleted", util.ReasonVpcInUse, func(n network1, vpc *v1.Vpc) { n.Delete(vpc) }, func(n network1, vpc *v1.Vpc) bool { return !n.Exists(vpc) }},
		{"subnet deleted", util.ReasonExternalInUse, func(n network1, vpc *v1.Vpc) {
			controllertest.Edit(n.Fixture, external204(), func(s *v1.Subnet) { s.Finalizers = []string{util.Finalizer} })
			n.Delete(external204())
		}, func(n network1, vpc *v1.Vpc) bool { return true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			vpc := controllertest.Vpc("vpc1", outside)
			n := startedExternal(t, append(threeNodes(true), external204(), vpc, address, fip)...)
			before := n.port("vpc1-external204")
			test.leave(n, vpc)
			if message := n.condition("vpc1", test.reason); !strings.Contains(message, "fip web") {
				t.Errorf("message %q", message)
			}
			if before == "" || n.port("vpc1-external204") != before {
				t.Errorf("the port is gone while a rule needs it:\n%s", n.Dump())
			}
			n.Delete(fip)
			n.Eventually("the port is gone", func() bool { return n.port("vpc1-external204") == "" })
			n.Eventually("the ovn eip is gone", func() bool { return !n.Exists(lrpEip("vpc1-external204", "")) })
			n.Eventually("the vpc left", func() bool { return test.left(n, vpc) })
			if strings.Contains(n.Dump(), "external204-vpc1") || strings.Contains(n.Dump(), "Static_Route") {
				t.Errorf("left behind:\n%s", n.Dump())
			}
		})
	}
}

// Without the default network the first extra one leads out; what does not exist is told by name.
func TestOnlyExtraNetworks(t *testing.T) {
	vpc := controllertest.Vpc("vpc1", outside, func(s *v1.VpcSpec) { s.ExtraExternalSubnets = []string{"extra", "nowhere"} })
	n := startedExternal(t, append(threeNodes(true), extra(), vpc)...)
	if message := n.condition("vpc1", util.ReasonExternalSubnetNotReady); !strings.Contains(message, "nowhere") {
		t.Errorf("message %q", message)
	}
	if dump := n.Dump(); !strings.Contains(dump, "nexthop=10.10.204.254") || n.port("vpc1-external204") != "" {
		t.Errorf("rows:\n%s", dump)
	}
	none := controllertest.Vpc("vpc2", outside)
	n.Create(none)
	if message := n.condition("vpc2", util.ReasonExternalSubnetNotReady); !strings.Contains(message, "external204") {
		t.Errorf("message %q", message)
	}
}

// D-01, D-02: a copy of the route in the spec, and one that an earlier release made, end as one row of ours.
func TestDefaultRouteIsOneRow(t *testing.T) {
	for _, mode := range []string{"", ecmpSymmetric} {
		vpc := controllertest.Vpc("vpc1", outside, func(s *v1.VpcSpec) {
			s.StaticRoutes = []*v1.StaticRoute{{CIDR: "0.0.0.0/0", NextHopIP: "10.5.204.254", Policy: v1.PolicyDst, ECMPMode: mode}}
		})
		f := controllertest.New(t, append(threeNodes(true), external204(), vpc)...)
		f.Server.Transact(t, `{"op":"insert","table":"Logical_Router","uuid":"00000000-0000-4000-8000-000000000001","row":{"name":"vpc1","static_routes":["set",[["uuid","00000000-0000-4000-8000-000000000002"],["uuid","00000000-0000-4000-8000-000000000003"]]]}}`,
			`{"op":"insert","table":"Logical_Router_Static_Route","uuid":"00000000-0000-4000-8000-000000000002","row":{"ip_prefix":"0.0.0.0/0","nexthop":"10.5.204.254","policy":"dst-ip"}}`,
			`{"op":"insert","table":"Logical_Router_Static_Route","uuid":"00000000-0000-4000-8000-000000000003","row":{"ip_prefix":"10.9.0.0/16","nexthop":"10.5.204.254","policy":"dst-ip"}}`)
		f.Run(buildExternal)
		f.Settle()
		n := network1{f, t}
		if got := strings.Count(n.Dump(), "ip_prefix=0.0.0.0/0"); got != 1 {
			t.Errorf("%d default routes:\n%s", got, n.Dump())
		}
		controllertest.Edit(n.Fixture, vpc, func(v *v1.Vpc) { v.Spec.EnableExternal, v.Spec.StaticRoutes = false, nil })
		n.Eventually("the default route is gone", func() bool { return !strings.Contains(n.Dump(), "ip_prefix=0.0.0.0/0") })
		if !strings.Contains(n.Dump(), "ip_prefix=10.9.0.0/16") {
			t.Error("a foreign route is gone, too")
		}
	}
}

// D-02: an unmarked default route of an earlier release goes where none is wanted any more.
func TestEarlierDefaultRouteGoes(t *testing.T) {
	f := controllertest.New(t, external204(), controllertest.Vpc("vpc1"))
	f.Server.Transact(t, `{"op":"insert","table":"Logical_Router","uuid":"00000000-0000-4000-8000-000000000001","row":{"name":"vpc1","static_routes":["set",[["uuid","00000000-0000-4000-8000-000000000002"]]]}}`,
		`{"op":"insert","table":"Logical_Router_Static_Route","uuid":"00000000-0000-4000-8000-000000000002","row":{"ip_prefix":"0.0.0.0/0","nexthop":"10.5.204.254","policy":"dst-ip"}}`)
	f.Run(buildExternal)
	f.Settle()
	if strings.Contains(f.Dump(), "Static_Route") {
		t.Errorf("it stays:\n%s", f.Dump())
	}
}

// A switch that comes late is waited for, and the rest of the VPC works meanwhile.
func TestSwitchComesLate(t *testing.T) {
	f := controllertest.New(t, append(threeNodes(true), external204(), controllertest.Vpc("vpc1", outside))...)
	f.Run(build)
	f.Start(granter(f))
	n := network1{f, t}
	if message := n.condition("vpc1", util.ReasonExternalSubnetNotReady); !strings.Contains(message, "switch external204") {
		t.Errorf("message %q", message)
	}
	if got := controllertest.Stored(f, controllertest.Vpc("vpc1")); !got.Status.Standby || n.line("Logical_Router vpc1:") == "" {
		t.Errorf("status %+v", got.Status)
	}
	if _, err := f.NB.Apply(f.Context(), ovs.Owner{Kind: "subnet", Key: "external204"}, []ovs.Row{ovs.LogicalSwitch{Name: "external204"}}); err != nil {
		t.Fatal(err)
	}
	n.Eventually("the port", func() bool { return n.port("vpc1-external204") != "" })
}

func grantedEip(name, subnet, v4, v6 string) *v1.OvnEip {
	return &v1.OvnEip{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnEipSpec{ExternalSubnet: subnet, Type: util.EipTypeLRP},
		Status: v1.OvnEipStatus{V4Ip: v4, V6Ip: v6, MacAddress: "00:00:00:EF:05:C7"},
	}
}

func TestExternalRows(t *testing.T) {
	first := network{name: "external204", wanted: true, present: true, subnet: external204(),
		eip: grantedEip("vpc1-external204", "external204", "10.5.204.105", "")}
	second := network{name: "extra", wanted: true, present: true, subnet: extra(), eip: grantedEip("vpc1-extra", "extra", "10.10.204.105", "")}
	dual := first
	dual.subnet = underlay("external204", "10.5.204.0/24,fd00:204::/64", "10.5.204.254,fd00:204::fe")
	dual.eip = grantedEip("vpc1-external204", "external204", "10.5.204.105", "fd00:204::5")
	left := first
	left.wanted, left.connected, left.users = false, true, []string{"fip web"}
	chassis := chassisOf(spread("vpc1", []string{"7cedd14f", "276baccb", "fd9f140c"})...)
	vpc := controllertest.Vpc("vpc1", outside)
	def := controllertest.Vpc(util.DefaultVpc, outside)
	nic := decide(def, configMap(withNIC()), "kube-system/x", facts{hasNode: func(string) bool { return true }})
	tests := []struct {
		name string
		in   inputs
	}{
		{"seed 000 external and extra", inputs{vpc: vpc, networks: []network{first, second}, chassis: chassis}},
		{"external dual stack", inputs{vpc: vpc, networks: []network{dual}, chassis: chassis}},
		{"only extra", inputs{vpc: vpc, networks: []network{second}, chassis: chassis}},
		{"external off but in use", inputs{vpc: controllertest.Vpc("vpc1"), networks: []network{left}, chassis: chassis}},
		{"external without chassis", inputs{vpc: vpc, networks: []network{first}}},
		{"default vpc with nic-ip", inputs{vpc: def, isDefault: true, gateway: nic, networks: []network{{name: "external204", wanted: true, present: true}}, chassis: chassisOf("a", "b")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.in.external = connect(test.in)
			got, err := rows(test.in)
			if err != nil {
				t.Fatal(err)
			}
			controllertest.Golden(t, test.name, controllertest.Rows(got))
		})
	}
}

// What is in the way is told at once, the first reason first; what passes by itself is not told.
func TestProblemsAreJoined(t *testing.T) {
	in := inputs{vpc: controllertest.Vpc("vpc1", outside), networks: []network{{name: "a", wanted: true}, {name: "b", wanted: true, subnet: underlay("b", "10.0.0.0/24", "")}}}
	err := connect(in).err()
	if err == nil || !strings.Contains(err.Error(), "subnet a, which does not exist; a node with label") {
		t.Errorf("got %v", err)
	}
	in.networks, in.chassis = in.networks[1:], chassisOf("c")
	out := connect(in)
	if reconcileReason(out.err()) != "" || len(out.create) != 1 || out.create[0].Name != "vpc1-b" || out.create[0].Spec.Type != util.EipTypeLRP {
		t.Errorf("%v, %v", out.err(), out.create)
	}
}

func reconcileReason(err error) string {
	verdict, _ := reconcile.OutcomeOf(err, "", "")
	return verdict.Reason
}

// A refused edit of an external subnet, or of one of the VPC's own, changes neither rows nor status of a VPC, also not
// after a restart.
func TestRefusedEditOfASubnet(t *testing.T) {
	net := controllertest.Accepted(controllertest.Subnet("net1", "vpc1", "10.0.1.0/24"))
	out := controllertest.Accepted(external204())
	n := startedExternal(t, append(threeNodes(true), out, net, controllertest.Vpc("vpc1", outside))...)
	rows, vpc := n.Dump(), controllertest.Stored(n.Fixture, controllertest.Vpc("vpc1"))
	unchanged := func(when string) {
		t.Helper()
		n.Settle()
		if dump := n.Dump(); dump != rows {
			t.Errorf("%s:\n%s\nwas\n%s", when, dump, rows)
		}
		if got := controllertest.Stored(n.Fixture, vpc); got.ResourceVersion != vpc.ResourceVersion {
			t.Errorf("%s: the vpc was written, subnets %v", when, got.Status.Subnets)
		}
	}
	n.Update(controllertest.Refused(controllertest.Stored(n.Fixture, out), func(s *v1.SubnetSpec) { s.Gateway, s.Vlan = "10.5.204.1", "" }))
	unchanged("the outside's gateway")
	n.Update(controllertest.Refused(controllertest.Stored(n.Fixture, net), func(s *v1.SubnetSpec) { s.Vpc, s.CIDRBlock = "vpc2", "10.0.2.0/24" }))
	unchanged("the subnet's vpc")
	n.Restart(buildExternal)
	unchanged("restarted")
}
