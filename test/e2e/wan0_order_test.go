//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// bare000 is the part of document 000 that does not depend on who asks for an address first.
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
