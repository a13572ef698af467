package ovnnat

import (
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// An OvnEip that cannot be served says why, and is served when the cause is gone.
func TestEipRefusals(t *testing.T) {
	fixed := func(v4 string) func(*v1.OvnEipSpec) { return func(s *v1.OvnEipSpec) { s.V4Ip = v4 } }
	for name, test := range map[string]struct {
		eip          *v1.OvnEip
		reason, want string
		heal         func(n *nats, eip *v1.OvnEip)
	}{
		"outside the subnet": {
			eip("e", fixed("10.9.9.9")), util.ReasonEipInvalid, "10.9.9.9 is not in 10.5.204.0/24 of subnet external204",
			func(n *nats, e *v1.OvnEip) {
				controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.V4Ip = "10.5.204.120" })
			},
		},
		"the gateway": {
			eip("e", fixed("10.5.204.254")), util.EventAcquireAddressFailed, "held by the gateway",
			func(n *nats, e *v1.OvnEip) {
				controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.V4Ip = "10.5.204.120" })
			},
		},
		"taken": {
			eip("e", fixed("10.5.204.150")), util.EventAcquireAddressFailed, "10.5.204.150 in subnet external204 is held by OvnEip other",
			func(n *nats, _ *v1.OvnEip) { n.deleteAll(eip("other")) },
		},
		"unknown subnet": {
			eip("e", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "late" }), util.EventAcquireAddressFailed, "subnet late, which does not exist",
			func(n *nats, _ *v1.OvnEip) {
				if err := n.book.SetSubnet(ipam.Spec{Name: "late", CIDRBlock: "10.7.0.0/24"}); err != nil {
					n.t.Fatal(err)
				}
				late := subnetOf("late", "", "10.7.0.0/24")
				late.Spec.Vlan = "vlan7"
				n.Create(late)
			},
		},
		"subnet of pods": {
			eip("e", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "vpc1-subnet1" }), util.ReasonEipInvalid, "subnet vpc1-subnet1 is not of an outside network",
			func(n *nats, e *v1.OvnEip) {
				controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.ExternalSubnet = "external204" })
			},
		},
		"subnet without addresses": {
			eip("e", func(s *v1.OvnEipSpec) { s.ExternalSubnet = "mac-only" }), util.ReasonEipInvalid, "subnet mac-only has no addresses",
			func(n *nats, e *v1.OvnEip) {
				controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.ExternalSubnet = "external204" })
			},
		},
		"MAC": {
			eip("e", func(s *v1.OvnEipSpec) { s.MacAddress = "nonsense" }), util.ReasonEipInvalid, "MACInvalid",
			func(n *nats, e *v1.OvnEip) {
				controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.MacAddress = "" })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := eip("other", at(150))
			macOnly := subnetOf("mac-only", "", "")
			macOnly.Spec.Vlan = "vlan8"
			n := start(t, append(world1(), other, macOnly)...)
			if err := n.book.SetSubnet(ipam.Spec{Name: "mac-only"}); err != nil {
				t.Fatal(err)
			}
			n.ready(other, true)
			n.Create(test.eip)
			if got := n.ready(test.eip, false); got.Reason != test.reason || !strings.Contains(got.Message, test.want) {
				t.Errorf("it says %s: %q, want %s: %q", got.Reason, got.Message, test.reason, test.want)
			}
			if s := controllertest.Stored(n.Fixture, test.eip).Status; s.Ready || s.V4Ip != "" {
				t.Errorf("a refused eip has status %+v", s)
			}
			test.heal(n, test.eip)
			n.ready(test.eip, true)
			n.deleteAll(test.eip)
		})
	}
}

// An address inside excludeIps can be had by asking for it and not by chance; what another kind holds is known, and waited
// for without asking again and again.
func TestEipExcluded(t *testing.T) {
	excluded := eip("excluded", func(s *v1.OvnEipSpec) { s.V4Ip = "10.5.204.50" })
	n := start(t, append(world1(), excluded)...)
	n.ready(excluded, true)
	full := ipam.Spec{Name: "external204", CIDRBlock: "10.5.204.0/24", ExcludeIPs: []string{"10.5.204.1..10.5.204.254"}}
	if err := n.book.SetSubnet(full); err != nil {
		t.Fatal(err)
	}
	n.Create(eip("random"))
	if got := n.ready(eip("random"), false); got.Reason != util.EventAcquireAddressFailed {
		t.Errorf("it says %+v", got)
	}
	if s := controllertest.Stored(n.Fixture, excluded).Status; s.V4Ip != "10.5.204.50" || !s.Ready {
		t.Errorf("it has %+v", s)
	}
}

// An OvnEip waits for the address that a pod has by its annotation, says so, and gets it when the pod gives it back.
func TestEipOfAPod(t *testing.T) {
	n := start(t, world1()...)
	pod := ipam.Request{Owner: "Pod ns/web eip", NIC: "web.ns eip 10.5.204.120", Addresses: []netip.Addr{netip.MustParseAddr("10.5.204.120")}, NoMAC: true}
	if _, err := n.book.Claim("external204", pod); err != nil {
		t.Fatal(err)
	}
	n.Create(eip("e", at(120)))
	if got := n.ready(eip("e", at(120)), false); !strings.Contains(got.Message, "10.5.204.120 in subnet external204 is held by Pod ns/web eip") {
		t.Errorf("it says %q", got.Message)
	}
	n.Settle()
	n.book.ReleaseOwner(pod.Owner)
	n.ready(eip("e", at(120)), true)
}

// What was granted cannot be changed; the rows stay and the object is ready again when the spec is restored (D-16).
func TestEipIsImmutable(t *testing.T) {
	e, rule := eip("e", at(120)), fip("r", "e", fipTo("vpc-1-busybox01.vpc1"))
	n := start(t, append(world1(), e, rule)...)
	n.ready(rule, true)
	n.Settle()
	before := n.Dump()
	controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.V4Ip = "10.5.204.121" })
	if got := n.ready(e, false); !strings.Contains(got.Message, "not support change of v4Ip from 10.5.204.120 to 10.5.204.121") {
		t.Errorf("it says %q", got.Message)
	}
	n.Settle()
	if n.Dump() != before {
		t.Errorf("rows changed:\n%s", n.Dump())
	}
	controllertest.Edit(n.Fixture, e, func(e *v1.OvnEip) { e.Spec.V4Ip = "10.5.204.120" })
	n.ready(e, true)
}

// An OvnEip in use stays until its last user is gone and says who that is.
func TestEipInUse(t *testing.T) {
	e, f, d := eip("e"), fip("web", "e", fipTo("vpc-1-busybox01.vpc1")), dnat("ssh", "e", "22")
	n := start(t, append(world1(), e, f, d)...)
	n.ready(f, true)
	n.ready(d, true)
	n.Delete(e)
	n.Eventually("the users are named", func() bool {
		return strings.Contains(n.ready(e, false).Message, "the removal of fip web, dnat ssh, still using it")
	})
	n.deleteAll(f)
	n.Eventually("the last user is named", func() bool {
		return strings.Contains(n.ready(e, false).Message, "the removal of dnat ssh, still")
	})
	n.deleteAll(d)
	n.gone(e)
	n.emptyLedger()
}

// An lsp OvnEip is the port of a gateway node, whose daemon says when it is up. An lrp OvnEip stays with its router port.
func TestEipPorts(t *testing.T) {
	lsp := eip("node1", at(130), func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLSP })
	lrp := eip("vpc1-external204", at(131), func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLRP })
	rule := snat("s", "vpc1-external204", snatOf("vpc1-subnet1"))
	n := startWithout(t, "vpc1-external204", append(world1(), lsp, lrp, rule)...)
	if got := n.ready(lsp, false); !strings.Contains(got.Message, "the daemon of node node1") {
		t.Errorf("lsp says %q before its node is ready", got.Message)
	}
	if s := controllertest.Stored(n.Fixture, lsp).Status; s.Ready || s.V4Ip != "10.5.204.130" || s.Type != "lsp" {
		t.Errorf("lsp has status %+v before its node is ready", s)
	}
	controllertest.Edit(n.Fixture, lsp, func(e *v1.OvnEip) { e.Status.Ready = true })
	n.ready(lsp, true)
	n.Settle()
	if !controllertest.Stored(n.Fixture, lsp).Status.Ready {
		t.Error("what the node said was taken back")
	}
	port := ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-external204", MAC: "00:00:00:00:01:83", Networks: []string{"10.5.204.131/24"}}
	owner := ovs.Owner{Kind: "vpc", Key: "vpc1"}
	if _, err := n.NB.Apply(n.Context(), owner, []ovs.Row{port}); err != nil {
		t.Fatal(err)
	}
	n.ready(rule, true) // the router port's address can be shared
	controllertest.Golden(t, "ports", n.Dump())
	n.deleteAll(rule, lsp)
	n.Delete(lrp)
	if got := n.ready(lrp, false); !strings.Contains(got.Message, "router port vpc1-external204") {
		t.Errorf("it says %q", got.Message)
	}
	if _, err := n.NB.Apply(n.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	n.gone(lrp)
	n.emptyLedger()
}

// One waits for an address in a full subnet and gets that of the next that goes.
func TestEipWaitsForAnAddress(t *testing.T) {
	n := start(t, append(world1(), eip("first"))...)
	n.ready(eip("first"), true)
	full := ipam.Spec{Name: "external204", CIDRBlock: "10.5.204.0/24", ExcludeIPs: []string{"10.5.204.1..10.5.204.100", "10.5.204.102..10.5.204.254"}}
	if err := n.book.SetSubnet(full); err != nil {
		t.Fatal(err)
	}
	n.Create(eip("second"))
	if got := n.ready(eip("second"), false); !strings.Contains(got.Message, "no IPv4 address is left in subnet external204") {
		t.Errorf("it says %q", got.Message)
	}
	n.deleteAll(eip("first"))
	n.ready(eip("second"), true)
	if s := controllertest.Stored(n.Fixture, eip("second")).Status; s.V4Ip != "10.5.204.101" {
		t.Errorf("it has %+v", s)
	}
}

// After a restart everybody has what he had, whoever asks first.
func TestRestartKeepsAddresses(t *testing.T) {
	objects := []runtime.Object{eip("c"), eip("b"), eip("a")}
	n := start(t, world1()...)
	had := map[string]string{}
	for _, object := range objects {
		n.Create(object)
		n.ready(object, true)
		e := controllertest.Stored(n.Fixture, object.(*v1.OvnEip))
		had[e.Name] = e.Status.V4Ip + " " + e.Status.MacAddress
	}
	n.Stop()
	n.Create(eip("0", at(102)))
	n.Restart(n.build)
	n.ready(eip("0"), false)
	for name, want := range had {
		s := controllertest.Stored(n.Fixture, eip(name)).Status
		if got := s.V4Ip + " " + s.MacAddress; got != want || !s.Ready {
			t.Errorf("%s has %s, had %s", name, got, want)
		}
	}
}

// An OvnEip says at which MAC the outside finds it, wherever it goes.
func TestOutsideMac(t *testing.T) {
	const atPod, atRouter = "00:00:00:0A:DD:27", "00:00:00:00:01:83"
	e, rule := eip("e", at(101)), fip("f", "e", fipTo("vpc-1-busybox01.vpc1"))
	router := eip("vpc2-external204", at(102), func(s *v1.OvnEipSpec) { s.Type = util.EipTypeLRP })
	n := startWithout(t, "vpc1-external204", append(world1(), e, router)...)
	finds := func(e *v1.OvnEip, mac string) {
		t.Helper()
		n.Eventually(e.Name+" is at "+mac, func() bool { return controllertest.Stored(n.Fixture, e).Status.OutsideMac == mac })
	}
	finds(router, "00:00:00:00:01:66")
	n.ready(e, true)
	finds(e, "")
	n.Create(rule)
	n.ready(rule, false)
	n.Settle()
	finds(e, "")
	for _, mac := range []string{"00:00:00:00:01:99", atRouter} {
		port := ovs.LogicalRouterPort{Router: "vpc1", Name: "vpc1-external204", MAC: mac, Networks: []string{"10.5.204.131/24"}}
		if _, err := n.NB.Apply(n.Context(), ovs.Owner{Kind: "vpc", Key: "vpc1"}, []ovs.Row{port}); err != nil {
			t.Fatal(err)
		}
		finds(e, mac)
	}
	controllertest.Edit(n.Fixture, rule, func(r *v1.OvnFip) { r.Spec.Type = util.NatDistributed })
	finds(e, atPod)
	controllertest.Edit(n.Fixture, rule, func(r *v1.OvnFip) { r.Spec.Type = "centralized" })
	finds(e, atRouter)
	n.deleteAll(rule)
	finds(e, "")
	n.deleteAll(e)
}
