//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMadeTogether makes namespaces, each with its subnet and a pod, at once, as a user's manifest does: the watch of pods
// may run ahead of that of subnets, and no pod gets into the default VPC. The pods are bound to a node, so that nothing
// stands between their creation and their address.
func TestMadeTogether(t *testing.T) {
	beside(t)
	const count = 20
	var vpcs strings.Builder
	for i := range count {
		fmt.Fprintf(&vpcs, "---\nkind: Vpc\napiVersion: kubeovn.io/v1\nmetadata: {name: e2e-together-%d}\nspec: {namespaces: [e2e-together-%d]}\n", i, i)
	}
	apply(t, vpcs.String())
	for i := range count {
		row(t, "vpc", fmt.Sprintf("e2e-together-%d", i), map[string]string{"STANDBY": "true"})
	}
	for i := range count {
		name := fmt.Sprintf("e2e-together-%d", i)
		apply(t, namespaceYAML(name)+"---\nkind: Subnet\napiVersion: kubeovn.io/v1\nmetadata: {name: "+name+"-net}\n"+
			"spec: {vpc: "+name+", cidrBlock: 10.99.0.0/24, namespaces: ["+name+"]}\n"+podYAML(name, "pod", nodes[i%len(nodes)]))
	}
	for i := range count {
		name := fmt.Sprintf("e2e-together-%d", i)
		if got := ready(t, 2*time.Minute, name, "pod")["pod"]; !strings.HasPrefix(got, "10.99.0.") {
			t.Errorf("the pod of %s has %s", name, got)
		}
	}
}
