//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestIPv6Failover stops Open vSwitch on the active gateway of a VPC whose outside network has IPv6 only. The node's link
// stays up, so that the physical switch goes on to send what is for the gateway there until it hears it elsewhere: the next
// gateway announces the MAC (OVN does that by RARP where there is no IPv4 address), and the outside, which knows address and
// MAC as before, is answered within three seconds. So it is when the first gateway comes back.
func TestIPv6Failover(t *testing.T) {
	onlyIPv6(t)
	apply(t, tenant("e2e-six", "10.98.0.0/16,fd00:10:98::/112", "e2e-v6"))
	port := isReady(t, "oeip", "e2e-six-e2e-v6")
	router, mac := port["V6IP"], strings.ToLower(port["MAC"])
	answers := func(address string) {
		t.Helper()
		eventually(t, 30*time.Second, address+" answers from outside", func() error {
			_, err := cluster.Ext(t.Context(), "ping", "-c", "1", "-W", "2", address)
			return err
		})
	}
	answers(router)
	var victim string
	eventually(t, 30*time.Second, "the first choice is the gateway", func() error {
		if _, err := cluster.Ext(t.Context(), "ping", "-c", "1", "-W", "2", router); err != nil { // the switch forgets
			return err
		}
		active := activeGateway(t, "e2e-six-e2e-v6")
		if victim = heardFrom(t, "eth1", mac); victim == "" || victim != active {
			return fmt.Errorf("%s is active, the outside hears %q", active, victim)
		}
		return firstChoice(t, "e2e-six-e2e-v6", victim)
	})
	node := nodes[0]
	if node == victim {
		node = nodes[1]
	}
	apply(t, podYAML("e2e-six", "pod", node)+eipYAML("e2e-six", "{externalSubnet: e2e-v6, type: nat}")+fipYAML("e2e-six", "{ovnEip: e2e-six, ipName: pod.e2e-six}"))
	ready(t, 90*time.Second, "e2e-six", "pod")
	fip := isReady(t, "ofip", "e2e-six")["V6EIP"]
	answers(fip)
	signal := func(ctx context.Context, name string) error {
		_, err := cluster.Node(ctx, victim, "busybox", "killall", name, "ovs-vswitchd")
		return err
	}
	t.Cleanup(func() {
		ctx, cancel := cleanUpContext()
		defer cancel()
		if err := signal(ctx, "-CONT"); err != nil {
			t.Error(err)
		}
	})
	const longer = 10 * time.Second
	for _, name := range []string{"-STOP", "-CONT"} {
		if got := heardFrom(t, "eth1", mac); (got == victim) != (name == "-STOP") {
			t.Errorf("before %s of %s the outside hears the router from %s", name, victim, got)
		}
		start, ofFIP, ofRouter := time.Now(), startStream(t, fip), startStream(t, router)
		if err := signal(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		wantAnswers(t, ofFIP, start, longer, 3*time.Second)
		wantAnswers(t, ofRouter, start, longer, 3*time.Second)
	}
}

// onlyIPv6 makes the outside network e2e-v6, which has no IPv4 addresses, for the time of the test.
func onlyIPv6(t *testing.T) {
	t.Helper()
	deploy(t, world000)
	leavesNoNAT(t)
	network := wideNetwork("e2e-v6", "fd00:56::/64", "fd00:56::254", "")
	apply(t, strings.Replace(network, "172.56.0.1..172.56.0.255", `"fd00:56::1..fd00:56::ff"`, 1))
	subnetIsReady(t, "e2e-v6")
}

// heardFrom is the node from whose NIC the outside's switch heard a MAC last, empty for none.
func heardFrom(t *testing.T, nic, mac string) string {
	t.Helper()
	out, err := cluster.Ext(t.Context(), "bridge", "fdb", "show", "br", "br-"+nic)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) { // "00:00:00:d3:a8:e7 dev eth1-1 master br-eth1"
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != mac {
			continue
		}
		for i, node := range nodes {
			if fields[2] == fmt.Sprintf("%s-%d", nic, i) {
				return node
			}
		}
	}
	return ""
}

// firstChoice is nil when a node is the gateway that a router port prefers.
func firstChoice(t *testing.T, port, node string) error {
	t.Helper()
	chassis, err := cluster.Run(t.Context(), "kubectl", "ko", "sbctl", "--bare", "--columns=name", "find", "Chassis", "hostname="+node)
	if err != nil {
		return err
	}
	if choice := gatewayChassis(t, port); slices.Index(choice, strings.TrimSpace(chassis)) != 0 {
		return fmt.Errorf("%s is not the first of %v", strings.TrimSpace(chassis), choice)
	}
	return nil
}

// TestIPv6Moves takes the IPv6 address of a FIP to another router: to that of another VPC, and to that of a VPC which was made
// anew. The outside goes on sending all the time, and so has the former router's MAC: it is told the new one, of which OVN says
// nothing, and is answered within three seconds after the rule is ready.
func TestIPv6Moves(t *testing.T) {
	onlyIPv6(t)
	const address = "fd00:56::abcd"
	vpc := func(name string) string {
		return tenant(name, "10.98.0.0/16,fd00:10:98::/112", "e2e-v6") + podYAML(name, "pod", nodes[0])
	}
	nat := func(vpc string) string {
		return eipYAML("e2e-moves", "{externalSubnet: e2e-v6, v6Ip: '"+address+"', type: nat}") + fipYAML("e2e-moves", "{ovnEip: e2e-moves, ipName: pod."+vpc+"}")
	}
	remove := func(manifests string) {
		t.Helper()
		if err := cluster.Delete(t.Context(), []byte(manifests)); err != nil {
			t.Fatal(err)
		}
	}
	var before string
	moves := func(vpc string) {
		t.Helper()
		mac := strings.ToLower(isReady(t, "oeip", vpc+"-e2e-v6")["MAC"])
		if mac == before {
			t.Fatalf("the router of %s has the MAC %s of the one before", vpc, mac)
		}
		before = mac
		ready(t, 90*time.Second, vpc, "pod")
		apply(t, nat(vpc))
		isReady(t, "ofip", "e2e-moves")
		start := time.Now()
		eventually(t, 3*time.Second, "the outside is answered from "+mac, func() error {
			if out, err := cluster.Ext(t.Context(), "ping", "-c", "1", "-W", "1", address); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			out, err := cluster.Ext(t.Context(), "ip", "-6", "neigh", "show", address)
			if err == nil && !strings.Contains(out, "lladdr "+mac) {
				err = fmt.Errorf("the outside has %q", out)
			}
			return err
		})
		t.Logf("answered from %s %s after the rule was ready", mac, time.Since(start))
	}
	apply(t, vpc("e2e-one")+vpc("e2e-two"))
	moves("e2e-one")
	startStream(t, address)
	remove(nat("e2e-one"))
	moves("e2e-two")
	remove(nat("e2e-two"))
	remove(vpc("e2e-two"))
	apply(t, vpc("e2e-two"))
	moves("e2e-two")
}
