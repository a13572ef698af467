package controller

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// startNorthd makes logical flows of the Northbound database and returns the Southbound server.
func startNorthd(t *testing.T, nb *ovstest.Server) *ovstest.Server {
	t.Helper()
	sb := ovstest.Start(t, ovs.Southbound)
	dir := filepath.Dir(strings.TrimPrefix(sb.Endpoint, "unix:"))
	cmd := exec.Command("ovn-northd", "--ovnnb-db="+nb.Endpoint, "--ovnsb-db="+sb.Endpoint, "--unixctl="+filepath.Join(dir, "northd.ctl"), "-vconsole:off")
	cmd.Env = append(os.Environ(), "OVN_RUNDIR="+dir, "OVS_RUNDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return sb
}

// traced is one pod's port in a trace.
type traced struct{ name, subnet, mac, address string }

// row is the port in its switch.
func (p traced) row() ovs.Row {
	return ovs.LogicalSwitchPort{Switch: p.subnet, Name: p.name, Addresses: []string{p.mac + " " + p.address}}
}

// tracing is a question to OVN: which way does a packet take from a port to an address?
type tracing struct {
	name string
	from traced
	to   string
	also string   // of the packet
	want []string // parts of the answer
}

// ask waits until OVN gives the wanted answer.
func (q tracing) ask(t *testing.T, f *controllertest.Fixture, sb *ovstest.Server, vpc string) {
	router := util.NewRouterPortMAC(vpc, controllertest.Stored(f, controllertest.Subnet(q.from.subnet, "", "")))
	flow := `inport == "` + q.from.name + `" && eth.src == ` + q.from.mac + ` && eth.dst == ` + strings.ToLower(router) +
		` && ip4.src == ` + q.from.address + ` && ip4.dst == ` + q.to + ` && ip.ttl == 64` + q.also
	last, ok := "", false
	defer func() {
		if !ok {
			t.Logf("not all of %q in\n%s", q.want, last)
		}
	}()
	f.Eventually("the packet takes its way", func() bool {
		out, _ := exec.CommandContext(t.Context(), "ovn-trace", "--db="+sb.Endpoint, "--detailed", q.from.subnet, flow).CombinedOutput()
		last = string(out)
		ok = !slices.ContainsFunc(q.want, func(part string) bool { return !strings.Contains(last, part) })
		return ok
	})
}

// underlaid puts a subnet on vlan10 and connects it with the overlay.
func underlaid(overlayOnly bool) func(*v1.SubnetSpec) {
	return func(s *v1.SubnetSpec) {
		s.Vlan, s.U2OInterconnection, s.U2OFeatures = "vlan10", true, &v1.U2OFeatures{OverlayOnlyRouting: overlayOnly}
	}
}

// vlan10 is the network that underlaid subnets are on, with the cluster's own.
func vlan10() []runtime.Object {
	_, _, join := controllertest.DefaultSubnets()
	return []runtime.Object{
		join, controllertest.Vpc(util.DefaultVpc), controllertest.Node("n1", "172.18.0.2"),
		&v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "net1"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}},
		&v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan10"}, Spec: v1.VlanSpec{ID: 10}},
	}
}

// TestU2ORoutes asks OVN itself which way packets take between overlay, underlay, nodes and the world.
func TestU2ORoutes(t *testing.T) {
	ports := []traced{
		{"p-over", "over", "00:00:00:00:00:01", "10.0.0.5"},
		{"p-linked", "linked", "00:00:00:00:00:02", "192.168.10.50"},
		{"p-only", "only", "00:00:00:00:00:03", "192.168.11.50"},
	}
	f := controllertest.New(t, append(vlan10(),
		controllertest.Subnet("over", "", "10.0.0.0/24"),
		controllertest.Subnet("linked", "", "192.168.10.0/24", underlaid(false)),
		controllertest.Subnet("only", "", "192.168.11.0/24", underlaid(true)))...)
	sb := startNorthd(t, f.Server)
	var rows []ovs.Row
	for _, p := range ports {
		rows = append(rows, p.row())
	}
	// What the node controller adds: traffic for the node's address leaves by its join port.
	rows = append(rows, ovs.RouterPolicy{
		Router: util.DefaultVpc, Priority: util.NodePolicyPriority, Match: "ip4.dst == 172.18.0.2", Action: "reroute", Nexthops: []string{"100.64.0.2"},
	})
	f.Run(func(f *controllertest.Fixture) []*reconcile.Loop { return append(physical(f), f.Given(rows...)) })
	f.Eventually("the policies are there", func() bool { return count(f.Dump(), "^Logical_Switch_Port p-") == len(ports) })
	f.Settle()

	over, linked, only := ports[0], ports[1], ports[2]
	for _, q := range []tracing{
		{"underlay to overlay", linked, over.address, "", []string{"priority 31000", `output to "p-over"`}},
		{"overlay to underlay", over, linked.address, "", []string{"priority 29400", `output to "p-linked"`}},
		{"underlay to the world", linked, "8.8.8.8", "", []string{"priority 29000", "reg0 = 192.168.10.1;", `outport = "ovn-cluster-linked"`}},
		{"underlay to a node", linked, "172.18.0.2", "", []string{"priority 31000", "reg0 = 192.168.10.1;", `outport = "ovn-cluster-linked"`}},
		{"overlay to a node", over, "172.18.0.2", "", []string{"priority 30000", "reg0 = 100.64.0.2;", `outport = "ovn-cluster-join"`}},
		{"overlay only: to overlay", only, over.address, "", []string{"priority 31000", `output to "p-over"`}},
		{"overlay only: from overlay", over, only.address, "", []string{"priority 29400", `output to "p-only"`}},
		{"overlay only: to the world", only, "8.8.8.8", "", []string{"priority 30050", "reg0 = 192.168.11.1;", `outport = "ovn-cluster-only"`}},
		{"overlay only: to a node", only, "172.18.0.2", "", []string{"priority 31000", "reg0 = 192.168.11.1;"}},
		{"overlay only: to another underlay", only, linked.address, "", []string{"priority 30050", "reg0 = 192.168.11.1;"}},
	} {
		t.Run(q.name, func(t *testing.T) { q.ask(t, f, sb, util.DefaultVpc) })
	}
}

// TestU2ORoutesInVpc asks the same in a VPC that has no default route, with an overlay subnet whose mask is shorter than
// those of the underlay subnets.
func TestU2ORoutesInVpc(t *testing.T) {
	over := traced{"p-over", "over", "00:00:00:00:00:01", "10.0.0.5"}
	linked := traced{"p-linked", "linked", "00:00:00:00:00:02", "192.168.10.50"}
	only := traced{"p-only", "only", "00:00:00:00:00:03", "192.168.11.50"}
	tabled := traced{"p-tabled", "tabled", "00:00:00:00:00:04", "192.168.12.50"}
	f := controllertest.New(t, append(vlan10(), controllertest.Vpc("vpc1"),
		controllertest.Subnet("over", "vpc1", "10.0.0.0/16"),
		controllertest.Subnet("linked", "vpc1", "192.168.10.0/24", underlaid(false)),
		controllertest.Subnet("only", "vpc1", "192.168.11.0/24", underlaid(true)),
		controllertest.Subnet("tabled", "vpc1", "192.168.12.0/24", underlaid(false), func(s *v1.SubnetSpec) { s.RouteTable = "rtb1" }))...)
	sb := startNorthd(t, f.Server)
	f.Run(func(f *controllertest.Fixture) []*reconcile.Loop {
		return append(physical(f), f.Given(over.row(), linked.row(), only.row(), tabled.row()))
	})
	f.Eventually("the ports and routes are there", func() bool {
		return count(f.Dump(), "^Logical_Switch_Port p-") == 4 && count(f.Dump(), "^Logical_Router_Static_Route .*src-ip") == 2
	})
	f.Settle()
	// The router asks for the gateway's MAC in the VLAN, so that the packet can follow.
	leaves := func(s traced, policy, gateway string) []string {
		return []string{policy, "reg0 = " + gateway + ";", `outport = "vpc1-` + s.subnet + `"`, `output to "localnet.` + s.subnet + `"`}
	}
	for _, q := range []tracing{
		{"underlay to overlay", linked, over.address, "", []string{"priority 31000", `output to "p-over"`}},
		{"overlay to underlay", over, linked.address, "", []string{`output to "p-linked"`}},
		{"underlay to the world", linked, "8.8.8.8", "", leaves(linked, "priority 29000", "192.168.10.1")},
		{"overlay to the world", over, "8.8.8.8", "", []string{"lr_in_ip_routing (", "drop;"}},
		{"overlay only: to overlay", only, over.address, "", []string{"priority 31000", `output to "p-over"`}},
		{"overlay only: from overlay", over, only.address, "", []string{"priority 29400", `output to "p-only"`}},
		{"overlay only: to the world", only, "8.8.8.8", "", leaves(only, "priority 30050", "192.168.11.1")},
		{"own table: to overlay", tabled, over.address, "", []string{"priority 31000", `output to "p-over"`}},
		{"own table: from overlay", over, tabled.address, "", []string{`output to "p-tabled"`}},
		{"own table: to the world", tabled, "8.8.8.8", "", leaves(tabled, "priority 29000", "192.168.12.1")},
	} {
		t.Run(q.name, func(t *testing.T) { q.ask(t, f, sb, "vpc1") })
	}
}
