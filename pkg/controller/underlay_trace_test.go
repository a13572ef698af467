package controller

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// TestU2ORoutes asks OVN itself which way packets take between overlay, underlay, nodes and the world.
func TestU2ORoutes(t *testing.T) {
	ports := []traced{
		{"p-over", "over", "00:00:00:00:00:01", "10.0.0.5"},
		{"p-linked", "linked", "00:00:00:00:00:02", "192.168.10.50"},
		{"p-only", "only", "00:00:00:00:00:03", "192.168.11.50"},
	}
	on := func(vlan string, overlayOnly bool) func(*v1.SubnetSpec) {
		return func(s *v1.SubnetSpec) {
			s.Vlan, s.U2OInterconnection, s.U2OFeatures = vlan, true, &v1.U2OFeatures{OverlayOnlyRouting: overlayOnly}
		}
	}
	_, _, join := controllertest.DefaultSubnets()
	f := controllertest.New(t, join,
		&v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "net1"}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}},
		&v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "vlan10"}, Spec: v1.VlanSpec{ID: 10}},
		controllertest.Vpc(util.DefaultVpc), controllertest.Node("n1", "172.18.0.2"), controllertest.Subnet("over", "", "10.0.0.0/24"),
		controllertest.Subnet("linked", "", "192.168.10.0/24", on("vlan10", false)),
		controllertest.Subnet("only", "", "192.168.11.0/24", on("vlan10", true)))
	sb := startNorthd(t, f.Server)
	var rows []ovs.Row
	for _, p := range ports {
		rows = append(rows, ovs.LogicalSwitchPort{Switch: p.subnet, Name: p.name, Addresses: []string{p.mac + " " + p.address}})
	}
	// What the node controller adds: traffic for the node's address leaves by its join port.
	rows = append(rows, ovs.RouterPolicy{
		Router: util.DefaultVpc, Priority: util.NodePolicyPriority, Match: "ip4.dst == 172.18.0.2", Action: "reroute", Nexthops: []string{"100.64.0.2"},
	})
	f.Run(func(f *controllertest.Fixture) []*reconcile.Loop { return append(physical(f), f.Given(rows...)) })
	f.Eventually("the policies are there", func() bool { return count(f.Dump(), "^Logical_Switch_Port p-") == len(ports) })
	f.Settle()

	trace := func(from traced, to string) string {
		router := util.HashMAC(util.RouterPortName(util.DefaultVpc, from.subnet), 0)
		flow := `inport == "` + from.name + `" && eth.src == ` + from.mac + ` && eth.dst == ` + strings.ToLower(router) +
			` && ip4.src == ` + from.address + ` && ip4.dst == ` + to + ` && ip.ttl == 64`
		out, _ := exec.CommandContext(t.Context(), "ovn-trace", "--db="+sb.Endpoint, "--detailed", from.subnet, flow).CombinedOutput()
		return string(out)
	}
	over, linked, only := ports[0], ports[1], ports[2]
	for _, test := range []struct {
		name string
		from traced
		to   string
		want []string
	}{
		{"underlay to overlay", linked, over.address, []string{"priority 31000", `output to "p-over"`}},
		{"overlay to underlay", over, linked.address, []string{"priority 29400", `output to "p-linked"`}},
		{"underlay to the world", linked, "8.8.8.8", []string{"priority 29000", "reg0 = 192.168.10.1;", `outport = "ovn-cluster-linked"`}},
		{"underlay to a node", linked, "172.18.0.2", []string{"priority 31000", "reg0 = 192.168.10.1;", `outport = "ovn-cluster-linked"`}},
		{"overlay to a node", over, "172.18.0.2", []string{"priority 30000", "reg0 = 100.64.0.2;", `outport = "ovn-cluster-join"`}},
		{"overlay only: to overlay", only, over.address, []string{"priority 31000", `output to "p-over"`}},
		{"overlay only: from overlay", over, only.address, []string{"priority 29400", `output to "p-only"`}},
		{"overlay only: to the world", only, "8.8.8.8", []string{"priority 30050", "reg0 = 192.168.11.1;", `outport = "ovn-cluster-only"`}},
		{"overlay only: to a node", only, "172.18.0.2", []string{"priority 31000", "reg0 = 192.168.11.1;"}},
		{"overlay only: to another underlay", only, linked.address, []string{"priority 30050", "reg0 = 192.168.11.1;"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			missing, out := "", ""
			f.Eventually("the packet takes its way", func() bool {
				missing, out = "", trace(test.from, test.to)
				for _, part := range test.want {
					if !strings.Contains(out, part) {
						missing = part
					}
				}
				if missing != "" && strings.Contains(out, "lr_in_policy") {
					t.Logf("no %s in\n%s", missing, out)
				}
				return missing == ""
			})
		})
	}
}
