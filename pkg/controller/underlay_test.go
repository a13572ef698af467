package controller

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/ip"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/controller/subnet"
	"github.com/kubeovn/kube-ovn/pkg/controller/underlay"
	"github.com/kubeovn/kube-ovn/pkg/controller/vpc"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// physical are the loops between a ProviderNetwork and a switch.
func physical(f *controllertest.Fixture) []*reconcile.Loop {
	kinds, core, api := f.Informers.Kubeovn().V1(), f.KubeInformers.Core().V1(), f.KubeOVN.KubeovnV1()
	book := ipam.New()
	loops := []*reconcile.Loop{
		vpc.New(
			vpc.Deps{Config: vpc.Config{DefaultVpc: util.DefaultVpc, JoinSubnet: util.JoinSubnet}, NB: f.NB, Vpcs: api.Vpcs(), Eips: api.OvnEips(), Events: f.Events},
			vpc.Sources{
				Vpcs: kinds.Vpcs(), Subnets: kinds.Subnets(), Eips: kinds.OvnEips(), Fips: kinds.OvnFips(), Snats: kinds.OvnSnatRules(),
				Dnats: kinds.OvnDnatRules(), Nodes: core.Nodes(), Vlans: kinds.Vlans(), ConfigMaps: f.KubeInformers.Core().V1().ConfigMaps(),
			},
		),
		subnet.New(
			subnet.Deps{
				Config: subnet.Config{DefaultVpc: util.DefaultVpc, JoinSubnet: util.JoinSubnet, MTU: 1400}, NB: f.NB, IPAM: book, Subnets: api.Subnets(), IPs: api.IPs(),
				Events: f.Events,
			},
			subnet.Sources{
				Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(), Vlans: kinds.Vlans(), Providers: kinds.ProviderNetworks(),
				IPs: kinds.IPs(), Eips: kinds.OvnEips(), Vips: kinds.Vips(), Nodes: core.Nodes(),
			},
		),
		ip.New(
			ip.Deps{IPAM: book, IPs: api.IPs(), Events: f.Events},
			ip.Sources{IPs: kinds.IPs(), Subnets: kinds.Subnets(), Pods: core.Pods()},
		),
	}
	return append(loops, underlay.New(
		underlay.Deps{
			DefaultProvider: "net1", NB: f.NB, Providers: api.ProviderNetworks(), Vlans: api.Vlans(), Nodes: f.Kube.CoreV1().Nodes(),
			Events: f.Events,
		},
		underlay.Sources{
			Providers: kinds.ProviderNetworks(), Vlans: kinds.Vlans(), Subnets: kinds.Subnets(), Nodes: core.Nodes(), Pods: core.Pods(),
		},
	)...)
}

// The order in which provider network, vlan and subnet appear makes no difference, and all go again.
func TestUnderlayLaws(t *testing.T) {
	pn := &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "net1"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}}
	vlan10 := &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan10"}, Spec: v1.VlanSpec{ID: 10}}
	linked := controllertest.Subnet("linked", "", "192.168.10.0/24,fd00:10::/64", func(s *v1.SubnetSpec) {
		s.Vlan, s.U2OInterconnection = "vlan10", true
	})
	only := controllertest.Subnet("only", "vpc1", "192.168.11.0/24", func(s *v1.SubnetSpec) {
		s.Vlan, s.U2OInterconnection, s.U2OFeatures = "vlan10", true, &v1.U2OFeatures{OverlayOnlyRouting: true}
	})
	controllertest.Laws(t, controllertest.Scenario{
		Build: physical,
		Objects: []runtime.Object{
			pn, vlan10, linked, only, controllertest.Subnet("over", "vpc1", "10.0.0.0/24"), controllertest.Vpc(util.DefaultVpc),
			controllertest.Vpc("vpc1"), controllertest.Node("n1", "172.18.0.2"),
		},
		Removed: []runtime.Object{linked, only, vlan10, pn},
	})
}

func TestUnderlayCluster(t *testing.T) {
	config := defaults()
	underlayFlags(&config)
	config.DefaultU2O, config.ExchangeLinkName = true, true
	c := newCluster(t, config, threeNodes[:1]...)
	c.Eventually("the default subnet is ready", c.subnetReady(util.DefaultSubnet))
	pn := controllertest.Stored(c.Fixture, &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: util.DefaultProviderNetwork}})
	if pn.Spec.DefaultInterface != "eth1" || !pn.Spec.ExchangeLinkName || !slices.Equal(pn.Status.Vlans, []string{util.DefaultVlan}) {
		t.Errorf("provider network %+v %+v", pn.Spec, pn.Status)
	}
	s := controllertest.Stored(c.Fixture, controllertest.Subnet(util.DefaultSubnet, "", ""))
	if s.Spec.Vlan != util.DefaultVlan || s.Status.U2OInterconnectionIP != "10.16.0.2" {
		t.Errorf("subnet %+v %+v", s.Spec, s.Status)
	}
	for _, part := range []string{"localnet.ovn-default", "network_name=provider", "tag=1", "10.16.0.2/16"} {
		if !strings.Contains(c.Dump(), part) {
			t.Errorf("no %s in\n%s", part, c.Dump())
		}
	}
	c.Eventually("the node's address is counted", func() bool {
		return controllertest.Stored(c.Fixture, controllertest.Subnet(util.JoinSubnet, "", "")).Status.V4UsingIPs.String() == "1"
	})
	// Nothing on the switch answers for Services: the policies of the pod's node lead there, which match on its group.
	pod := c.pod("default", "pod", "node1")
	c.Eventually("the pod has its network", func() bool { return c.address(pod) == "10.16.0.3" })
	told := controllertest.Stored(c.Fixture, pod).Annotations
	if told["ovn.kubernetes.io/vlan_id"] != "1" || told["ovn.kubernetes.io/provider_network"] != util.DefaultProviderNetwork {
		t.Errorf("the pod is told %v", told)
	}
	if dump := c.Dump(); count(dump, `^Logical_Switch_Port pod\.default: .*ovn\.default\.node1`) != 1 ||
		count(dump, `^Logical_Router_Policy .*ip4\.src == \$ovn\.default\.node1_ip4 && ip4\.dst == 10\.96\.0\.0/12`) != 1 {
		t.Errorf("no way to Services in\n%s", dump)
	}
	c.Eventually("the pod's address is counted", func() bool {
		return controllertest.Stored(c.Fixture, controllertest.Subnet(util.DefaultSubnet, "", "")).Status.V4UsingIPs.String() == "2"
	})
	// A restart finds everything and the router keeps its address.
	c.quiet()
	dump := c.Dump()
	c.stop()
	c.start(t)
	c.quiet()
	if writes := c.Writes(); len(writes) > 0 || c.Dump() != dump {
		t.Errorf("after a restart: writes %q, rows\n%s", writes, c.Dump())
	}
}

func TestHeldU2OAddress(t *testing.T) {
	object := util.PortLease{
		Port: util.U2OIPName("vpc1", "net.a"), Subnet: "net.a", V4: "10.0.0.7", MAC: "00:00:00:00:00:07",
	}.Object()
	want(t, heldByIPs([]*v1.IP{object}), `net.a "u2o-interconnection.vpc1.net.a" vpc1-net.a 10.0.0.7`)
}
