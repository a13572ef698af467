//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// TestUnderlayOptions uses a provider network with a NIC per node, a node that is left out and exchanged names, and a subnet
// whose gateway is the router. A pod on the node that is left out is told why it does not start, and starts when the node is
// taken in; when it is left out again, its NIC is as before.
func TestUnderlayOptions(t *testing.T) {
	withoutDeployment(t)
	serve(t)
	t.Cleanup(func() {
		ctx, cancel := cleanUpContext()
		defer cancel()
		if err := framework.Poll(ctx, "nothing is left of the outside network", func() error { return leftovers(ctx) }); err != nil {
			t.Error(err)
		}
	})
	network := wideNetwork("e2e-opt", "172.56.0.0/16", "172.56.0.253", ", namespaces: [e2e-opt], logicalGateway: true")
	spec := "spec: {defaultInterface: eth9, customInterfaces: [{interface: eth1, nodes: [" + strings.Join(nodes, ", ") + "]}], exchangeLinkName: true"
	provider := func(more string) string {
		return strings.Replace(network, "spec: {defaultInterface: eth1}", spec+more+"}", 1)
	}
	leftOut := provider(", excludeNodes: [" + nodes[2] + "]")
	apply(t, namespaceYAML("e2e-opt")+namespaceYAML("e2e-opt-over")+leftOut+podYAML("e2e-opt-over", "over", nodes[1]))
	subnetIsReady(t, "e2e-opt")
	eventually(t, time.Minute, "two nodes are ready", func() error {
		pn := kubectl(t, "get", "provider-networks", "e2e-opt", "-o", "jsonpath={.status.ready} {.status.readyNodes}")
		if want := fmt.Sprintf(`true ["%s","%s"]`, nodes[0], nodes[1]); pn != want {
			return fmt.Errorf("it is %s, want %s", pn, want)
		}
		return nil
	})
	apply(t, podYAML("e2e-opt", "p0", nodes[0])+podYAML("e2e-opt", "p1", nodes[1])+podYAML("e2e-opt", "p2", nodes[2]))
	addresses := ready(t, 2*time.Minute, "e2e-opt", "p0", "p1")
	over := ready(t, time.Minute, "e2e-opt-over", "over")["over"]
	eventually(t, time.Minute, "the pod on the node that is left out is told", func() error {
		return warned(t, "e2e-opt", "p2", "of subnet e2e-opt is missing, see the provider network")
	})
	// The bridge has the NIC's name, and the NIC the bridge's.
	for _, node := range nodes[:2] {
		if bridges := sortedLines(vsctl(t, node, "list-br")); !slices.Contains(bridges, "eth1") {
			t.Errorf("%s has bridges %v", node, bridges)
		}
		if ports := sortedLines(vsctl(t, node, "list-ports", "eth1")); !slices.Contains(ports, "br-e2e-opt") {
			t.Errorf("bridge eth1 of %s has ports %v", node, ports)
		}
	}
	if bridges := sortedLines(vsctl(t, nodes[2], "list-br")); slices.Contains(bridges, "eth1") {
		t.Errorf("%s has bridges %v", nodes[2], bridges)
	}

	reconfigure(t, provider(""))
	addresses["p2"] = ready(t, 2*time.Minute, "e2e-opt", "p2")["p2"]
	for name, address := range addresses {
		allocatedIn(t, address, "172.56.0.0/16", "172.56.1.0")
		wantSeen(t, "e2e-opt", name, "172.56.0.254", address) // in the same network
		wantPage(t, "http://"+address+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
		var others []string
		for other, address := range addresses {
			if other != name {
				others = append(others, address)
			}
		}
		reachBoth(t, "e2e-opt", name, append(others, over))
		if err := cluster.Ping(t.Context(), "e2e-opt", name, "172.56.0.253"); err != nil {
			t.Errorf("the router does not answer %s: %v", name, err)
		}
		reachBoth(t, "e2e-opt-over", "over", []string{address}) // by the router, without interconnection
	}

	kubectl(t, "-n", "e2e-opt", "delete", "pod", "p2")
	reconfigure(t, leftOut)
	eventually(t, time.Minute, "the node that is left out again has its NIC back", func() error {
		if bridges := sortedLines(vsctl(t, nodes[2], "list-br")); slices.Contains(bridges, "eth1") {
			return fmt.Errorf("its bridges are %v", bridges)
		}
		out, err := cluster.Node(t.Context(), nodes[2], "ip", "-o", "link", "show", "dev", "eth1")
		if err == nil && !strings.Contains(out, "UP") {
			err = fmt.Errorf("its NIC is %s", out)
		}
		return err
	})
	reachBoth(t, "e2e-opt", "p0", []string{addresses["p1"], over})
}
