package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// outsideConfig are the flags of seed 000.
func outsideConfig() Config {
	config := defaults()
	config.ExternalSwitch, config.ExternalNet, config.ExternalVlanID = "external204", "external", 204
	config.GatewayConfigNamespace = "kube-system"
	return config
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func vlanSubnet(name, vlan, network string) *v1.Subnet {
	return controllertest.Subnet(name, "", network+".0/24", func(s *v1.SubnetSpec) {
		s.Protocol, s.Vlan, s.Gateway = util.ProtocolIPv4, vlan, network+".254"
		s.ExcludeIps = []string{network + ".1.." + network + ".100"}
	})
}

func gatewayNodes() []runtime.Object {
	var nodes []runtime.Object
	for i, name := range []string{"pc-node-1", "pc-node-2", "pc-node-3"} {
		node := controllertest.Node(name, "192.168.123.2"+string(rune('1'+i)))
		node.Annotations = map[string]string{util.ChassisAnnotation: "chassis-" + name}
		nodes = append(nodes, node)
	}
	return nodes
}

func gatewayConfigMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: util.ExternalGatewayConfig}, Data: data}
}

// seed000 are the documents of sections 1.1 to 3.1 in their order. The address of the SNAT is fixed.
func seed000() []runtime.Object {
	return append(gatewayNodes(),
		&v1.ProviderNetwork{ObjectMeta: named("external204"), Spec: v1.ProviderNetworkSpec{DefaultInterface: "vlan"}},
		&v1.Vlan{ObjectMeta: named("vlan204"), Spec: v1.VlanSpec{ID: 204, Provider: "external204"}},
		vlanSubnet("external204", "vlan204", "10.5.204"),
		gatewayConfigMap(map[string]string{
			"enable-external-gw": "true", "external-gw-nodes": "pc-node-1,pc-node-2,pc-node-3", "type": "centralized",
			"external-gw-nic": "vlan", "external-gw-addr": "10.5.204.254/24",
		}),
		controllertest.Namespace("vpc1"),
		controllertest.Vpc("vpc1", func(s *v1.VpcSpec) {
			s.Namespaces, s.EnableExternal, s.AddExternalSubnets = []string{"vpc1"}, true, []string{"extra"}
		}),
		controllertest.Subnet("vpc1-subnet1", "vpc1", "192.168.0.0/24", func(s *v1.SubnetSpec) {
			s.DisableInterConnection, s.EnableEcmp, s.GatewayType = true, true, "distributed"
			s.Protocol, s.Provider, s.Namespaces = util.ProtocolIPv4, util.OvnProvider, []string{"vpc1"}
		}),
		&v1.ProviderNetwork{ObjectMeta: named("extra"), Spec: v1.ProviderNetworkSpec{DefaultInterface: "extra"}},
		&v1.Vlan{ObjectMeta: named("vlan0"), Spec: v1.VlanSpec{ID: 0, Provider: "extra"}},
		vlanSubnet("extra", "vlan0", "10.10.204"),
		&v1.OvnEip{ObjectMeta: named("snat-for-subnet-in-vpc"), Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: "nat", V4Ip: "10.5.204.115"}},
		&v1.OvnSnatRule{ObjectMeta: named("snat-for-subnet-in-vpc"), Spec: v1.OvnSnatRuleSpec{OvnEip: "snat-for-subnet-in-vpc", VpcSubnet: "vpc1-subnet1"}},
	)
}

// drawn hides what chance or the order of events decides: generated MACs, and the addresses of nodes and router ports.
var drawn = regexp.MustCompile(`00:00:00:[0-9A-F:]{8}|100\.64\.0\.[2-9]|10\.5\.204\.10[12]`)

func (c *cluster) shape() string {
	lines := strings.Split(drawn.ReplaceAllString(c.Dump(), "*"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (c *cluster) connected(vpc string) func() bool {
	return func() bool {
		if !c.Exists(controllertest.Vpc(vpc)) {
			return false
		}
		got := c.vpc(vpc)
		return got.Status.EnableExternal && v1.IsConditionTrue(got.Status.Conditions, v1.ConditionReady)
	}
}

// S-005 to S-017, S-031: the whole of seed 000, whatever comes first.
func TestSeed000InAnyOrder(t *testing.T) {
	var want string
	reversed := seed000()
	slices.Reverse(reversed)
	for _, order := range []struct {
		name     string
		objects  []runtime.Object
		oneByOne bool
	}{{"forward", seed000(), false}, {"reversed", reversed, false}, {"one by one", seed000(), true}, {"one by one reversed", reversed, true}} {
		t.Run(order.name, func(t *testing.T) {
			c := newCluster(t, outsideConfig())
			for _, object := range order.objects {
				c.Create(object)
				if order.oneByOne {
					c.quiet()
				}
			}
			c.Eventually("both vpcs are connected", func() bool { return c.connected("vpc1")() && c.connected(util.DefaultVpc)() })
			c.Eventually("the snat rule", func() bool { return strings.Contains(c.Dump(), "NAT snat,10.5.204.115,192.168.0.0/24") })
			c.quiet()
			if want == "" {
				want = c.shape()
				c.checkSeed000(t)
			}
			if diff := cmp.Diff(want, c.shape()); diff != "" {
				t.Errorf("rows (-forward +this)\n%s", diff)
			}
		})
	}
}

func (c *cluster) checkSeed000(t *testing.T) {
	t.Helper()
	dump := c.Dump()
	for pattern, want := range map[string]int{
		`^Logical_Router_Port vpc1-external204: .*networks=10\.5\.204\.10[12]/24`:        1,
		`^Logical_Router_Port vpc1-extra: .*networks=10\.10\.204\.101/24`:                1,
		`^Logical_Router_Port ovn-cluster-external204: .*networks=10\.5\.204\.10[12]/24`: 1,
		`^Gateway_Chassis `: 9,
		`^Logical_Switch_Port external204-(vpc1|ovn-cluster): `:                                              2,
		`^Logical_Router_Static_Route .*lr=vpc1.*`:                                                           1,
		`^Logical_Router_Static_Route .*lr=vpc1.* ip_prefix=0\.0\.0\.0/0 nexthop=10\.5\.204\.254 policy=dst`: 1,
	} {
		if got := count(dump, pattern); got != want {
			t.Errorf("%d lines match %s, want %d\n%s", got, pattern, want, dump)
		}
	}
	for _, node := range gatewayNodes() {
		if label := controllertest.Stored(c.Fixture, node.(*corev1.Node)).Labels[util.ExternalGWLabel]; label != "true" {
			t.Errorf("label %q", label)
		}
	}
	eip := controllertest.Stored(c.Fixture, &v1.OvnEip{ObjectMeta: named("ovn-cluster-external204")})
	if !eip.Status.Ready || eip.Status.Type != util.EipTypeLRP || !strings.HasPrefix(eip.Status.V4Ip, "10.5.204.10") {
		t.Errorf("ovn eip %+v", eip.Status)
	}
}

// Seed 002: without a Subnet, through a restart and off and on; pods lease from the same book.
func TestSeed002(t *testing.T) {
	config := outsideConfig()
	config.ExternalSwitch, config.ExternalVlanID = "ovn-external", 0
	c := newCluster(t, config)
	for _, node := range gatewayNodes() {
		c.Create(node)
	}
	gateway := gatewayConfigMap(map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "pc-node-2", "external-gw-nic": "eth1",
		"nic-ip": "172.56.0.100/16", "nic-mac": "16:52:f3:13:6a:25",
	})
	c.Create(gateway)
	c.Eventually("the default vpc is connected", c.connected(util.DefaultVpc))
	for pattern, want := range map[string]int{
		`^Logical_Switch_Port localnet\.ovn-external: addresses=unknown .*network_name=external`:               1,
		`^Logical_Switch_Port ovn-external-ovn-cluster: .*router-port=ovn-cluster-ovn-external`:                1,
		`^Logical_Router_Port ovn-cluster-ovn-external: .*mac=16:52:f3:13:6a:25 .*networks=172\.56\.0\.100/16`: 1,
		`^Gateway_Chassis ovn-cluster-ovn-external-chassis-pc-node-2: .*priority=100`:                          1,
		`^Gateway_Chassis `: 1,
	} {
		if got := count(c.Dump(), pattern); got != want {
			t.Errorf("%d lines match %s, want %d\n%s", got, pattern, want, c.Dump())
		}
	}
	c.quiet()
	dump := c.Dump()
	c.stop()
	c.config.ExternalSwitch = "" // D-04: the name stays without the flag
	c.start(t)
	c.quiet()
	if n := c.current.nb.Stats().Transactions; n != 0 || c.Dump() != dump {
		t.Errorf("%d transactions after a restart", n)
	}
	off := gateway.DeepCopy()
	off.Data["enable-external-gw"] = "false"
	c.Update(off)
	c.Eventually("all is gone", func() bool { return !strings.Contains(c.Dump(), "ovn-external") })
	c.Update(gateway)
	c.Eventually("all is back", func() bool { return c.Dump() == dump })
	c.checkHandover(t)
}

// checkHandover: the Subnet reserves the port's address without touching the port, and gives way again.
func (c *cluster) checkHandover(t *testing.T) {
	t.Helper()
	port := func() string {
		for uuid, name := range c.Server.UUIDs(t) {
			if name == "Logical_Router_Port:ovn-cluster-ovn-external" {
				return uuid
			}
		}
		return ""
	}
	before := port()
	c.Create(&v1.ProviderNetwork{ObjectMeta: named("eth1"), Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}})
	c.Create(&v1.Vlan{ObjectMeta: named("vlan0"), Spec: v1.VlanSpec{ID: 0, Provider: "eth1"}})
	subnet := controllertest.Subnet("ovn-external", "", "172.56.0.0/16", func(s *v1.SubnetSpec) { s.Vlan, s.Gateway = "vlan0", "172.56.0.1" })
	c.Create(subnet)
	eip := &v1.OvnEip{ObjectMeta: named("ovn-cluster-ovn-external")}
	c.Eventually("the address is reserved", func() bool {
		return c.Exists(eip) && controllertest.Stored(c.Fixture, eip).Status.V4Ip == "172.56.0.100"
	})
	c.Eventually("the switch is the Subnet's", func() bool {
		return count(c.Dump(), `^Logical_Switch ovn-external: external_ids=\{owner=subnet/ovn-external\}`) == 1
	})
	c.quiet()
	if port() != before {
		t.Errorf("the port was made anew:\n%s", c.Dump())
	}
	c.Delete(subnet)
	c.Eventually("the Subnet is gone", func() bool { return !c.Exists(subnet) && !c.Exists(eip) })
	c.Eventually("the bare switch is back", func() bool {
		return count(c.Dump(), `^Logical_Switch_Port localnet\.ovn-external: .*owner=externalgw/`) == 1 && port() != ""
	})
}

// The router's address in the bare switch's book is taken before any pod can claim.
func TestBareSwitchIsRebuilt(t *testing.T) {
	f := controllertest.New(t)
	vpc := controllertest.Vpc(util.DefaultVpc)
	vpc.Annotations = map[string]string{util.ExternalGatewayInEffect: util.EncodeExternalGateway(map[string]string{"nic-ip": "172.56.0.2/16"})}
	f.Create(vpc)
	c := &cluster{Fixture: f}
	p := &process{Controller: New(outsideConfig(), Clients{Kube: f.Kube, KubeOVN: f.KubeOVN}), nb: f.NB, book: ipam.New(), kube: f.KubeInformers, kubeovn: f.Informers}
	p.touch()
	c.Fixture.Start()
	if err := p.rebuild(f.Context()); err != nil {
		t.Fatal(err)
	}
	if holders := p.book.Holders("external204", netip.MustParseAddr("172.56.0.2")); len(holders) != 1 {
		t.Errorf("held by %v", holders)
	}
}

// touch registers the informers that rebuild reads.
func (p *process) touch() {
	kinds := p.kubeovn.Kubeovn().V1()
	kinds.Vpcs().Informer()
	kinds.Subnets().Informer()
	kinds.IPPools().Informer()
	kinds.IPs().Informer()
	kinds.Vips().Informer()
	kinds.OvnEips().Informer()
	p.kube.Core().V1().Pods().Informer()
	p.kube.Core().V1().Nodes().Informer()
}

// The MACs of router ports that are there, of whatever installation, are taken before any pod can claim (northbound.md
// 2.6).
func TestRouterMACsAreRebuilt(t *testing.T) {
	const gateway, outside = "d6:1f:4a:0b:9c:02", "d6:1f:4a:0b:9c:03"
	f := controllertest.New(t)
	vpc := controllertest.Vpc(util.DefaultVpc)
	vpc.Annotations = map[string]string{util.ExternalGatewayInEffect: util.EncodeExternalGateway(map[string]string{"nic-ip": "172.56.0.2/16"})}
	_, def, _ := controllertest.DefaultSubnets()
	f.Create(vpc)
	f.Create(def)
	for port, mac := range map[string]string{"ovn-cluster-ovn-default": gateway, "ovn-cluster-external204": outside} {
		f.Server.Transact(t, fmt.Sprintf(`{"op":"insert","table":"Logical_Router_Port","uuid-name":"p","row":{"name":%q,"networks":"10.16.0.1/16","mac":%q}}`, port, mac),
			fmt.Sprintf(`{"op":"insert","table":"Logical_Router","row":{"name":%q,"ports":["named-uuid","p"]}}`, "of "+port))
	}
	f.Reconnect()
	p := &process{Controller: New(outsideConfig(), Clients{Kube: f.Kube, KubeOVN: f.KubeOVN}), nb: f.NB, book: ipam.New(), kube: f.KubeInformers, kubeovn: f.Informers}
	p.touch()
	f.Start()
	if err := p.rebuild(f.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.book.Claim(util.DefaultSubnet, ipam.Request{Owner: "ns/pod", NIC: "pod.ns", MAC: gateway}); !errors.Is(err, ipam.ErrConflict) {
		t.Errorf("a pod got the gateway's MAC: %v", err)
	}
	if holders := p.book.Holders("external204", netip.MustParseAddr("172.56.0.2")); len(holders) != 1 || holders[0].MAC != outside {
		t.Errorf("the router's address is held by %+v", holders)
	}
}
