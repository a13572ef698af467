package subnet

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Values of ACL (ovn-nb(5)).
const (
	toLport      = "to-lport"
	fromLport    = "from-lport"
	allowRelated = "allow-related"
	drop         = "drop"
)

// acls are the switch's access rules: isolation of a private subnet and those of the spec (northbound.md 4.2.5).
func acls(in inputs, prefixes []netip.Prefix) []ovs.Row {
	var want []ovs.Row
	if in.subnet.Spec.Private {
		want = append(want, isolation(in, prefixes)...)
	}
	return append(want, ownRules(in, prefixes)...)
}

// rule is one ACL of the subnet's switch.
func rule(in inputs, direction string, priority int, match, action string) ovs.ACL {
	return ovs.ACL{
		Switch:    in.subnet.Name,
		Direction: direction,
		Priority:  priority,
		Match:     match,
		Action:    action,
		Tier:      util.NetworkPolicyACLTier,
	}
}

// isolation drops what comes from elsewhere, except from allowed prefixes and from the join subnet: a node has its address
// there in what it sends to pods, unless a program binds another one.
func isolation(in inputs, prefixes []netip.Prefix) []ovs.Row {
	deny := rule(in, toLport, util.PrivateSubnetDropPriority, "ip", drop)
	deny.Name, deny.Log, deny.Severity = in.subnet.Name, true, "warning"
	want := []ovs.Row{deny}
	for _, prefix := range prefixes {
		ip := util.MatchFamily(prefix)
		want = append(want, rule(in, toLport, util.PrivateSubnetAllowPriority, inside(prefix), allowRelated))
		for _, join := range joinPrefixes(in) {
			if util.MatchFamily(join) == ip {
				want = append(want, rule(in, toLport, util.PrivateSubnetJoinACLPriority, fmt.Sprintf("%s.src == %s", ip, join), allowRelated))
			}
		}
		for _, text := range in.subnet.Spec.AllowSubnets {
			allowed, err := netip.ParsePrefix(strings.TrimSpace(text))
			if err != nil || util.MatchFamily(allowed) != ip {
				continue
			}
			match := fmt.Sprintf("(%[1]s.src == %[2]s && %[1]s.dst == %[3]s) || (%[1]s.src == %[3]s && %[1]s.dst == %[2]s)", ip, prefix, allowed.Masked())
			want = append(want, rule(in, toLport, util.PrivateSubnetAllowPriority, match, allowRelated))
		}
	}
	return want
}

func joinPrefixes(in inputs) []netip.Prefix {
	if in.join == nil {
		return nil
	}
	prefixes, err := util.ParseCIDRs(in.join.Spec.CIDRBlock)
	if err != nil {
		return nil // its own conditions tell
	}
	return prefixes
}

// inside matches traffic between two ports of the subnet.
func inside(prefix netip.Prefix) string {
	return fmt.Sprintf("%[1]s.src == %[2]s && %[1]s.dst == %[2]s", util.MatchFamily(prefix), prefix)
}

// ownRules are the rules of the spec, word by word, and below them the permission of traffic inside the subnet.
func ownRules(in inputs, prefixes []netip.Prefix) []ovs.Row {
	spec := &in.subnet.Spec
	var want []ovs.Row
	add := func(acl ovs.ACL) {
		acl.ExternalIDs = map[string]string{util.ExtSubnet: in.subnet.Name}
		want = append(want, acl)
	}
	for _, a := range spec.Acls {
		add(rule(in, a.Direction, a.Priority, a.Match, a.Action))
	}
	if len(spec.Acls) == 0 || !spec.AllowEWTraffic {
		return want
	}
	for _, prefix := range prefixes {
		for _, direction := range []string{toLport, fromLport} {
			add(rule(in, direction, util.EastWestACLPriority, inside(prefix), allowRelated))
		}
	}
	return want
}
