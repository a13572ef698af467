package node

import (
	"net/netip"
	"strings"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ipset"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// set is the kernel name of a set.
func (f family) set(id string) string {
	if f.ipv6 {
		return util.SetPrefixV6 + id
	}
	return util.SetPrefixV4 + id
}

// kubeSet is the name of a set of kube-proxy, or "" when it does not exist.
func (f family) kubeSet(id string) string {
	name := "KUBE-" + id
	if f.ipv6 {
		name = "KUBE-6-" + id
	}
	if !f.in.Facts.KubeSets[name] {
		return ""
	}
	return name
}

// sets are the ip sets of node.md 3.1.
func (f family) sets() []ipset.Set {
	nets := func(id string, members []netip.Prefix) ipset.Set {
		return ipset.New(f.set(id), ipset.HashNet, f.ipv6, members)
	}
	var services []netip.Prefix
	for _, p := range f.in.ServiceCIDRs {
		if p.Addr().Is6() == f.ipv6 {
			services = append(services, p)
		}
	}
	var others []netip.Prefix
	for _, ip := range f.others {
		if ip.Is6() == f.ipv6 {
			others = append(others, netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	out := []ipset.Set{
		nets(util.SetServices, services),
		nets(util.SetSubnets, f.cidrs(subnet.overlay)),
		ipset.New(f.set(util.SetLocalPodIPNat), ipset.HashIP, f.ipv6, nil), // empty: old rules refer to it
		nets(util.SetSubnetsNat, f.cidrs(subnet.masqueraded)),
		nets(util.SetDistributedGW, f.cidrs(func(s subnet) bool {
			return s.overlay() && s.Spec.GatewayType == util.GatewayDistributed
		})),
		nets(util.SetOtherNode, others),
		nets(util.SetNatPolicy, f.cidrs(subnet.policed)),
	}
	for _, s := range f.subnets {
		if !s.policed() {
			continue
		}
		for _, r := range f.policies(s) {
			if r.src != nil {
				out = append(out, nets(r.srcSet(), r.src))
			}
			if r.dst != nil {
				out = append(out, nets(r.dstSet(), r.dst))
			}
		}
	}
	return out
}

// policy is one rule of a subnet's natOutgoingPolicyRules, for one family; nil matches any.
type policy struct {
	id, action string
	src, dst   []netip.Prefix
}

func (p policy) srcSet() string { return util.SetNatRulePrefix + p.id + util.SetNatRuleSrc }
func (p policy) dstSet() string { return util.SetNatRulePrefix + p.id + util.SetNatRuleDst }

// policies are a subnet's rules that speak of this family, in their order.
func (f family) policies(s subnet) []policy {
	var out []policy
	for _, r := range s.Status.NatOutgoingPolicyRules {
		if p, ok := f.policy(s, r); ok {
			out = append(out, p)
		}
	}
	return out
}

func (f family) policy(s subnet, r kubeovnv1.NatOutgoingPolicyRuleStatus) (policy, bool) {
	if len(r.RuleID) != 12 {
		f.problem("subnet %s: NAT policy rule %q has no id of 12 characters", s.Name, r.RuleID)
		return policy{}, false
	}
	src, err := parseMatch(r.Match.SrcIPs)
	if err == nil {
		var dst []netip.Prefix
		if dst, err = parseMatch(r.Match.DstIPs); err == nil {
			p := policy{id: r.RuleID, action: r.Action, src: src, dst: dst}
			return p, f.speaks(src) && f.speaks(dst)
		}
	}
	f.problem("subnet %s: NAT policy rule %s: %v", s.Name, r.RuleID, err)
	return policy{}, false
}

// speaks says whether a match can hold for packets of the family; an absent match holds for all.
func (f family) speaks(match []netip.Prefix) bool {
	return len(match) == 0 || match[0].Addr().Is6() == f.ipv6
}

// parseMatch reads a comma list of addresses and prefixes of one family; "" is nil.
func parseMatch(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !strings.Contains(part, "/") {
			ip, err := netip.ParseAddr(part)
			if err != nil {
				return nil, err
			}
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	// Sets hold one family: the first entry decides.
	same := out[:0]
	for _, p := range out {
		if p.Addr().Is6() == out[0].Addr().Is6() {
			same = append(same, p)
		}
	}
	if len(same) == 0 {
		return nil, nil
	}
	return same, nil
}
