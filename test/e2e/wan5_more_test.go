//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// wideNetwork is one more outside network, behind the NIC eth1: 172.56.0.0/16 and, with a second CIDR, fd00:56::/64. Its
// addresses below .1.0 are not given out.
func wideNetwork(name, cidrs, gateways, more string) string {
	return fmt.Sprintf(`---
kind: ProviderNetwork
apiVersion: kubeovn.io/v1
metadata: {name: %[1]s}
spec: {defaultInterface: eth1}
---
kind: Vlan
apiVersion: kubeovn.io/v1
metadata: {name: %[1]s}
spec: {id: 0, provider: %[1]s}
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: %[1]s}
spec: {vlan: %[1]s, cidrBlock: %[2]q, gateway: %[3]q, excludeIps: [172.56.0.1..172.56.0.255]%[4]s}
`, name, cidrs, gateways, more)
}

// tenant is a VPC with a subnet, a namespace, and the outside networks external204 and another one.
func tenant(name, cidrs, outside string) string {
	return namespaceYAML(name) + fmt.Sprintf(`---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata: {name: %[1]s}
spec: {namespaces: [%[1]s], enableExternal: true, extraExternalSubnets: [%[3]s]}
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: %[1]s-net}
spec: {vpc: %[1]s, cidrBlock: %[2]q, namespaces: [%[1]s], excludeIps: [10.98.1.0..10.98.1.255]}
`, name, cidrs, outside)
}

// TestDualStackFIP gives a pod one outside address of each family. Both answer pings and TCP from outside, and the pod is
// seen outside as them.
func TestDualStackFIP(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	serve(t)
	apply(t, wideNetwork("e2e-wide", "172.56.0.0/16,fd00:56::/64", "172.56.0.254,fd00:56::254", ""))
	subnetIsReady(t, "e2e-wide")
	apply(t, tenant("e2e-both", "10.98.0.0/16,fd00:10:98::/112", "e2e-wide")+namedServer("e2e-both", "pod", nodes[2]))
	ready(t, 90*time.Second, "e2e-both", "pod")
	v4, v6 := bothFamilies(t, "e2e-both", "pod")
	apply(t, eipYAML("e2e-both", "{externalSubnet: e2e-wide, type: nat}")+fipYAML("e2e-both", "{ovnEip: e2e-both, ipName: pod.e2e-both}"))
	eip := isReady(t, "oeip", "e2e-both")
	row(t, "ofip", "e2e-both", map[string]string{"V4EIP": eip["V4IP"], "V6EIP": eip["V6IP"], "V4IP": v4, "V6IP": v6, "READY": "true"})
	wantNAT(t, v4, "dnat_and_snat "+eip["V4IP"])
	wantNAT(t, v6, "dnat_and_snat "+eip["V6IP"])
	for family, address := range map[string]string{"-4": eip["V4IP"], "-6": eip["V6IP"]} {
		eventually(t, 30*time.Second, address+" answers from outside", func() error {
			_, err := cluster.Ext(t.Context(), "ping", family, "-c", "1", "-W", "2", address)
			return err
		})
	}
	wantPage(t, "http://"+eip["V4IP"]+"/", "pod")
	wantPage(t, "http://["+eip["V6IP"]+"]/", "pod")
	wantSeen(t, "e2e-both", "pod", "172.56.0.254", eip["V4IP"])
	wantSeen(t, "e2e-both", "pod", "[fd00:56::254]", eip["V6IP"])
}

// TestEip200 makes 200 outside addresses with a FIP each, all at once: all are Ready and all answer. The inside addresses
// are further ones of three pods, since 200 pods would measure something else.
func TestEip200(t *testing.T) {
	const count = 200
	deploy(t, world000)
	leavesNoNAT(t)
	apply(t, wideNetwork("e2e-wide", "172.56.0.0/16", "172.56.0.254", ""))
	subnetIsReady(t, "e2e-wide")
	manifests := tenant("e2e-many", "10.98.0.0/16", "e2e-wide")
	var pods []string
	for i, node := range nodes {
		pods = append(pods, fmt.Sprintf("p%d", i))
		manifests += namedServer("e2e-many", pods[i], node)
	}
	apply(t, manifests)
	ready(t, 90*time.Second, "e2e-many", pods...)
	row(t, "oeip", "e2e-many-e2e-wide", map[string]string{"TYPE": "lrp", "READY": "true"})
	var rules strings.Builder
	for i, pod := range pods {
		script := "for i in $(seq " + fmt.Sprint(i+1) + " 3 " + fmt.Sprint(count) + "); do ip address add 10.98.1.$i/16 dev eth0 || exit 1; done"
		if _, err := cluster.Exec(t.Context(), "e2e-many", pod, "sh", "-c", script); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		name := fmt.Sprintf("e2e-many-%03d", i+1)
		rules.WriteString(eipYAML(name, "{externalSubnet: e2e-wide, type: nat}") + fipYAML(name, fmt.Sprintf("{ovnEip: %s, vpc: e2e-many, v4Ip: 10.98.1.%d}", name, i+1)))
	}
	start := time.Now()
	apply(t, rules.String())
	made := time.Since(start)
	var addresses []string
	eventually(t, 2*time.Minute, "all FIPs are ready", func() error {
		fips, err := cluster.OVN.KubeovnV1().OvnFips().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		addresses = nil
		for _, fip := range fips.Items {
			if fip.Status.Ready {
				addresses = append(addresses, fip.Status.V4Eip)
			}
		}
		if len(addresses) != count {
			return fmt.Errorf("%d of %d are", len(addresses), count)
		}
		return nil
	})
	t.Logf("%d addresses with a FIP each: made in %.1f s, all ready after %.1f s", count, made.Seconds(), time.Since(start).Seconds())
	script := `for a in "$@"; do (ping -c 1 -W 2 $a >/dev/null || echo "$a") & done; wait; echo done`
	eventually(t, time.Minute, "all answer from outside", func() error {
		out, err := cluster.Ext(t.Context(), append([]string{"sh", "-c", script, "sh"}, addresses...)...)
		if silent := len(sortedLines(out)) - 1; err == nil && silent > 0 {
			err = fmt.Errorf("%d do not", silent)
		}
		return err
	})
	t.Logf("all answer after %.1f s", time.Since(start).Seconds())
}

// TestOutsideNetworksPage follows docs/outside-networks.md: its YAML from top to bottom, and what it says one sees then.
func TestOutsideNetworksPage(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	serve(t)
	page, err := os.ReadFile(filepath.Join(cluster.Root(), "docs", "outside-networks.md"))
	if err != nil {
		t.Fatal(err)
	}
	shared := map[string]bool{}
	for _, manifest := range world000.manifests {
		for _, o := range objectsOf(t, manifest) {
			shared[o] = true
		}
	}
	blocks := yamlBlocks(string(page))
	if len(blocks) < 6 {
		t.Fatalf("%d blocks of YAML", len(blocks))
	}
	for _, block := range blocks {
		known := 0
		for _, o := range objectsOf(t, block) {
			if shared[o] {
				known++
			}
		}
		switch {
		case known == 0:
			apply(t, block)
		case known == len(objectsOf(t, block)): // the network that is there already, to the letter
			reconfigure(t, block)
		default:
			t.Fatalf("a block is partly of the shared network:\n%s", block)
		}
	}
	ready(t, 90*time.Second, "shop", "web", "worker")
	fip := isReady(t, "ofip", "shop-web")["V4EIP"]
	snat := isReady(t, "osnat", "shop")["V4EIP"]
	port := isReady(t, "odnat", "shop-worker")["V4EIP"]
	const welcome = "<!DOCTYPE html><title>Welcome to nginx!</title>"
	wantPing(t, fip)
	wantPage(t, "http://"+fip+"/", welcome)
	wantPage(t, "http://"+port+":8080/", welcome)
	wantSeen(t, "shop", "web", internet, fip)
	wantSeen(t, "shop", "worker", internet, snat)
	ready(t, 90*time.Second, "default", "with-eip", "with-snat")
	wantSeen(t, "default", "with-eip", internet, "10.5.204.241")
	wantPage(t, "http://10.5.204.241/", welcome)
	wantSeen(t, "default", "with-snat", internet, "10.5.204.242")
}

// yamlBlocks are the fenced blocks of YAML of a page.
func yamlBlocks(page string) (blocks []string) {
	for i, part := range strings.Split(page, "```") {
		if text, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			blocks = append(blocks, text)
		}
	}
	return blocks
}

// objectsOf are the objects of a manifest, as kind/name.
func objectsOf(t *testing.T, manifest string) (all []string) {
	t.Helper()
	objects, err := framework.Objects([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		all = append(all, o.GetKind()+"/"+o.GetName())
	}
	return all
}
