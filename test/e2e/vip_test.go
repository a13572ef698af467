//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAllowedAddress gives two pods with port security the address of a Vip that they may use (annotation aaps): it answers
// where one of them has it, and moves with it to the other. An address that nobody allowed does not pass.
func TestAllowedAddress(t *testing.T) {
	beside(t)
	const vip, foreign = "10.94.0.100", "10.94.0.200"
	pods := ""
	for i, name := range []string{"one", "two"} {
		pods += strings.Replace(namedServer("e2e-aaps", name, nodes[i+1]), "  labels:",
			"  annotations: {ovn.kubernetes.io/aaps: e2e-aaps, ovn.kubernetes.io/port_security: \"true\"}\n  labels:", 1)
	}
	apply(t, namespaceYAML("e2e-aaps")+`---
kind: Vpc
apiVersion: kubeovn.io/v1
metadata: {name: e2e-aaps}
spec: {namespaces: [e2e-aaps]}
---
kind: Subnet
apiVersion: kubeovn.io/v1
metadata: {name: e2e-aaps-net}
spec: {vpc: e2e-aaps, cidrBlock: 10.94.0.0/24, namespaces: [e2e-aaps]}
---
kind: Vip
apiVersion: kubeovn.io/v1
metadata: {name: e2e-aaps}
spec: {subnet: e2e-aaps-net, v4ip: `+vip+`, namespace: e2e-aaps, selector: ["app: one"]}
`+pods+podYAML("e2e-aaps", "client", nodes[0]))
	isReady(t, "vip", "e2e-aaps")
	addresses := ready(t, 2*time.Minute, "e2e-aaps", "one", "two", "client")
	reachBoth(t, "e2e-aaps", "client", []string{addresses["one"], addresses["two"]})
	page := func(address, want string) {
		t.Helper()
		eventually(t, 30*time.Second, address+" answers as "+want, func() error {
			out, err := cluster.Exec(t.Context(), "e2e-aaps", "client", "timeout", "2", "wget", "-q", "-O", "-", "http://"+address+"/")
			if err == nil && strings.TrimSpace(out) != want {
				err = fmt.Errorf("it says %q", out)
			}
			return err
		})
	}
	move := func(pod, verb, address string) {
		t.Helper()
		if _, err := cluster.Exec(t.Context(), "e2e-aaps", pod, "ip", "address", verb, address+"/24", "dev", "eth0"); err != nil {
			t.Fatal(err)
		}
	}
	silent := func(address string) {
		t.Helper()
		if _, err := cluster.Exec(t.Context(), "e2e-aaps", "client", "timeout", "2", "wget", "-q", "-O", "-", "http://"+address+"/"); err == nil {
			t.Error(errors.New(address + " answers"))
		}
	}
	move("one", "add", vip)
	page(vip, "one")
	move("one", "add", foreign)
	silent(foreign)
	// The selector is for the other pod now: the first one may not use the address any more.
	kubectl(t, "patch", "vip", "e2e-aaps", "--type=merge", "-p", `{"spec":{"selector":["app: two"]}}`)
	eventually(t, 30*time.Second, "the first pod has lost the address", func() error {
		out, err := cluster.Nbctl(t.Context(), "--bare", "--columns=port_security", "list", "Logical_Switch_Port", "one.e2e-aaps")
		if err == nil && strings.Contains(out, vip) {
			err = fmt.Errorf("its port security is %s", out)
		}
		return err
	})
	eventually(t, 30*time.Second, vip+" is silent", func() error {
		if _, err := cluster.Exec(t.Context(), "e2e-aaps", "client", "timeout", "2", "wget", "-q", "-O", "-", "http://"+vip+"/"); err == nil {
			return errors.New("it answers")
		}
		return nil
	})
	move("one", "del", vip)
	move("two", "add", vip)
	// As every program does that takes an address over: the client still has the MAC of the other pod.
	if _, err := cluster.Exec(t.Context(), "e2e-aaps", "two", "arping", "-U", "-c", "2", "-I", "eth0", vip); err != nil {
		t.Fatal(err)
	}
	page(vip, "two")
}
