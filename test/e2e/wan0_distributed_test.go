//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDistributedGateway makes the gateway of document 002 a distributed one: a pod's outside address is where the pod is,
// and both directions go by the pod's own node, which the user has made a gateway node by its label. When the gateway is
// centralized again, the address is where the gateway is.
func TestDistributedGateway(t *testing.T) {
	deploy(t, world002)
	leavesNoNAT(t)
	serve(t)
	const eip = "172.56.0.246"
	gateway, own := nodes[1], nodes[2]
	config := seed("seed002/00-ovn-external-gw-config.yaml")
	t.Cleanup(func() {
		reconfigure(t, config)
		ctx, cancel := cleanUpContext()
		defer cancel()
		if _, err := cluster.Kubectl(ctx, "label", "node", own, "ovn.kubernetes.io/external-gw-"); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "label", "node", own, "ovn.kubernetes.io/external-gw=true")
	reconfigure(t, config+"  type: distributed\n")
	apply(t, namespaceYAML("e2e-spread")+podYAML("e2e-spread", "pod", own, "ovn.kubernetes.io/eip: "+eip))
	inside := ready(t, time.Minute, "e2e-spread", "pod")["pod"]
	mac := row(t, "ip", "pod.e2e-spread", nil)["MAC"]
	wantNAT(t, inside, "dnat_and_snat "+eip)
	eventually(t, 30*time.Second, "the pod's node translates", func() error {
		return valueIs(t, mac+"\npod.e2e-spread", "--bare", "--columns=external_mac,logical_port", "find", "NAT", "external_ip="+eip)
	})
	at := func(node, mac string) {
		t.Helper()
		wantPage(t, "http://"+eip+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
		wantNeighbour(t, eip, mac)
		eventually(t, 30*time.Second, "the outside hears the address from "+node, func() error {
			if _, err := cluster.Get(t.Context(), "http://"+eip+"/"); err != nil {
				return err
			}
			if got := heardFrom(t, "eth1", strings.ToLower(mac)); got != node {
				return fmt.Errorf("it hears it from %q", got)
			}
			return nil
		})
		wantSeen(t, "e2e-spread", "pod", internet, eip)
	}
	at(own, mac)
	kubectl(t, "label", "node", own, "ovn.kubernetes.io/external-gw-")
	reconfigure(t, config+"  type: centralized\n")
	at(gateway, "16:52:f3:13:6a:25")
}
