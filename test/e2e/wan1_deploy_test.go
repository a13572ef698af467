//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// The manifests of document 000 up to chapter 1.4 in its order, and the network that chapter 4 takes for granted.
var (
	networks000 = []string{
		seed("seed000/01-provider-network.yaml"), seed("seed000/02-vlan.yaml"), seed("seed000/03-vlan-subnet.yaml"),
		seed("seed000/00-centralized-external-gw-no-ip.yaml"),
		seed("seed000/00-ns.yml"), seed("seed000/01-vpc-ecmp-enable-external-bfd.yml"), seed("seed000/02-subnet.yml"),
		seed("seed000/01-extra-provider-network.yaml"), seed("seed000/02-extra-vlan.yaml"), seed("seed000/03-extra-vlan-subnet.yaml"),
	}
	underlay000 = `
apiVersion: kubeovn.io/v1
kind: Vlan
metadata: {name: vlan49}
spec: {id: 49, provider: external204}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: underlay}
spec: {protocol: IPv4, cidrBlock: 10.5.49.0/24, gateway: 10.5.49.254, vlan: vlan49}
`
)

// world000 is document 000 deployed: the default network external204, extra and underlay beside it, VPC vpc1 with its five
// pods and a Vip.
var world000 = &deployment{
	name:       "document 000",
	controller: map[string]string{"--external-gateway-vlanid": "204", "--external-gateway-switch": "external204"},
	daemon:     map[string]string{"--external-gateway-switch": "external204"},
	manifests:  slices.Concat(networks000, []string{underlay000}, pods000()),
	gateways:   nodes,
	ready:      ready000,
}

// pods000 are the pods that the document lists with their nodes, and the Vip, in the order of their addresses: .2 to .7.
func pods000() []string {
	var all []string
	for i, node := range []string{nodes[1], nodes[0], nodes[0], nodes[2], nodes[0]} {
		all = append(all, namedServer("vpc1", fmt.Sprintf("vpc-1-busybox%02d", i+1), node))
		if i == 0 {
			all = append(all, seed("seed000/vip.yaml"))
		}
	}
	return all
}

// namedServer is a pod that may change its addresses and serves its name over HTTP on the ports 80 and 22.
func namedServer(namespace, name, node string) string {
	container := fmt.Sprintf(`{name: main, image: %q, securityContext: {capabilities: {add: [NET_ADMIN]}}, command: [sh, -c, %q]}`, image,
		"mkdir -p /tmp/www && hostname > /tmp/www/index.html && httpd -p 22 -h /tmp/www && exec httpd -f -p 80 -h /tmp/www")
	return strings.Replace(podYAML(namespace, name, node), fmt.Sprintf("{name: main, image: %q}", image), container, 1)
}

// ready000 also gives the third pod the Vip's address, as the document shows, and waits for one pod after the other: each
// gets the lowest free address.
func ready000(ctx context.Context) error {
	if err := listingIs(ctx, withoutNAT(seed("seed000/show-vpc1.txt")), "show", "vpc1"); err != nil {
		return err
	}
	for i := range 5 {
		if _, err := cluster.PodReady(ctx, "vpc1", fmt.Sprintf("vpc-1-busybox%02d", i+1)); err != nil {
			return err
		}
	}
	vip, err := cluster.OVN.KubeovnV1().Vips().Get(ctx, "test-fip-vip", metav1.GetOptions{})
	if err == nil && vip.Status.V4ip == "" {
		err = errors.New("vip test-fip-vip has no address")
	}
	if err != nil {
		return err
	}
	return secondAddress(ctx, "vpc1", "vpc-1-busybox03", vip.Status.V4ip)
}

// secondAddress gives a pod of a /24 one more address; again is harmless.
func secondAddress(ctx context.Context, namespace, pod, address string) error {
	_, err := cluster.Exec(ctx, namespace, pod, "ip", "address", "replace", address+"/24", "dev", "eth0")
	return err
}

// withoutNAT is a printed listing without its NAT rows: the document shows vpc1 with a rule that it makes chapters later.
func withoutNAT(listing string) string {
	var b strings.Builder
	for _, s := range framework.Sections(listing) {
		b.WriteString(s.Without("nat").String())
	}
	return b.String()
}

// TestS001toS015 looks at chapter 1: the outside networks and what connects the routers to them.
func TestS001toS015(t *testing.T) {
	deploy(t, world000)
	t.Run("S002 provider network and bridge", func(t *testing.T) {
		row(t, "provider-network", "external204", map[string]string{"DEFAULTINTERFACE": "vlan", "READY": "true"})
		for _, node := range nodes {
			if ports := vsctl(t, node, "list-ports", "br-external204"); !slices.Contains(sortedLines(ports), "vlan") {
				t.Errorf("%s: ports of br-external204 are %q", node, ports)
			}
		}
	})
	t.Run("S003 vlan", s003)
	t.Run("S004 subnet of the outside", s004)
	t.Run("S005 router port of the default VPC", s005)
	t.Run("S009 VPC", func(t *testing.T) {
		row(t, "vpc", "vpc1", map[string]string{"STANDBY": "true", "ENABLEEXTERNAL": "true"})
		row(t, "oeip", "vpc1-external204", map[string]string{"TYPE": "lrp", "READY": "true"})
		wantBlock(t, "external204", "port external204-vpc1", "type: router", "router-port: vpc1-external204")
	})
	t.Run("S010 namespace", func(t *testing.T) {
		ns, err := cluster.Kube.CoreV1().Namespaces().Get(t.Context(), "vpc1", metav1.GetOptions{})
		if err != nil || ns.Annotations["ovn.kubernetes.io/logical_switch"] != "vpc1-subnet1" {
			t.Errorf("annotations %v, %v", ns.Annotations, err)
		}
	})
	t.Run("S008 S011 show", func(t *testing.T) { wantListing(t, withoutNAT(seed("seed000/show-vpc1.txt")), "show", "vpc1") })
	t.Run("S013 routes", func(t *testing.T) { wantListing(t, seed("seed000/routes-vpc1.txt"), "lr-route-list", "vpc1") })
	t.Run("S012 show with the rule of the subnet", func(t *testing.T) {
		leavesNoNAT(t)
		apply(t, seed("seed000/03-subnet-snat.yaml"))
		wantListing(t, seed("seed000/show-vpc1.txt"), "show", "vpc1")
		wantListing(t, seed("seed000/routes-vpc1.txt"), "lr-route-list", "vpc1")
	})
	t.Run("S014 untagged subnet", func(t *testing.T) {
		subnetIsReady(t, "extra")
		if got := strings.TrimSpace(nbctl(t, "--bare", "--columns=tag", "list", "Logical_Switch_Port", "localnet.extra")); got != "" {
			t.Errorf("tag %s", got)
		}
	})
	t.Run("S015 further networks", func(t *testing.T) {
		before := nbctl(t, "--bare", "--columns=_uuid,mac,networks", "list", "Logical_Router_Port", "vpc1-external204")
		extraNetwork(t, "extra")
		wantListing(t, seed("seed000/show-vpc1-extra.txt"), "show", "vpc1")
		if after := nbctl(t, "--bare", "--columns=_uuid,mac,networks", "list", "Logical_Router_Port", "vpc1-external204"); after != before {
			t.Errorf("the first port changed from %q to %q", before, after)
		}
	})
	t.Run("and back", func(t *testing.T) { wantListing(t, withoutNAT(seed("seed000/show-vpc1.txt")), "show", "vpc1") })
	t.Run("S007 router port with a reserved address", s007)
	t.Run("S006 router port with a given address", s006)
}

func s003(t *testing.T) {
	pn, err := cluster.OVN.KubeovnV1().ProviderNetworks().Get(t.Context(), "external204", metav1.GetOptions{})
	if err != nil || !slices.Contains(pn.Status.Vlans, "vlan204") {
		t.Errorf("vlans %v, %v", pn.Status.Vlans, err)
	}
	vlan, err := cluster.OVN.KubeovnV1().Vlans().Get(t.Context(), "vlan204", metav1.GetOptions{})
	if err != nil || vlan.Status.Conflict {
		t.Errorf("conflict %v, %v", vlan.Status.Conflict, err)
	}
}

func s004(t *testing.T) {
	subnetIsReady(t, "external204")
	got := row(t, "subnet", "external204", map[string]string{"PROTOCOL": "IPv4", "EXCLUDEIPS": `["10.5.204.1..10.5.204.100","10.5.204.254"]`})
	var used, available int
	if _, err := fmt.Sscan(got["V4USED"]+" "+got["V4AVAILABLE"], &used, &available); err != nil || used+available != 153 || used < 2 {
		t.Errorf("V4USED %s, V4AVAILABLE %s, %v; want 153 together, two of them router ports", got["V4USED"], got["V4AVAILABLE"], err)
	}
	localnet := nbctl(t, "--bare", "--columns=type,addresses,tag,options", "list", "Logical_Switch_Port", "localnet.external204")
	if want := []string{"204", "localnet", "network_name=external204", "unknown"}; !slices.Equal(sortedLines(localnet), want) {
		t.Errorf("localnet.external204 is %v, want %v", sortedLines(localnet), want)
	}
}

func s005(t *testing.T) {
	row(t, "oeip", "ovn-cluster-external204", map[string]string{"TYPE": "lrp", "READY": "true"})
	if got := gatewayChassis(t, "ovn-cluster-external204"); len(got) != len(nodes) {
		t.Errorf("gateway chassis %v", got)
	}
	for _, node := range nodeObjects(t) {
		if got := node.Labels["ovn.kubernetes.io/external-gw"]; got != "true" {
			t.Errorf("%s has the label %q", node.Name, got)
		}
	}
}

// s007 makes the address of a router port before its VPC.
func s007(t *testing.T) {
	apply(t, `
kind: OvnEip
apiVersion: kubeovn.io/v1
metadata: {name: e2e-reserved-external204}
spec: {externalSubnet: external204, type: lrp, v4Ip: 10.5.204.222}
`)
	row(t, "oeip", "e2e-reserved-external204", map[string]string{"V4IP": "10.5.204.222", "READY": "true"})
	apply(t, "kind: Vpc\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-reserved}\nspec: {enableExternal: true}\n")
	eventually(t, time.Minute, "the router port has it", func() error {
		return valueIs(t, `["10.5.204.222/24"]`, "get", "Logical_Router_Port", "e2e-reserved-external204", "networks")
	})
}

// s006 is the ConfigMap with an address and a MAC for the default VPC's port.
func s006(t *testing.T) {
	config := seed("seed000/00-centralized-external-gw-no-ip.yaml")
	t.Cleanup(func() { reconfigure(t, config) })
	reconfigure(t, strings.Replace(config, `"true"`, `"false"`, 1))
	eventually(t, time.Minute, "the router port is gone", func() error { return noRow(t, "Logical_Router_Port", "ovn-cluster-external204") })
	reconfigure(t, strings.TrimRight(config, "\n")+"\n  nic-ip: 10.5.204.200/24\n  nic-mac: 16:52:f3:13:6a:25\n")
	eventually(t, time.Minute, "the router port has the address", func() error {
		return errors.Join(valueIs(t, `["10.5.204.200/24"]`, "get", "Logical_Router_Port", "ovn-cluster-external204", "networks"),
			valueIs(t, `"16:52:f3:13:6a:25"`, "get", "Logical_Router_Port", "ovn-cluster-external204", "mac"))
	})
	row(t, "oeip", "ovn-cluster-external204", map[string]string{"V4IP": "10.5.204.200", "TYPE": "lrp", "READY": "true"})
	reconfigure(t, strings.Replace(config, `"true"`, `"false"`, 1))
	eventually(t, time.Minute, "the router port is gone", func() error { return noRow(t, "Logical_Router_Port", "ovn-cluster-external204") })
	reconfigure(t, config)
	row(t, "oeip", "ovn-cluster-external204", map[string]string{"TYPE": "lrp", "READY": "true"})
}

// reconfigure applies another version of an object that the deployment owns.
func reconfigure(t *testing.T, manifest string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // also in a clean-up
	defer cancel()
	if err := cluster.Apply(ctx, []byte(manifest)); err != nil {
		t.Error(err)
	}
}

// extraNetwork connects vpc1 to one more network for the time of the test, as chapter 1.4.2 does with the network extra.
func extraNetwork(t *testing.T, name string) {
	t.Helper()
	t.Cleanup(func() { reconfigure(t, seed("seed000/01-vpc-ecmp-enable-external-bfd.yml")) })
	reconfigure(t, strings.Replace(seed("seed000/extra-vpc.yaml"), "- extra", "- "+name, 1))
	row(t, "oeip", "vpc1-"+name, map[string]string{"TYPE": "lrp", "READY": "true"})
}

// valueIs is nil when nbctl prints exactly a value.
func valueIs(t *testing.T, want string, argv ...string) error {
	out, err := cluster.Nbctl(t.Context(), argv...)
	if err == nil && strings.TrimSpace(out) != want {
		err = fmt.Errorf("nbctl %s says %s, want %s", strings.Join(argv, " "), strings.TrimSpace(out), want)
	}
	return err
}

// wantBlock waits until a port of `nbctl show`, the first line, has the other lines.
func wantBlock(t *testing.T, section string, lines ...string) {
	t.Helper()
	eventually(t, time.Minute, section+" shows "+lines[0], func() error {
		out, err := cluster.Nbctl(t.Context(), "show", section)
		if err != nil {
			return err
		}
		for _, s := range framework.Sections(out) {
			block := strings.Split(s.Block(lines[0]), "\n")
			if !slices.ContainsFunc(lines, func(line string) bool { return !slices.Contains(block, line) }) {
				return nil
			}
		}
		return fmt.Errorf("it shows\n%s", out)
	})
}

// gatewayChassis are the chassis of a router port, the first choice first.
func gatewayChassis(t *testing.T, port string) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(nbctl(t, "lrp-get-gateway-chassis", port)) { // "<port>-<chassis>  <priority>"
		if fields := strings.Fields(line); len(fields) == 2 {
			names = append(names, strings.TrimPrefix(strings.TrimPrefix(fields[0], port), "-"))
		}
	}
	return names
}

// vsctl runs ovs-vsctl of a node through kubectl-ko.
func vsctl(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := cluster.Ko(t.Context(), append([]string{"vsctl", node}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func subnetIsReady(t *testing.T, name string) {
	t.Helper()
	eventually(t, time.Minute, name+" is ready", func() error { return subnetReady(t, name) })
}
