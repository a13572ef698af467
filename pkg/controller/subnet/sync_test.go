package subnet

import (
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world is the controller with its IPAM, on a database that has the routers of the VPCs used here.
type world struct {
	*controllertest.Fixture
	book *ipam.IPAM
}

func (w *world) build(f *controllertest.Fixture) []*reconcile.Loop {
	w.Fixture, w.book = f, ipam.New()
	kinds := f.Informers.Kubeovn().V1()
	return []*reconcile.Loop{
		f.Given(ovs.LogicalRouter{Name: util.DefaultVpc}, ovs.LogicalRouter{Name: "vpc1"}, ovs.LogicalRouter{Name: "vpc2"}),
		New(
			Deps{
				Config: config, NB: f.NB, IPAM: w.book, Subnets: f.KubeOVN.KubeovnV1().Subnets(), IPs: f.KubeOVN.KubeovnV1().IPs(),
				Events: f.Events,
			},
			Sources{
				Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(), Vlans: kinds.Vlans(), Providers: kinds.ProviderNetworks(), IPs: kinds.IPs(),
				Eips: kinds.OvnEips(), Vips: kinds.Vips(), Nodes: f.KubeInformers.Core().V1().Nodes(),
			},
		),
	}
}

// standby are the VPCs as their controller leaves them.
func standby() []runtime.Object {
	var vpcs []runtime.Object
	for _, name := range []string{util.DefaultVpc, "vpc1", "vpc2"} {
		vpc := controllertest.Vpc(name)
		vpc.Status.Standby = true
		vpcs = append(vpcs, vpc)
	}
	return vpcs
}

func started(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{}
	f := controllertest.New(t, append(standby(), objects...)...)
	f.Run(w.build)
	f.Settle()
	return w
}

func (w *world) ready(s *v1.Subnet) *v1.Condition {
	return v1.FindCondition(controllertest.Stored(w.Fixture, s).Status.Conditions, v1.ConditionReady)
}

func (w *world) waitReason(s *v1.Subnet, status metav1.ConditionStatus, reason string) {
	w.Eventually(s.Name+" has reason "+reason, func() bool {
		c := w.ready(s)
		return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == controllertest.Stored(w.Fixture, s).Generation
	})
}

func TestLaws(t *testing.T) {
	_, def, join := controllertest.DefaultSubnets()
	private := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24,fd00:10:1::/64", func(s *v1.SubnetSpec) {
		s.Private, s.AllowSubnets, s.EnableDHCP, s.EnableIPv6RA = true, []string{"10.0.2.0/24"}, true, true
	})
	other := controllertest.Subnet("net2", "vpc2", "10.0.1.0/24", func(s *v1.SubnetSpec) {
		s.RouteTable, s.AllowEWTraffic = "rtb1", true
		s.Acls = []v1.ACL{{Direction: "to-lport", Priority: 1010, Match: "ip4.src == 10.10.0.3", Action: "drop"}}
	})
	ipamOnly := controllertest.Subnet("external", "", "192.168.0.0/16", func(s *v1.SubnetSpec) { s.Provider = "eth1.kube-system" })
	controllertest.Laws(t, controllertest.Scenario{
		Build:   new(world).build,
		Objects: append(standby(), def, join, private, other, ipamOnly),
		Removed: []runtime.Object{private, other, ipamOnly},
	})
}

// S-051: equal prefixes in two VPCs do not conflict.
func TestSameCIDRInTwoVPCs(t *testing.T) {
	one, two := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24"), controllertest.Subnet("net2", "vpc2", "10.0.1.0/24")
	w := started(t, one, two)
	for _, s := range []*v1.Subnet{one, two} {
		w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
		port := "Logical_Router_Port " + s.Spec.Vpc + "-" + s.Name + ":"
		if !strings.Contains(w.Dump(), port) || !strings.Contains(w.Dump(), "10.0.1.1/24") {
			t.Errorf("no %s in\n%s", port, w.Dump())
		}
	}
}

func TestOneSpecWriteAndOneStatusWrite(t *testing.T) {
	w := started(t, controllertest.Subnet("net1", "vpc1", "10.0.1.5/24"))
	writes := w.Writes()
	if len(writes) != 2 || !strings.HasPrefix(writes[0], "patch subnets/net1 ") || !strings.HasPrefix(writes[1], "patch subnets/net1/status ") {
		t.Errorf("writes:\n%s", strings.Join(writes, "\n"))
	}
	got := controllertest.Stored(w.Fixture, controllertest.Subnet("net1", "", ""))
	if got.Status.V4AvailableIPs.String() != "253" || got.Status.V4UsingIPs.String() != "0" || got.Status.V4AvailableIPRange != "10.0.1.2-10.0.1.254" {
		t.Errorf("counters %+v", got.Status)
	}
	if got.Spec.CIDRBlock != "10.0.1.0/24" || got.Spec.Gateway != "10.0.1.1" || !reconcile.HasFinalizer(got) {
		t.Errorf("spec %+v, finalizers %v", got.Spec, got.Finalizers)
	}
}

func TestRouterMACIsNobodyElses(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24")
	w := started(t, s)
	if _, err := w.book.Claim("net1", ipam.Request{Owner: "ns/pod", NIC: "pod.ns", MAC: util.HashMAC("vpc1-net1", 0)}); err == nil {
		t.Error("a pod got the MAC of the gateway")
	}
}

// The IP object is what the ip controller would make of a claim.
func (w *world) use(t *testing.T, subnet, name, address string) *v1.IP {
	t.Helper()
	lease, err := w.book.Claim(subnet, ipam.Request{Owner: name, NIC: name, Addresses: []netip.Addr{netip.MustParseAddr(address)}})
	if err != nil {
		t.Fatal(err)
	}
	ip := util.PortLease{Port: name, Subnet: subnet, V4: lease.V4.String(), MAC: lease.MAC}.Object()
	ip.Finalizers = nil
	w.Create(ip)
	return ip
}

func TestCountersFollowAddresses(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.ExcludeIps = []string{"10.0.1.250..10.0.1.254"} })
	w := started(t, s)
	w.use(t, "net1", "a.ns", "10.0.1.2")
	w.use(t, "net1", "b.ns", "10.0.1.3")
	w.Eventually("two addresses are counted", func() bool {
		status := controllertest.Stored(w.Fixture, s).Status
		return status.V4UsingIPs.String() == "2" && status.V4AvailableIPs.String() == "246" && status.V4UsingIPRange == "10.0.1.2-10.0.1.3"
	})
}

func TestDeletionWaitsForAddresses(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24")
	w := started(t, s)
	ip := w.use(t, "net1", "a.ns", "10.0.1.2")
	w.Delete(s)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetInUse)
	w.Eventually("the message names the user", func() bool { return strings.Contains(w.ready(s).Message, "a.ns") })
	if !strings.Contains(w.Dump(), "Logical_Switch net1:") {
		t.Error("the switch is gone while an address is used")
	}
	w.book.ReleaseOwner("a.ns")
	w.Delete(ip)
	w.Eventually("the subnet is gone", func() bool { return !w.Exists(s) })
	if strings.Contains(w.Dump(), "net1") {
		t.Errorf("rows are left:\n%s", w.Dump())
	}
	if _, known := w.book.Stats("net1"); known {
		t.Error("IPAM still knows the subnet")
	}
}

// A refused subnet comes up as soon as what it was refused for is gone.
func TestOverlapIsToldAndHeals(t *testing.T) {
	first, second := controllertest.Subnet("first", "vpc1", "10.0.0.0/16"), controllertest.Subnet("second", "vpc1", "10.0.1.0/24")
	w := started(t, first)
	w.Create(second)
	w.waitReason(second, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	if c := w.ready(second); !strings.Contains(c.Message, "subnet first") {
		t.Errorf("message %q", c.Message)
	}
	if strings.Contains(w.Dump(), "Logical_Switch second:") {
		t.Error("a refused subnet has a switch")
	}
	if c := w.ready(first); c.Status != metav1.ConditionTrue {
		t.Errorf("the subnet in place became %s: %s", c.Status, c.Message)
	}
	w.Delete(first)
	w.waitReason(second, metav1.ConditionTrue, util.ReasonSubnetPublic)
	if v1.IsConditionTrue(controllertest.Stored(w.Fixture, second).Status.Conditions, v1.ConditionError) {
		t.Error("the error is not cleared")
	}
}

func TestUnknownVpcIsToldAndHeals(t *testing.T) {
	s := controllertest.Subnet("net1", "nowhere", "10.0.1.0/24")
	w := started(t, s)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	c := w.ready(s)
	if !strings.Contains(c.Message, "vpc nowhere does not exist") {
		t.Errorf("message %q", c.Message)
	}
	events := 0
	for len(w.Events.Events) > 0 {
		if e := <-w.Events.Events; strings.Contains(e, "vpc nowhere does not exist") && strings.HasPrefix(e, "Warning "+util.ReasonSubnetInvalid) {
			events++
		}
	}
	if events != 1 {
		t.Errorf("%d events", events)
	}
}

func TestEditIntoNonsenseKeepsTheNetwork(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24")
	w := started(t, s)
	before := w.Dump()
	broken := controllertest.Stored(w.Fixture, s)
	broken.Spec.CIDRBlock = "10.0.1.0/99"
	w.Update(broken)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetInvalid)
	if w.Dump() != before {
		t.Errorf("rows changed to\n%s", w.Dump())
	}
}

func TestCentralizedTellsItsGateway(t *testing.T) {
	s := controllertest.Subnet("net1", "", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.GatewayType = util.GatewayCentralized })
	w := started(t, s)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonNoReadyGateway)
	if got := controllertest.Stored(w.Fixture, s); !v1.IsConditionTrue(got.Status.Conditions, v1.ConditionValidated) {
		t.Error("the spec is not accepted, so that no gateway can be chosen")
	}
	named := controllertest.Stored(w.Fixture, s)
	named.Spec.GatewayNode = "node1"
	w.Update(named)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonNoActiveGateway)
	chosen := controllertest.Stored(w.Fixture, s)
	chosen.Status.ActivateGateway = "node1"
	w.Update(chosen)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonCentralizedGateway)
}

func TestPrivateAndBack(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24")
	w := started(t, s)
	open := w.Dump()
	private := controllertest.Stored(w.Fixture, s)
	private.Spec.Private = true
	w.Update(private)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPrivate)
	if !strings.Contains(w.Dump(), "ACL") {
		t.Error("no ACL on a private subnet")
	}
	public := controllertest.Stored(w.Fixture, s)
	public.Spec.Private = false
	w.Update(public)
	w.waitReason(s, metav1.ConditionTrue, util.ReasonSubnetPublic)
	w.WaitDump(open)
}

func TestDHCPRowIsInTheStatus(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.EnableDHCP = true })
	w := started(t, s)
	want, ok := w.NB.UUID(ovs.DHCPOptions{Name: "net1/IPv4"})
	if got := controllertest.Stored(w.Fixture, s).Status.DHCPv4OptionsUUID; !ok || got != want {
		t.Errorf("status has %q, the row is %q", got, want)
	}
}

// What this version lacks is told, and what it has works.
func TestUnsupportedFieldsAreTold(t *testing.T) {
	s := controllertest.Subnet("net1", "vpc1", "10.0.1.0/24", func(s *v1.SubnetSpec) {
		s.Vips, s.EnableMulticastSnoop, s.EnableExternalLBAddress = []string{"10.0.1.9"}, true, true
		s.ExternalEgressGateway, s.PolicyRoutingTableID = "192.168.123.200", 1000
	})
	w := started(t, s)
	w.waitReason(s, metav1.ConditionFalse, util.ReasonSubnetUnsupported)
	const all = "a version that supports enableExternalLBAddress, enableMulticastSnoop, externalEgressGateway, vips"
	if c := w.ready(s); !strings.HasSuffix(c.Message, all) {
		t.Errorf("condition %+v", c)
	}
	got := controllertest.Stored(w.Fixture, s).Status
	if !v1.IsConditionTrue(got.Conditions, v1.ConditionValidated) || got.V4AvailableIPs.String() != "253" {
		t.Errorf("pods cannot use the subnet: %+v", got)
	}
}
