package underlay

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// overlays keeps the sets that several subnets of a VPC share, so that each set has one writer.
type overlays struct {
	Deps
	subnets cache.Indexer
}

func newOverlays(deps Deps, sources Sources) *reconcile.Loop {
	c := &overlays{Deps: deps, subnets: sources.Subnets.Informer().GetIndexer()}
	loop := reconcile.New(OverlayName, 1, c.sync)
	reconcile.Watch(loop, sources.Subnets, func(s *v1.Subnet) []string { return []string{s.Spec.Vpc} }, func(before, after *v1.Subnet) bool {
		return specMatters(before, after) || util.InEffectChanged(before, after)
	})
	deps.NB.OnDrift(OverlayName, loop.Add)
	return loop
}

func (c *overlays) sync(ctx context.Context, vpc string) error {
	want := overlaySets(vpc, reconcile.Indexed[*v1.Subnet](c.subnets, vpcIndex, vpc))
	if _, err := c.NB.Apply(ctx, ovs.Owner{Kind: OverlayName, Key: vpc}, want); err != nil {
		return fmt.Errorf("apply overlay prefixes of vpc %s: %w", vpc, err)
	}
	return nil
}

// overlaySets are the overlay prefixes of a VPC's subnets by family, if one of the subnets refers to them.
func overlaySets(vpc string, subnets []*v1.Subnet) []ovs.Row {
	sets := map[string][]string{"ip4": nil, "ip6": nil}
	referred := false
	for _, s := range subnets {
		spec := &util.Effective(s).Spec
		if !util.IsOvnProvider(spec.Provider) {
			continue
		}
		if spec.Vlan != "" && !spec.LogicalGateway {
			referred = referred || spec.U2OInterconnection && spec.U2OFeatures != nil && spec.U2OFeatures.OverlayOnlyRouting
			continue
		}
		v4, v6 := util.SplitDual(spec.CIDRBlock)
		for family, cidr := range map[string]string{"ip4": v4, "ip6": v6} {
			if prefixes, err := util.ParseCIDRs(cidr); err == nil && len(prefixes) > 0 {
				sets[family] = append(sets[family], util.FormatCIDRs(prefixes))
			}
		}
	}
	if !referred {
		return nil
	}
	var want []ovs.Row
	for _, family := range []string{"ip4", "ip6"} {
		slices.Sort(sets[family])
		want = append(want, ovs.AddressSet{
			Name:        util.U2OOverlaySet(vpc, family),
			Addresses:   sets[family],
			ExternalIDs: map[string]string{util.ExtU2OCIDRs: "true", util.ExtVpc: vpc},
		})
	}
	return want
}
