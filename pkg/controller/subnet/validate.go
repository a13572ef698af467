package subnet

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

const (
	minIPv6MTU     = 1280 // RFC 8200 section 5
	maxACLPriority = 32767
)

// validate refuses a normalized spec by itself (northbound.md 4.2.2, messages of api.md 7.2).
func validate(subnet *v1.Subnet, config Config) error {
	spec := &subnet.Spec
	prefixes, err := util.ParseCIDRs(spec.CIDRBlock)
	if err != nil {
		return invalid("%v", err)
	}
	if len(prefixes) == 0 {
		return cmp.Or(validateSelectors(spec, nil), validateWithoutCIDR(spec))
	}
	for _, check := range []func(*v1.SubnetSpec, []netip.Prefix) error{validateSelectors, validateGateways, validateUnderlay, validateNATRules, validateACLs} {
		if err := check(spec, prefixes); err != nil {
			return err
		}
	}
	for _, text := range spec.AllowSubnets {
		if _, err := netip.ParsePrefix(strings.TrimSpace(text)); err != nil {
			return invalid("allowSubnets: %s is not a valid CIDR", text)
		}
	}
	if spec.Mtu > 0 && spec.Mtu < minIPv6MTU && spec.Protocol != util.ProtocolIPv4 {
		return invalid("mtu %d is below the IPv6 minimum %d", spec.Mtu, minIPv6MTU)
	}
	for _, text := range spec.Vips {
		if addr, err := netip.ParseAddr(text); err != nil || !util.ContainsAddr(prefixes, addr) {
			return invalid("vip %s is not in cidr %s", text, spec.CIDRBlock)
		}
	}
	if addr, err := netip.ParseAddr(config.APIServerIP); err == nil && spec.Vpc == config.DefaultVpc && util.ContainsAddr(prefixes, addr) {
		return invalid("cidr %s conflicts with k8s apiserver svc ip %s", spec.CIDRBlock, addr)
	}
	return nil
}

func validateWithoutCIDR(spec *v1.SubnetSpec) error {
	for name, set := range map[string]bool{
		"gateway": spec.Gateway != "", "excludeIps": len(spec.ExcludeIps) > 0, "vips": len(spec.Vips) > 0,
		"u2oInterconnectionIP": spec.U2OInterconnectionIP != "",
	} {
		if set {
			return invalid("%s must be empty for underlay subnet without cidrBlock", name)
		}
	}
	if spec.LogicalGateway || spec.U2OInterconnection {
		return invalid("logicalGateway and u2oInterconnection need a cidrBlock")
	}
	return validateACLs(spec, nil)
}

// validateSelectors refuses what could select nothing. The CRD knows the operators; which of them need values, it does not.
func validateSelectors(spec *v1.SubnetSpec, _ []netip.Prefix) error {
	check := func(field string, selectors []metav1.LabelSelector) error {
		for i := range selectors {
			if _, err := metav1.LabelSelectorAsSelector(&selectors[i]); err != nil {
				return invalid("%s[%d]: %v", field, i, err)
			}
		}
		return nil
	}
	return cmp.Or(check("gatewayNodeSelectors", spec.GatewayNodeSelectors), check("namespaceSelectors", spec.NamespaceSelectors))
}

func validateGateways(spec *v1.SubnetSpec, _ []netip.Prefix) error {
	switch spec.GatewayType {
	case "", util.GatewayDistributed, util.GatewayCentralized:
	default:
		return invalid("%s is not a valid gatewayType, it must be %s or %s", spec.GatewayType, util.GatewayDistributed, util.GatewayCentralized)
	}
	egress := spec.ExternalEgressGateway
	if egress == "" {
		return nil
	}
	if spec.NatOutgoing {
		return invalid("conflict configuration: natOutgoing and externalEgressGateway")
	}
	addrs, err := util.ParseAddrs(egress)
	if err != nil {
		return invalid("invalid external egress gateway %s: %v", egress, err)
	}
	if util.ProtocolOf(util.FormatAddrs(addrs)) != spec.Protocol {
		return invalid("invalid external egress gateway %s: its address family is not that of cidr %s", egress, spec.CIDRBlock)
	}
	return nil
}

func validateUnderlay(spec *v1.SubnetSpec, prefixes []netip.Prefix) error {
	if spec.LogicalGateway && spec.U2OInterconnection {
		return invalid("logicalGateway and u2oInterconnection exclude each other")
	}
	if spec.U2OFeatures != nil && spec.U2OFeatures.OverlayOnlyRouting && (!spec.U2OInterconnection || spec.Vlan == "") {
		return invalid("overlayOnlyRouting needs u2oInterconnection and vlan")
	}
	addrs, err := util.ParseAddrs(spec.U2OInterconnectionIP)
	if err != nil {
		return invalid("u2oInterconnectionIP: %v", err)
	}
	gateways, err := util.ParseAddrs(spec.Gateway)
	if err != nil {
		return invalid("gateway %v", err)
	}
	for _, addr := range addrs {
		if !util.ContainsAddr(prefixes, addr) {
			return invalid("u2oInterconnectionIP %s is not in cidr %s", addr, spec.CIDRBlock)
		}
		if slices.Contains(gateways, addr) {
			return invalid("u2oInterconnectionIP %s is the gateway", addr)
		}
	}
	return nil
}

func validateNATRules(spec *v1.SubnetSpec, _ []netip.Prefix) error {
	for _, rule := range spec.NatOutgoingPolicyRules {
		families := map[string]bool{}
		for _, list := range []string{rule.Match.SrcIPs, rule.Match.DstIPs} {
			for _, part := range splitComma(list) {
				family := util.ProtocolOf(part)
				if family == "" {
					return invalid("natOutgoingPolicyRules: match ips %s is not an address or CIDR", part)
				}
				families[family] = true
			}
		}
		if len(families) > 1 {
			return invalid("natOutgoingPolicyRules: match ips %q and %q protocol is not consistent", rule.Match.SrcIPs, rule.Match.DstIPs)
		}
	}
	return nil
}

func validateACLs(spec *v1.SubnetSpec, _ []netip.Prefix) error {
	directions := []string{toLport, fromLport}
	actions := []string{allowRelated, "allow-stateless", "allow", drop, "reject"}
	for _, acl := range spec.Acls {
		switch {
		case !slices.Contains(directions, acl.Direction):
			return invalid("acl %q: %q is not a valid direction, it must be one of %v", acl.Match, acl.Direction, directions)
		case !slices.Contains(actions, acl.Action):
			return invalid("acl %q: %q is not a valid action, it must be one of %v", acl.Match, acl.Action, actions)
		case acl.Priority < 0 || acl.Priority > maxACLPriority:
			return invalid("acl %q: priority %d is not in 0 to %d", acl.Match, acl.Priority, maxACLPriority)
		case strings.TrimSpace(acl.Match) == "":
			return invalid("acl of priority %d: match is empty", acl.Priority)
		}
	}
	return validateMatches(spec)
}

func splitComma(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
