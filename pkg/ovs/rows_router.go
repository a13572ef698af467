package ovs

import (
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func (r LogicalRouter) row() []wanted {
	return []wanted{{table: ovnnb.LogicalRouterTable, ext: r.ExternalIDs, gateways: r.Gateways,
		cols: map[string]value{"name": required(r.Name), "options": mapOf(r.Options)}}}
}

func (r LogicalRouterPort) row() []wanted {
	w := wanted{table: ovnnb.LogicalRouterPortTable, parent: byName(ovnnb.LogicalRouterTable, r.Router), ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "mac": required(r.MAC), "networks": setOf(r.Networks...),
			"peer": optional(r.Peer), "options": mapOf(r.Options), "ipv6_prefix": setOf(r.IPv6Prefix...),
			"ipv6_ra_configs": mapOf(r.IPv6RAConfigs)},
		refs: map[string][]ref{"ha_chassis_group": optionalRef(ovnnb.HAChassisGroupTable, r.HAChassisGroup)}}
	if r.MAC == "" && r.DefaultMAC != "" {
		w.cols["mac"], w.defaults = required(r.DefaultMAC), []string{"mac"}
	}
	rows := make([]wanted, 1, len(r.GatewayChassis)+1)
	for _, gc := range r.GatewayChassis {
		name := r.Name + "-" + gc.Chassis
		w.refs["gateway_chassis"] = append(w.refs["gateway_chassis"], ref{target: byName(ovnnb.GatewayChassisTable, name)})
		rows = append(rows, wanted{table: ovnnb.GatewayChassisTable, ext: map[string]string{util.ExtRouterPort: r.Name},
			cols: map[string]value{"name": required(name), "chassis_name": required(gc.Chassis), "priority": integer(gc.Priority)}})
	}
	rows[0] = w
	return rows
}

func bfdTarget(b BFDRef) target {
	return target{ovnnb.BFDTable, b.LogicalPort + keySep + b.DstIP}
}

func (r StaticRoute) row() []wanted {
	policy := r.Policy
	if policy == "" {
		policy = ovnnb.LogicalRouterStaticRoutePolicyDstIP
	}
	w := wanted{table: ovnnb.LogicalRouterStaticRouteTable, parent: byName(ovnnb.LogicalRouterTable, r.Router), ext: r.ExternalIDs,
		cols: map[string]value{"route_table": required(r.Table), "policy": required(policy), "ip_prefix": required(r.Prefix),
			"nexthop": required(r.Nexthop), "options": mapOf(r.Options)}}
	if r.BFD != (BFDRef{}) {
		w.refs = map[string][]ref{"bfd": {{target: bfdTarget(r.BFD)}}}
	}
	return []wanted{w}
}

func (r RouterPolicy) row() []wanted {
	w := wanted{table: ovnnb.LogicalRouterPolicyTable, parent: byName(ovnnb.LogicalRouterTable, r.Router), ext: r.ExternalIDs,
		cols: map[string]value{"priority": integer(r.Priority), "match": required(r.Match), "action": required(r.Action),
			"nexthops": setOf(r.Nexthops...)},
		refs: map[string][]ref{}}
	for _, b := range r.BFD {
		w.refs["bfd_sessions"] = append(w.refs["bfd_sessions"], ref{target: bfdTarget(b)})
	}
	return []wanted{w}
}

func (r NAT) row() []wanted {
	return []wanted{{table: ovnnb.NATTable, parent: byName(ovnnb.LogicalRouterTable, r.Router), ext: r.ExternalIDs,
		cols: map[string]value{"type": required(r.Type), "external_ip": required(r.ExternalIP), "logical_ip": required(r.LogicalIP),
			"logical_port": optional(r.LogicalPort), "external_mac": optional(r.ExternalMAC), "options": mapOf(r.Options)}}}
}

func (r BFD) row() []wanted {
	return []wanted{{table: ovnnb.BFDTable, ext: r.ExternalIDs,
		cols: map[string]value{"logical_port": required(r.LogicalPort), "dst_ip": required(r.DstIP), "min_tx": optionalInt(r.MinTX),
			"min_rx": optionalInt(r.MinRX), "detect_mult": optionalInt(r.DetectMult)}}}
}

func (r HAChassisGroup) row() []wanted {
	group := wanted{table: ovnnb.HAChassisGroupTable, ext: r.ExternalIDs, cols: map[string]value{"name": required(r.Name)},
		refs: map[string][]ref{}}
	rows := make([]wanted, 1, len(r.Chassis)+1)
	for _, hc := range r.Chassis {
		group.refs["ha_chassis"] = append(group.refs["ha_chassis"], ref{target: target{ovnnb.HAChassisTable, r.Name + keySep + hc.Chassis}})
		rows = append(rows, wanted{table: ovnnb.HAChassisTable, ext: map[string]string{util.ExtHAGroup: r.Name},
			cols: map[string]value{"chassis_name": required(hc.Chassis), "priority": integer(hc.Priority)}})
	}
	rows[0] = group
	return rows
}

func (r LoadBalancer) row() []wanted {
	lb := wanted{table: ovnnb.LoadBalancerTable, ext: r.ExternalIDs,
		cols: map[string]value{"name": required(r.Name), "protocol": optional(r.Protocol), "vips": mapOf(r.VIPs),
			"selection_fields": setOf(r.SelectionFields...), "ip_port_mappings": mapOf(r.IPPortMappings), "options": mapOf(r.Options)},
		refs: map[string][]ref{}, users: byNames(ovnnb.LogicalRouterTable, r.Routers)}
	rows := make([]wanted, 1, len(r.HealthChecks)+1)
	for _, hc := range r.HealthChecks {
		lb.refs["health_check"] = append(lb.refs["health_check"],
			ref{target: target{ovnnb.LoadBalancerHealthCheckTable, r.Name + keySep + hc.VIP}})
		rows = append(rows, wanted{table: ovnnb.LoadBalancerHealthCheckTable, ext: with(hc.ExternalIDs, util.ExtLoadBalancer, r.Name),
			cols: map[string]value{"vip": required(hc.VIP), "options": mapOf(hc.Options)}})
	}
	rows[0] = lb
	return rows
}

func (r NBGlobal) row() []wanted {
	return []wanted{{table: ovnnb.NBGlobalTable, ext: r.ExternalIDs, cols: map[string]value{"options": mapOf(r.Options)}}}
}

func (r ACL) row() []wanted {
	parent, ext := byName(ovnnb.PortGroupTable, r.PortGroup), r.ExternalIDs
	if r.Switch != "" {
		parent = byName(ovnnb.LogicalSwitchTable, r.Switch)
	}
	return []wanted{{table: ovnnb.ACLTable, parent: parent, ext: with(ext, util.ExtParent, parent.key),
		cols: map[string]value{"direction": required(r.Direction), "priority": integer(r.Priority), "match": required(r.Match),
			"action": required(r.Action), "tier": integer(r.Tier), "name": optional(cutName(r.Name)), "log": boolean(r.Log),
			"severity": optional(r.Severity), "meter": optional(r.Meter), "options": mapOf(r.Options)}}}
}

// cutName keeps ACL names within the 63 characters of the schema (northbound.md 1.3).
func cutName(name string) string {
	if len(name) > 63 {
		return name[:60] + "..."
	}
	return name
}
