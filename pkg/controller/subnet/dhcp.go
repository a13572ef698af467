package subnet

import (
	"net/netip"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// dhcpServerID is the address from which OVN answers DHCPv4 requests.
const dhcpServerID = "169.254.0.254"

const dhcpLeaseTime = "3600" // seconds

// dhcpOptions are the answers to DHCP requests, one row per family; pods' ports refer to them by [util.DHCPOptionsName].
func dhcpOptions(in inputs, prefixes []netip.Prefix) ([]ovs.Row, error) {
	spec := &in.subnet.Spec
	if !spec.EnableDHCP {
		return nil, nil
	}
	var want []ovs.Row
	for _, prefix := range prefixes {
		protocol, field, text := util.ProtocolIPv4, "dhcpV4Options", spec.DHCPv4Options
		if prefix.Addr().Is6() {
			protocol, field, text = util.ProtocolIPv6, "dhcpV6Options", spec.DHCPv6Options
		}
		given, err := options(field, text)
		if err != nil {
			return nil, err
		}
		if servers, ok := given["dns_server"]; ok {
			given["dns_server"] = strings.ReplaceAll(servers, ";", ",")
		}
		for key, value := range dhcpDefaults(in, prefix) {
			if _, ok := given[key]; !ok {
				given[key] = value
			}
		}
		want = append(want, ovs.DHCPOptions{
			Name:        util.DHCPOptionsName(in.subnet.Name, protocol),
			CIDR:        prefix,
			Options:     given,
			ExternalIDs: map[string]string{util.ExtSwitch: in.subnet.Name, util.ExtProtocol: protocol},
		})
	}
	return want, nil
}

// dhcpDefaults are the options OVN's server cannot do without, and the MTU (northbound.md 1.6).
func dhcpDefaults(in inputs, prefix netip.Prefix) map[string]string {
	mac := routerMAC(in)
	if prefix.Addr().Is6() {
		return map[string]string{"server_id": mac}
	}
	router, _ := util.SplitDual(in.subnet.Spec.Gateway)
	if in.interconnected() && in.u2o.V4.IsValid() {
		router = in.u2o.V4.String()
	}
	return map[string]string{
		"lease_time": dhcpLeaseTime,
		"server_id":  dhcpServerID,
		"server_mac": mac,
		"router":     router,
		"mtu":        strconv.Itoa(mtu(in.subnet, in.config)),
	}
}

// mtu of the subnet's pods in bytes.
func mtu(subnet *v1.Subnet, config Config) int {
	switch {
	case subnet.Spec.Mtu > 0:
		return int(subnet.Spec.Mtu)
	case subnet.Spec.Vlan != "":
		return util.UnderlayMTU
	}
	return config.MTU
}
