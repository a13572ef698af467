package subnet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// defaultRAConfigs are the router advertisement settings of a subnet that gives none (northbound.md 1.6).
const defaultRAConfigs = "address_mode=dhcpv6_stateful,max_interval=30,min_interval=5,send_periodic=true"

// natRuleIDLength is how many hexadecimal digits name a rule in iptables chains and ipsets on the nodes.
const natRuleIDLength = 12

// rows are the wanted rows of one accepted subnet, or Invalid for option texts that cannot be read.
func rows(in inputs) ([]ovs.Row, error) {
	if !in.hasSwitch() {
		return nil, nil
	}
	prefixes, err := util.ParseCIDRs(in.subnet.Spec.CIDRBlock)
	if err != nil {
		return nil, invalid("%v", err)
	}
	want := []ovs.Row{ovs.LogicalSwitch{Name: in.subnet.Name}}
	want = append(want, acls(in, prefixes)...)
	dhcp, err := dhcpOptions(in, prefixes)
	if err != nil {
		return nil, err
	}
	want = append(want, dhcp...)
	if in.subnet.Spec.Vlan != "" {
		want = append(want, localnet(in, prefixes)...)
	}
	if !in.hasRouterPort() {
		return want, nil
	}
	ports, err := routerPorts(in, prefixes)
	if err != nil {
		return nil, err
	}
	want = append(want, ports...)
	if in.interconnected() {
		return append(want, interconnection(in, prefixes)...), nil
	}
	return append(want, stayPolicies(in, prefixes)...), nil
}

// routerMAC is the MAC of the router's port, which pods have in their neighbour tables. IPAM knows it and gives it to no
// port.
func routerMAC(in inputs) string {
	return cmp.Or(recordedMAC(in.subnet), in.portMAC, util.NewRouterPortMAC(in.subnet.Spec.Vpc, in.subnet))
}

// recordedMAC is the MAC that the status promises for an interconnection, "" when it promises none.
func recordedMAC(subnet *v1.Subnet) string {
	if s := &subnet.Status; subnet.Spec.U2OInterconnection && s.U2OInterconnectionVPC == subnet.Spec.Vpc {
		return s.U2OInterconnectionMAC
	}
	return ""
}

// routerPorts are both sides of the link between the switch and the VPC's router.
func routerPorts(in inputs, prefixes []netip.Prefix) ([]ovs.Row, error) {
	spec := &in.subnet.Spec
	gateways, err := util.ParseAddrs(spec.Gateway)
	if err != nil {
		return nil, invalid("gateway %v", err)
	}
	if in.interconnected() {
		gateways = in.u2o.Addresses()
	}
	port := ovs.LogicalRouterPort{
		Router:     spec.Vpc,
		Name:       util.RouterPortName(spec.Vpc, in.subnet.Name),
		MAC:        recordedMAC(in.subnet),
		DefaultMAC: routerMAC(in),
	}
	for _, prefix := range prefixes {
		for _, gateway := range gateways {
			if prefix.Contains(gateway) {
				port.Networks = append(port.Networks, netip.PrefixFrom(gateway, prefix.Bits()).String())
			}
		}
		if prefix.Addr().Is6() && spec.EnableIPv6RA {
			port.IPv6Prefix = append(port.IPv6Prefix, prefix.String())
			if port.IPv6RAConfigs, err = raConfigs(spec); err != nil {
				return nil, err
			}
		}
	}
	if spec.RouteTable != "" {
		port.Options = map[string]string{"route_table": spec.RouteTable}
	}
	return []ovs.Row{port, ovs.LogicalSwitchPort{
		Switch:    in.subnet.Name,
		Name:      util.SwitchRouterPortName(in.subnet.Name, spec.Vpc),
		Type:      "router",
		Addresses: []string{"router"},
		Options:   map[string]string{"router-port": port.Name},
	}}, nil
}

func raConfigs(spec *v1.SubnetSpec) (map[string]string, error) {
	text := spec.IPv6RAConfigs
	if strings.TrimSpace(text) == "" {
		text = defaultRAConfigs
	}
	return options("ipv6RAConfigs", text)
}

// options reads "key=value,key=value".
func options(field, text string) (map[string]string, error) {
	out := map[string]string{}
	for _, part := range splitComma(text) {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			return nil, invalid("%s: %q is not key=value", field, part)
		}
		out[key] = value
	}
	return out, nil
}

// stayPolicies keep what goes to the subnet inside the router, whatever policies of lower priority send elsewhere.
func stayPolicies(in inputs, prefixes []netip.Prefix) []ovs.Row {
	var want []ovs.Row
	for _, prefix := range prefixes {
		want = append(want, ovs.RouterPolicy{
			Router:      in.subnet.Spec.Vpc,
			Priority:    util.SubnetPolicyPriority,
			Match:       fmt.Sprintf("%s.dst == %s", util.MatchFamily(prefix), prefix),
			Action:      "allow",
			ExternalIDs: map[string]string{util.ExtSubnet: in.subnet.Name},
		})
	}
	return want
}

// status is the subnet's status with its counters and facts; conditions and activateGateway are kept.
func status(in inputs, known facts) v1.SubnetStatus {
	out := *in.subnet.Status.DeepCopy()
	count := func(from ipam.FamilyStats, using, available *v1.BigInt, usingRange, availableRange *string) {
		*using, *available = v1.BigIntOf(from.Using), v1.BigIntOf(from.Available)
		*usingRange, *availableRange = from.UsingRange, from.AvailableRange
	}
	count(known.stats.V4, &out.V4UsingIPs, &out.V4AvailableIPs, &out.V4UsingIPRange, &out.V4AvailableIPRange)
	count(known.stats.V6, &out.V6UsingIPs, &out.V6AvailableIPs, &out.V6UsingIPRange, &out.V6AvailableIPRange)
	out.DHCPv4OptionsUUID, out.DHCPv6OptionsUUID = known.dhcpV4UUID, known.dhcpV6UUID
	out.NatOutgoingPolicyRules = natRules(in.subnet)
	out.U2OInterconnectionIP, out.U2OInterconnectionMAC, out.U2OInterconnectionVPC = "", "", ""
	if addrs := known.u2o.Addresses(); len(addrs) > 0 {
		out.U2OInterconnectionIP, out.U2OInterconnectionMAC = util.FormatAddrs(addrs), routerMAC(in)
		out.U2OInterconnectionVPC = in.subnet.Spec.Vpc
	}
	return out
}

// natRules are the rules that nodes apply, with the names by which their chains and sets are known.
func natRules(subnet *v1.Subnet) []v1.NatOutgoingPolicyRuleStatus {
	if !subnet.Spec.NatOutgoing {
		return nil
	}
	var out []v1.NatOutgoingPolicyRuleStatus
	for i, rule := range subnet.Spec.NatOutgoingPolicyRules {
		text, err := json.Marshal(rule)
		if err != nil {
			continue // a struct of strings always encodes
		}
		sum := sha256.Sum256([]byte(subnet.Name + strconv.Itoa(i) + string(text)))
		id := hex.EncodeToString(sum[:])[:natRuleIDLength]
		out = append(out, v1.NatOutgoingPolicyRuleStatus{RuleID: id, NatOutgoingPolicyRule: rule})
	}
	return out
}
