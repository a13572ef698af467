//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLostConfigMapKeepsTraffic breaks and removes the ConfigMap of document 002, which alone names the NIC of the gateway's
// bridge: a pod's outside address answers all the time, also while the daemon of the gateway's node starts anew, the bridge
// stays, and it is told what is wrong. Only "false" ends it, whatever is around the word.
func TestLostConfigMapKeepsTraffic(t *testing.T) {
	deploy(t, world002)
	leavesNoNAT(t)
	gateway := nodes[1]
	const eip = "172.56.0.243"
	config := seed("seed002/00-ovn-external-gw-config.yaml")
	t.Cleanup(func() { reconfigure(t, config) })
	apply(t, namespaceYAML("e2e-lost")+podYAML("e2e-lost", "pod", nodes[2], "ovn.kubernetes.io/eip: "+eip))
	wantNAT(t, ready(t, time.Minute, "e2e-lost", "pod")["pod"], "dnat_and_snat "+eip)
	wantPage(t, "http://"+eip+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
	bridge := vsctl(t, gateway, "get", "Bridge", "br-external", "_uuid")

	lost := func(name string, harm func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			start, replies := time.Now(), startStream(t, eip)
			harm(t)
			wantAnswers(t, replies, start, 2*time.Second, time.Second)
			if got := vsctl(t, gateway, "get", "Bridge", "br-external", "_uuid"); got != bridge {
				t.Errorf("bridge %s was %s", got, bridge)
			}
			reconfigure(t, config)
			eventually(t, 30*time.Second, "the VPC has no complaint any more", func() error { return complaint(t, "") })
		})
	}
	changed := func(t *testing.T, from, to string) {
		t.Helper()
		if !strings.Contains(config, from) {
			t.Fatalf("nothing to change: no %s", from)
		}
		reconfigure(t, strings.Replace(config, from, to, 1))
	}
	lost("no NIC", func(t *testing.T) {
		changed(t, `external-gw-nic: "eth1"`, `more: ""`)
		eventually(t, 30*time.Second, "the node is told", func() error { return warned(t, "", gateway, "has no external-gw-nic; eth1 stays") })
	})
	lost("a NIC that is not there", func(t *testing.T) {
		changed(t, `external-gw-nic: "eth1"`, `external-gw-nic: "eth9"`)
		eventually(t, 30*time.Second, "the node is told", func() error { return warned(t, "", gateway, "no NIC eth9; eth1 stays") })
	})
	lost("an address that is none", func(t *testing.T) {
		changed(t, `"172.56.0.100/16"`, `"172.56.0.1000/16"`)
		eventually(t, 30*time.Second, "the VPC tells", func() error { return complaint(t, "nic-ip") })
	})
	lost("gone", func(t *testing.T) {
		kubectl(t, "-n", "kube-system", "delete", "configmap", "ovn-external-gw-config")
		eventually(t, 30*time.Second, "the VPC tells", func() error { return complaint(t, "does not exist") })
		restartDaemon(t, gateway)
	})

	changed(t, `"true"`, `"false "`)
	eventually(t, 30*time.Second, "the gateway is off", func() error {
		if bridges := sortedLines(vsctl(t, gateway, "list-br")); slices.Contains(bridges, "br-external") {
			return fmt.Errorf("bridges %v", bridges)
		}
		return noRow(t, "Logical_Router_Port", "ovn-cluster-ovn-external")
	})
	reconfigure(t, config)
	wantPage(t, "http://"+eip+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
}

// complaint is nil when the default VPC is not ready for a reason that contains the text, or ready when the text is empty.
func complaint(t *testing.T, text string) error {
	message := kubectl(t, "get", "vpc", "ovn-cluster", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}`)
	if ready := strings.HasPrefix(message, "True"); ready != (text == "") || !strings.Contains(message, text) {
		return fmt.Errorf("its condition is %q, want %q", message, text)
	}
	return nil
}

// restartDaemon kills a node's daemon and waits until the next one is ready.
func restartDaemon(t *testing.T, node string) {
	t.Helper()
	state := func() (restarts, ready string) {
		out := kubectl(t, "-n", "kube-system", "get", "pods", "-l", "app=kube-ovn-cni", "--field-selector=spec.nodeName="+node,
			"-o", "jsonpath={.items[0].status.containerStatuses[0].restartCount} {.items[0].status.containerStatuses[0].ready}")
		restarts, ready, _ = strings.Cut(out, " ")
		return restarts, ready
	}
	before, _ := state()
	if _, err := cluster.Node(t.Context(), node, "busybox", "killall", "-KILL", "kube-ovn-daemon"); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the next daemon of "+node+" is ready", func() error {
		if restarts, ready := state(); restarts == before || ready != "true" {
			return fmt.Errorf("restarts %s, before %s, ready %s", restarts, before, ready)
		}
		return nil
	})
}
