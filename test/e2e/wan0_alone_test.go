//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// TestUnderlayPods puts pods of three nodes into a subnet of the outside, with the physical gateway: they talk to each other
// and to the outside as themselves, and, by u2oInterconnection, to pods of the overlay in both directions.
func TestUnderlayPods(t *testing.T) {
	withoutDeployment(t)
	serve(t)
	rest(t)
	before := takeInventory(t)
	t.Cleanup(func() {
		ctx, cancel := cleanUpContext()
		defer cancel()
		if err := framework.Poll(ctx, "nothing is left of the outside network", func() error { return leftovers(ctx) }); err != nil {
			t.Error(err)
		}
	})
	manifests := namespaceYAML("e2e-under") + namespaceYAML("e2e-over") +
		wideNetwork("e2e-under", "172.56.0.0/16", "172.56.0.254", ", namespaces: [e2e-under], u2oInterconnection: true")
	var names []string
	for i, node := range nodes {
		names = append(names, fmt.Sprintf("p%d", i))
		manifests += podYAML("e2e-under", names[i], node)
	}
	manifests += podYAML("e2e-over", "over", nodes[1])
	apply(t, manifests)
	subnetIsReady(t, "e2e-under")
	addresses := ready(t, 2*time.Minute, "e2e-under", names...)
	over := ready(t, time.Minute, "e2e-over", "over")["over"]
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			allocatedIn(t, address, "172.56.0.0/16", "172.56.1.0")
			wantSeen(t, "e2e-under", name, "172.56.0.254", address)
			wantSeen(t, "e2e-under", name, internet, address)
			wantPage(t, "http://"+address+"/", "<!DOCTYPE html><title>Welcome to nginx!</title>")
			var others []string
			for _, other := range addresses {
				others = append(others, other)
			}
			reachBoth(t, "e2e-under", name, append(others, over))
			reachBoth(t, "e2e-over", "over", []string{address})
		})
	}
	if err := cluster.Delete(t.Context(), []byte(manifests)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, "everything is as before", func() error { return takeInventory(t).differs(before) })
}
