package ippool

import (
	"cmp"
	"regexp"
	"slices"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.ReasonPoolFailed, format, args...)
}

// validate refuses members outside the subnet. IPAM does so when the pool is set, but not when the subnet shrinks later.
func validate(in inputs) error {
	ranges, err := util.ParsePoolIPs(in.pool.Spec.IPs)
	switch {
	case err != nil:
		return invalid("%v", err)
	case len(ranges) == 0:
		return invalid("ips is empty")
	}
	prefixes, err := util.ParseCIDRs(in.subnet.Spec.CIDRBlock)
	if err != nil {
		return reconcile.Wait("the CIDR of subnet %s", in.subnet.Name)
	}
	for _, r := range ranges {
		if !util.ContainsAddr(prefixes, r.From()) || !util.ContainsAddr(prefixes, r.To()) {
			return invalid("%s is not in cidr %s of subnet %s", util.FormatIPRange(r), in.subnet.Spec.CIDRBlock, in.subnet.Name)
		}
	}
	return nil
}

// addressSetName is what OVN takes for the name of an address set in a match (ovn-nb(5)).
var addressSetName = regexp.MustCompile(`^[a-zA-Z_.][a-zA-Z_.0-9]*$`)

// rows are the mirror of the pool, if it is to have one.
func rows(in inputs) ([]ovs.Row, error) {
	if !in.pool.Spec.EnableAddressSet {
		return nil, nil
	}
	set := ovs.AddressSet{
		Name: util.Dotted(in.pool.Name), ExternalIDs: map[string]string{util.ExtPool: in.pool.Name},
	}
	if !addressSetName.MatchString(set.Name) {
		return nil, reconcile.Invalid(util.ReasonPoolAddressSetFailed, "%q is not a name for an address set: it has to match %s", set.Name, addressSetName)
	}
	ranges, err := util.ParsePoolIPs(in.pool.Spec.IPs)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if n := len(ranges); ranges[0].From().Is4() != ranges[n-1].From().Is4() { // they are sorted by family
		return nil, reconcile.Invalid(util.ReasonPoolAddressSetFailed, "an address set has one family, and ips are of both")
	}
	for _, r := range ranges {
		for _, prefix := range r.Prefixes() {
			if prefix.IsSingleIP() {
				set.Addresses = append(set.Addresses, prefix.Addr().String())
				continue
			}
			set.Addresses = append(set.Addresses, prefix.String())
		}
	}
	return []ovs.Row{set}, nil
}

// status is the pool's with its counters; conditions are kept.
func status(pool *v1.IPPool, stats ipam.Stats) v1.IPPoolStatus {
	out := *pool.Status.DeepCopy()
	count := func(from ipam.FamilyStats, using, available *v1.BigInt, usingRange, availableRange *string) {
		*using, *available = v1.BigIntOf(from.Using), v1.BigIntOf(from.Available)
		*usingRange, *availableRange = from.UsingRange, from.AvailableRange
	}
	count(stats.V4, &out.V4UsingIPs, &out.V4AvailableIPs, &out.V4UsingIPRange, &out.V4AvailableIPRange)
	count(stats.V6, &out.V6UsingIPs, &out.V6AvailableIPs, &out.V6UsingIPRange, &out.V6AvailableIPRange)
	return out
}

// InOrder sorts pools as they are to be set at start: of two that overlap, the one that was in effect before comes first, else
// the older one.
func InOrder(pools []*v1.IPPool) []*v1.IPPool {
	waits := func(p *v1.IPPool) int {
		if v1.IsConditionTrue(p.Status.Conditions, v1.ConditionReady) {
			return 0
		}
		return 1
	}
	return slices.SortedFunc(slices.Values(pools), func(a, b *v1.IPPool) int {
		return cmp.Or(waits(a)-waits(b), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
}
