package vpc

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func build(f *controllertest.Fixture) []*reconcile.Loop {
	kinds, core := f.Informers.Kubeovn().V1(), f.KubeInformers.Core().V1()
	api := f.KubeOVN.KubeovnV1()
	return []*reconcile.Loop{
		New(
			Deps{Config: config, NB: f.NB, Vpcs: api.Vpcs(), Eips: api.OvnEips(), Events: f.Events},
			Sources{
				Vpcs: kinds.Vpcs(), Subnets: kinds.Subnets(), Eips: kinds.OvnEips(), Fips: kinds.OvnFips(), Snats: kinds.OvnSnatRules(),
				Dnats: kinds.OvnDnatRules(), Nodes: core.Nodes(), Vlans: kinds.Vlans(), ConfigMaps: core.ConfigMaps(),
			},
		),
	}
}

// buildJoined is build beside the subnet controller's port of the join network on the default router.
func buildJoined(f *controllertest.Fixture) []*reconcile.Loop {
	return append(build(f), f.Given(joinPort))
}

var joinPort = ovs.LogicalRouterPort{
	Router: util.DefaultVpc, Name: "ovn-cluster-join", MAC: "00:00:00:00:00:01", Networks: []string{"100.64.0.1/16"},
}

// The default route appears only with the port it leads over, in whatever order they come.
func TestDefaultRouteWaitsForTheJoinPort(t *testing.T) {
	vpc, _, join := controllertest.DefaultSubnets()
	f := started(t, vpc, join)
	if !controllertest.Stored(f, vpc).Status.Standby {
		t.Error("the join subnet can never come up: its vpc is not on standby")
	}
	if strings.Contains(f.Dump(), "Static_Route") {
		t.Errorf("a route without its port:\n%s", f.Dump())
	}
	if _, err := f.NB.Apply(f.Context(), ovs.Owner{Kind: "subnet", Key: "join"}, []ovs.Row{joinPort}); err != nil {
		t.Fatal(err)
	}
	f.Eventually("the default route", func() bool { return strings.Contains(f.Dump(), "nexthop=100.64.0.1") })
}

func TestLaws(t *testing.T) {
	vpc, def, join := controllertest.DefaultSubnets()
	tenant := controllertest.Vpc("test-vpc-1", routed)
	peer := controllertest.Vpc("test-vpc-2", func(s *v1.VpcSpec) {
		s.VpcPeerings = []*v1.VpcPeering{{RemoteVpc: "test-vpc-1", LocalConnectIP: "169.254.0.1/30"}}
	})
	controllertest.Laws(t, controllertest.Scenario{
		Build:   buildJoined,
		Objects: []runtime.Object{vpc, def, join, tenant, peer, controllertest.Subnet("net2", "test-vpc-2", "10.0.1.0/24")},
		Removed: []runtime.Object{tenant},
	})
}

func started(t *testing.T, objects ...runtime.Object) *controllertest.Fixture {
	t.Helper()
	f := controllertest.New(t, objects...)
	f.Run(build)
	f.Settle()
	return f
}

func ready(vpc *v1.Vpc) bool {
	c := v1.FindCondition(vpc.Status.Conditions, v1.ConditionReady)
	return v1.IsConditionTrue(vpc.Status.Conditions, v1.ConditionReady) && c.ObservedGeneration == vpc.Generation
}

// S-049: two tenants, their routers and their columns.
func TestTenantVpcs(t *testing.T) {
	namespaces := func(names ...string) func(*v1.VpcSpec) { return func(s *v1.VpcSpec) { s.Namespaces = names } }
	one, two := controllertest.Vpc("test-vpc-1", namespaces("ns1")), controllertest.Vpc("test-vpc-2", namespaces("ns2"))
	f := started(t, one, two)
	for _, vpc := range []*v1.Vpc{one, two} {
		got := controllertest.Stored(f, vpc)
		if !got.Status.Standby || !ready(got) || got.Status.Router != vpc.Name || !reconcile.HasFinalizer(got) {
			t.Errorf("%s: finalizers %v, status %+v", vpc.Name, got.Finalizers, got.Status)
		}
		if !strings.Contains(f.Dump(), "Logical_Router "+vpc.Name+":") {
			t.Errorf("no router %s in\n%s", vpc.Name, f.Dump())
		}
	}
}

func TestOneSpecWriteAndOneStatusWrite(t *testing.T) {
	f := started(t, controllertest.Vpc("v", routed))
	want := []string{"patch vpcs/v", "patch vpcs/v/status"}
	var got []string
	for _, write := range f.Writes() {
		verb, rest, _ := strings.Cut(write, " ")
		path, _, _ := strings.Cut(rest, " ")
		got = append(got, verb+" "+path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", f.Writes(), want)
	}
	if status := f.Writes()[1]; !strings.Contains(status, `"enableExternal":false`) || !strings.Contains(status, `"standby":true`) {
		t.Errorf("columns would print nothing: %s", status)
	}
}

// S-073: removing one policy from the spec removes that row and no other, also when others own policies of the router.
func TestRemovePolicy(t *testing.T) {
	f := started(t, controllertest.Vpc("test-vpc-1", routed))
	gateway := ovs.RouterPolicy{Router: "test-vpc-1", Priority: util.SubnetPolicyPriority, Match: "ip4.dst == 10.0.1.0/24", Action: "allow"}
	if _, err := f.NB.Apply(f.Context(), ovs.Owner{Kind: "subnet", Key: "net1"}, []ovs.Row{gateway}); err != nil {
		t.Fatal(err)
	}
	vpc := controllertest.Stored(f, controllertest.Vpc("test-vpc-1"))
	dropped := vpc.Spec.PolicyRoutes[0]
	vpc.Spec.PolicyRoutes = vpc.Spec.PolicyRoutes[1:]
	f.Update(vpc)
	f.Eventually("the policy is gone", func() bool {
		return !strings.Contains(f.Dump(), dropped.Match+" ") && !strings.Contains(f.Dump(), "11,")
	})
	for _, stays := range []string{"ip4.src==10.0.1.0/24", "ip4.dst == 10.0.1.0/24"} {
		if !strings.Contains(f.Dump(), stays) {
			t.Errorf("policy %q is gone too:\n%s", stays, f.Dump())
		}
	}
}

func TestInvalidSpecIsToldAndHealed(t *testing.T) {
	f := started(t, controllertest.Vpc("v", func(s *v1.VpcSpec) {
		s.StaticRoutes = []*v1.StaticRoute{{CIDR: "10.0.0.0/33", NextHopIP: "10.0.0.1"}}
	}))
	vpc := controllertest.Stored(f, controllertest.Vpc("v"))
	condition := v1.FindCondition(vpc.Status.Conditions, v1.ConditionReady)
	if condition == nil || condition.Reason != util.ReasonVpcInvalid || !strings.Contains(condition.Message, "invalid cidr") || vpc.Status.Standby {
		t.Errorf("status %+v", vpc.Status)
	}
	if got, want := <-f.Events.Events, "Warning ValidateVpcFailed"; !strings.HasPrefix(got, want) {
		t.Errorf("event %q, want %q", got, want)
	}
	vpc.Spec.StaticRoutes[0].CIDR = "10.0.0.0/24"
	f.Update(vpc)
	f.Eventually("the vpc is ready", func() bool {
		got := controllertest.Stored(f, vpc)
		return ready(got) && !v1.IsConditionTrue(got.Status.Conditions, v1.ConditionError)
	})
}

func TestContradictingRoutesAreInvalid(t *testing.T) {
	f := started(t, controllertest.Vpc("v", func(s *v1.VpcSpec) {
		s.StaticRoutes = []*v1.StaticRoute{{CIDR: "0.0.0.0/0", NextHopIP: "10.0.0.1"}, {CIDR: "0.0.0.0/0", NextHopIP: "10.0.0.1", ECMPMode: ecmpSymmetric}}
	}))
	vpc := controllertest.Stored(f, controllertest.Vpc("v"))
	if c := v1.FindCondition(vpc.Status.Conditions, v1.ConditionReady); c == nil || c.Reason != util.ReasonVpcInvalid {
		t.Errorf("conditions %+v", vpc.Status.Conditions)
	}
}

func TestDeletionWaitsForSubnets(t *testing.T) {
	vpc, subnet := controllertest.Vpc("v"), controllertest.Subnet("net1", "v", "10.0.1.0/24")
	f := started(t, vpc, subnet)
	f.Delete(vpc)
	f.Eventually("the vpc tells who holds it", func() bool {
		c := v1.FindCondition(controllertest.Stored(f, vpc).Status.Conditions, v1.ConditionReady)
		return c.Reason == util.ReasonVpcInUse && strings.Contains(c.Message, "net1")
	})
	if !strings.Contains(f.Dump(), "Logical_Router v:") {
		t.Error("the router is gone while a subnet needs it")
	}
	f.Delete(subnet)
	f.Eventually("the vpc is gone", func() bool { return !f.Exists(vpc) })
	if strings.Contains(f.Dump(), "Logical_Router v:") {
		t.Error("the router is left")
	}
}

// What this version lacks is told, and what it has works.
func TestUnsupportedFieldsAreTold(t *testing.T) {
	vpc := controllertest.Vpc("v", func(s *v1.VpcSpec) {
		s.EnableBfd, s.BFDPort = true, &v1.BFDPort{Enabled: true}
		s.StaticRoutes = []*v1.StaticRoute{{CIDR: "0.0.0.0/0", NextHopIP: "10.1.1.1", BfdID: "abc"}}
	})
	f := started(t, vpc)
	status := controllertest.Stored(f, vpc).Status
	c := v1.FindCondition(status.Conditions, v1.ConditionReady)
	if c == nil || c.Reason != util.ReasonVpcUnsupported || !strings.Contains(c.Message, "bfdPort, enableBfd, staticRoutes[].bfdId") {
		t.Errorf("condition %+v", c)
	}
	if !status.Standby || !v1.IsConditionTrue(status.Conditions, v1.ConditionValidated) {
		t.Errorf("subnets cannot use the vpc: %+v", status)
	}
}

// A peering counts when both sides have it, and says what it lacks.
func TestPeers(t *testing.T) {
	with := func(name, peer string) *v1.Vpc {
		return controllertest.Vpc(name, func(s *v1.VpcSpec) {
			s.VpcPeerings = []*v1.VpcPeering{{RemoteVpc: peer, LocalConnectIP: "169.254.0.1/30"}}
		})
	}
	one := with("one", "two")
	f := started(t, one)
	waits := func(what string) {
		t.Helper()
		f.Eventually("waiting for "+what, func() bool {
			status := controllertest.Stored(f, one).Status
			c := v1.FindCondition(status.Conditions, v1.ConditionReady)
			return c != nil && c.Reason == util.ReasonVpcUnpeered && c.Message == "waiting for "+what && len(status.VpcPeerings) == 0 && status.Standby
		})
	}
	waits("vpc two to peer with, which does not exist")
	two := controllertest.Vpc("two")
	f.Create(two)
	waits("a peering of vpc two with vpc one")
	mirror := controllertest.Stored(f, two).DeepCopy()
	mirror.Spec.VpcPeerings = with("two", "one").Spec.VpcPeerings
	f.Update(mirror)
	for _, side := range []*v1.Vpc{one, two} {
		f.Eventually("vpc "+side.Name+" is linked", func() bool {
			got := controllertest.Stored(f, side)
			return ready(got) && len(got.Status.VpcPeerings) == 1
		})
	}
	f.Delete(two)
	waits("vpc two to peer with, which does not exist")
}

// A router of the same name that somebody else marked as theirs is left alone, and the user learns why.
func TestForeignRouterIsNotTaken(t *testing.T) {
	f := controllertest.New(t, controllertest.Vpc("v"))
	if _, err := f.NB.Apply(f.Context(), ovs.Owner{Kind: "other", Key: "v"}, []ovs.Row{ovs.LogicalRouter{Name: "v"}}); err != nil {
		t.Fatal(err)
	}
	f.Run(build)
	f.Eventually("the conflict is told", func() bool {
		c := v1.FindCondition(controllertest.Stored(f, controllertest.Vpc("v")).Status.Conditions, v1.ConditionReady)
		return c != nil && c.Reason == util.ReasonVpcFailed && strings.Contains(c.Message, "other/v")
	})
}
