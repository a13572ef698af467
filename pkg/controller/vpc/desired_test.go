package vpc

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var config = Config{
	DefaultVpc:     util.DefaultVpc,
	DefaultSubnet:  util.DefaultSubnet,
	JoinSubnet:     util.JoinSubnet,
	ExternalSwitch: "external204", GatewayConfigNamespace: "kube-system",
}

// routed is the VPC of seed 001 with its static and policy routes.
func routed(spec *v1.VpcSpec) {
	spec.StaticRoutes = []*v1.StaticRoute{
		{CIDR: "0.0.0.0/0", NextHopIP: "10.0.1.254", Policy: v1.PolicyDst},
		{CIDR: "172.31.0.0/24", NextHopIP: "10.0.1.253", Policy: v1.PolicySrc, RouteTable: "rtb1"},
	}
	spec.PolicyRoutes = []*v1.PolicyRoute{
		{Priority: 11, Match: "ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250", Action: v1.PolicyRouteActionDrop},
		{Priority: 10, Match: "ip4.src==10.0.1.0/24", Action: v1.PolicyRouteActionReroute, NextHopIP: "10.0.1.252"},
	}
}

func TestRows(t *testing.T) {
	_, def, join := controllertest.DefaultSubnets()
	dualJoin := join.DeepCopy()
	dualJoin.Spec.Gateway = "100.64.0.1,fd00:100:64::1"
	underlay := controllertest.Subnet("vlan10", "vpc1", "10.0.9.0/24", func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection = "v10", true })
	tests := []struct {
		name string
		in   inputs
	}{
		{"custom vpc", inputs{vpc: controllertest.Vpc("test-vpc-1")}},
		{"seed 001 routes", inputs{vpc: controllertest.Vpc("test-vpc-1", routed)}},
		{"default vpc before its join subnet", inputs{vpc: controllertest.Vpc(util.DefaultVpc), isDefault: true}},
		{"default vpc", inputs{vpc: controllertest.Vpc(util.DefaultVpc), isDefault: true, join: join, joined: true, subnets: []*v1.Subnet{join, def}}},
		{"default vpc before the join port", inputs{vpc: controllertest.Vpc(util.DefaultVpc), isDefault: true, join: join}},
		{"default vpc dual stack with route tables", inputs{vpc: controllertest.Vpc(util.DefaultVpc, routed), isDefault: true, join: dualJoin, joined: true}},
		{"ecmp of two next hops", inputs{vpc: controllertest.Vpc("v", func(s *v1.VpcSpec) {
			s.StaticRoutes = []*v1.StaticRoute{
				{CIDR: "0.0.0.0/0", NextHopIP: "10.0.1.2", ECMPMode: "ecmp_symmetric_reply"},
				{CIDR: "0.0.0.0/0", NextHopIP: "10.0.1.3", ECMPMode: "ecmp_symmetric_reply"},
			}
			s.PolicyRoutes = []*v1.PolicyRoute{{Match: "ip6.src == fd00::/64", Action: v1.PolicyRouteActionReroute, NextHopIP: "fd00::2, fd00::3"}}
		})}},
		{"host routes keep their text", inputs{vpc: controllertest.Vpc("v", func(s *v1.VpcSpec) {
			s.StaticRoutes = []*v1.StaticRoute{{CIDR: "10.1.1.1", NextHopIP: "10.0.1.2"}, {CIDR: "fd00::1/128", NextHopIP: "fd00::2"}}
		})}},
		{"peering", inputs{vpc: controllertest.Vpc("vpc1", func(s *v1.VpcSpec) {
			s.VpcPeerings = []*v1.VpcPeering{{RemoteVpc: "vpc2", LocalConnectIP: "169.254.0.1/30, fd69::1/126"}}
		})}},
		{"interconnected subnets in two tables", inputs{vpc: controllertest.Vpc("v"), subnets: []*v1.Subnet{
			linked("dual", "192.168.10.0/24,fd00:10::/64", "192.168.10.1,fd00:10::1", "192.168.10.2,fd00:10::2"),
			linked("own", "192.168.11.0/24", "192.168.11.1", "192.168.11.2", inTable), controllertest.Subnet("over", "v", "10.0.0.0/24"),
		}}},
		{"external and underlay learn from arp", inputs{vpc: controllertest.Vpc("vpc1"), subnets: []*v1.Subnet{underlay}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := rows(test.in)
			if err != nil {
				t.Fatal(err)
			}
			controllertest.Golden(t, test.name, controllertest.Rows(got))
		})
	}
}

func TestPeeringMACsDiffer(t *testing.T) {
	if a, b := peeringMAC("vpc1-vpc2", "vpc2-vpc1"), peeringMAC("vpc2-vpc1", "vpc1-vpc2"); a == b {
		t.Errorf("both sides have %s", a)
	}
}

func TestInvalid(t *testing.T) {
	route := func(r v1.StaticRoute) func(*v1.VpcSpec) {
		return func(s *v1.VpcSpec) { s.StaticRoutes = []*v1.StaticRoute{&r} }
	}
	policy := func(p v1.PolicyRoute) func(*v1.VpcSpec) {
		return func(s *v1.VpcSpec) { s.PolicyRoutes = []*v1.PolicyRoute{&p} }
	}
	peering := func(p v1.VpcPeering) func(*v1.VpcSpec) {
		return func(s *v1.VpcSpec) { s.VpcPeerings = []*v1.VpcPeering{&p} }
	}
	tests := []struct {
		name    string
		edit    func(*v1.VpcSpec)
		message string
	}{
		{"route policy", route(v1.StaticRoute{Policy: "policyX", CIDR: "0.0.0.0/0", NextHopIP: "10.0.0.1"}), "unknown policy policyX"},
		{"route cidr", route(v1.StaticRoute{CIDR: "10.0.0.0/33", NextHopIP: "10.0.0.1"}), `invalid cidr "10.0.0.0/33"`},
		{"route next hop", route(v1.StaticRoute{CIDR: "10.0.0.0/24", NextHopIP: "10.0.0.1,10.0.0.2"}), "invalid nextHopIP"},
		{"route family", route(v1.StaticRoute{CIDR: "10.0.0.0/24", NextHopIP: "fd00::1"}), "other address family"},
		{"route ecmp mode", route(v1.StaticRoute{CIDR: "10.0.0.0/24", NextHopIP: "10.0.0.1", ECMPMode: "x"}), "unknown ecmpMode x"},
		{"policy action", policy(v1.PolicyRoute{Match: "ip4", Action: "forward"}), `unknown action "forward"`},
		{"policy without action", policy(v1.PolicyRoute{Match: "ip4"}), `unknown action ""`},
		{"policy without match", policy(v1.PolicyRoute{Action: "drop"}), "invalid match"},
		{"policy priority", policy(v1.PolicyRoute{Priority: 32768, Match: "ip4", Action: "drop"}), "invalid priority 32768"},
		{"reroute without next hop", policy(v1.PolicyRoute{Match: "ip4", Action: "reroute"}), "reroute needs one"},
		{"reroute next hop", policy(v1.PolicyRoute{Match: "ip4", Action: "reroute", NextHopIP: "10.0.0.1,x"}), `invalid nextHopIP "x"`},
		{"peering with nobody", peering(v1.VpcPeering{LocalConnectIP: "1.1.1.1/30"}), "invalid remoteVpc"},
		{"peering with itself", peering(v1.VpcPeering{RemoteVpc: "v", LocalConnectIP: "1.1.1.1/30"}), "invalid remoteVpc"},
		{"peering without address", peering(v1.VpcPeering{RemoteVpc: "w"}), "it is empty"},
		{"peering address without mask", peering(v1.VpcPeering{RemoteVpc: "w", LocalConnectIP: "1.1.1.1"}), "it must be a CIDR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := rows(inputs{vpc: controllertest.Vpc("v", test.edit)})
			invalid, ok := reconcile.AsInvalid(err)
			if !ok || invalid.Reason != util.ReasonVpcInvalid || !strings.Contains(invalid.Message, test.message) {
				t.Errorf("got %v, want %s with %q", err, util.ReasonVpcInvalid, test.message)
			}
		})
	}
}

func TestNames(t *testing.T) {
	at := func(second int64) metav1.Time { return metav1.NewTime(time.Unix(second, 0)) }
	vpc := controllertest.Vpc("same", func(s *v1.VpcSpec) { s.DefaultSubnet = "other" })
	vpc.CreationTimestamp = at(10)
	namesake := controllertest.Subnet("same", "x", "10.0.0.0/24")
	tests := []struct {
		name    string
		created int64
		other   string // VPC of the wanted default subnet
		message string
	}{
		{"an older subnet keeps the name", 5, "", "cannot have the same name"},
		{"a younger subnet does not take it", 15, "", ""},
		{"default subnet of this vpc", 15, "same", ""},
		{"default subnet of another vpc", 15, "elsewhere", "default subnet other belongs to vpc elsewhere"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			namesake.CreationTimestamp = at(test.created)
			in := inputs{vpc: vpc, namesake: namesake, wantedDefault: controllertest.Subnet("other", test.other, "10.1.0.0/24")}
			_, err := rows(in)
			if test.message == "" && err != nil || test.message != "" && (err == nil || !strings.Contains(err.Error(), test.message)) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
}

func TestNormalized(t *testing.T) {
	vpc := controllertest.Vpc("v", func(s *v1.VpcSpec) {
		s.StaticRoutes = []*v1.StaticRoute{{CIDR: "0.0.0.0/0"}, {Policy: v1.PolicySrc}}
		s.PolicyRoutes = []*v1.PolicyRoute{{Action: v1.PolicyRouteActionAllow, NextHopIP: "10.0.0.1"}, {Action: v1.PolicyRouteActionReroute, NextHopIP: "10.0.0.1"}}
	})
	original := vpc.DeepCopy()
	got := normalized(vpc)
	if diff := cmp.Diff(original, vpc); diff != "" {
		t.Errorf("the object from the cache was changed\n%s", diff)
	}
	if got.Spec.StaticRoutes[0].Policy != v1.PolicyDst || got.Spec.StaticRoutes[1].Policy != v1.PolicySrc {
		t.Errorf("static routes: %v", got.Spec.StaticRoutes)
	}
	if got.Spec.PolicyRoutes[0].NextHopIP != "" || got.Spec.PolicyRoutes[1].NextHopIP != "10.0.0.1" {
		t.Errorf("policy routes: %v", got.Spec.PolicyRoutes)
	}
	if !reconcile.HasFinalizer(got) {
		t.Error("no finalizer")
	}
	if diff := cmp.Diff(got, normalized(got)); diff != "" {
		t.Errorf("not idempotent\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	vpc1, def, join := controllertest.DefaultSubnets()
	now := metav1.Now()
	leaving := controllertest.Subnet("a-leaving", "v", "10.0.0.0/24", func(s *v1.SubnetSpec) { s.Default = true })
	leaving.DeletionTimestamp = &now
	first := controllertest.Subnet("b", "v", "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Default = true })
	second := controllertest.Subnet("c", "v", "10.0.2.0/24")
	custom := func(edits ...func(*v1.VpcSpec)) inputs {
		return inputs{vpc: controllertest.Vpc("v", edits...), subnets: []*v1.Subnet{leaving, first, second}}
	}
	chosen := custom(func(s *v1.VpcSpec) { s.DefaultSubnet = "c" })
	chosen.wantedDefault = second
	absent := custom(func(s *v1.VpcSpec) { s.DefaultSubnet = "nowhere" })
	tests := []struct {
		name          string
		in            inputs
		defaultSubnet string
		subnets       []string
	}{
		{"default vpc", inputs{vpc: vpc1, isDefault: true, subnets: []*v1.Subnet{join, def}}, util.DefaultSubnet, []string{"join", "ovn-default"}},
		{"the subnet that calls itself default", custom(), "b", []string{"b", "c"}},
		{"the chosen default", chosen, "c", []string{"b", "c"}},
		{"a chosen default that does not exist yet", absent, "b", []string{"b", "c"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := status(test.in, config)
			if got.DefaultLogicalSwitch != test.defaultSubnet {
				t.Errorf("default subnet %q, want %q", got.DefaultLogicalSwitch, test.defaultSubnet)
			}
			if diff := cmp.Diff(test.subnets, got.Subnets); diff != "" {
				t.Errorf("subnets (-want +got)\n%s", diff)
			}
			if got.TCPLoadBalancer != "" || got.UDPSessionLoadBalancer != "" {
				t.Errorf("load balancers that nobody makes: %+v", got)
			}
			if !got.Standby || got.Default != test.in.isDefault || got.Router != test.in.vpc.Name {
				t.Errorf("standby %v, default %v, router %q", got.Standby, got.Default, got.Router)
			}
		})
	}
}
