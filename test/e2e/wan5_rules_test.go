//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDistributedFIP translates a pod's outside address on the pod's own node, and changes that while it is in use. The pod
// is not on the gateway's node: there ovn-controller, which looks its announcements up by their addresses, goes on with the
// pod's MAC.
func TestDistributedFIP(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	name := "vpc-1-busybox02"
	if activeGateway(t, "vpc1-external204") == nodes[0] {
		name = "vpc-1-busybox04"
	}
	pod := row(t, "ip", name+".vpc1", nil)
	apply(t, eipYAML("e2e-distributed", "{externalSubnet: external204, type: nat}")+
		fipYAML("e2e-distributed", "{ovnEip: e2e-distributed, ipName: "+name+".vpc1, type: distributed}"))
	isReady(t, "ofip", "e2e-distributed")
	eip := isReady(t, "oeip", "e2e-distributed")["V4IP"]
	wantPing(t, eip)
	wantNeighbour(t, eip, pod["MAC"]) // the pod's node answers for it, not the gateway
	reconfigure(t, fipYAML("e2e-distributed", "{ovnEip: e2e-distributed, ipName: "+name+".vpc1, type: centralized}"))
	port := strings.TrimSpace(nbctl(t, "--bare", "--columns=mac", "list", "Logical_Router_Port", "vpc1-external204"))
	wantNeighbour(t, eip, port)
	wantPing(t, eip)
}

// wantNeighbour waits until the outside finds an address at a MAC.
func wantNeighbour(t *testing.T, address, mac string) {
	t.Helper()
	eventually(t, 30*time.Second, address+" is at "+mac, func() error {
		out, err := cluster.Ext(t.Context(), "ip", "neighbour", "show", "to", address)
		if err == nil && !strings.Contains(strings.ToUpper(out), strings.ToUpper(mac)) {
			err = fmt.Errorf("the outside knows %q", strings.TrimSpace(out))
		}
		return err
	})
}

// TestDefaultVpcRules gives pods of the default VPC a FIP, a way out and a port: what they translate leaves by the outside
// network, everything else goes on as before.
func TestDefaultVpcRules(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	serve(t)
	apply(t, namespaceYAML("e2e-default")+namedServer("e2e-default", "fip", nodes[1])+namedServer("e2e-default", "snat", nodes[2])+
		namedServer("e2e-default", "dnat", nodes[2])+namedServer("e2e-default", "plain", nodes[1]))
	addresses := ready(t, 90*time.Second, "e2e-default", "fip", "snat", "dnat", "plain")
	eip := func(name string) string {
		apply(t, eipYAML(name, "{externalSubnet: external204, type: nat}"))
		return isReady(t, "oeip", name)["V4IP"]
	}
	fip, snat, dnat := eip("e2e-default-fip"), eip("e2e-default-snat"), eip("eip-dnat")
	apply(t, fipYAML("e2e-default", "{ovnEip: e2e-default-fip, ipName: fip.e2e-default}")+
		"---\nkind: OvnSnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-default}\nspec: {ovnEip: e2e-default-snat, ipName: snat.e2e-default}\n"+
		dnatYAML("e2e-default", "ipName: dnat.e2e-default"))
	isReady(t, "ofip", "e2e-default")
	isReady(t, "osnat", "e2e-default")
	isReady(t, "odnat", "e2e-default")

	wantPage(t, "http://"+fip+"/", "fip")
	wantSeen(t, "e2e-default", "fip", internet, fip)
	wantSeen(t, "e2e-default", "snat", internet, snat)
	wantPage(t, "http://"+dnat+":2222/", "dnat")
	for pod, node := range map[string]string{"dnat": nodes[2], "plain": nodes[1]} { // by their nodes, as without rules
		wantSeen(t, "e2e-default", pod, internet, nodeIP(t, node))
	}
	for pod := range addresses {
		for other, address := range addresses {
			if err := cluster.Ping(t.Context(), "e2e-default", pod, address); err != nil {
				t.Errorf("%s to %s: %v", pod, other, err)
			}
		}
		for _, node := range nodes {
			if err := cluster.Ping(t.Context(), "e2e-default", pod, nodeIP(t, node)); err != nil {
				t.Errorf("%s to %s: %v", pod, node, err)
			}
		}
	}
}

// nodeIP is a node's InternalIP.
func nodeIP(t *testing.T, node string) string {
	t.Helper()
	return strings.TrimSpace(kubectl(t, "get", "node", node, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`))
}
