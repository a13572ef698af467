//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// subnetYAML is a subnet of the default VPC and a namespace of its name; fields are those of its spec.
func subnetYAML(name, fields string) string {
	return namespaceYAML(name) + "---\nkind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: " + name + "}\nspec: {" + fields + "}\n"
}

// podIn is a pod of a subnet's namespace that waits for the subnet: the namespace's annotation might come too late.
func podIn(subnet, name, node string) string {
	return podYAML(subnet, name, node, "ovn.kubernetes.io/logical_switch: "+subnet)
}

// flow is a TCP connection from a pod of a subnet.
type flow struct {
	subnet, pod, to string
	allowed         bool
}

// TestPrivateSubnet connects to and from a private subnet: its own pods, the join addresses of nodes and an allowed subnet get
// through, another subnet does when it is allowed instead.
func TestPrivateSubnet(t *testing.T) {
	private := func(allowed string) string {
		return subnetYAML("e2e-private", "cidrBlock: 10.71.0.0/24, private: true, allowSubnets: ["+allowed+"]")
	}
	apply(t, private("10.72.0.0/24")+subnetYAML("e2e-friend", "cidrBlock: 10.72.0.0/24")+subnetYAML("e2e-other", "cidrBlock: 10.73.0.0/24")+
		podIn("e2e-private", "near", nodes[2])+podIn("e2e-private", "far", nodes[1])+podIn("e2e-friend", "friend", nodes[2])+podIn("e2e-other", "other", nodes[2]))
	inside := ready(t, 90*time.Second, "e2e-private", "near", "far")
	friend, other := ready(t, time.Minute, "e2e-friend", "friend")["friend"], ready(t, time.Minute, "e2e-other", "other")["other"]
	// Each flow is tried once; a refused one takes seconds, so that all are tried at once.
	check := func(flows ...flow) {
		t.Helper()
		var all sync.WaitGroup
		for _, f := range flows {
			all.Go(func() {
				if err := cluster.Connect(t.Context(), "e2e-"+f.subnet, f.pod, f.to, 80); (err == nil) != f.allowed {
					t.Errorf("from %s to %s: %v, want it allowed: %t", f.pod, f.to, err, f.allowed)
				}
			})
		}
		all.Wait()
	}
	border := func(pod, address string, allowed bool) []flow {
		// One of those inside is on the pod's node.
		return []flow{{pod, pod, inside["near"], allowed}, {pod, pod, inside["far"], allowed}, {"private", "far", address, allowed}}
	}
	check(slices.Concat(border("friend", friend, true), border("other", other, false),
		[]flow{{"private", "near", inside["far"], true}, {"other", "other", friend, true}})...)
	for _, node := range nodeObjects(t) {
		join := node.Annotations["ovn.kubernetes.io/ip_address"]
		if out, err := cluster.Node(t.Context(), node.Name, "ping", "-c", "1", "-W", "3", "-I", join, inside["far"]); err != nil {
			t.Errorf("from the join address of %s: %v: %s", node.Name, err, out)
		}
	}
	reconfigure(t, private("10.73.0.0/24"))
	eventually(t, 30*time.Second, "the other subnet is allowed", func() error {
		return cluster.Connect(t.Context(), "e2e-other", "other", inside["far"], 80)
	})
	check(slices.Concat(border("other", other, true), border("friend", friend, false))...)
}

// TestCentralizedSubnet asks the outside whose address it sees of a pod in a centralized subnet: that of the gateway node, and
// when the node loses its power that of the next one, which stays the gateway when the first is back.
func TestCentralizedSubnet(t *testing.T) {
	serve(t)
	apply(t, subnetYAML("e2e-central", "cidrBlock: 10.74.0.0/24, natOutgoing: true, gatewayType: centralized, gatewayNode: \""+nodes[2]+", "+nodes[1]+"\"")+
		podIn("e2e-central", "pod", nodes[0]))
	ready(t, 90*time.Second, "e2e-central", "pod")
	wantGateway := func(node string) {
		t.Helper()
		eventually(t, time.Minute, node+" is the gateway", func() error {
			subnet, err := cluster.OVN.KubeovnV1().Subnets().Get(t.Context(), "e2e-central", metav1.GetOptions{})
			if err == nil && subnet.Status.ActivateGateway != node {
				err = fmt.Errorf("it is %q", subnet.Status.ActivateGateway)
			}
			return err
		})
		wantSeen(t, "e2e-central", "pod", internet, nodeIP(t, node))
	}
	wantGateway(nodes[2])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if _, err := cluster.Lab(ctx, "start", nodes[2]); err != nil {
			t.Error(err)
		}
	})
	start := time.Now()
	if _, err := cluster.Lab(t.Context(), "kill", nodes[2]); err != nil {
		t.Fatal(err)
	}
	wantGateway(nodes[1])
	t.Logf("the next gateway works %.0f s after the power cut", time.Since(start).Seconds())
	if _, err := cluster.Lab(t.Context(), "start", nodes[2]); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, nodes[2]+" is ready again", func() error { return nodeReady(t, nodes[2], true) })
	wantGateway(nodes[1])
}
