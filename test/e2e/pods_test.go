//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAllToAll puts 30 pods on three nodes in the default subnet: everyone pings everyone and opens TCP connections.
func TestAllToAll(t *testing.T) {
	const count = 30
	var manifests strings.Builder
	manifests.WriteString(namespaceYAML("e2e-all"))
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("p%02d", i))
		manifests.WriteString(podYAML("e2e-all", names[i], nodes[i%len(nodes)]))
	}
	apply(t, manifests.String())
	addresses := ready(t, 3*time.Minute, "e2e-all", names...)

	var all []string
	seen := map[string]string{}
	for _, name := range names {
		if other, taken := seen[addresses[name]]; taken {
			t.Fatalf("%s and %s both have %s", name, other, addresses[name])
		}
		seen[addresses[name]] = name
		all = append(all, addresses[name])
	}
	var group errgroup.Group
	group.SetLimit(6)
	for _, name := range names {
		group.Go(func() error { return reachAll(t, "e2e-all", name, all) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// reachAll pings and connects from one pod to a list of addresses with two execs, and names what failed.
func reachAll(t *testing.T, namespace, pod string, addresses []string) error {
	script := `for a in "$@"; do ping -c 1 -W 3 $a >/dev/null || echo "ping $a"; timeout 5 wget -q -O /dev/null http://$a/ || echo "tcp $a"; done; echo done`
	out, err := cluster.Exec(t.Context(), namespace, pod, append([]string{"sh", "-c", script, "sh"}, addresses...)...)
	if err != nil {
		return err
	}
	out = strings.TrimSpace(out)
	if out != "done" {
		return fmt.Errorf("from %s: failed %s", pod, strings.ReplaceAll(out, "\n", ", "))
	}
	return nil
}

// TestPodRestart deletes a pod and makes it again under its name: it gets an address, is reached, and the old port is gone.
func TestPodRestart(t *testing.T) {
	beside(t)
	apply(t, namespaceYAML("e2e-restart")+podYAML("e2e-restart", "stays", nodes[1]))
	pod := podYAML("e2e-restart", "comes", nodes[2])
	apply(t, pod)
	first := ready(t, time.Minute, "e2e-restart", "stays", "comes")
	if err := cluster.Delete(t.Context(), []byte(pod)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the port of the deleted pod is gone", func() error { return noRow(t, "Logical_Switch_Port", "comes.e2e-restart") })
	if err := cluster.Apply(t.Context(), []byte(pod)); err != nil {
		t.Fatal(err)
	}
	second := ready(t, time.Minute, "e2e-restart", "stays", "comes")
	if second["stays"] != first["stays"] {
		t.Errorf("the pod that stayed moved from %s to %s", first["stays"], second["stays"])
	}
	if err := cluster.Ping(t.Context(), "e2e-restart", "stays", second["comes"]); err != nil {
		t.Error(err)
	}
	ports, err := cluster.Ko(t.Context(), "vsctl", nodes[2], "--bare", "--columns=name", "find", "Interface", `external_ids:iface-id="comes.e2e-restart"`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(ports); len(got) != 1 {
		t.Errorf("OVS has ports %v for the restarted pod, want exactly one", got)
	}
}

// noRow is nil when the Northbound database has no row of that name.
func noRow(t *testing.T, table, name string) error {
	out, err := cluster.Nbctl(t.Context(), "--bare", "--columns=name", "find", table, "name="+name)
	if err == nil && strings.TrimSpace(out) != "" {
		err = fmt.Errorf("row %s %s exists", table, name)
	}
	return err
}

// TestStaticAddress asks for an address, and shows what a second pod that asks for the same one is told.
func TestStaticAddress(t *testing.T) {
	beside(t)
	apply(t, namespaceYAML("e2e-static")+`---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-static-net
spec:
  cidrBlock: 10.77.0.0/24
  excludeIps: [10.77.0.100..10.77.0.110]
  namespaces: [e2e-static]
`)
	eventually(t, 30*time.Second, "e2e-static-net is ready", func() error { return subnetReady(t, "e2e-static-net") })
	holder := podYAML("e2e-static", "holder", nodes[1], `ovn.kubernetes.io/ip_address: 10.77.0.105`)
	apply(t, holder)
	if got := ready(t, time.Minute, "e2e-static", "holder")["holder"]; got != "10.77.0.105" {
		t.Fatalf("asked for 10.77.0.105, got %s", got)
	}
	apply(t, podYAML("e2e-static", "seeker", nodes[2], `ovn.kubernetes.io/ip_address: 10.77.0.105`)+
		podYAML("e2e-static", "outside", nodes[2], `ovn.kubernetes.io/ip_address: 10.99.0.5`)+
		podYAML("e2e-static", "malformed", nodes[2], `ovn.kubernetes.io/ip_address: 10.77.0.300`))
	for pod, want := range map[string]string{"seeker": "e2e-static/holder", "outside": "10.99.0.5", "malformed": "10.77.0.300"} {
		eventually(t, 30*time.Second, pod+" is told why it has no address", func() error { return warned(t, "e2e-static", pod, want) })
	}
	t.Run("the seeker gets the address when the holder goes", func(t *testing.T) {
		if err := cluster.Delete(t.Context(), []byte(holder)); err != nil {
			t.Fatal(err)
		}
		if got := ready(t, 2*time.Minute, "e2e-static", "seeker")["seeker"]; got != "10.77.0.105" {
			t.Errorf("got %s", got)
		}
	})
}

// TestFullSubnet fills a /29 and shows that the pod without an address is told so and gets one when another pod goes.
func TestFullSubnet(t *testing.T) {
	beside(t)
	apply(t, namespaceYAML("e2e-full")+`---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata:
  name: e2e-full-net
spec:
  cidrBlock: 10.78.0.0/29
  namespaces: [e2e-full]
`)
	eventually(t, 30*time.Second, "e2e-full-net is ready", func() error { return subnetReady(t, "e2e-full-net") })
	var pods []string
	for i := range 5 { // 6 hosts without the gateway
		pods = append(pods, fmt.Sprintf("p%d", i))
		apply(t, podYAML("e2e-full", pods[i], nodes[i%len(nodes)]))
	}
	ready(t, 2*time.Minute, "e2e-full", pods...)
	apply(t, podYAML("e2e-full", "late", nodes[1]))
	eventually(t, 30*time.Second, "late is told that the subnet is full", func() error { return warned(t, "e2e-full", "late", "e2e-full-net") })
	zero := int64(0)
	if err := cluster.Kube.CoreV1().Pods("e2e-full").Delete(t.Context(), pods[0], metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
		t.Fatal(err)
	}
	ready(t, 2*time.Minute, "e2e-full", "late")
}

// warned is nil when a Warning event of a pod contains the text.
func warned(t *testing.T, namespace, pod, text string) error {
	events, err := cluster.Kube.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + pod})
	if err != nil {
		return err
	}
	var got []string
	for _, e := range events.Items {
		if e.Type == corev1.EventTypeWarning && strings.Contains(e.Message, text) {
			return nil
		}
		got = append(got, e.Type+" "+e.Reason+": "+e.Message)
	}
	return fmt.Errorf("no warning contains %q: %q", text, got)
}
