package ovnnat

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world2 is world1 with a second external network for vpc1, and with the default VPC and a pod there.
func world2() []runtime.Object {
	vpc1 := controllertest.Vpc("vpc1", func(s *v1.VpcSpec) { s.EnableExternal, s.AddExternalSubnets = true, []string{"extra"} })
	return append(world1()[1:], vpc1, defaultVpc(util.ExternalGatewayConfigAddress, "10.5.204.253/24"),
		subnetOf("ovn-default", util.DefaultVpc, "10.16.0.0/16"), podIP("web.ns", "ovn-default", "10.16.0.2", ""))
}

func onExtra(s *v1.OvnEipSpec) { s.ExternalSubnet = "extra" }

// routes are the policies of the database: router, priority, match, next hops and owner.
func (n *nats) routes() []string {
	var list []string
	for _, line := range strings.Split(n.Dump(), "\n") {
		name, ok := strings.CutPrefix(line, "Logical_Router_Policy ")
		if !ok {
			continue
		}
		name, rest, _ := strings.Cut(name, ": ")
		field := func(key string, ends string) string {
			_, value, _ := strings.Cut(rest, key+"=")
			return value[:strings.IndexAny(value+" ", ends)]
		}
		list = append(list, strings.Join([]string{field("lr", ",}"), name, field("nexthops", " "), field("owner", ",}")}, " "))
	}
	slices.Sort(list)
	return list
}

func (n *nats) wantRoutes(what string, want ...string) {
	n.t.Helper()
	defer func() {
		n.t.Helper()
		if got := n.routes(); !slices.Equal(got, want) {
			n.t.Errorf("%s: routes\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}()
	n.Eventually(what, func() bool { return slices.Equal(n.routes(), want) })
}

// TestRoutes shows what leads out the traffic of each kind of rule: in VPCs with more than one way out, and in no others.
func TestRoutes(t *testing.T) {
	vpc2 := fip("vpc2", "e7", fipTo("vpc-2-busybox01.vpc2")) // has one external network
	objects := []runtime.Object{
		eip("e1", onExtra), fip("fip", "e1", fipTo("vpc-1-busybox01.vpc1")),
		eip("e2", onExtra), snat("host", "e2", snatTo("vpc-1-busybox02.vpc1")), snat("net", "e2", snatOf("vpc1-subnet1")),
		eip("e3", at(103)), dnat("dnat", "e3", "22"), dnat("udp", "e3", "53", func(s *v1.OvnDnatRuleSpec) { s.Protocol = "UDP" }),
		eip("e4", at(104)), fip("default", "e4", fipTo("web.ns")),
		eip("e5", onExtra), dnat("default", "e5", "80", func(s *v1.OvnDnatRuleSpec) { s.IPName = "web.ns" }),
		eip("e6", at(106)), snat("default", "e6", snatOf("ovn-default")),
		eip("e7", at(107)), vpc2,
	}
	n := start(t, append(world2(), objects...)...)
	for _, object := range objects {
		n.ready(object, true)
	}
	n.wantRoutes("all",
		"ovn-cluster 29225,ip4.src == 10.16.0.0/16 10.5.204.253 ovn-snat-rule/default",
		"ovn-cluster 29250,ip4.src == 10.16.0.2 10.5.204.253 ovn-fip/default",
		"ovn-cluster 29260,ip4.src == 10.16.0.2 && tcp.src == 80 10.10.204.254 ovn-dnat-rule/default",
		"vpc1 29225,ip6.src == fd00:168::/64 fd00:204::fe ovn-snat-rule/net",
		"vpc1 29233,ip4.src == 192.168.0.0/24 10.10.204.254 ovn-snat-rule/net",
		"vpc1 29250,ip4.src == 192.168.0.2 10.10.204.254 ovn-fip/fip",
		"vpc1 29250,ip4.src == 192.168.0.4 10.10.204.254 ovn-snat-rule/host",
		"vpc1 29250,ip6.src == fd00:168::2 fd00:204::fe ovn-fip/fip",
		"vpc1 29260,ip4.src == 192.168.0.2 && tcp.src == 22 10.5.204.254 ovn-dnat-rule/dnat",
		"vpc1 29260,ip4.src == 192.168.0.2 && udp.src == 53 10.5.204.254 ovn-dnat-rule/udp",
	)
	n.deleteAll(objects...)
	n.wantRoutes("none")
	n.emptyLedger()
}

// TestOnePolicyMatches shows what one pod sends by several rules of different networks: of the policies that match it, none
// has the priority of another, and the first in order is that of the rule which OVN's NAT applies.
func TestOnePolicyMatches(t *testing.T) {
	objects := []runtime.Object{
		eip("e1", at(101)), fip("fip", "e1", fipTo("vpc-1-busybox01.vpc1")),
		eip("e2", onExtra), dnat("dnat", "e2", "22"),
		eip("e3", onExtra), snat("half", "e3", snatAt("vpc1", "192.168.0.0/25")),
		eip("e4", at(104)), snat("quarter", "e4", snatAt("vpc1", "192.168.0.0/26")),
		eip("e5", at(105)), snat("net", "e5", snatOf("vpc1-subnet1")),
		eip("e6", onExtra), snat("host", "e6", snatTo("vpc-1-busybox01.vpc1")), // the FIP has its route, in the family that it translates
	}
	n := start(t, append(world2(), objects...)...)
	for _, object := range objects {
		n.ready(object, true)
	}
	n.wantRoutes("from the last to the first",
		"vpc1 29233,ip4.src == 192.168.0.0/24 10.5.204.254 ovn-snat-rule/net",
		"vpc1 29234,ip4.src == 192.168.0.0/25 10.10.204.254 ovn-snat-rule/half",
		"vpc1 29235,ip4.src == 192.168.0.0/26 10.5.204.254 ovn-snat-rule/quarter",
		"vpc1 29250,ip4.src == 192.168.0.2 10.5.204.254 ovn-fip/fip",
		"vpc1 29250,ip6.src == fd00:168::2 fd00:204::fe ovn-snat-rule/host",
		"vpc1 29260,ip4.src == 192.168.0.2 && tcp.src == 22 10.10.204.254 ovn-dnat-rule/dnat",
		"vpc1 29260,ip6.src == fd00:168::2 && tcp.src == 22 fd00:204::fe ovn-dnat-rule/dnat",
	)
}

// TestRoutesFollow shows that next hops and their need follow the Vpc, the external Subnet and the gateway's settings.
func TestRoutesFollow(t *testing.T) {
	n := start(t, append(world2(), eip("e1", at(101)), fip("a", "e1", fipTo("vpc-1-busybox01.vpc1")), eip("e2", at(102)), fip("b", "e2", fipTo("web.ns")))...)
	a, b := "vpc1 29250,ip4.src == 192.168.0.2 10.5.204.254 ovn-fip/a", "ovn-cluster 29250,ip4.src == 10.16.0.2 10.5.204.253 ovn-fip/b"
	n.wantRoutes("first", b, a)
	controllertest.Edit(n.Fixture, defaultVpc(), func(vpc *v1.Vpc) { vpc.Annotations = nil })
	n.wantRoutes("gateway of the subnet", strings.ReplaceAll(b, "253", "254"), a)
	controllertest.Edit(n.Fixture, external204(), func(s *v1.Subnet) { s.Spec.Gateway = "10.5.204.252" })
	n.wantRoutes("another gateway", strings.ReplaceAll(b, "253", "252"), strings.ReplaceAll(a, "254", "252"))
	controllertest.Edit(n.Fixture, controllertest.Vpc("vpc1"), func(vpc *v1.Vpc) { vpc.Spec.AddExternalSubnets = nil })
	n.wantRoutes("one way out", strings.ReplaceAll(b, "253", "252"))
	controllertest.Edit(n.Fixture, controllertest.Vpc("vpc1"), func(vpc *v1.Vpc) { vpc.Spec.ExtraExternalSubnets = []string{"extra"} })
	n.wantRoutes("two ways out", strings.ReplaceAll(b, "253", "252"), strings.ReplaceAll(a, "254", "252"))
	controllertest.Edit(n.Fixture, external204(), func(s *v1.Subnet) { s.Spec.Gateway = "" })
	if got := n.ready(fip("a", ""), false); got.Reason != util.ReasonNatNotConnected || !strings.Contains(got.Message, "a gateway of external subnet external204") {
		t.Errorf("without a gateway it says %+v", got)
	}
}

// TestOneRouteForTwo shows two rules that want the same route: both work in either order, and one takes it over from the
// other when that goes.
func TestOneRouteForTwo(t *testing.T) {
	pod := func(s *v1.OvnDnatRuleSpec) { s.InternalPort = "22" }
	for name, c := range map[string]struct {
		first, second runtime.Object
		with, without string // the owner of the route while both are there, and when the owner is gone
	}{
		"fip, then snat":  {fip("f", "e1", fipTo("vpc-1-busybox01.vpc1")), snat("s", "e2", snatTo("vpc-1-busybox01.vpc1")), "ovn-fip/f", "ovn-snat-rule/s"},
		"snat, then fip":  {snat("s", "e2", snatTo("vpc-1-busybox01.vpc1")), fip("f", "e1", fipTo("vpc-1-busybox01.vpc1")), "ovn-fip/f", "ovn-snat-rule/s"},
		"two dnats":       {dnat("z", "e1", "2201", pod), dnat("a", "e1", "2202", pod), "ovn-dnat-rule/z", "ovn-dnat-rule/a"},
		"two dnats, eips": {dnat("z", "e1", "22"), dnat("a", "e2", "22"), "ovn-dnat-rule/z", "ovn-dnat-rule/a"},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, append(world2(), eip("e1", at(101)), eip("e2", at(102)))...)
			owners := func() string {
				var list []string
				for _, route := range n.routes() {
					if strings.Contains(route, "ip4.src == 192.168.0.2") {
						list = append(list, route[strings.LastIndex(route, " ")+1:])
					}
				}
				return strings.Join(list, ",")
			}
			n.Create(c.first)
			n.ready(c.first, true)
			n.Create(c.second)
			n.ready(c.second, true)
			n.ready(c.first, true)
			n.Settle()
			if got := owners(); got != c.with {
				t.Errorf("the route is of %s, want %s", got, c.with)
			}
			if len(n.Events.Events) > 0 {
				t.Errorf("event %q", <-n.Events.Events)
			}
			gone := c.first
			if !strings.HasSuffix(c.with, "/"+nameOf(gone)) {
				gone = c.second
			}
			n.deleteAll(gone)
			n.Eventually("the other has the route", func() bool { return owners() == c.without })
			n.Create(gone) // younger now, but of the same kind of use
			n.ready(gone, true)
		})
	}
}

func nameOf(object runtime.Object) string {
	type named interface{ GetName() string }
	return object.(named).GetName()
}

// TestWayBack shows two dnats of one inside port from two networks: the replies can leave by one, so the second says so.
func TestWayBack(t *testing.T) {
	first, second := dnat("z", "e1", "22"), dnat("a", "e2", "22")
	n := start(t, append(world2(), eip("e1", at(101)), eip("e2", onExtra), first)...)
	n.ready(first, true)
	n.Create(second)
	if got := n.ready(second, false); got.Reason != util.ReasonNatConflict || !strings.Contains(got.Message, "the way back from 192.168.0.2 port 22, which dnat z has") {
		t.Errorf("it says %+v", got)
	}
	n.deleteAll(first)
	n.ready(second, true)
}

// TestRouteOfAPod shows that a rule for an address that a pod's own annotation leads out says so, and works when the
// annotation goes.
func TestRouteOfAPod(t *testing.T) {
	owner := ovs.Owner{Kind: "pod", Key: "ns/web"}
	route := ovs.RouterPolicy{Router: util.DefaultVpc, Priority: util.NorthGatewayPolicyPriority, Match: "ip4.src == 10.16.0.2", Action: "reroute", Nexthops: []string{"10.5.204.253"}}
	for name, rule := range map[string]runtime.Object{"fip": fip("r", "e1", fipTo("web.ns")), "snat": snat("r", "e1", snatTo("web.ns"))} {
		t.Run(name, func(t *testing.T) {
			n := start(t, append(world2(), eip("e1", at(101)))...)
			if _, err := n.NB.Apply(n.Context(), owner, []ovs.Row{route}); err != nil {
				t.Fatal(err)
			}
			n.Create(rule)
			if got := n.ready(rule, false); got.Reason != util.ReasonNatConflict || !strings.Contains(got.Message, "pod/ns/web") {
				t.Errorf("it says %+v", got)
			}
			n.Settle()
			if strings.Contains(n.Dump(), "\nNAT ") {
				t.Error("it has a NAT row")
			}
			if _, err := n.NB.Apply(n.Context(), owner, nil); err != nil {
				t.Fatal(err)
			}
			n.ready(rule, true)
		})
	}
}

// TestNotConnected shows rules whose VPC has no port on the external network: their rows are there, but they are not Ready,
// say why, and follow the port as it comes and goes.
func TestNotConnected(t *testing.T) {
	rules := []runtime.Object{fip("f", "e", fipTo("vpc-1-busybox01.vpc1")), snat("s", "e", snatOf("vpc1-subnet1")), dnat("d", "e", "22")}
	n := startWithout(t, "vpc1-external204", append(append(world1(), eip("e", at(101))), rules...)...)
	owner := ovs.Owner{Kind: "vpc", Key: "vpc1"}
	port := ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-external204", MAC: "00:00:00:00:01:83", Networks: []string{"10.5.204.131/24"}}
	for range 2 {
		for _, rule := range rules {
			if got := n.ready(rule, false); got.Reason != util.ReasonNatNotConnected || !strings.Contains(got.Message, "vpc vpc1 is not connected to external subnet external204") {
				t.Errorf("it says %+v", got)
			}
		}
		n.Settle()
		if dump := n.Dump(); strings.Count(dump, "\nNAT ") != 2 || !strings.Contains(dump, "Load_Balancer d:") {
			t.Errorf("rows:\n%s", dump)
		}
		if s := controllertest.Stored(n.Fixture, fip("f", "")).Status; s.Ready || s.V4Eip != "10.5.204.101" {
			t.Errorf("fip has status %+v", s)
		}
		if _, err := n.NB.Apply(n.Context(), owner, []ovs.Row{port}); err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			n.ready(rule, true)
		}
		if _, err := n.NB.Apply(n.Context(), owner, nil); err != nil {
			t.Fatal(err)
		}
	}
}
