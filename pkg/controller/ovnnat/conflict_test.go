package ovnnat

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Of two rules that want the same the older one has it, the other says who has it, and gets it by itself when that goes.
func TestConflicts(t *testing.T) {
	toV6 := func(s *v1.OvnFipSpec) { s.Vpc, s.V6Ip = "vpc1", "fd00:168::2" }
	fromExtra := func(s *v1.OvnEipSpec) { s.ExternalSubnet = "extra" }
	for name, test := range map[string]struct {
		first, second runtime.Object
		want          string
	}{
		"one ovn eip for two fips": {
			fip("a", "eip1", fipTo("vpc-1-busybox01.vpc1")), fip("b", "eip1", fipTo("vpc-1-busybox02.vpc1")),
			"ovn eip eip1, which fip a has",
		},
		"one pod for two fips": {
			fip("z", "eip1", fipTo("vpc-1-busybox01.vpc1")), fip("b", "eip2", fipTo("vpc-1-busybox01.vpc1")),
			"192.168.0.2 of vpc vpc1, which fip z has",
		},
		"one address for two fips, by name and directly": {
			fip("a", "eip1", fipTo("vpc-1-busybox01.vpc1")), fip("b", "eip2", fipAt("vpc1", "192.168.0.2")),
			"192.168.0.2 of vpc vpc1, which fip a has",
		},
		"one address for two fips, directly and by vip": {
			fip("a", "eip1", fipAt("vpc1", "192.168.0.3")), fip("b", "eip2", fipToVip),
			"192.168.0.3 of vpc vpc1, which fip a has",
		},
		"one IPv6 address for two fips": {
			fip("a", "dual", fipTo("vpc-1-busybox01.vpc1")), fip("b", "dual2", toV6),
			"fd00:168::2 of vpc vpc1, which fip a has",
		},
		"one subnet for two snats": {
			snat("a", "eip1", snatOf("vpc1-subnet1")), snat("b", "eip2", snatAt("vpc1", "192.168.0.0/24")),
			"192.168.0.0/24 of vpc vpc1, which snat a has",
		},
		"one address for two snats": {
			snat("a", "eip1", snatAt("vpc1", "192.168.0.4/32")), snat("b", "eip1", snatTo("vpc-1-busybox02.vpc1")),
			"192.168.0.4 of vpc vpc1, which snat a has",
		},
		"one port for two dnats": {
			dnat("a", "eip1", "22"), dnat("b", "eip1", "22", func(s *v1.OvnDnatRuleSpec) { s.Protocol = "TCP" }),
			"ovn eip eip1 tcp port 22, which dnat a has",
		},
		"one ovn eip in two vpcs": {
			snat("a", "eip1", snatOf("vpc1-subnet1")), snat("b", "eip1", snatOf("vpc2-subnet1")),
			"ovn eip eip1 in vpc vpc1, which snat a has",
		},
		"one ovn eip in two vpcs, by two kinds": {
			fip("z", "eip1", fipTo("vpc-1-busybox01.vpc1")),
			dnat("b", "eip1", "22", func(s *v1.OvnDnatRuleSpec) { s.IPName = "vpc-2-busybox01.vpc2" }),
			"ovn eip eip1 in vpc vpc1, which fip z has",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, append(world1(), eip("eip1"), eip("eip2"), eip("dual", fromExtra), eip("dual2", fromExtra))...)
			n.Create(test.first)
			n.ready(test.first, true)
			n.Settle()
			alone := n.Dump()
			n.Create(test.second)
			if got := n.ready(test.second, false); got.Reason != util.ReasonNatConflict || !strings.Contains(got.Message, test.want) {
				t.Errorf("the second says %s: %q, want %q", got.Reason, got.Message, test.want)
			}
			n.Settle()
			if n.Dump() != alone {
				t.Errorf("the second changed rows:\n%s\nwant\n%s", n.Dump(), alone)
			}
			n.Eventually("an event with the name of the other", func() bool {
				return len(n.Events.Events) > 0 && strings.Contains(<-n.Events.Events, test.want)
			})
			n.Delete(test.first)
			n.gone(test.first)
			n.ready(test.second, true)
		})
	}
}

// An older rule that is not in effect has what it asks for all the same, and the message does not say otherwise.
func TestConflictWithWhatWaits(t *testing.T) {
	first, second := fip("a", "late", fipTo("vpc-1-busybox01.vpc1")), fip("b", "eip1", fipTo("vpc-1-busybox01.vpc1"))
	n := start(t, append(world1(), eip("eip1"), first)...)
	n.ready(first, false)
	n.Create(second)
	if got := n.ready(second, false); !strings.Contains(got.Message, "which the older fip a asks for") {
		t.Errorf("the second says %q", got.Message)
	}
	n.Create(eip("late"))
	n.ready(first, true)
	n.Eventually("the second says who has it", func() bool { return strings.Contains(n.ready(second, false).Message, "which fip a has") })
}

// An OvnEip that is being deleted keeps those that have it and takes nobody else; who only asks for it does not hold it.
func TestDeletedEipTakesNobody(t *testing.T) {
	has, late := snat("has", "eip1", snatOf("vpc1-subnet1")), snat("late", "eip1", snatTo("vpc-1-busybox02.vpc1"))
	n := start(t, append(world1(), eip("eip1"), has)...)
	n.ready(has, true)
	n.Settle()
	n.Delete(eip("eip1"))
	n.ready(eip("eip1"), false)
	n.Create(late)
	if got := n.ready(late, false); got.Reason != util.ReasonEipNotReady || !strings.Contains(got.Message, "ovn eip eip1, which is being deleted") {
		t.Errorf("the late one says %+v", got)
	}
	n.ready(has, true)
	n.Delete(has)
	n.gone(has)
	n.gone(eip("eip1"))
	n.Eventually("the late one waits for an eip", func() bool { return strings.Contains(n.ready(late, false).Message, "does not exist") })
}

// What only looks the same is no conflict.
func TestNoConflict(t *testing.T) {
	udp := func(s *v1.OvnDnatRuleSpec) { s.Protocol = "udp" }
	rules := []runtime.Object{
		fip("a", "eip1", fipTo("vpc-1-busybox01.vpc1")), fip("b", "eip2", fipTo("vpc-2-busybox01.vpc2")), // one address, two VPCs
		snat("a", "eip1", snatOf("vpc1-subnet1")), snat("b", "eip1", snatTo("vpc-1-busybox02.vpc1")),
		snat("c", "eip2", snatAt("vpc2", "192.168.0.0/24")),
		dnat("a", "eip1", "53"), dnat("b", "eip1", "53", udp), dnat("c", "eip1", "54"), dnat("d", "eip3", "53"),
	}
	n := start(t, append(append(world1(), eip("eip1"), eip("eip2"), eip("eip3")), rules...)...)
	for _, rule := range rules {
		n.ready(rule, true)
	}
	n.Eventually("the uses of eip1", func() bool {
		s := controllertest.Stored(n.Fixture, eip("eip1"))
		return s.Status.Nat == "dnat,fip,snat" && s.Annotations[util.VpcNatAnnotation] == "a,b,c"
	})
	dump := n.Dump()
	if !strings.Contains(dump, "options={ct_flush=true}") {
		t.Errorf("the udp rule leaves stale connections:\n%s", dump)
	}
}
