//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// TestS016toS030 walks through chapter 2 of document 000: addresses of the outside, and one for each of a pod and a Vip.
func TestS016toS030(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	t.Run("S016 address", s016)
	t.Run("S017 default network", func(t *testing.T) {
		apply(t, eipYAML("e2e-default", "{type: nat}"))
		got := isReady(t, "oeip", "e2e-default")
		allocatedIn(t, got["V4IP"], "10.5.204.0/24", "10.5.204.101")
		if got["EXTERNALSUBNET"] != "external204" {
			t.Errorf("externalSubnet is %q", got["EXTERNALSUBNET"])
		}
	})
	t.Run("S018 another network", func(t *testing.T) {
		apply(t, eipYAML("e2e-extra", "{externalSubnet: extra, type: nat}"))
		allocatedIn(t, isReady(t, "oeip", "e2e-extra")["V4IP"], "10.10.204.0/24", "10.10.204.101")
	})
	t.Run("S019 types", func(t *testing.T) {
		for _, kind := range []string{"nat", "lrp", "lsp"} {
			apply(t, eipYAML("e2e-"+kind, "{externalSubnet: external204, type: "+kind+"}"))
			row(t, "oeip", "e2e-"+kind, map[string]string{"TYPE": kind})
		}
	})
	t.Run("S020 S021 addresses of pods", s020)
	t.Run("S022 FIP of a pod by name", func(t *testing.T) {
		apply(t, seed("seed000/fip-pod.yaml"))
		eip := isReady(t, "oeip", "eip-static")["V4IP"]
		row(t, "ofip", "eip-static", map[string]string{
			"NAME": "eip-static", "VPC": "vpc1", "V4EIP": eip, "V4IP": "192.168.0.2", "READY": "true", "IPTYPE": "", "IPNAME": "vpc-1-busybox01.vpc1",
		})
		wantFIP(t, eip, "vpc-1-busybox01") // S-024, S-025
	})
	t.Run("S023 FIP by address", func(t *testing.T) {
		apply(t, seed("seed000/eip-static.yaml"))
		apply(t, seed("seed000/fip-pod-address.yaml"))
		eip := isReady(t, "oeip", "eip-static")["V4IP"]
		row(t, "ofip", "eip-static", map[string]string{"VPC": "vpc1", "V4EIP": eip, "V4IP": "192.168.0.2", "READY": "true", "IPNAME": ""})
		wantFIP(t, eip, "vpc-1-busybox01")
	})
	t.Run("S026 Vip", func(t *testing.T) {
		row(t, "vip", "test-fip-vip", map[string]string{"V4IP": "192.168.0.3", "SUBNET": "vpc1-subnet1", "READY": "true"})
		if err := noRow(t, "Logical_Switch_Port", "test-fip-vip"); err != nil {
			t.Error(err)
		}
	})
	t.Run("S027 FIP of a Vip by name", func(t *testing.T) {
		apply(t, seed("seed000/04-fip.yaml"))
		eip := isReady(t, "oeip", "eip-for-vip")["V4IP"]
		row(t, "ofip", "eip-for-vip", map[string]string{
			"VPC": "vpc1", "V4EIP": eip, "V4IP": "192.168.0.3", "READY": "true", "IPTYPE": "vip", "IPNAME": "test-fip-vip",
		})
		wantPing(t, eip) // S-029
		t.Run("S030 in the pod", func(t *testing.T) { wantCaptured(t, eip) })
	})
	t.Run("S028 FIP of a Vip by address", func(t *testing.T) {
		apply(t, eipYAML("eip-for-vip", "{externalSubnet: external204, type: nat}"))
		apply(t, seed("seed000/fip-vip-address.yaml"))
		eip := isReady(t, "oeip", "eip-for-vip")["V4IP"]
		row(t, "ofip", "eip-for-vip", map[string]string{"VPC": "vpc1", "V4EIP": eip, "V4IP": "192.168.0.3", "READY": "true", "IPTYPE": "vip"})
		wantPing(t, eip)
	})
}

// eipYAML is an OvnEip with a spec in flow style.
func eipYAML(name, spec string) string {
	return "---\nkind: OvnEip\napiVersion: kubeovn.io/v1\nmetadata: {name: " + name + "}\nspec: " + spec + "\n"
}

func s016(t *testing.T) {
	before := v4Used(t, "external204")
	manifest := seed("seed000/eip-static.yaml")
	apply(t, manifest)
	got := isReady(t, "oeip", "eip-static")
	allocatedIn(t, got["V4IP"], "10.5.204.0/24", "10.5.204.101")
	wantUsed(t, "external204", before+1)
	if err := cluster.Delete(t.Context(), []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, "external204", before)
}

func v4Used(t *testing.T, subnet string) int {
	t.Helper()
	eips, err := cluster.OVN.KubeovnV1().OvnEips().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, e := range eips.Items {
		if e.Spec.ExternalSubnet == subnet {
			used++
		}
	}
	wantUsed(t, subnet, used) // the counter follows about a second later
	return used
}

func wantUsed(t *testing.T, subnet string, want int) {
	t.Helper()
	row(t, "subnet", subnet, map[string]string{"V4USED": fmt.Sprint(want)})
}

func s020(t *testing.T) {
	for name, want := range map[string]string{"vpc-1-busybox01": "2", "vpc-1-busybox02": "4", "vpc-1-busybox03": "5", "vpc-1-busybox04": "6", "vpc-1-busybox05": "7"} {
		got := row(t, "ip", name+".vpc1", map[string]string{"V4IP": "192.168.0." + want, "V6IP": "", "SUBNET": "vpc1-subnet1"})
		if !regexp.MustCompile(`^00:00:00(:[0-9A-F]{2}){3}$`).MatchString(got["MAC"]) {
			t.Errorf("MAC of %s is %q", name, got["MAC"])
		}
	}
	row(t, "ip", "vpc-1-busybox01.vpc1", map[string]string{"NODE": nodes[1]})
}

// wantFIP finds the row that chapter 2.1 prints, a pod that answers from a node, and its web server from outside.
func wantFIP(t *testing.T, eip, pod string) {
	t.Helper()
	wantListing(t, seed("seed000/show-vpc1-fip.txt"), "show", "vpc1")
	wantPing(t, eip)
	wantPage(t, "http://"+eip+"/", pod)
}

// wantPing pings from a node, two routed hops away: every answer comes once and has ttl 62.
func wantPing(t *testing.T, address string) {
	t.Helper()
	eventually(t, 30*time.Second, address+" answers a node's ping with ttl 62", func() error {
		out, err := cluster.Node(t.Context(), nodes[0], "ping", "-c", "3", "-i", "0.3", "-W", "2", address)
		if err != nil {
			return err
		}
		replies := framework.Replies(out)
		if len(replies) != 3 || strings.Contains(out, "DUP!") {
			return fmt.Errorf("answers are not one per request: %s", out)
		}
		for _, r := range replies {
			if r.TTL != 62 {
				return fmt.Errorf("ttl is %d: %s", r.TTL, out)
			}
		}
		return nil
	})
}

// wantPage waits until a web server that is asked from outside says a text.
func wantPage(t *testing.T, url, want string) {
	t.Helper()
	eventually(t, 30*time.Second, url+" answers from outside", func() error {
		got, err := cluster.Get(t.Context(), url)
		if err == nil && got != want {
			err = fmt.Errorf("it says %q, want %q", got, want)
		}
		return err
	})
}

// wantCaptured is the tcpdump of chapter 2.2 in the pod that has the Vip's address while a node pings its FIP.
func wantCaptured(t *testing.T, eip string) {
	captured, pinged := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-captured:
				pinged <- nil
				return
			default:
				if _, err := cluster.Node(t.Context(), nodes[1], "ping", "-c", "2", "-i", "0.3", "-W", "2", eip); err != nil {
					pinged <- err
					return
				}
			}
		}
	}()
	out := tcpdump(t, "vpc1", "vpc-1-busybox03", nodes[0], "-c", "4", "-netvv", "icmp", "and", "host", "192.168.0.3")
	close(captured)
	if err := <-pinged; err != nil {
		t.Error(err)
	}
	ip, err := cluster.OVN.KubeovnV1().IPs().Get(t.Context(), "vpc-1-busybox03.vpc1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	router := strings.Trim(strings.TrimSpace(nbctl(t, "get", "Logical_Router_Port", "vpc1-vpc1-subnet1", "mac")), `"`)
	node, err := cluster.Kube.CoreV1().Nodes().Get(t.Context(), nodes[1], metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{
		"request": frame(router, ip.Spec.MacAddress, "ttl 62", internalIP(*node), "192.168.0.3", "request"),
		"reply":   frame(ip.Spec.MacAddress, router, "ttl 64", "192.168.0.3", internalIP(*node), "reply"),
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s like %s in\n%s", what, want, out)
		}
	}
}

// frame is what tcpdump prints of an echo, as a regular expression.
func frame(from, to, ttl, source, destination, echo string) string {
	q := regexp.QuoteMeta
	return q(strings.ToLower(from)) + " > " + q(strings.ToLower(to)) + `, ethertype IPv4 \(0x0800\), length 98: \(tos 0x0, ` + ttl +
		`, id \d+, offset 0, flags \[\w+\], proto ICMP \(1\), length 84\)\s+` + q(source) + " > " + q(destination) + ": ICMP echo " + echo
}

// tcpdump captures on eth0 of a pod until it has seen enough.
func tcpdump(t *testing.T, namespace, pod, node string, args ...string) string {
	t.Helper()
	ids := vsctl(t, node, "--bare", "--columns=external_ids", "find", "Interface", fmt.Sprintf("external_ids:iface-id=%q", pod+"."+namespace))
	netns := ""
	for _, field := range strings.Fields(ids) {
		if value, ok := strings.CutPrefix(strings.Trim(field, `{},"`), "pod_netns="); ok {
			netns = strings.Trim(value, `"`)
		}
	}
	if netns == "" {
		t.Fatalf("the port of %s/%s names no network namespace: %s", namespace, pod, ids)
	}
	out, err := cluster.Node(t.Context(), node, append([]string{"nsenter", "--net=" + netns, "timeout", "15", "tcpdump", "-i", "eth0"}, args...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
}

// TestNatBadInput shows what is said of NAT that cannot be, and that it comes to be when the cause goes.
func TestNatBadInput(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	t.Run("refused by the API server", natRefused)
	t.Run("address outside the subnet", func(t *testing.T) {
		apply(t, eipYAML("e2e-bad", "{externalSubnet: external204, type: nat, v4Ip: 10.6.0.1}"))
		told(t, "oeip", "e2e-bad", "10.6.0.1")
	})
	t.Run("address of the gateway", func(t *testing.T) {
		apply(t, eipYAML("e2e-bad", "{externalSubnet: external204, type: nat, v4Ip: 10.5.204.254}"))
		told(t, "oeip", "e2e-bad", "10.5.204.254")
	})
	t.Run("address in excludeIps is given to who asks for it", func(t *testing.T) {
		before := v4Used(t, "external204")
		apply(t, eipYAML("e2e-excluded", "{externalSubnet: external204, type: nat, v4Ip: 10.5.204.50}"))
		row(t, "oeip", "e2e-excluded", map[string]string{"V4IP": "10.5.204.50", "READY": "true"})
		wantUsed(t, "external204", before)
	})
	t.Run("unknown subnet", func(t *testing.T) {
		late := "kind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-late}\nspec: {cidrBlock: 10.66.0.0/24, vlan: vlan204}\n"
		removeAtEnd(t, late)
		apply(t, eipYAML("e2e-early", "{externalSubnet: e2e-late, type: nat}"))
		told(t, "oeip", "e2e-early", "e2e-late")
		reconfigure(t, late)
		isReady(t, "oeip", "e2e-early")
	})
	t.Run("address of the type lsp", func(t *testing.T) {
		apply(t, eipYAML("e2e-lsp", "{externalSubnet: external204, type: lsp}"))
		apply(t, fipYAML("e2e-lsp", "{ovnEip: e2e-lsp, ipName: vpc-1-busybox01.vpc1}"))
		told(t, "ofip", "e2e-lsp", "e2e-lsp", "lsp")
	})
	t.Run("missing pod", s048)
	t.Run("second FIP of an address", secondFip)
}

func fipYAML(name, spec string) string {
	return "---\nkind: OvnFip\napiVersion: kubeovn.io/v1\nmetadata: {name: " + name + "}\nspec: " + spec + "\n"
}

func natRefused(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"port 0":        {`{ovnEip: e, ipName: p.n, protocol: tcp, internalPort: "22", externalPort: "0"}`, "not a port"},
		"port too high": {`{ovnEip: e, ipName: p.n, protocol: tcp, internalPort: "65536", externalPort: "22"}`, "not a port"},
		"port in words": {`{ovnEip: e, ipName: p.n, protocol: tcp, internalPort: ssh, externalPort: "22"}`, "not a port"},
		"protocol":      {`{ovnEip: e, ipName: p.n, protocol: icmp, internalPort: "22", externalPort: "22"}`, "invalid dnat protocol"},
		"no target":     {`{ovnEip: e, protocol: tcp, internalPort: "22", externalPort: "22"}`, "ipName"},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := "kind: OvnDnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-refused}\nspec: " + c.spec + "\n"
			err := cluster.Apply(t.Context(), []byte(manifest))
			if err == nil {
				apply(t, manifest)
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the message does not say %q: %v", c.want, err)
			}
		})
	}
}

// s048 is a rule whose pod comes later.
func s048(t *testing.T) {
	apply(t, eipYAML("e2e-missing", "{externalSubnet: external204, type: nat}")+fipYAML("e2e-missing", "{ovnEip: e2e-missing, ipName: e2e-late.vpc1}"))
	told(t, "ofip", "e2e-missing", "e2e-late.vpc1")
	eip := isReady(t, "oeip", "e2e-missing")["V4IP"]
	if out := nbctl(t, "--bare", "--columns=_uuid", "find", "NAT", "external_ip="+eip); strings.TrimSpace(out) != "" {
		t.Errorf("there is a row: %s", out)
	}
	apply(t, podYAML("vpc1", "e2e-late", nodes[2]))
	ready(t, time.Minute, "vpc1", "e2e-late")
	isReady(t, "ofip", "e2e-missing")
	wantPing(t, eip)
}

// secondFip is told who has the address, and gets it when that goes.
func secondFip(t *testing.T) {
	first := fipYAML("e2e-first", "{ovnEip: e2e-shared, ipName: vpc-1-busybox01.vpc1}")
	apply(t, eipYAML("e2e-shared", "{externalSubnet: external204, type: nat}")+first)
	eip := isReady(t, "oeip", "e2e-shared")["V4IP"]
	isReady(t, "ofip", "e2e-first")
	apply(t, fipYAML("e2e-second", "{ovnEip: e2e-shared, ipName: vpc-1-busybox04.vpc1}"))
	told(t, "ofip", "e2e-second", "e2e-first")
	wantPage(t, "http://"+eip+"/", "vpc-1-busybox01")
	if err := cluster.Delete(t.Context(), []byte(first)); err != nil {
		t.Fatal(err)
	}
	isReady(t, "ofip", "e2e-second")
	wantPage(t, "http://"+eip+"/", "vpc-1-busybox04")
}

// told waits until an object is not ready, and both its condition and a Warning event contain the texts.
func told(t *testing.T, resource, name string, texts ...string) {
	t.Helper()
	eventually(t, time.Minute, resource+" "+name+" is told why", func() error {
		got, err := printed(t.Context(), resource, name)
		switch {
		case err != nil:
			return err
		case got["READY"] == "true":
			return errors.New("it is ready")
		}
		conditions, err := cluster.Kubectl(t.Context(), "get", resource, name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].message}`)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(conditions, text) {
				return fmt.Errorf("the condition says %q, not %q", conditions, text)
			}
		}
		events, err := cluster.Kube.CoreV1().Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if e.Type == corev1.EventTypeWarning && strings.Contains(e.Message, texts[0]) {
				return nil
			}
		}
		return fmt.Errorf("no warning names %s", texts[0])
	})
}
