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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// startStream pings an address from outside every 100 ms, at the longest to the end of the test.
func startStream(t *testing.T, address string) *framework.Stream {
	t.Helper()
	s, err := cluster.Stream(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// wantAnswers stops a stream that was started at start and has gone on for a time longer, and fails when it was without an
// answer for more than a limit.
func wantAnswers(t *testing.T, s *framework.Stream, start time.Time, longer, limit time.Duration) {
	t.Helper()
	until := time.Now().Add(longer)
	eventually(t, longer+30*time.Second, "answers go on", func() error {
		if replies := s.Replies(); len(replies) == 0 || replies[len(replies)-1].At.Before(until) {
			return fmt.Errorf("%d answers", len(replies))
		}
		return nil
	})
	replies, length := s.Stop(), time.Since(start)
	gap := framework.Gap(replies)
	t.Logf("longest gap %s, %d answers", gap, len(replies))
	if gap > limit {
		t.Errorf("no answer for %s, want at most %s", gap, limit)
	}
	if span := replies[len(replies)-1].At.Sub(replies[0].At); span < length-limit {
		t.Errorf("the answers lasted %s of %s", span, length)
	}
}

// fipOf gives a pod of vpc1 an outside address for the time of the test.
func fipOf(t *testing.T, name, pod string) string {
	t.Helper()
	apply(t, eipYAML(name, "{externalSubnet: external204, type: nat}")+fipYAML(name, "{ovnEip: "+name+", ipName: "+pod+".vpc1}"))
	isReady(t, "ofip", name)
	eip := isReady(t, "oeip", name)["V4IP"]
	wantPing(t, eip)
	return eip
}

// TestGatewayFailover cuts the power of the active gateway of a VPC: another one goes on within three seconds. The node that
// holds the databases is not the one that is cut, so a VPC is looked for that has another one first.
func TestGatewayFailover(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	vpc, victim := vpcWithGateway(t)
	apply(t, namespaceYAML("e2e-fail")+"---\nkind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-fail-net}\n"+
		"spec: {vpc: "+vpc+", cidrBlock: 10.97.0.0/24, namespaces: [e2e-fail]}\n"+podYAML("e2e-fail", "pod", nodes[0]))
	ready(t, 90*time.Second, "e2e-fail", "pod")
	apply(t, eipYAML("e2e-fail", "{externalSubnet: external204, type: nat}")+fipYAML("e2e-fail", "{ovnEip: e2e-fail, ipName: pod.e2e-fail}"))
	isReady(t, "ofip", "e2e-fail")
	eip := isReady(t, "oeip", "e2e-fail")["V4IP"]
	wantPing(t, eip)

	const limit = 3 * time.Second
	start, replies := time.Now(), startStream(t, eip)
	t.Cleanup(func() { powerOn(t, victim) })
	if _, err := cluster.Lab(t.Context(), "kill", victim); err != nil {
		t.Fatal(err)
	}
	wantAnswers(t, replies, start, 4*limit, limit)
	if got := activeGateway(t, vpc+"-external204"); got == victim {
		t.Errorf("%s is the active gateway still", got)
	}
	start, replies = time.Now(), startStream(t, eip)
	powerOn(t, victim)
	eventually(t, 2*time.Minute, victim+" is the active gateway again", func() error {
		if got := activeGateway(t, vpc+"-external204"); got != victim {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	wantAnswers(t, replies, start, 2*limit, limit)
	wantPing(t, eip)
	for _, pod := range []string{"vpc-1-busybox01", "vpc-1-busybox04"} { // of the nodes that may have been cut; other tests use them
		eventually(t, 3*time.Minute, pod+" runs again", func() error {
			_, err := cluster.Exec(t.Context(), "vpc1", pod, "true")
			return err
		})
	}
}

// vpcWithGateway makes VPCs until one has its active gateway on a node without the databases. Each has chance 2 in 3.
func vpcWithGateway(t *testing.T) (vpc, node string) {
	t.Helper()
	for i := range 8 {
		vpc := fmt.Sprintf("e2e-fail-%d", i)
		manifest := "kind: Vpc\napiVersion: kubeovn.io/v1\nmetadata: {name: " + vpc + "}\nspec: {enableExternal: true, namespaces: [e2e-fail]}\n"
		apply(t, manifest)
		row(t, "vpc", vpc, map[string]string{"STANDBY": "true", "ENABLEEXTERNAL": "true"})
		eventually(t, 30*time.Second, vpc+" has an active gateway", func() error {
			if node = activeGateway(t, vpc+"-external204"); node == "" {
				return errors.New("it has none")
			}
			return nil
		})
		if node != nodes[0] {
			return vpc, node
		}
		if err := cluster.Delete(t.Context(), []byte(manifest)); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("the active gateway of eight VPCs is %s", nodes[0])
	return "", ""
}

// activeGateway is the node that a router port's gateway stands on now, empty for none.
func activeGateway(t *testing.T, port string) string {
	t.Helper()
	out, err := cluster.Ko(t.Context(), "sbctl", "--bare", "--columns=chassis", "find", "Port_Binding", "logical_port=cr-"+port)
	if err != nil {
		t.Fatal(err)
	}
	chassis := strings.TrimSpace(out)
	if chassis == "" {
		return ""
	}
	if out, err = cluster.Ko(t.Context(), "sbctl", "get", "Chassis", chassis, "hostname"); err != nil {
		t.Fatal(err)
	}
	return strings.Trim(strings.TrimSpace(out), `"`)
}

// powerOn starts a node and waits until its network works; again is harmless.
func powerOn(t *testing.T, node string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute) // also in a clean-up
	defer cancel()
	if _, err := cluster.Lab(ctx, "start", node); err != nil {
		t.Error(err)
	}
	err := framework.Poll(ctx, node+" is ready and runs the network", func() error {
		object, err := cluster.Kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(object.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			return errors.New("it is not ready")
		}
		_, err = cluster.Ko(ctx, "vsctl", node, "br-exists", "br-external204")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestExternalGatewayOffAndOn switches the gateway off and on again in its ConfigMap. Off, no node is a gateway and the
// default VPC's port and address are gone, while the subnet's switch and every rule stay; on, all is back.
func TestExternalGatewayOffAndOn(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	eip := fipOf(t, "e2e-off", "vpc-1-busybox01")
	config := seed("seed000/00-centralized-external-gw-no-ip.yaml")
	t.Cleanup(func() { reconfigure(t, config) })
	reconfigure(t, strings.Replace(config, `"true"`, `"false"`, 1))
	eventually(t, time.Minute, "the gateway is off", func() error {
		for _, node := range nodeObjects(t) {
			if got := node.Labels["ovn.kubernetes.io/external-gw"]; got != "false" {
				return fmt.Errorf("%s has the label %q", node.Name, got)
			}
		}
		return errors.Join(noRow(t, "Logical_Router_Port", "ovn-cluster-external204"), gone(t, "ovn-eips", "ovn-cluster-external204"))
	})
	row(t, "vpc", "ovn-cluster", map[string]string{"ENABLEEXTERNAL": "false"})
	if out := nbctl(t, "--bare", "--columns=name", "find", "Logical_Switch_Port", "name=localnet.external204"); strings.TrimSpace(out) == "" {
		t.Error("the subnet's localnet port went with the gateway")
	}
	reconfigure(t, config)
	row(t, "oeip", "ovn-cluster-external204", map[string]string{"TYPE": "lrp", "READY": "true"})
	row(t, "vpc", "ovn-cluster", map[string]string{"ENABLEEXTERNAL": "true"})
	wantPing(t, eip)
	if got := gatewayChassis(t, "vpc1-external204"); len(got) != len(nodes) {
		t.Errorf("vpc1 has the gateway chassis %v", got)
	}
}

// TestBrokenConfigMapKeepsTraffic writes nonsense into the gateway's ConfigMap, key by key: what works goes on.
func TestBrokenConfigMapKeepsTraffic(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	eip := fipOf(t, "e2e-broken", "vpc-1-busybox01")
	config := seed("seed000/00-centralized-external-gw-no-ip.yaml")
	port := nbctl(t, "--bare", "--columns=_uuid,mac,networks", "list", "Logical_Router_Port", "ovn-cluster-external204")
	chassis := gatewayChassis(t, "ovn-cluster-external204")
	t.Cleanup(func() { reconfigure(t, config) })
	for name, change := range map[string][3]string{ // what is changed to what, and what is said of it
		"nodes that do not exist": {`"` + strings.Join(nodes, ",") + `"`, `"nowhere-1,nowhere-2"`, "nowhere-1"},
		"type":                    {`"centralized"`, `"sideways"`, "sideways"},
		"physical gateway":        {`"10.5.204.254/24"`, `"10.5.204.2540/24"`, "10.5.204.2540"},
		"address of the port":     {"\ndata:\n", "\ndata:\n  nic-ip: \"10.5.204.300/24\"\n", "10.5.204.300"},
		"MAC of the port":         {"\ndata:\n", "\ndata:\n  nic-ip: \"10.5.204.200/24\"\n  nic-mac: \"16:52:f3:13:6a\"\n", "16:52:f3:13:6a"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(config, change[0]) {
				t.Fatalf("nothing to change: no %s", change[0])
			}
			start, replies := time.Now(), startStream(t, eip)
			reconfigure(t, strings.Replace(config, change[0], change[1], 1))
			told(t, "vpc", "ovn-cluster", change[2])
			wantAnswers(t, replies, start, 1500*time.Millisecond, time.Second)
			if got := nbctl(t, "--bare", "--columns=_uuid,mac,networks", "list", "Logical_Router_Port", "ovn-cluster-external204"); got != port {
				t.Errorf("the port changed from %q to %q", port, got)
			}
			if got := gatewayChassis(t, "ovn-cluster-external204"); !slices.Equal(got, chassis) {
				t.Errorf("the gateway chassis changed from %v to %v", chassis, got)
			}
			reconfigure(t, config)
		})
	}
}
