package ovnnat

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// What a rule needs may be missing or wrong: it says so, has no row, and works when the cause is gone.
func TestRefusals(t *testing.T) {
	lsp := eip("node1", func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLSP })
	late := podIP("late.vpc1", "vpc1-subnet1", "192.168.0.9", "")
	for name, test := range map[string]struct {
		rule         runtime.Object
		reason, want string
		heal         func(n *nats, rule runtime.Object)
	}{
		"no such pod": {
			fip("r", "eip1", fipTo("late.vpc1")), util.ReasonNatTargetAbsent, "ip late.vpc1, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(late) },
		},
		"no such pod for a dnat": {
			dnat("r", "eip1", "22", func(s *v1.OvnDnatRuleSpec) { s.IPName = "late.vpc1" }), util.ReasonNatTargetAbsent, "ip late.vpc1, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(late) },
		},
		"no such pod for a snat": {
			snat("r", "eip1", snatTo("late.vpc1")), util.ReasonNatTargetAbsent, "ip late.vpc1, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(late) },
		},
		"no such vip": {
			dnat("r", "eip1", "22", func(s *v1.OvnDnatRuleSpec) { s.IPType, s.IPName = util.IPTypeVip, "late" }),
			util.ReasonNatTargetAbsent, "vip late, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(grantedVip("late", "192.168.0.8")) },
		},
		"no such subnet": {
			snat("r", "eip1", snatOf("late")), util.ReasonNatTargetAbsent, "subnet late, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(subnetOf("late", "vpc1", "192.168.9.0/24")) },
		},
		"no such vpc": {
			snat("r", "eip1", snatAt("typo", "192.168.0.0/24")), util.ReasonNatTargetAbsent, "vpc typo, which does not exist",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnSnatRule), func(r *v1.OvnSnatRule) { r.Spec.Vpc = "vpc1" })
			},
		},
		"no such eip": {
			fip("r", "late", fipTo("vpc-1-busybox01.vpc1")), util.ReasonEipNotReady, "ovn eip late, which does not exist",
			func(n *nats, _ runtime.Object) { n.Create(eip("late")) },
		},
		"lsp eip": {
			dnat("r", "node1", "22"), util.ReasonNatInvalid, "ovn eip node1 is of type lsp",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnDnatRule), func(r *v1.OvnDnatRule) { r.Spec.OvnEip = "eip1" })
			},
		},
		"lsp eip for a fip": {
			fip("r", "node1", fipTo("vpc-1-busybox01.vpc1")), util.ReasonNatInvalid, "ovn eip node1 is of type lsp",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnFip), func(r *v1.OvnFip) { r.Spec.OvnEip = "eip1" })
			},
		},
		"lsp eip for a snat": {
			snat("r", "node1", snatOf("vpc1-subnet1")), util.ReasonNatInvalid, "ovn eip node1 is of type lsp",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnSnatRule), func(r *v1.OvnSnatRule) { r.Spec.OvnEip = "eip1" })
			},
		},
		"router port of another vpc": {
			fip("r", "vpc2-external204", fipTo("vpc-1-busybox01.vpc1")), util.ReasonNatInvalid, "ovn eip vpc2-external204 is the address of a router port, and not of vpc vpc1",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnFip), func(r *v1.OvnFip) { r.Spec.OvnEip = "eip1" })
			},
		},
		"port that is not a number": {
			dnat("r", "eip1", "ssh"), util.ReasonNatInvalid, `"ssh" is not a port from 1 to 65535`,
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnDnatRule), func(r *v1.OvnDnatRule) { r.Spec.ExternalPort, r.Spec.InternalPort = "22", "22" })
			},
		},
		"wrong port": {
			dnat("r", "eip1", "70000"), util.ReasonNatInvalid, `"70000" is not a port from 1 to 65535`,
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnDnatRule), func(r *v1.OvnDnatRule) { r.Spec.ExternalPort, r.Spec.InternalPort = "80", "8080" })
			},
		},
		"wrong protocol": {
			dnat("r", "eip1", "22", func(s *v1.OvnDnatRuleSpec) { s.Protocol = "icmp" }), util.ReasonNatInvalid, "invalid dnat protocol icmp",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnDnatRule), func(r *v1.OvnDnatRule) { r.Spec.Protocol = "UDP" })
			},
		},
		"families": {
			fip("r", "eip1", func(s *v1.OvnFipSpec) { s.Vpc, s.V6Ip = "vpc1", "fd00:168::2" }), util.ReasonNatInvalid, "not of the family",
			func(n *nats, rule runtime.Object) {
				controllertest.Edit(n.Fixture, rule.(*v1.OvnFip), func(r *v1.OvnFip) { r.Spec.OvnEip = "dual" })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dual := eip("dual", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "extra" })
			lrp := eip("vpc2-external204", at(90), func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLRP })
			n := start(t, append(world1(), eip("eip1"), dual, lsp, lrp, test.rule)...)
			n.ready(eip("eip1"), true)
			n.Eventually("the refusal", func() bool {
				got := n.ready(test.rule, false)
				return got.Reason == test.reason && strings.Contains(got.Message, test.want)
			})
			n.Settle()
			if dump := n.Dump(); strings.Contains(dump, "nat=") || strings.Contains(dump, "load_balancer=") {
				t.Errorf("a refused rule has rows:\n%s", dump)
			}
			test.heal(n, test.rule)
			n.ready(test.rule, true)
		})
	}
}

// A change of any field, of the pod or of the gateway's type ends in the rows of the new state and no others.
func TestChanges(t *testing.T) {
	rule := fip("r", "eip1", fipTo("vpc-1-busybox01.vpc1"))
	n := start(t, append(world1(), eip("eip1", at(101)), eip("eip2", at(102)), rule)...)
	n.ready(rule, true)
	want := func(what string, parts ...string) {
		t.Helper()
		n.Eventually(what, func() bool {
			dump := n.Dump()
			for _, part := range parts {
				if !strings.Contains(dump, part) {
					return false
				}
			}
			return strings.Count(dump, "\nNAT ") == 1
		})
	}
	want("centralized", "NAT dnat_and_snat,10.5.204.101,192.168.0.2: external_ids", "stateless=false")
	n.Create(defaultVpc(util.ExternalGatewayConfigType, util.NatDistributed))
	want("distributed by the cluster", "logical_port=vpc-1-busybox01.vpc1", "external_mac=00:00:00:0A:DD:27", "stateless=true")
	controllertest.Edit(n.Fixture, rule, func(r *v1.OvnFip) { r.Spec.Type = "centralized" })
	want("centralized again", "192.168.0.2: external_ids", "stateless=false")
	controllertest.Edit(n.Fixture, rule, func(r *v1.OvnFip) { r.Spec.OvnEip = "eip2" })
	want("another eip", "external_ip=10.5.204.102")
	n.Eventually("eip1 is free", func() bool { return controllertest.Stored(n.Fixture, eip("eip1")).Status.Nat == "" })
	controllertest.Edit(n.Fixture, podIP("vpc-1-busybox01.vpc1", "", "", ""), func(ip *v1.IP) { ip.Spec.V4IPAddress = "192.168.0.77" })
	want("the pod moved", "logical_ip=192.168.0.77")
	n.Delete(podIP("vpc-1-busybox01.vpc1", "", "", ""))
	if got := n.ready(rule, false); got.Reason != util.ReasonNatTargetAbsent {
		t.Errorf("without its pod the rule says %+v", got)
	}
	n.Create(podIP("vpc-1-busybox01.vpc1", "vpc1-subnet1", "192.168.0.78", ""))
	want("the pod is back", "logical_ip=192.168.0.78")
	controllertest.Edit(n.Fixture, rule, func(r *v1.OvnFip) { r.Spec.IPName, r.Spec.Vpc, r.Spec.V4Ip = "", "vpc2", "192.168.0.5" })
	want("another vpc", "lr=vpc2", "logical_ip=192.168.0.5")
}

// Both families of a dual-stack address are translated and told (U-04).
func TestDualStack(t *testing.T) {
	outside := eip("dual", func(s *v1.OvnEipSpec) { s.ExternalSubnet, s.V6Ip = "extra", "fd00:204::50" })
	rules := []runtime.Object{
		fip("f", "dual", fipTo("vpc-1-busybox01.vpc1"), distributed), snat("s", "dual", snatOf("vpc1-subnet1")), dnat("d", "dual", "443"),
	}
	n := start(t, append(world1(), outside)...)
	for _, rule := range rules {
		n.Create(rule)
		n.ready(rule, true)
	}
	if s := controllertest.Stored(n.Fixture, fip("f", "")).Status; s.V6Eip != "fd00:204::50" || s.V6Ip != "fd00:168::2" || s.MacAddress == "" {
		t.Errorf("fip has status %+v", s)
	}
	if got := controllertest.Stored(n.Fixture, outside); got.Labels[util.EipV6Label] != "fd00-204--50" || got.Status.V4Ip != "10.10.204.1" {
		t.Errorf("eip has labels %v, status %+v", got.Labels, got.Status)
	}
	controllertest.Golden(t, "dual-stack", n.Dump())
	n.deleteAll(append(rules, outside)...)
	if strings.Contains(n.Dump(), "NAT") {
		t.Errorf("rows are left:\n%s", n.Dump())
	}
	n.emptyLedger()
}
