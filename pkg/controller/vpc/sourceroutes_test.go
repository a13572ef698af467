package vpc

import (
	"strings"
	"testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// linked is an underlay subnet in which the router of vpc v has its address.
func linked(name, cidr, gateway, router string, edits ...func(*v1.SubnetSpec)) *v1.Subnet {
	s := controllertest.Subnet(name, "v", cidr, func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection, s.Gateway = "vlan10", true, gateway })
	for _, edit := range edits {
		edit(&s.Spec)
	}
	s.Status.U2OInterconnectionVPC, s.Status.U2OInterconnectionIP = "v", router
	return s
}

func small(edits ...func(*v1.SubnetSpec)) *v1.Subnet {
	return linked("under", "192.168.10.0/24", "192.168.10.1", "192.168.10.2", edits...)
}

func inTable(s *v1.SubnetSpec) { s.RouteTable = "rtb1" }

func TestSourceRoutes(t *testing.T) {
	overlay := func(cidr string) *v1.Subnet { return controllertest.Subnet("over", "v", cidr) }
	pending, moved, outside := small(), small(), small()
	pending.Status = v1.SubnetStatus{}
	moved.Status.U2OInterconnectionVPC = "w"
	outside.Status.U2OInterconnectionIP = "10.0.0.2"
	dual := linked("dual", "192.168.10.0/24,fd00:10::/64", "192.168.10.1,fd00:10::1", "192.168.10.2,fd00:10::2")
	route := func(table, cidr, hop string, policy v1.RoutePolicy) func(*v1.VpcSpec) {
		return func(s *v1.VpcSpec) {
			s.StaticRoutes = append(s.StaticRoutes, &v1.StaticRoute{RouteTable: table, CIDR: cidr, NextHopIP: hop, Policy: policy})
		}
	}
	bfd := func(s *v1.VpcSpec) { s.EnableExternal, s.EnableBfd = true, true }
	ecmp := func(s *v1.SubnetSpec) { s.EnableEcmp = true }
	lone := []*v1.Subnet{small()}
	for name, c := range map[string]struct {
		vpc     []func(*v1.VpcSpec)
		subnets []*v1.Subnet
		want    string // "table prefix->hop" of each, divided by blanks
		lost    bool   // a subnet has no way out
	}{
		"one subnet":                {nil, lone, "192.168.10.0/24->192.168.10.1", false},
		"both families":             {nil, []*v1.Subnet{dual}, "192.168.10.0/24->192.168.10.1 fd00:10::/64->fd00:10::1", false},
		"in its table":              {nil, []*v1.Subnet{small(inTable)}, "rtb1:192.168.10.0/24->192.168.10.1", false},
		"before the router's port":  {nil, []*v1.Subnet{pending}, "", false},
		"with a former vpc's port":  {nil, []*v1.Subnet{moved}, "", false},
		"with a former prefix":      {nil, []*v1.Subnet{outside}, "", false},
		"not connected":             {nil, []*v1.Subnet{small(func(s *v1.SubnetSpec) { s.U2OInterconnection = false })}, "", false},
		"a default route":           {[]func(*v1.VpcSpec){route("", "0.0.0.0/0", "10.0.0.9", v1.PolicyDst)}, lone, "", false},
		"default of another family": {[]func(*v1.VpcSpec){route("", "::/0", "fd00::9", v1.PolicyDst)}, lone, "192.168.10.0/24->192.168.10.1", false},
		"default of another table": {[]func(*v1.VpcSpec){route("", "0.0.0.0/0", "10.0.0.9", v1.PolicyDst)}, []*v1.Subnet{small(inTable)},
			"rtb1:192.168.10.0/24->192.168.10.1", false},
		"the user's route":     {[]func(*v1.VpcSpec){route("", "192.168.0.0/16", "10.0.0.9", v1.PolicySrc)}, lone, "", false},
		"a part's route":       {[]func(*v1.VpcSpec){route("", "192.168.10.128/25", "10.0.0.9", v1.PolicySrc)}, lone, "192.168.10.0/24->192.168.10.1", false},
		"a route to it":        {[]func(*v1.VpcSpec){route("", "192.168.0.0/16", "10.0.0.9", v1.PolicyDst)}, lone, "192.168.10.0/24->192.168.10.1", false},
		"bfd and ecmp":         {[]func(*v1.VpcSpec){bfd}, []*v1.Subnet{small(ecmp)}, "", false},
		"bfd of other subnets": {[]func(*v1.VpcSpec){bfd}, lone, "192.168.10.0/24->192.168.10.1", false},
		"an equal overlay":     {nil, []*v1.Subnet{overlay("10.0.0.0/24"), small()}, "192.168.10.0/24->192.168.10.1", false},
		"a larger overlay":     {nil, []*v1.Subnet{overlay("10.0.0.0/16"), small()}, "192.168.0.0/16->192.168.10.1", false},
		"larger in IPv6":       {nil, []*v1.Subnet{overlay("10.0.0.0/24,fd01::/48"), dual}, "192.168.10.0/24->192.168.10.1 fd00:10::/48->fd00:10::1", false},
		"two beside a larger overlay": {nil, []*v1.Subnet{overlay("10.0.0.0/16"), small(), linked("z", "192.168.20.0/24", "192.168.20.1", "192.168.20.2")},
			"192.168.0.0/16->192.168.10.1", false},
		"a wider route would draw others": {nil, []*v1.Subnet{overlay("10.0.0.0/16"), controllertest.Subnet("near", "v", "192.168.5.0/24"), small()}, "", true},
		"unless they have a default route": {[]func(*v1.VpcSpec){route("", "0.0.0.0/0", "10.0.0.9", v1.PolicyDst)},
			[]*v1.Subnet{overlay("10.0.0.0/16"), controllertest.Subnet("near", "v", "192.168.5.0/24"), small()}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs{vpc: controllertest.Vpc("v", c.vpc...), subnets: c.subnets}
			given, err := givenRoutes(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			routes, _ := sourceRoutes(in, given)
			for _, row := range routes {
				got = append(got, sourceText(t, row))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
			if err := unrouted(in); (err != nil) != c.lost || c.lost && !strings.Contains(err.Error(), "under") {
				t.Errorf("unrouted: %v", err)
			}
		})
	}
	if routes, _ := sourceRoutes(inputs{vpc: controllertest.Vpc("v"), isDefault: true, subnets: lone}, nil); routes != nil {
		t.Errorf("the default vpc has its default route: %v", routes)
	}
}

// A subnet that is lost to the outside is told, and the VPC serves otherwise.
func TestUnroutedIsTold(t *testing.T) {
	under := small()
	f := started(t, controllertest.Vpc("v"), controllertest.Subnet("over", "v", "10.0.0.0/16"), under)
	if !strings.Contains(f.Dump(), "192.168.0.0/16") {
		t.Fatalf("no route\n%s", f.Dump())
	}
	f.Create(controllertest.Subnet("near", "v", "192.168.5.0/24"))
	f.Eventually("the vpc tells", func() bool {
		status := controllertest.Stored(f, controllertest.Vpc("v")).Status
		c := v1.FindCondition(status.Conditions, v1.ConditionReady)
		return c != nil && c.Reason == util.ReasonVpcUnrouted && strings.Contains(c.Message, "under") && status.Standby
	})
	if strings.Contains(f.Dump(), "Static_Route") {
		t.Errorf("the route is left\n%s", f.Dump())
	}
	f.Delete(under)
	f.Eventually("the vpc is ready", func() bool { return ready(controllertest.Stored(f, controllertest.Vpc("v"))) })
}

// The router's address, which comes with a write to the subnet's status, brings the route.
func TestSourceRouteFollowsTheRouterPort(t *testing.T) {
	under := small()
	status := under.Status
	under.Status = v1.SubnetStatus{}
	f := controllertest.New(t, controllertest.Vpc("v"), under)
	f.Run(build)
	f.Settle()
	if strings.Contains(f.Dump(), "Static_Route") {
		t.Errorf("a route without its port\n%s", f.Dump())
	}
	connected := controllertest.Stored(f, under).DeepCopy()
	connected.Status = status
	f.Update(connected)
	f.Eventually("the route", func() bool { return strings.Contains(f.Dump(), "nexthop=192.168.10.1") })
}

// sourceText is a route in short.
func sourceText(t *testing.T, row ovs.Row) string {
	t.Helper()
	route, ok := row.(ovs.StaticRoute)
	if !ok || route.Router != "v" || route.Policy != policySrcIP || len(route.Options) > 0 {
		t.Errorf("row %+v", row)
	}
	text := route.Prefix + "->" + route.Nexthop
	if route.Table != "" {
		text = route.Table + ":" + text
	}
	return text
}
