//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRefused shows what the API server says to objects that can be judged alone.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"CIDR typo":                {`{cidrBlock: 10.0.1.0/240}`, "cidrBlock"},
		"gateway outside the CIDR": {`{cidrBlock: 10.79.0.0/24, gateway: 10.80.0.1}`, "gateway"},
		"reversed exclude range":   {`{cidrBlock: 10.79.0.0/24, excludeIps: [10.79.0.9..10.79.0.x]}`, "excludeIps"},
		"unknown gateway type":     {`{cidrBlock: 10.79.0.0/24, gatewayType: sideways}`, "gatewayType"},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := "kind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-refused}\nspec: " + c.spec + "\n"
			err := cluster.Apply(t.Context(), []byte(manifest))
			if err == nil {
				apply(t, manifest)
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the message does not name %s: %v", c.want, err)
			}
		})
	}
}

// TestConflictHeals shows two subnets of one VPC that overlap: the second says so in its condition, and becomes ready by
// itself when the first one goes. A third subnet is served meanwhile.
func TestConflictHeals(t *testing.T) {
	beside(t)
	subnet := func(name, cidr string) string {
		return "kind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: " + name + "}\nspec: {vpc: e2e-conflict, cidrBlock: " + cidr + "}\n"
	}
	apply(t, "kind: Vpc\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-conflict}\nspec: {}\n")
	first := subnet("e2e-conflict-1", "10.81.0.0/24")
	apply(t, first)
	eventually(t, 30*time.Second, "the first is ready", func() error { return subnetReady(t, "e2e-conflict-1") })
	apply(t, subnet("e2e-conflict-2", "10.81.0.0/25"))
	apply(t, subnet("e2e-conflict-3", "10.82.0.0/24"))
	eventually(t, 30*time.Second, "the second names the first", func() error { return notReady(t, "e2e-conflict-2", "e2e-conflict-1") })
	eventually(t, 30*time.Second, "the third is ready", func() error { return subnetReady(t, "e2e-conflict-3") })
	if err := cluster.Delete(t.Context(), []byte(first)); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the second is ready", func() error { return subnetReady(t, "e2e-conflict-2") })
}

// TestUnknownVpc shows a subnet whose VPC comes later.
func TestUnknownVpc(t *testing.T) {
	beside(t)
	apply(t, "kind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-early}\nspec: {vpc: e2e-late, cidrBlock: 10.83.0.0/24}\n")
	eventually(t, 30*time.Second, "the subnet names the VPC it waits for", func() error { return notReady(t, "e2e-early", "e2e-late") })
	apply(t, "kind: Vpc\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-late}\nspec: {}\n")
	eventually(t, 30*time.Second, "the subnet is ready", func() error { return subnetReady(t, "e2e-early") })
	// Subnets go before their VPC; the clean-up of this test runs the other way round.
	if err := cluster.Delete(t.Context(), []byte("kind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-early}\n")); err != nil {
		t.Fatal(err)
	}
}

// notReady is nil when the Ready condition is false and its message contains the text.
func notReady(t *testing.T, name, text string) error {
	s, err := cluster.OVN.KubeovnV1().Subnets().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" && c.Status == "False" && strings.Contains(c.Message, text) {
			return nil
		}
	}
	return fmt.Errorf("conditions are %+v", s.Status.Conditions)
}
