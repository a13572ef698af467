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
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// world002 is document 002 deployed. The controller's switch is the one that the document prints; the daemon keeps its own
// default, from which the bridge has its name: br-external.
var world002 = &deployment{
	name:       "document 002",
	controller: map[string]string{"--external-gateway-switch": "ovn-external"},
	manifests:  []string{seed("seed002/00-ovn-external-gw-config.yaml")},
	ready: func(ctx context.Context) error {
		_, err := section(ctx, "ovn-external")
		return err
	},
}

// section is one switch or router of `nbctl show`.
func section(ctx context.Context, name string) (framework.Section, error) {
	out, err := cluster.Nbctl(ctx, "show", name)
	if err != nil {
		return framework.Section{}, err
	}
	all := framework.Sections(framework.Masked(out))
	if len(all) != 1 {
		return framework.Section{}, fmt.Errorf("nbctl show %s says %q", name, out)
	}
	return all[0], nil
}

// TestS087toS097 walks through document 002: a gateway of the default VPC, and pods with an address of their own outside.
func TestS087toS097(t *testing.T) {
	start := time.Now()
	deploy(t, world002)
	leavesNoNAT(t)
	serve(t)
	t.Run("S087 S088 S089 show", s087)
	t.Logf("the gateway is complete %.0f s after the flags were changed", time.Since(start).Seconds())
	t.Run("S090 bridge", s090)
	t.Run("S091 snat", s091)
	t.Run("S092 many pods with one snat address", s092)
	t.Run("S093 S094 eip", s093)
	t.Run("S095 two pods with one eip", s095)
}

// s087 compares with the printed listing: its MAC is that of another ConfigMap, and its localnet port has the old name
// (decision D-05).
func s087(t *testing.T) {
	text := strings.NewReplacer("ac:1f:6b:2d:33:f1", "16:52:f3:13:6a:25", "ln-ovn-external", "localnet.ovn-external").Replace(seed("seed002/show.txt"))
	listing := framework.Sections(framework.Masked(text))
	eventually(t, time.Minute, "switch ovn-external is as printed", func() error {
		got, err := section(t.Context(), "ovn-external")
		if err == nil && got.String() != listing[0].String() {
			err = fmt.Errorf("got\n%s\nwant\n%s", got, listing[0])
		}
		return err
	})
	eventually(t, time.Minute, "router ovn-cluster has the printed port", func() error {
		got, err := section(t.Context(), "ovn-cluster")
		if first := listing[1].Blocks[0][0]; err == nil && got.Block(first) != listing[1].Block(first) {
			err = fmt.Errorf("got\n%s\nwant\n%s", got.Block(first), listing[1].Block(first))
		}
		return err
	})
}

// s090: the bridge holds the NIC and a patch port pair that is named after the localnet port.
func s090(t *testing.T) {
	gateway := nodes[1]
	want := []string{"eth1", "patch-localnet.ovn-external-to-br-int"}
	eventually(t, time.Minute, "br-external has the NIC and the patch port", func() error {
		if got := sortedLines(vsctl(t, gateway, "list-ports", "br-external")); !slices.Equal(got, want) {
			return fmt.Errorf("its ports are %v, want %v", got, want)
		}
		return nil
	})
	show := strings.Join(strings.Fields(vsctl(t, gateway, "show")), " ")
	for _, block := range []string{
		"Bridge br-external", "Port br-external Interface br-external type: internal", "Port eth1 Interface eth1",
		"Port patch-localnet.ovn-external-to-br-int Interface patch-localnet.ovn-external-to-br-int type: patch options: {peer=patch-br-int-to-localnet.ovn-external}",
	} {
		if !strings.Contains(show, block) {
			t.Errorf("vsctl show lacks %q: %s", block, show)
		}
	}
	for _, node := range []string{nodes[0], nodes[2]} { // not gateways
		if bridges := sortedLines(vsctl(t, node, "list-br")); slices.Contains(bridges, "br-external") {
			t.Errorf("%s has bridges %v", node, bridges)
		}
	}
}

func s091(t *testing.T) {
	manifest := seed("seed002/pod-snat.yaml")
	apply(t, manifest)
	pod := ready(t, time.Minute, "default", "pod-gw")["pod-gw"]
	wantNAT(t, pod, "snat 172.56.0.200")
	policy := nbctl(t, "--bare", "--columns=action,match", "find", "Logical_Router_Policy", "priority=29250")
	if want := []string{"ip4.src == " + pod, "reroute"}; !slices.Equal(sortedLines(policy), want) {
		t.Errorf("policies of 29250 are %v, want %v", sortedLines(policy), want)
	}
	if groups := gatewayGroups(t, "pod-gw.default"); len(groups) > 0 {
		t.Errorf("the pod is in port groups %v of its subnet's gateways", groups)
	}
	wantSeen(t, "default", "pod-gw", internet, "172.56.0.200")
	if err := cluster.Delete(t.Context(), []byte(manifest)); err != nil { // S-097
		t.Fatal(err)
	}
	wantNoPath(t, pod)
}

// gatewayGroups are the port groups of the default subnet's gateways that hold a port.
func gatewayGroups(t *testing.T, port string) (groups []string) {
	uuid := strings.TrimSpace(nbctl(t, "get", "Logical_Switch_Port", port, "_uuid"))
	for _, group := range strings.Fields(nbctl(t, "--bare", "--columns=name", "find", "Port_Group", "ports{>=}"+uuid)) {
		if strings.HasPrefix(group, "ovn.default.") {
			groups = append(groups, group)
		}
	}
	return groups
}

// wantNAT waits until the NAT rows of an inside address are exactly these, each `type address`.
func wantNAT(t *testing.T, inside string, want ...string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("NAT of %s is %v", inside, want), func() error {
		out, err := cluster.Nbctl(t.Context(), "--no-headings", "--format=csv", "--data=bare", "--columns=type,external_ip", "find", "NAT", fmt.Sprintf("logical_ip=%q", inside))
		got := sortedLines(strings.ReplaceAll(out, ",", " "))
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	})
}

// wantNoPath waits until nothing is left of a pod's address: neither NAT nor a policy (S-097).
func wantNoPath(t *testing.T, inside string) {
	t.Helper()
	wantNAT(t, inside)
	eventually(t, 30*time.Second, "no policy is left of "+inside, func() error {
		return valueIs(t, "", "--bare", "--columns=match", "find", "Logical_Router_Policy", "priority=29250")
	})
}

func s092(t *testing.T) {
	var manifests strings.Builder
	manifests.WriteString(namespaceYAML("e2e-snat"))
	var names []string
	for i := range nodes {
		names = append(names, fmt.Sprintf("p%d", i))
		manifests.WriteString(podYAML("e2e-snat", names[i], nodes[i], "ovn.kubernetes.io/snat: 172.56.0.200"))
	}
	apply(t, manifests.String())
	for name, address := range ready(t, 90*time.Second, "e2e-snat", names...) {
		wantNAT(t, address, "snat 172.56.0.200")
		wantSeen(t, "e2e-snat", name, internet, "172.56.0.200")
	}
}

// s093 also changes the address in both ways: with `routed` taken away as the document does, and without.
func s093(t *testing.T) {
	manifest := seed("seed002/pod-eip.yaml")
	apply(t, manifest)
	pod := ready(t, time.Minute, "default", "pod-gw")["pod-gw"]
	answers := func(eip, old string) {
		t.Helper()
		wantNAT(t, pod, "dnat_and_snat "+eip)
		wantSeen(t, "default", "pod-gw", internet, eip)
		wantPage(t, "http://"+eip+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
		if old != "" {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the new one has answered in less
			defer cancel()
			if _, err := cluster.Get(ctx, "http://"+old+"/"); err == nil {
				t.Errorf("%s answers still", old)
			}
		}
	}
	answers("172.56.0.233", "")
	kubectl(t, "annotate", "pod", "pod-gw", "ovn.kubernetes.io/eip=172.56.0.221", "--overwrite")
	kubectl(t, "annotate", "pod", "pod-gw", "ovn.kubernetes.io/routed-")
	answers("172.56.0.221", "172.56.0.233")
	eventually(t, 30*time.Second, "the pod is routed again", func() error {
		p, err := cluster.Kube.CoreV1().Pods("default").Get(t.Context(), "pod-gw", metav1.GetOptions{})
		if err == nil && p.Annotations["ovn.kubernetes.io/routed"] != "true" {
			err = fmt.Errorf("annotations are %v", p.Annotations)
		}
		return err
	})
	kubectl(t, "annotate", "pod", "pod-gw", "ovn.kubernetes.io/eip=172.56.0.222", "--overwrite")
	answers("172.56.0.222", "172.56.0.221")
	t.Run("from eip to snat", func(t *testing.T) {
		patch := `{"metadata":{"annotations":{"ovn.kubernetes.io/eip":null,"ovn.kubernetes.io/snat":"172.56.0.201"}}}`
		if _, err := cluster.Kube.CoreV1().Pods("default").Patch(t.Context(), "pod-gw", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		wantNAT(t, pod, "snat 172.56.0.201")
		wantSeen(t, "default", "pod-gw", internet, "172.56.0.201")
	})
	if err := cluster.Delete(t.Context(), []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	wantNoPath(t, pod)
}

// s095 leaves the conflict to the user: one of the two pods has the address, the controller neither crashes nor writes on
// and on, and the other one has it when the first goes.
func s095(t *testing.T) {
	one := podYAML("e2e-eip", "one", nodes[1], "ovn.kubernetes.io/eip: 172.56.0.240")
	apply(t, namespaceYAML("e2e-eip")+one)
	first := ready(t, time.Minute, "e2e-eip", "one")["one"]
	wantNAT(t, first, "dnat_and_snat 172.56.0.240")
	apply(t, podYAML("e2e-eip", "two", nodes[2], "ovn.kubernetes.io/eip: 172.56.0.240"))
	second := ready(t, time.Minute, "e2e-eip", "two")["two"]
	eventually(t, 30*time.Second, "the second pod is told whose the address is", func() error {
		return warned(t, "e2e-eip", "two", "172.56.0.240 in subnet ovn-external is held by Pod e2e-eip/one")
	})
	wantNAT(t, second)
	wantSeen(t, "e2e-eip", "one", internet, "172.56.0.240")
	if restarts := kubectl(t, "-n", "kube-system", "get", "pods", "-l", "app=kube-ovn-controller", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"); strings.Trim(restarts, " 0") != "" {
		t.Errorf("the controller was restarted: %s", restarts)
	}
	if err := quiet(t.Context()); err != nil {
		t.Error(err)
	}
	if err := cluster.Delete(t.Context(), []byte(one)); err != nil {
		t.Fatal(err)
	}
	wantNAT(t, second, "dnat_and_snat 172.56.0.240")
	wantSeen(t, "e2e-eip", "two", internet, "172.56.0.240")
}

// quiet waits until the Northbound database stays as it is for two seconds: nobody writes in a loop.
func quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	last, since := "", time.Now()
	return framework.Poll(ctx, "the NAT rows rest", func() error {
		now, err := cluster.Nbctl(ctx, "--columns=_uuid,external_ip,logical_ip", "list", "NAT")
		if err != nil {
			return err
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return errors.New("they changed")
		}
		return nil
	})
}
