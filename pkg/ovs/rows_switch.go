package ovs

import (
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnsb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func (r LogicalSwitch) row() []wanted {
	return []wanted{{table: ovnnb.LogicalSwitchTable, ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "other_config": mapOf(r.OtherConfig)},
		refs: map[string][]ref{"load_balancer": byNames(ovnnb.LoadBalancerTable, r.LoadBalancers)}}}
}

func (r LogicalSwitchPort) row() []wanted {
	groups := slices.Clone(r.PortGroups)
	slices.Sort(groups)
	return []wanted{{table: ovnnb.LogicalSwitchPortTable, parent: byName(ovnnb.LogicalSwitchTable, r.Switch), ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "type": required(r.Type), "addresses": setOf(r.Addresses...),
			"port_security": setOf(r.PortSecurity...), "tag": optionalInt(r.Tag), "options": mapOf(r.Options)},
		refs: map[string][]ref{"dhcpv4_options": optionalRef(ovnnb.DHCPOptionsTable, r.DHCPv4),
			"dhcpv6_options": optionalRef(ovnnb.DHCPOptionsTable, r.DHCPv6)},
		groups: slices.Compact(groups)}}
}

func (r PortGroup) row() []wanted {
	return []wanted{{table: ovnnb.PortGroupTable, ext: r.ExternalIDs, cols: map[string]value{"name": required(r.Name)}}}
}

func (r AddressSet) row() []wanted {
	return []wanted{{table: ovnnb.AddressSetTable, ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "addresses": setOf(r.Addresses...)}}}
}

func (r DHCPOptions) row() []wanted {
	return []wanted{{table: ovnnb.DHCPOptionsTable, ext: with(r.ExternalIDs, util.ExtName, r.Name),
		cols: map[string]value{"cidr": required(r.CIDR.String()), "options": mapOf(r.Options)}}}
}

func (r Chassis) row() []wanted {
	return []wanted{{table: ovnsb.ChassisTable, ext: r.ExternalIDs, cols: map[string]value{"name": required(r.Name)}}}
}
