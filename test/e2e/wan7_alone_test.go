//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// bare000 is the part of it that does not depend on who asks for an address first.
func bare000(manifests []string) *deployment {
	return &deployment{
		name: "document 000 without pods", controller: world000.controller, daemon: world000.daemon, manifests: manifests, gateways: nodes,
		ready: func(ctx context.Context) error {
			return listingIs(ctx, withoutNAT(seed("seed000/show-vpc1.txt")), "show", "vpc1")
		},
	}
}

// TestAnyOrder applies the network of document 000 in its order and in the opposite one: OVN ends the same.
func TestAnyOrder(t *testing.T) {
	shown := func(manifests []string) string {
		d := bare000(manifests)
		deploy(t, d)
		subnetIsReady(t, "extra")
		row(t, "oeip", "ovn-cluster-external204", map[string]string{"TYPE": "lrp", "READY": "true"})
		return sortedBlocks(framework.Canonical(nbctl(t, "show"), slices.Concat(allocated204, []netip.Prefix{netip.MustParsePrefix("10.16.0.0/16")})...))
	}
	forward := shown(networks000)
	reversed := slices.Clone(networks000)
	slices.Reverse(reversed)
	if backward := shown(reversed); backward != forward {
		t.Errorf("in order\n%s\nreversed\n%s", forward, backward)
	}
	withoutDeployment(t)
}

// sortedBlocks orders the switches and routers of a listing, which ovn-nbctl prints by their UUIDs.
func sortedBlocks(listing string) string {
	var blocks []string
	for line := range strings.Lines(listing) {
		if !strings.HasPrefix(line, " ") {
			blocks = append(blocks, "")
		}
		blocks[len(blocks)-1] += line
	}
	slices.Sort(blocks)
	return strings.TrimSpace(strings.Join(blocks, ""))
}

// TestUnderlayPods puts pods of three nodes into a subnet of the outside, with the physical gateway: they talk to each other
// and to the outside as themselves, and, by u2oInterconnection, to pods of the overlay in both directions.
func TestUnderlayPods(t *testing.T) {
	withoutDeployment(t)
	serve(t)
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
