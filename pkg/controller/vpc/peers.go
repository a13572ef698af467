package vpc

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// peerIndex has the VPCs by those that they peer with.
const peerIndex = "vpc/peer"

func peersOf(vpc *v1.Vpc) []string {
	peers := make([]string, 0, len(vpc.Spec.VpcPeerings))
	for _, peering := range vpc.Spec.VpcPeerings {
		peers = append(peers, peering.RemoteVpc)
	}
	return peers
}

// keysForVpc: a link is there when both sides have it.
func (c *controller) keysForVpc(vpc *v1.Vpc) []string {
	return append(keys(c.index.vpcs, peerIndex, vpc.Name), vpc.Name)
}

// gatherPeers finds those that the VPC peers with and that exist.
func (c *controller) gatherPeers(in *inputs) error {
	for _, name := range peersOf(in.vpc) {
		peer, err := c.vpcs.Get(name)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("vpc %s, peer of %s: %w", name, in.vpc.Name, err)
		case peer.DeletionTimestamp.IsZero():
			in.peers = append(in.peers, peer)
		}
	}
	return nil
}

// established are the peers to which the link stands, in the order of the spec.
func established(in inputs) []string {
	var names []string // null in JSON when there is none
	for _, peer := range in.peers {
		if slices.Contains(peersOf(peer), in.vpc.Name) {
			names = append(names, peer.Name)
		}
	}
	return names
}

// unlinked says which peering of the spec leads nowhere.
func unlinked(in inputs) error {
	for _, name := range peersOf(in.vpc) {
		switch {
		case slices.Contains(established(in), name):
		case slices.ContainsFunc(in.peers, func(peer *v1.Vpc) bool { return peer.Name == name }):
			return reconcile.Blocked(util.ReasonVpcUnpeered, "a peering of vpc %s with vpc %s", name, in.vpc.Name)
		default:
			return reconcile.Blocked(util.ReasonVpcUnpeered, "vpc %s to peer with, which does not exist", name)
		}
	}
	return nil
}
