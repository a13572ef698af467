package pod

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func TestNatRows(t *testing.T) {
	v4 := func(text string) pair { return pair{testLease(text).V4, testLease(text).V6} }
	for name, c := range map[string]struct {
		lease string
		nat   translation
	}{
		"nat eip":             {"10.16.0.2", translation{eip: v4("172.56.0.233"), hops: v4("172.56.0.1")}},
		"nat eip distributed": {"10.16.0.2", translation{eip: v4("172.56.0.233"), hops: v4("172.56.0.1"), distributed: true}},
		"nat snat":            {"10.16.0.2", translation{snat: v4("172.56.0.200"), hops: v4("172.56.0.1"), distributed: true}},
		"nat both":            {"10.16.0.2", translation{eip: v4("172.56.0.233"), snat: v4("172.56.0.200"), hops: v4("172.56.0.1")}},
		"nat dual stack": {"10.16.0.2,fd00:10::2",
			translation{eip: v4("172.56.0.233,fd00:56::e9"), hops: v4("172.56.0.1,fd00:56::1"), distributed: true}},
		"nat one family of two": {"10.16.0.2,fd00:10::2", translation{eip: v4("172.56.0.233"), hops: v4("172.56.0.1")}},
		"north gateway":         {"10.16.0.2,fd00:10::2", translation{hops: v4("10.16.0.9,fd00:10::9")}},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs{Config: config, pod: newPod("a"), nat: c.nat}
			p := port{nic{prefix: util.OvnProvider, name: "a.ns"}, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16,fd00:10::/64"), testLease(c.lease)}
			controllertest.Golden(t, name, controllertest.Rows(rows(in, []port{p})))
		})
	}
}

// TestSeed002 follows seed 002: S-091 to S-095 and S-097.
func TestSeed002(t *testing.T) {
	n := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway())
	n.Create(uidPod("pod-gw", snatKey, "172.56.0.200"))
	n.served("pod-gw")
	n.wantRows("S-091", "29250,ip4.src == 10.16.0.2 172.56.0.1; snat,172.56.0.200,10.16.0.2")
	if dump := n.Dump(); n.inGatewayGroup("pod-gw") || !strings.Contains(dump, "port_groups=node.node1}") {
		t.Errorf("S-091: groups of the pod:\n%s", dump)
	}
	n.Create(uidPod("second", snatKey, "172.56.0.200"))
	n.served("second")
	n.wantRows("S-092", "29250,ip4.src == 10.16.0.2 172.56.0.1; 29250,ip4.src == 10.16.0.3 172.56.0.1; "+
		"snat,172.56.0.200,10.16.0.2; snat,172.56.0.200,10.16.0.3")
	n.Delete(newPod("second"))
	n.annotate("pod-gw", snatKey, "", eipKey, "172.56.0.233")
	n.wantRows("S-093", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.233,10.16.0.2")

	n.Settle()
	before := n.Transactions()
	n.annotate("pod-gw", eipKey, "172.56.0.221", routedKey, "")
	n.wantRows("S-094", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.221,10.16.0.2")
	n.served("pod-gw")
	n.Settle()
	if sent := n.Transactions() - before; sent != 1 {
		t.Errorf("S-094 took %d transactions", sent)
	}
	n.annotate("pod-gw", eipKey, "172.56.0.222") // routed stays (U-05)
	n.wantRows("without removing routed", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.222,10.16.0.2")
	n.annotate("pod-gw", eipKey, "")
	n.wantRows("without annotation", "")
	if !n.inGatewayGroup("pod-gw") {
		t.Error("the pod is not back in the group of its gateway")
	}
	n.annotate("pod-gw", eipKey, "172.56.0.222")
	n.wantRows("again", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.222,10.16.0.2")
	n.Delete(newPod("pod-gw"))
	n.wantRows("S-097", "")
	n.emptyLedger()
	if len(n.Events.Events) > 0 {
		t.Errorf("event %q", <-n.Events.Events)
	}
}

// emptyLedger checks that no pod holds an outside address.
func (n *nats) emptyLedger() {
	n.t.Helper()
	n.Eventually("an empty ledger", func() bool { return len(n.books.SubnetLeases("external")) <= 1 })
	for _, lease := range n.books.SubnetLeases("external") {
		if podOf(lease.Owner) != "" {
			n.t.Errorf("lease %+v is left", lease)
		}
	}
}

// TestOneLedger shows who gets an outside address that two want: the first, whoever that is. The other says whose it is,
// once, has its plain network, and gets the address when the first gives it up (S-095).
func TestOneLedger(t *testing.T) {
	pods := func(first ...string) *corev1.Pod { return uidPod("first", first...) }
	free := func(owner string) func(n *nats) { return func(n *nats) { n.books.ReleaseOwner(owner) } }
	gone := func(n *nats) { n.Delete(newPod("first")) }
	for name, c := range map[string]struct {
		first  *corev1.Pod   // nil: somebody else
		others func(n *nats) // claims for somebody else
		second [2]string     // its annotation
		holder string        // named in the event
		yield  func(n *nats) // the first gives it up
	}{
		"two eips":           {pods(eipKey, "172.56.0.9"), nil, [2]string{eipKey, "172.56.0.9"}, "Pod ns/first eip", gone},
		"eip after snat":     {pods(snatKey, "172.56.0.9"), nil, [2]string{eipKey, "172.56.0.9"}, "Pod ns/first snat", gone},
		"snat after eip":     {pods(eipKey, "172.56.0.9"), nil, [2]string{snatKey, "172.56.0.9"}, "Pod ns/first eip", gone},
		"two IPv6 eips":      {pods(eipKey, "fd00:56::9"), nil, [2]string{eipKey, "fd00:56::9"}, "Pod ns/first eip", gone},
		"annotation is gone": {pods(eipKey, "172.56.0.9"), nil, [2]string{eipKey, "172.56.0.9"}, "Pod ns/first eip", func(n *nats) { n.annotate("first", eipKey, "") }},
		"annotation changes": {pods(eipKey, "172.56.0.9"), nil, [2]string{eipKey, "172.56.0.9"}, "Pod ns/first eip", func(n *nats) { n.annotate("first", eipKey, "172.56.0.8") }},
		"eip of an OvnEip": {nil, func(n *nats) { claimFor(n.t, n.books, "OvnEip web", "web", "172.56.0.9") },
			[2]string{eipKey, "172.56.0.9"}, "OvnEip web", free("OvnEip web")},
		"snat of an OvnEip": {nil, func(n *nats) { claimFor(n.t, n.books, "OvnEip web", "web", "172.56.0.9") },
			[2]string{snatKey, "172.56.0.9"}, "OvnEip web", free("OvnEip web")},
		"eip of a Vip": {nil, func(n *nats) { claimFor(n.t, n.books, "Vip web", "web", "172.56.0.9") },
			[2]string{eipKey, "172.56.0.9"}, "Vip web", free("Vip web")},
		"eip of the router port": {nil, func(*nats) {}, [2]string{eipKey, "172.56.0.100"}, "OvnEip ovn-cluster-external", free("OvnEip ovn-cluster-external")},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNats(natWorld(t, "10.16.0.0/16,fd00:10::/64", routerPort), gateway())
			if c.first != nil {
				n.Create(c.first)
				n.served("first")
				n.Eventually("rows of the first", func() bool { return n.natRows() != "" })
			} else {
				c.others(n)
			}
			n.Settle()
			before := n.natRows()
			n.Create(uidPod("second", c.second[0], c.second[1]))
			n.served("second")
			event := nextEvent(n.Fixture)
			if !strings.HasPrefix(event, "Warning AcquireAddressFailed ") || !strings.Contains(event, c.holder) || !strings.Contains(event, c.second[1]) {
				t.Errorf("event %q", event)
			}
			n.Settle()
			if after := n.natRows(); after != before || !n.inGatewayGroup("second") {
				t.Errorf("the second changed rows from %q to %q, or has no plain network", before, after)
			}
			if len(n.Events.Events) > 0 {
				t.Errorf("told again: %q", <-n.Events.Events)
			}
			c.yield(n)
			n.Eventually("the second has it", func() bool {
				rows := n.natRows()
				return strings.Contains(rows, ","+c.second[1]+",") && !n.inGatewayGroup("second")
			})
		})
	}
}

// TestSharedWithRouterPort shows that pods may leave by the router port's own address.
func TestSharedWithRouterPort(t *testing.T) {
	n := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway(), uidPod("a", snatKey, "172.56.0.100"), uidPod("b", snatKey, "172.56.0.100"))
	n.Eventually("rows of both", func() bool { return strings.Count(n.natRows(), "snat,172.56.0.100,10.16.0.") == 2 })
	if len(n.Events.Events) > 0 {
		t.Errorf("event %q", <-n.Events.Events)
	}
}

// TestBadWishes shows that what cannot be had costs the pod an event and not its network, and that a correction heals it.
func TestBadWishes(t *testing.T) {
	for name, c := range map[string]struct{ key, value, want string }{
		"not an address":        {eipKey, "172.56.0", "annotation ovn.kubernetes.io/eip: "},
		"snat with mask":        {snatKey, "172.56.0.9/16", "annotation ovn.kubernetes.io/snat: "},
		"two of one family":     {eipKey, "172.56.0.8,172.56.0.9", "more than one address of a family"},
		"outside":               {eipKey, "10.5.204.9", "eip 10.5.204.9: "},
		"outside, snat":         {snatKey, "10.5.204.9", "snat 10.5.204.9: "},
		"the gateway":           {eipKey, "172.56.0.1", "held by the gateway"},
		"the network":           {eipKey, "172.56.0.0", "eip 172.56.0.0: "},
		"the broadcast address": {snatKey, "172.56.255.255", "snat 172.56.255.255: "},
		"family":                {eipKey, "fd00:56::9", "not of the pod's family"},
		"north gateway":         {northKey, "nowhere", "annotation ovn.kubernetes.io/north_gateway: "},
		"family of the north":   {northKey, "fd00::1", "not of the pod's family"},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway(), uidPod("a", c.key, c.value))
			n.served("a")
			if event := nextEvent(n.Fixture); !strings.HasPrefix(event, "Warning ValidatePodNetworkFailed ") || !strings.Contains(event, c.want) {
				t.Errorf("event %q, want %q", event, c.want)
			}
			n.Settle()
			if n.natRows() != "" || !n.inGatewayGroup("a") || len(n.Events.Events) > 0 {
				t.Errorf("rows %q, %d more events", n.natRows(), len(n.Events.Events))
			}
			n.emptyLedger()
			n.annotate("a", c.key, "172.56.0.205") // inside excludeIps, which a static address may be
			n.Eventually("the correction", func() bool { return n.natRows() != "" && !n.inGatewayGroup("a") })
		})
	}
}

// TestOnlyDefaultVpc shows that pods elsewhere are told that their annotation means nothing there.
func TestOnlyDefaultVpc(t *testing.T) {
	vpc1 := newSubnet("net1", "vpc1", "10.0.1.0/24")
	w := natWorld(t, "10.16.0.0/16", routerPort)
	w.subnets = append(w.subnets, vpc1)
	n := startNats(w, gateway(), uidPod("a", eipKey, "172.56.0.9", "ovn.kubernetes.io/logical_switch", "net1"))
	n.served("a")
	if event := nextEvent(n.Fixture); !strings.HasPrefix(event, "Warning ValidatePodNetworkFailed ") || !strings.Contains(event, "ovn-cluster") {
		t.Errorf("event %q", event)
	}
	n.wantRows("none", "")
}

// TestNotEstablished shows a pod whose outside address has to wait for the external gateway, of which any part may be
// missing, and that it loses its rows and nothing else when the gateway goes.
func TestNotEstablished(t *testing.T) {
	owner := ovs.Owner{Kind: "vpc", Key: "ovn-cluster"}
	port := func(n *nats, rows ...ovs.Row) {
		if _, err := n.NB.Apply(n.Context(), owner, rows); err != nil {
			n.t.Fatal(err)
		}
	}
	off, on := controllertest.Vpc(util.DefaultVpc), gateway()
	external := controllertest.Vpc(util.DefaultVpc, func(s *v1.VpcSpec) { s.EnableExternal = true })
	for name, c := range map[string]struct {
		vpc  *v1.Vpc
		port bool
		want string
		heal func(n *nats)
		harm func(n *nats)
	}{
		"no VPC":         {nil, true, "vpc ovn-cluster", func(n *nats) { n.Create(on) }, func(n *nats) { n.Delete(on) }},
		"turned off":     {off, true, "which ConfigMap ovn-external-gw-config does not turn on", func(n *nats) { n.Update(on) }, func(n *nats) { n.Update(off) }},
		"no router port": {on, false, "router port ovn-cluster-external", func(n *nats) { port(n, routerPort) }, func(n *nats) { port(n) }},
		"no next hop":    {external, true, "has no gateway of the family of 10.16.0.2", func(n *nats) { n.Update(on) }, func(n *nats) { n.Update(off) }},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []runtime.Object
			if c.vpc != nil {
				objects = append(objects, c.vpc)
			}
			n := startNats(natWorld(t, "10.16.0.0/16"), objects...)
			if c.port {
				port(n, routerPort)
			}
			n.Create(uidPod("a", eipKey, "172.56.0.9"))
			n.served("a")
			if event := nextEvent(n.Fixture); !strings.HasPrefix(event, "Warning PodNetworkUpdateFailed ") || !strings.Contains(event, c.want) {
				t.Errorf("event %q, want %q", event, c.want)
			}
			n.Settle()
			if n.natRows() != "" || !n.inGatewayGroup("a") {
				t.Errorf("rows %q", n.natRows())
			}
			c.heal(n)
			n.wantRows("healed", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.9,10.16.0.2")
			c.harm(n)
			n.wantRows("harmed", "")
			if !n.inGatewayGroup("a") {
				t.Error("the pod has no plain network")
			}
			c.heal(n)
			n.wantRows("healed again", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.9,10.16.0.2")
		})
	}
}

// TestGatewayChanges shows that next hop and type follow the settings of the gateway.
func TestGatewayChanges(t *testing.T) {
	n := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway(), uidPod("a", eipKey, "172.56.0.9"))
	n.wantRows("first", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.9,10.16.0.2")
	n.Update(gateway("external-gw-addr", "172.56.0.7"))
	n.wantRows("another next hop", "29250,ip4.src == 10.16.0.2 172.56.0.7; dnat_and_snat,172.56.0.9,10.16.0.2")
	n.Update(gateway("external-gw-addr", ""))
	n.wantRows("first usable address of the port's network", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.9,10.16.0.2")
	n.Update(gateway("type", "distributed"))
	mac := controllertest.Stored(n.Fixture, newPod("a")).Annotations["ovn.kubernetes.io/mac_address"]
	n.Eventually("distributed", func() bool {
		dump := n.Dump()
		return strings.Contains(dump, "external_mac="+mac) && strings.Contains(dump, "logical_port=a.ns options={stateless=true}")
	})
	n.Update(gateway("type", "centralized"))
	n.Eventually("centralized", func() bool { return !strings.Contains(n.Dump(), "external_mac") })
}

// TestNorthGateway shows a pod that is led to a next hop of the user's, with no external gateway at all.
func TestNorthGateway(t *testing.T) {
	n := startNats(natWorld(t, "10.16.0.0/16,fd00:10::/64"), uidPod("a", northKey, "10.16.0.9,fd00:10::9"))
	n.wantRows("both families", "29250,ip4.src == 10.16.0.2 10.16.0.9; 29250,ip6.src == fd00:10::2 fd00:10::9")
	n.annotate("a", northKey, "10.16.0.8")
	n.wantRows("one family", "29250,ip4.src == 10.16.0.2 10.16.0.8")
	n.annotate("a", northKey, "")
	n.wantRows("none", "")
	if !n.inGatewayGroup("a") || len(n.Events.Events) > 0 {
		t.Error("the pod is not back in its group, or was told something")
	}
}

// TestSwitchedOff shows that --enable-eip-snat=false takes back what eip and snat made, and leaves north_gateway alone.
func TestSwitchedOff(t *testing.T) {
	w := natWorld(t, "10.16.0.0/16", routerPort)
	n := startNats(w, gateway(), uidPod("a", eipKey, "172.56.0.9"))
	n.Eventually("rows", func() bool { return n.natRows() != "" })
	n.Settle()
	w.config.EnableEipSnat = false
	n.Restart(w.build)
	n.wantRows("switched off", "")
	n.annotate("a", northKey, "10.16.0.9")
	n.wantRows("north gateway", "29250,ip4.src == 10.16.0.2 10.16.0.9")
}

// TestRestartRobsNobody shows that after a restart the pod whose rows are in the database has the address, whoever asks
// first, and that what was taken back while we were down is free.
func TestRestartRobsNobody(t *testing.T) {
	w := natWorld(t, "10.16.0.0/16", routerPort)
	n := startNats(w, gateway(), uidPod("z", eipKey, "172.56.0.9"), uidPod("y", snatKey, "172.56.0.10"), uidPod("x", snatKey, "172.56.0.10"))
	n.Eventually("rows", func() bool { return strings.Count(n.natRows(), "snat,172.56.0.") == 3 })
	n.Settle()
	before := n.natRows()
	n.Stop()
	for i := range 8 {
		n.Create(uidPod(fmt.Sprintf("a%d", i), eipKey, "172.56.0.9"))
	}
	n.Create(uidPod("b", eipKey, "172.56.0.10"))
	n.Restart(w.build)
	for i := range 8 {
		n.served(fmt.Sprintf("a%d", i))
	}
	n.served("b")
	n.Settle()
	if after := n.natRows(); after != before {
		t.Errorf("rows changed from %q to %q", before, after)
	}
	n.Stop()
	n.Vanish(newPod("z"))
	n.Restart(w.build)
	n.Eventually("one of the others has it", func() bool {
		return strings.Count(n.natRows(), "dnat_and_snat,172.56.0.9,") == 1 && !strings.Contains(n.natRows(), strings.Split(before, "; ")[2])
	})
}

// TestForeignRoute shows a pod whose route is another's, as that of an OvnFip for the pod's address: it has its plain network,
// says who has the route, and gets its own when that goes.
func TestForeignRoute(t *testing.T) {
	owner := ovs.Owner{Kind: "ovn-fip", Key: "web"}
	route := ovs.RouterPolicy{Router: util.DefaultVpc, Priority: util.NorthGatewayPolicyPriority, Match: "ip4.src == 10.16.0.2", Action: "reroute", Nexthops: []string{"172.56.0.1"}}
	n := startNats(natWorld(t, "10.16.0.0/16", routerPort), gateway())
	if _, err := n.NB.Apply(n.Context(), owner, []ovs.Row{route}); err != nil {
		t.Fatal(err)
	}
	n.Create(uidPod("a", eipKey, "172.56.0.9"))
	n.served("a")
	if event := nextEvent(n.Fixture); !strings.Contains(event, "ovn-fip/web") {
		t.Errorf("event %q", event)
	}
	n.Settle()
	if !n.inGatewayGroup("a") {
		t.Error("the pod has no plain network")
	}
	n.wantRows("those of the other", "29250,ip4.src == 10.16.0.2 172.56.0.1")
	if _, err := n.NB.Apply(n.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	n.wantRows("its own", "29250,ip4.src == 10.16.0.2 172.56.0.1; dnat_and_snat,172.56.0.9,10.16.0.2")
}

func TestNatLaws(t *testing.T) {
	w := natWorld(t, "10.16.0.0/16,fd00:10::/64", routerPort)
	fixed := func(name, last string, more ...string) *corev1.Pod {
		return static(name, "10.16.0."+last+",fd00:10::"+last, more...)
	}
	eip, snat := fixed("eip", "2", eipKey, "172.56.0.9,fd00:56::9"), fixed("snat", "3", snatKey, "172.56.0.10")
	north := fixed("north", "4", northKey, "10.16.0.99")
	controllertest.Laws(t, controllertest.Scenario{
		Build: w.build,
		Objects: w.objects(gateway(), eip, snat, north, fixed("plain", "5"), fixed("shared", "6", snatKey, "172.56.0.10"),
			fixed("both", "7", eipKey, "172.56.0.11", snatKey, "172.56.0.12")),
		Removed: []runtime.Object{eip, snat, north},
	})
}
