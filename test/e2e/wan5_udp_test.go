//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// dnatTo is a rule from a port of the OvnEip e2e-ports to a port of a pod of vpc1.
func dnatTo(name, protocol, external, internal, pod string) string {
	return fmt.Sprintf("---\nkind: OvnDnatRule\napiVersion: kubeovn.io/v1\nmetadata: {name: %s}\n"+
		"spec: {ovnEip: e2e-ports, protocol: %s, externalPort: %q, internalPort: %q, ipName: %s.vpc1}\n", name, protocol, external, internal, pod)
}

// TestUDPDnat sends datagrams to a port of an outside address. The pod sees who asks, and when the rule leads to another pod,
// who asks on from the same port is answered by that one. The same port of TCP is another rule's.
func TestUDPDnat(t *testing.T) {
	deploy(t, world000)
	leavesNoNAT(t)
	apply(t, serverYAML("vpc1", "e2e-udp-one", nodes[1])+serverYAML("vpc1", "e2e-udp-two", nodes[2])+eipYAML("e2e-ports", "{externalSubnet: external204}"))
	ready(t, time.Minute, "vpc1", "e2e-udp-one", "e2e-udp-two")
	const port = "5353"
	apply(t, dnatTo("e2e-udp", "udp", port, "8081", "e2e-udp-one"))
	row(t, "odnat", "e2e-udp", map[string]string{"PROTOCOL": "udp", "INTERNALPORT": "8081", "EXTERNALPORT": port, "READY": "true"})
	eip := row(t, "oeip", "e2e-ports", map[string]string{"TYPE": "dnat"})["V4IP"]
	if got := strings.TrimSpace(nbctl(t, "--bare", "--columns=protocol", "list", "Load_Balancer", "e2e-udp")); got != "udp" {
		t.Errorf("the load balancer's protocol is %q", got)
	}
	asker, err := cluster.Ask(eip + ":" + port)
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	says := func(question, want string) {
		t.Helper()
		eventually(t, 20*time.Second, question+" is answered", func() error {
			got, err := asker.Ask(question)
			if err == nil && got != want {
				err = fmt.Errorf("the answer is %q, want %q", got, want)
			}
			return err
		})
	}
	says("hostname", "e2e-udp-one")
	says("clientip", asker.From())
	says("echo "+strings.Repeat("x", 1200), strings.Repeat("x", 1200))
	if _, err := cluster.Get(t.Context(), "http://"+eip+":"+port+"/hostname"); err == nil {
		t.Error("TCP is let in by a rule of UDP")
	}
	t.Run("TCP of the same port", func(t *testing.T) {
		apply(t, dnatTo("e2e-tcp", "tcp", port, "8080", "e2e-udp-two"))
		isReady(t, "odnat", "e2e-tcp")
		wantPage(t, "http://"+eip+":"+port+"/hostname", "e2e-udp-two")
		says("hostname", "e2e-udp-one")
	})
	start := time.Now()
	reconfigure(t, dnatTo("e2e-udp", "udp", port, "8081", "e2e-udp-two"))
	says("hostname", "e2e-udp-two")
	t.Logf("the other pod answers %.1f s after the rule was changed", time.Since(start).Seconds())
}
