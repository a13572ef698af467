package vpc

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// withNIC are the additional keys of seed 002's generation, with an address of external204.
func withNIC(changes ...string) map[string]string {
	data := map[string]string{"nic-ip": "10.5.204.10/24", "nic-mac": "16:52:f3:13:6a:25"}
	for i := 0; i < len(changes); i += 2 {
		data[changes[i]] = changes[i+1]
	}
	return data
}

func withGateway(t *testing.T, objects ...runtime.Object) network1 {
	t.Helper()
	def, _, join := controllertest.DefaultSubnets()
	return startedExternal(t, append(append(threeNodes(false), def, join), objects...)...)
}

func (n network1) defaultVpc() *v1.Vpc {
	return controllertest.Stored(n.Fixture, controllertest.Vpc(util.DefaultVpc))
}

const defaultPort = "ovn-cluster-external204"

// S-005: no nic-ip; the address comes from the Subnet.
func TestDefaultVpcByConfigMap(t *testing.T) {
	n := withGateway(t, external204(), configMap(nil))
	if eip := n.eip(defaultPort); !strings.Contains(n.port(defaultPort), eip.Status.V4Ip+"/24") {
		t.Errorf("port %s", n.port(defaultPort))
	}
	if got := n.priorities(defaultPort); got != "1 2 3" {
		t.Errorf("chassis %q", got)
	}
	vpc := n.defaultVpc()
	if !vpc.Spec.EnableExternal || !vpc.Status.EnableExternal {
		t.Errorf("enableExternal %v, %v", vpc.Spec.EnableExternal, vpc.Status.EnableExternal)
	}
	if strings.Contains(n.Dump(), "nexthop=10.5.204.254") {
		t.Errorf("a default route to the outside:\n%s", n.Dump())
	}
	// Labelled nodes come first; the list's order stays, whenever its nodes get their labels. All in place (U-10).
	uuids := n.Server.UUIDs(t)
	n.Create(gatewayNode("pc-node-9", true))
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["external-gw-nodes"] = "pc-node-3, pc-node-1" })
	n.Eventually("the new order", func() bool { return n.priorities(defaultPort) == "9 3 1" })
	controllertest.Edit(n.Fixture, gatewayNode("pc-node-1", false), func(o *corev1.Node) { o.Labels[util.ExternalGWLabel] = "true" })
	n.Settle()
	if got := n.priorities(defaultPort); got != "9 3 1" || !sameUUID(n, uuids, defaultPort) {
		t.Errorf("chassis %q, port made anew: %v", got, !sameUUID(n, uuids, defaultPort))
	}
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["type"] = "distributed" })
	n.Eventually("the label alone decides", func() bool { return n.priorities(defaultPort) == "1 9" })
}

// S-006, D-17: nic-ip and nic-mac are the port's, and are reserved.
func TestGivenAddressWithSubnet(t *testing.T) {
	n := withGateway(t, external204(), configMap(withNIC()))
	if port := n.port(defaultPort); !strings.Contains(port, "10.5.204.10/24") || !strings.Contains(port, "mac=16:52:f3:13:6a:25") {
		t.Errorf("port %s", port)
	}
	if eip := n.eip(defaultPort); eip.Spec.V4Ip != "10.5.204.10" || eip.Spec.MacAddress != "16:52:f3:13:6a:25" || eip.Spec.Type != util.EipTypeLRP {
		t.Errorf("ovn eip %+v", eip.Spec)
	}
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["nic-ip"] = "10.5.204.11/24" })
	n.Eventually("the new address", func() bool {
		return strings.Contains(n.port(defaultPort), "10.5.204.11/24") && n.eip(defaultPort).Spec.V4Ip == "10.5.204.11"
	})
}

// Seed 002: no Subnet, no OvnEip. When a Subnet comes, the port stays and its address is reserved; when the Subnet goes,
// the OvnEip goes, too.
func TestGivenAddressWithoutSubnet(t *testing.T) {
	n := withGateway(t, configMap(withNIC("nic-mac", "")))
	port := n.port(defaultPort)
	if !strings.Contains(port, "10.5.204.10/24") || !strings.Contains(port, "mac="+util.HashMAC(defaultPort+"/10.5.204.10", 0)) || n.Exists(lrpEip(defaultPort, "")) {
		t.Errorf("port %s", port)
	}
	if !ready(n.defaultVpcWithPort()) {
		t.Errorf("status %+v", n.defaultVpc().Status)
	}
	uuids := n.Server.UUIDs(t)
	subnet := external204()
	subnet.Finalizers = []string{util.Finalizer}
	n.Create(subnet)
	n.Eventually("the ovn eip", func() bool {
		return n.Exists(lrpEip(defaultPort, "")) && n.eip(defaultPort).Status.V4Ip == "10.5.204.10"
	})
	n.Settle()
	if n.port(defaultPort) != port || !sameUUID(n, uuids, defaultPort) {
		t.Errorf("the port changed to %s", n.port(defaultPort))
	}
	n.Delete(subnet)
	n.Eventually("the ovn eip is gone", func() bool { return !n.Exists(lrpEip(defaultPort, "")) })
	n.Eventually("the port is back", func() bool { return n.port(defaultPort) == port })
}

// A port that another installation made keeps its UUID and, as long as nic-mac gives none, its MAC, which the physical
// gateway has learned; the OvnEip of a Subnet that comes later takes it over.
func TestAdoptionOfTheExternalPort(t *testing.T) {
	const former = "d6:1f:4a:0b:9c:02"
	def, _, join := controllertest.DefaultSubnets()
	n := network1{Fixture: controllertest.New(t, append(threeNodes(false), def, join, configMap(withNIC("nic-mac", "")))...), t: t}
	n.Server.Transact(t, `{"op":"insert","table":"Logical_Router_Port","uuid-name":"p","row":{"name":"`+defaultPort+`","networks":"10.5.204.10/24","mac":"`+former+`"}}`,
		`{"op":"insert","table":"Logical_Router","row":{"name":"ovn-cluster","ports":["named-uuid","p"]}}`)
	uuids := n.Server.UUIDs(t)
	n.Reconnect()
	n.Run(buildExternal)
	n.Eventually("the port is adopted", func() bool { return n.priorities(defaultPort) == "1 2 3" })
	if port := n.port(defaultPort); !strings.Contains(port, "mac="+former) || !sameUUID(n, uuids, defaultPort) {
		t.Errorf("port %s", port)
	}
	n.Create(external204())
	n.Eventually("the ovn eip", func() bool {
		return n.Exists(lrpEip(defaultPort, "")) && n.eip(defaultPort).Status.MacAddress == former
	})
	n.Settle()
	if port := n.port(defaultPort); !strings.Contains(port, "mac="+former) || !sameUUID(n, uuids, defaultPort) {
		t.Errorf("port %s", port)
	}
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["nic-mac"] = "16:52:f3:13:6a:25" })
	n.Eventually("the given MAC", func() bool { return strings.Contains(n.port(defaultPort), "mac=16:52:f3:13:6a:25") })
}

func (n network1) defaultVpcWithPort() *v1.Vpc {
	n.t.Helper()
	n.Eventually("the status", func() bool { return n.defaultVpc().Status.EnableExternal })
	return n.defaultVpc()
}

// S-007 for the default VPC; an address other than nic-ip is told and not taken away.
func TestOwnOvnEipOfTheDefaultVpc(t *testing.T) {
	n := withGateway(t, external204(), lrpEip(defaultPort, "10.5.204.77"), configMap(nil))
	if port := n.port(defaultPort); !strings.Contains(port, "10.5.204.77/24") {
		t.Errorf("port %s", port)
	}
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["nic-ip"] = "10.5.204.10/24" })
	if message := n.condition(util.DefaultVpc, util.ReasonGatewayConfigInvalid); !strings.Contains(message, "nic-ip") {
		t.Errorf("message %q", message)
	}
	if port := n.port(defaultPort); !strings.Contains(port, "10.5.204.77/24") {
		t.Errorf("port %s", port)
	}
}

// Off and on again; an address that rules use stays meanwhile.
func TestOffAndOn(t *testing.T) {
	n := withGateway(t, external204(), configMap(nil))
	dump := n.Dump()
	on := func(value string) {
		controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["enable-external-gw"] = value })
	}
	on("false")
	n.Eventually("all is gone", func() bool {
		vpc := n.defaultVpc()
		return n.port(defaultPort) == "" && !n.Exists(lrpEip(defaultPort, "")) && !vpc.Spec.EnableExternal && !vpc.Status.EnableExternal &&
			vpc.Annotations[util.ExternalGatewayInEffect] == ""
	})
	on("true")
	n.Eventually("all is back", func() bool { return n.Dump() == dump })
	n.Create(&v1.OvnSnatRule{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1.OvnSnatRuleSpec{OvnEip: defaultPort}, Status: v1.OvnSnatRuleStatus{Vpc: util.DefaultVpc}})
	n.Settle()
	on("false")
	n.Eventually("the port is gone", func() bool { return n.port(defaultPort) == "" })
	n.Settle()
	if n.eip(defaultPort).DeletionTimestamp != nil {
		t.Error("the address of a rule is given back")
	}
	on("true")
	n.Eventually("all is back", func() bool { return n.Dump() == dump })
}

// What works is ended by "false" alone: not by a ConfigMap that is gone or broken, and not by a restart meanwhile.
func TestBrokenConfigMapEndsNothing(t *testing.T) {
	tests := []struct {
		name, reason, message string
		breakIt               func(n network1)
	}{
		{"gone", util.ReasonGatewayConfigNotFound, util.ExternalGatewayConfig, func(n network1) { n.Delete(configMap(nil)) }},
		{"bad nic-ip", util.ReasonGatewayConfigInvalid, "nic-ip", func(n network1) {
			controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["nic-ip"] = "10.5.204.10" })
		}},
		{"unknown node", util.ReasonGatewayConfigInvalid, "external-gw-nodes", func(n network1) {
			controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["external-gw-nodes"] = "pc-node-7" })
		}},
		{"no address", util.ReasonGatewayConfigInvalid, "nic-ip", func(n network1) {
			controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { delete(c.Data, "nic-ip") })
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := withGateway(t, configMap(withNIC()))
			n.defaultVpcWithPort()
			dump := n.Dump()
			for len(n.Events.Events) > 0 {
				<-n.Events.Events
			}
			test.breakIt(n)
			if message := n.condition(util.DefaultVpc, test.reason); !strings.Contains(message, test.message) {
				t.Errorf("message %q", message)
			}
			if n.Dump() != dump {
				t.Errorf("rows changed:\n%s", n.Dump())
			}
			if test.reason == util.ReasonGatewayConfigInvalid {
				n.Eventually("events on the vpc and the configmap", func() bool { return len(n.Events.Events) >= 2 })
			}
			n.Restart(buildExternal)
			n.Settle()
			n.Empty()
			n.WaitDump(dump)
			if n.Exists(configMap(nil)) {
				n.Delete(configMap(nil))
			}
			n.Create(configMap(map[string]string{"enable-external-gw": "false"}))
			n.Eventually("the port is gone", func() bool { return n.port(defaultPort) == "" })
		})
	}
}

// A ConfigMap that never worked establishes what can be, and tells the rest.
func TestUnknownNodeFromTheStart(t *testing.T) {
	n := withGateway(t, external204(), configMap(map[string]string{"external-gw-nodes": "pc-node-2,pc-node-7"}))
	if message := n.condition(util.DefaultVpc, util.ReasonGatewayConfigInvalid); !strings.Contains(message, "pc-node-7") {
		t.Errorf("message %q", message)
	}
	if got := n.priorities(defaultPort); got != "2" {
		t.Errorf("chassis %q", got)
	}
	n.Create(gatewayNode("pc-node-7", false))
	n.Eventually("both nodes", func() bool { return n.priorities(defaultPort) == "2 7" })
	n.condition(util.DefaultVpc, util.ReasonVpcReconciled)
}

// What an earlier release established without our annotation stays without a ConfigMap, too.
func TestEstablishedByAnEarlierRelease(t *testing.T) {
	vpc := controllertest.Vpc(util.DefaultVpc, outside)
	_, _, join := controllertest.DefaultSubnets()
	n := startedExternal(t, append(threeNodes(true), vpc, join, external204(), lrpEip(defaultPort, "10.5.204.77"))...)
	if port := n.port(defaultPort); !strings.Contains(port, "10.5.204.77/24") {
		t.Errorf("port %s", port)
	}
	n.condition(util.DefaultVpc, util.ReasonGatewayConfigNotFound)
}

// With extra subnets the default VPC's own spec decides, and the order of chassis is that of any VPC.
func TestDefaultVpcWithExtraSubnets(t *testing.T) {
	n := withGateway(t, external204(), extra(), configMap(nil))
	uuids := n.Server.UUIDs(t)
	for _, name := range []string{"pc-node-1", "pc-node-2", "pc-node-3"} {
		controllertest.Edit(n.Fixture, gatewayNode(name, false), func(o *corev1.Node) { o.Labels[util.ExternalGWLabel] = "true" })
	}
	controllertest.Edit(n.Fixture, controllertest.Vpc(util.DefaultVpc), func(v *v1.Vpc) { v.Spec.ExtraExternalSubnets = []string{"extra"} })
	n.Eventually("both ports", func() bool { return n.port("ovn-cluster-extra") != "" && n.port(defaultPort) != "" })
	if !sameUUID(n, uuids, defaultPort) {
		t.Error("the port was made anew")
	}
	controllertest.Edit(n.Fixture, configMap(nil), func(c *corev1.ConfigMap) { c.Data["enable-external-gw"] = "false" })
	n.Settle()
	if n.port(defaultPort) == "" || !n.defaultVpc().Spec.EnableExternal {
		t.Error("the ConfigMap decides about a VPC with extra subnets")
	}
	if strings.Contains(n.Dump(), "nexthop=10.") {
		t.Errorf("a default route to the outside:\n%s", n.Dump())
	}
}
