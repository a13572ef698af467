package externalgw

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

var config = Config{DefaultVpc: util.DefaultVpc, ExternalSwitch: "ovn-external", ExternalNet: "external", ExternalVlanID: 0}

// seed002 are the settings of the L3 gateway document with changes; an empty value takes a key away.
func seed002(changes map[string]string) map[string]string {
	data := map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "kube-ovn-worker", "external-gw-nic": "eth1",
		"nic-ip": "172.56.0.100/16", "nic-mac": "16:52:f3:13:6a:25",
	}
	maps.Copy(data, changes)
	return data
}

// defaultVpc is the default VPC with settings in effect; nil for none.
func defaultVpc(data map[string]string, edits ...func(*v1.VpcSpec)) *v1.Vpc {
	vpc := controllertest.Vpc(util.DefaultVpc, edits...)
	if data != nil {
		vpc.Annotations = map[string]string{util.ExternalGatewayInEffect: util.EncodeExternalGateway(data)}
	}
	return vpc
}

func extra(s *v1.VpcSpec) { s.ExtraExternalSubnets = []string{"x"} }

func accepted() *v1.Subnet {
	s := controllertest.Subnet("ovn-external", util.DefaultVpc, "172.56.0.0/16", func(s *v1.SubnetSpec) { s.Vlan = "vlan204" })
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return s
}

func node(name, label, by string) *corev1.Node {
	n := controllertest.Node(name)
	if label != "" {
		n.Labels[util.ExternalGWLabel] = label
	}
	if by != "" {
		n.Annotations = map[string]string{util.ExternalGWByAnnotation: by}
	}
	return n
}

func TestRows(t *testing.T) {
	g, _ := util.ParseExternalGateway(seed002(nil))
	in := inputs{Config: config, vpc: defaultVpc(nil), gateway: g}
	controllertest.Golden(t, "seed 002", controllertest.Rows(rows(in)))
	in.ExternalVlanID = 204
	controllertest.Golden(t, "tagged", controllertest.Rows(rows(in)))
	without, _ := util.ParseExternalGateway(map[string]string{})
	pending := accepted()
	pending.Status.Conditions = nil
	for name, other := range map[string]inputs{
		"off":                     {Config: config, vpc: defaultVpc(nil)},
		"without address":         {Config: config, vpc: defaultVpc(nil), gateway: without},
		"extra subnets":           {Config: config, vpc: defaultVpc(nil, extra), gateway: g},
		"a Subnet that is new":    {Config: config, vpc: defaultVpc(nil), gateway: g, subnet: pending},
		"a Subnet that is served": {Config: config, vpc: defaultVpc(nil), gateway: g, subnet: accepted(), owned: true},
	} {
		if got := rows(other); len(got) != 0 {
			t.Errorf("%s: %s", name, controllertest.Rows(got))
		}
	}
	if got := rows(inputs{Config: config, vpc: defaultVpc(nil), gateway: g, subnet: pending, owned: true}); len(got) != 2 {
		t.Error("the switch goes before its Subnet is accepted")
	}
}

func TestLabels(t *testing.T) {
	on := util.ExternalGateway{Enabled: true, Nodes: []string{"a"}}
	label := util.ExternalGateway{Enabled: true, Distributed: true}
	tests := []struct {
		name            string
		gateway         util.ExternalGateway
		node            *corev1.Node
		wantLabel, want string
	}{
		{"listed", on, node("a", "", ""), "true", "list"},
		{"listed and labelled by the user", on, node("a", "true", ""), "true", "list"},
		{"listed and unlabelled by the user", on, node("a", "false", "list"), "true", "list"},
		{"labelled by the user", on, node("b", "true", ""), "true", "label"},
		{"unlabelled by the user", on, node("b", "", "label"), "", ""},
		{"of no concern", on, node("b", "", ""), "", ""},
		{"left the list", on, node("b", "true", "list"), "false", ""},
		{"the label alone decides", label, node("b", "true", "list"), "true", "label"},
		{"the label alone, not labelled", label, node("b", "", ""), "", ""},
		{"off, listed before", util.ExternalGateway{}, node("a", "true", "list"), "false", ""},
		{"off, labelled before", util.ExternalGateway{}, node("b", "true", "label"), "false", ""},
		{"off, labelled since", util.ExternalGateway{}, node("b", "true", ""), "true", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := inputs{vpc: defaultVpc(nil), gateway: test.gateway}
			before := test.node.DeepCopy()
			got := labelled(in, test.node)
			if l, by := got.Labels[util.ExternalGWLabel], got.Annotations[util.ExternalGWByAnnotation]; l != test.wantLabel || by != test.want {
				t.Errorf("label %q by %q, want %q by %q", l, by, test.wantLabel, test.want)
			}
			if again := labelled(in, got); again != got {
				t.Error("a second look changes it again")
			}
			if !maps.Equal(before.Labels, test.node.Labels) {
				t.Error("the object from the cache was changed")
			}
			in.vpc = defaultVpc(nil, extra)
			if labelled(in, test.node) != test.node {
				t.Error("labels change although the VPC's own spec decides")
			}
		})
	}
}

func TestBook(t *testing.T) {
	spec, ok := Book(defaultVpc(seed002(nil)), "ovn-external")
	if want := (ipam.Spec{Name: "ovn-external", CIDRBlock: "172.56.0.0/16", Gateway: "172.56.0.1"}); !ok || spec.CIDRBlock != want.CIDRBlock || spec.Gateway != want.Gateway || spec.Name != want.Name {
		t.Errorf("%+v, %v", spec, ok)
	}
	spec, _ = Book(defaultVpc(seed002(map[string]string{"external-gw-addr": "172.56.0.254/16"})), "ovn-external")
	if spec.Gateway != "172.56.0.254" {
		t.Errorf("gateway %s", spec.Gateway)
	}
	spec, _ = Book(defaultVpc(seed002(map[string]string{"nic-ip": "172.56.0.1/16"})), "ovn-external")
	if spec.Gateway != "" {
		t.Errorf("the router port is its own gateway %s", spec.Gateway)
	}
	for name, vpc := range map[string]*v1.Vpc{"off": defaultVpc(nil), "extra": defaultVpc(seed002(nil), extra), "allocated": defaultVpc(seed002(map[string]string{"nic-ip": ""}))} {
		if spec, ok := Book(vpc, "ovn-external"); ok {
			t.Errorf("%s: %+v", name, spec)
		}
	}
	held, ok := Holding(defaultVpc(seed002(nil)), "ovn-external", "d6:1f:4a:0b:9c:02")
	if !ok || held.V4.String() != "172.56.0.100" || held.MAC != "16:52:f3:13:6a:25" || held.Owner != "OvnEip ovn-cluster-ovn-external" {
		t.Errorf("%+v, %v", held, ok)
	}
	without := defaultVpc(seed002(map[string]string{"nic-mac": ""}))
	for present, want := range map[string]string{"d6:1f:4a:0b:9c:02": "d6:1f:4a:0b:9c:02", "": util.HashMAC("ovn-cluster-ovn-external/172.56.0.100", 0)} {
		if held, _ := Holding(without, "ovn-external", present); held.MAC != want {
			t.Errorf("without nic-mac: %s, want %s", held.MAC, want)
		}
	}
}

// gateways is the fixture with the address books of the present process.
type gateways struct {
	*controllertest.Fixture
	book *ipam.IPAM
}

func build(f *controllertest.Fixture) []*reconcile.Loop {
	loops, _ := buildWith(f)
	return loops
}

// formerNames is the build of a program that names the localnet port as earlier releases did.
func formerNames(f *controllertest.Fixture) []*reconcile.Loop {
	former := config
	former.FormerPortName = true
	loops, _ := buildFrom(f, former)
	return loops
}

func buildWith(f *controllertest.Fixture) ([]*reconcile.Loop, *ipam.IPAM) {
	return buildFrom(f, config)
}

func buildFrom(f *controllertest.Fixture, config Config) ([]*reconcile.Loop, *ipam.IPAM) {
	kinds, book := f.Informers.Kubeovn().V1(), ipam.New()
	return []*reconcile.Loop{New(
		Deps{Config: config, NB: f.NB, IPAM: book, Nodes: f.Kube.CoreV1().Nodes()},
		Sources{Vpcs: kinds.Vpcs(), Subnets: kinds.Subnets(), Nodes: f.KubeInformers.Core().V1().Nodes()},
	)}, book
}

func started(t *testing.T, objects ...runtime.Object) gateways {
	t.Helper()
	g := gateways{Fixture: controllertest.New(t, objects...)}
	g.Run(func(f *controllertest.Fixture) []*reconcile.Loop {
		var loops []*reconcile.Loop
		loops, g.book = buildWith(f)
		return loops
	})
	g.Settle()
	return g
}

func (g gateways) label(name string) string {
	return controllertest.Stored(g.Fixture, node(name, "", "")).Labels[util.ExternalGWLabel]
}

// settings changes what is in effect, as the VPC's controller does.
func (g gateways) settings(data map[string]string) {
	vpc := controllertest.Stored(g.Fixture, controllertest.Vpc(util.DefaultVpc)).DeepCopy()
	vpc.Annotations = defaultVpc(data).Annotations
	g.Update(vpc)
}

func TestLaws(t *testing.T) {
	controllertest.Laws(t, controllertest.Scenario{
		Build:   build,
		Objects: []runtime.Object{defaultVpc(seed002(nil)), node("kube-ovn-worker", "", ""), node("other", "true", "")},
		// Nothing is taken away with an object here: a node takes its label with it, and the VPC stays.
		Removed: []runtime.Object{node("other", "true", "")},
	})
}

// Seed 002: the switch as printed, the label, the address in the book.
func TestBareSwitch(t *testing.T) {
	g := started(t, defaultVpc(seed002(nil)), node("kube-ovn-worker", "", ""), node("other", "", ""))
	dump := g.Dump()
	for _, want := range []string{"Logical_Switch ovn-external:", "Logical_Switch_Port localnet.ovn-external: addresses=unknown", "network_name=external"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %s in\n%s", want, dump)
		}
	}
	if g.label("kube-ovn-worker") != "true" || g.label("other") != "" {
		t.Errorf("labels %q, %q", g.label("kube-ovn-worker"), g.label("other"))
	}
	if holders := g.book.Holders("ovn-external", netip.MustParseAddr("172.56.0.100")); len(holders) != 1 {
		t.Errorf("nic-ip is held by %v", holders)
	}
	// U-10: the list changes in place.
	uuids := g.Server.UUIDs(t)
	g.settings(seed002(map[string]string{"external-gw-nodes": "other"}))
	g.Eventually("labels follow the list", func() bool { return g.label("kube-ovn-worker") == "false" && g.label("other") == "true" })
	if !maps.Equal(uuids, g.Server.UUIDs(t)) {
		t.Error("rows were made anew")
	}
	// Off and on again (U-33: the configured name).
	g.settings(nil)
	g.Eventually("everything is gone", func() bool { return g.label("other") == "false" && !strings.Contains(g.Dump(), "ovn-external") })
	g.Eventually("the book is closed", func() bool { _, ok := g.book.Lookup("ovn-external", "ovn-cluster-ovn-external"); return !ok })
	g.settings(seed002(nil))
	g.Eventually("it is back", func() bool {
		_, held := g.book.Lookup("ovn-external", "ovn-cluster-ovn-external")
		return g.label("kube-ovn-worker") == "true" && g.Dump() == dump && held
	})
}

// A Subnet takes the switch over in place, with its ports, and when it is gone the bare one is back.
func TestSubnetTakesTheSwitchOver(t *testing.T) {
	g := started(t, defaultVpc(seed002(nil)), node("kube-ovn-worker", "", ""))
	apply := func(kind string, rows ...ovs.Row) error {
		_, err := g.NB.Apply(g.Context(), ovs.Owner{Kind: kind, Key: "x"}, rows)
		return err
	}
	if err := apply("vpc", ovs.LogicalSwitchPort{Switch: "ovn-external", Name: "ovn-external-ovn-cluster", Type: "router"}); err != nil {
		t.Fatal(err)
	}
	uuids := g.Server.UUIDs(t)
	pending := accepted()
	pending.Status.Conditions = nil
	g.Create(pending)
	g.Settle()
	managed := []ovs.Row{ovs.LogicalSwitch{Name: "ovn-external"}, ovs.LogicalSwitchPort{
		Switch: "ovn-external", Name: "localnet.ovn-external", Type: "localnet", Addresses: []string{"unknown"}, Tag: 204,
		Options: map[string]string{"network_name": "external204"},
	}}
	if err := apply("subnet", managed...); err == nil {
		t.Fatal("the switch was given up before the Subnet was accepted")
	}
	stored := controllertest.Stored(g.Fixture, pending).DeepCopy()
	stored.Status = accepted().Status
	g.Update(stored)
	g.Eventually("the switch is given up", func() bool { return apply("subnet", managed...) == nil })
	g.Settle()
	if !maps.Equal(uuids, g.Server.UUIDs(t)) {
		t.Errorf("rows were made anew:\n%s", g.Dump())
	}
	// U-39: what is the Subnet's is not rewritten, also not when the gateway is switched off and on.
	dump := g.Dump()
	g.settings(nil)
	g.Eventually("off", func() bool { return g.label("kube-ovn-worker") == "false" })
	g.settings(seed002(nil))
	g.Eventually("on", func() bool { return g.label("kube-ovn-worker") == "true" })
	g.Settle()
	if g.Dump() != dump {
		t.Errorf("rows changed:\n%s", g.Dump())
	}
	// What is refused of the Subnet later changes nothing, either.
	g.Update(controllertest.Refused(controllertest.Accepted(controllertest.Stored(g.Fixture, pending).DeepCopy()), func(s *v1.SubnetSpec) { s.Vlan = "" }))
	g.Settle()
	if g.Dump() != dump {
		t.Errorf("rows changed:\n%s", g.Dump())
	}
	g.Delete(pending)
	if err := apply("subnet"); err != nil {
		t.Fatal(err)
	}
	g.book.DeleteSubnet("ovn-external") // as its controller does at some time
	g.Eventually("the bare switch", func() bool { return strings.Contains(g.Dump(), "network_name=external}") })
	g.Eventually("its book", func() bool { _, ok := g.book.Lookup("ovn-external", "ovn-cluster-ovn-external"); return ok })
}

// An overlay Subnet of that name gets a switch without a way to the physical network.
func TestOverlaySubnetOfThatName(t *testing.T) {
	g := started(t, defaultVpc(seed002(nil)))
	overlay := accepted()
	overlay.Spec.Vlan = ""
	g.Create(overlay)
	g.Eventually("the bare switch is gone", func() bool { return !strings.Contains(g.Dump(), "ovn-external") })
}

// D-05: the port's name of an earlier release is replaced, in no step of which the switch has two ways out.
func TestFormerLocalnetPort(t *testing.T) {
	f := controllertest.New(t, defaultVpc(seed002(nil)))
	f.Server.Transact(t, `{"op":"insert","table":"Logical_Switch","uuid":"00000000-0000-4000-8000-000000000001","row":{"name":"ovn-external","ports":["set",[["uuid","00000000-0000-4000-8000-000000000002"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid":"00000000-0000-4000-8000-000000000002","row":{"name":"ln-ovn-external","type":"localnet","addresses":"unknown","options":["map",[["network_name","external"]]]}}`)
	f.Eventually("the rows are in the cache, as at a start", func() bool {
		_, seen := f.NB.UUID(ovs.LogicalSwitchPort{Switch: "ovn-external", Name: "ln-ovn-external"})
		return seen
	})
	f.Run(build)
	f.Settle()
	if dump := f.Dump(); strings.Contains(dump, "ln-ovn-external") || !strings.Contains(dump, "localnet.ovn-external") {
		t.Errorf("rows:\n%s", dump)
	}
	if names := slices.Sorted(maps.Values(f.Server.UUIDs(t))); f.Server.UUIDs(t)["00000000-0000-4000-8000-000000000001"] == "" {
		t.Errorf("the switch was made anew: %v", names)
	}
}

// The setting gives the port the former name, in place, and takes it back; a Subnet gets the switch without the port, because
// it makes one of the present name.
func TestFormerPortName(t *testing.T) {
	f := controllertest.New(t, defaultVpc(seed002(nil)))
	f.Run(formerNames)
	f.Settle()
	uuids := f.Server.UUIDs(t)
	named := func(name, other string) {
		t.Helper()
		if dump := f.Dump(); !strings.Contains(dump, name) || strings.Contains(dump, other) {
			t.Errorf("not %s:\n%s", name, dump)
		}
	}
	named("ln-ovn-external", "localnet.ovn-external")
	f.Restart(build)
	f.Settle()
	named("localnet.ovn-external", "ln-ovn-external")
	f.Restart(formerNames)
	f.Settle()
	named("ln-ovn-external", "localnet.ovn-external")
	for uuid, name := range f.Server.UUIDs(t) {
		if strings.Contains(name, "Logical_Switch") && !strings.Contains(name, "Port") && uuids[uuid] == "" {
			t.Errorf("%s was made anew", name)
		}
	}
	f.Create(accepted())
	f.Eventually("the switch is handed over without the port", func() bool {
		return !strings.Contains(f.Dump(), "ln-ovn-external") && strings.Contains(f.Dump(), "ovn-external") && len(f.NB.Owners(Name)) == 0
	})
}
