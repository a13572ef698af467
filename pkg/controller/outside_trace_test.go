package controller

import (
	"testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// TestWaysOut asks OVN itself by which network a pod leaves that has a FIP in one and a port in another: the answers of that
// port go back where the questions came from.
func TestWaysOut(t *testing.T) {
	c := newCluster(t, outsideConfig())
	for _, object := range seed000() {
		c.Create(object)
	}
	c.Eventually("vpc1 is connected", c.connected("vpc1"))
	pod := c.pod("vpc1", "web", "pc-node-2")
	c.Eventually("the pod has an address", func() bool { return c.address(pod) != "" })
	nat := func(name, subnet string) *v1.OvnEip {
		return &v1.OvnEip{ObjectMeta: named(name), Spec: v1.OvnEipSpec{ExternalSubnet: subnet, Type: util.EipTypeNAT}}
	}
	c.Create(nat("fip", "external204"))
	c.Create(&v1.OvnFip{ObjectMeta: named("fip"), Spec: v1.OvnFipSpec{OvnEip: "fip", IPName: "web.vpc1"}})
	c.Create(nat("dnat", "extra"))
	c.Create(&v1.OvnDnatRule{ObjectMeta: named("dnat"), Spec: v1.OvnDnatRuleSpec{
		OvnEip: "dnat", IPName: "web.vpc1", Protocol: "tcp", InternalPort: "80", ExternalPort: "8080",
	}})
	c.Eventually("both routes are there", func() bool {
		return count(c.Dump(), "^Logical_Router_Policy .*owner=ovn-(fip/fip|dnat-rule/dnat)") == 2
	})
	sb := startNorthd(t, c.Server)
	annotations := controllertest.Stored(c.Fixture, pod).Annotations
	from := traced{"web.vpc1", "vpc1-subnet1", annotations[util.Key("", util.MACAddress)], c.address(pod)}
	for _, q := range []tracing{
		{"what it begins", from, "8.8.8.8", " && tcp && tcp.src == 40000 && tcp.dst == 80", []string{"priority 29250", "reg0 = 10.5.204.254;", `outport = "vpc1-external204"`}},
		{"what it answers at the port", from, "8.8.8.8", " && tcp && tcp.src == 80 && tcp.dst == 40000", []string{"priority 29260", "reg0 = 10.10.204.254;", `outport = "vpc1-extra"`}},
		{"the same port of another protocol", from, "8.8.8.8", " && udp && udp.src == 80 && udp.dst == 40000", []string{"priority 29250", "reg0 = 10.5.204.254;"}},
	} {
		t.Run(q.name, func(t *testing.T) { q.ask(t, c.Fixture, sb, "vpc1") })
	}
}
