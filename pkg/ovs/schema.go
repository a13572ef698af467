package ovs

import (
	"bytes"
	"net"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnsb"
	"github.com/kubeovn/kube-ovn/pkg/ovs/vswitch"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// mode says how a managed column is compared and written.
type mode int

const (
	whole   mode = iota // the column is ours: replaced when different
	members             // a set that is ours and may be long: changed member by member
	keys                // a map shared with others: only the keys of columnSpec.owned and the wanted ones are ours
	marks               // external_ids: ours but for the keys of columnSpec.foreign; carries the owner mark
	refs                // UUIDs of rows of columnSpec.table, all ours
	shared              // a set of UUIDs shared with others: members whose row carries our vendor mark are ours
	sticky              // whole, but a default (wanted.defaults) does not replace a value that columnSpec.usable accepts
)

type columnSpec struct {
	name    string
	mode    mode
	owned   []string               // mode keys
	foreign []string               // mode marks; a trailing "*" is a prefix
	table   string                 // modes refs and shared
	usable  func(text string) bool // mode sticky
}

// parentSpec is a strong-reference column of another table that holds the children. It is never monitored.
type parentSpec struct {
	table  string
	column string
	ext    string // external_ids key of the child that names the parent; "" when the parent table has a single row
}

// tableSpec describes one table to the engine; everything it knows about OVN and Open vSwitch is in the lists below.
type tableSpec struct {
	name     string
	identity []string // columns, or "external_ids:<key>"
	// scoped: identities are unique only within one parent, so the parent belongs to the identity.
	scoped   bool
	parents  []parentSpec
	root     bool // rows live without being referred to
	unique   bool // the schema refuses a second row of the same identity
	adopt    bool // rows are never inserted, only marked
	single   bool // one row, no owner mark
	byRef    bool // a part of another row: the owner's reference decides its life
	columns  []columnSpec
	status   []string // told by Observe; those that are not in columns too are never written
	guards   []string // columns whose rows must not lose a referenced row while they refer to it: "<table>.<column>"
	siblings []string // tables whose rows of the same name die with this one
}

func own(names ...string) []columnSpec {
	out := make([]columnSpec, 0, len(names)+1)
	for _, n := range names {
		out = append(out, columnSpec{name: n})
	}
	return out
}

func spec(columns []columnSpec, more ...columnSpec) []columnSpec {
	return append(append(columns, more...), columnSpec{name: externalIDs, mode: marks})
}

const (
	externalIDs = "external_ids"
	uuidColumn  = "_uuid"
)

var routerChild = func(column string) []parentSpec {
	return []parentSpec{{ovnnb.LogicalRouterTable, column, util.ExtRouter}}
}

var northbound = []*tableSpec{
	{name: ovnnb.NBGlobalTable, identity: nil, single: true, root: true,
		columns: []columnSpec{{name: "options", mode: keys}, {name: externalIDs, mode: keys}},
		status:  []string{"nb_cfg", "sb_cfg", "hv_cfg"}},
	{name: ovnnb.LogicalRouterTable, identity: []string{"name"}, root: true,
		columns: spec(own("name"), columnSpec{name: "options", mode: keys, owned: []string{
			"mac_binding_age_threshold", "dynamic_neigh_routers", "always_learn_from_arp_request", "chassis"}}),
		status: []string{"load_balancer"}},
	{name: ovnnb.LogicalRouterPortTable, identity: []string{"name"}, unique: true, parents: routerChild("ports"),
		columns: spec(own("name", "networks", "peer", "ipv6_prefix", "ipv6_ra_configs"),
			columnSpec{name: "mac", mode: sticky, usable: isPortMAC},
			columnSpec{name: "options", mode: keys, owned: []string{"route_table", "bfd-only", "gateway_mtu"}},
			columnSpec{name: "gateway_chassis", mode: refs, table: ovnnb.GatewayChassisTable},
			columnSpec{name: "ha_chassis_group", mode: refs, table: ovnnb.HAChassisGroupTable}),
		status: []string{"mac"}},
	{name: ovnnb.GatewayChassisTable, identity: []string{"name"}, unique: true, byRef: true,
		columns: spec(own("name", "chassis_name", "priority"))},
	{name: ovnnb.LogicalRouterStaticRouteTable, identity: []string{"route_table", "policy", "ip_prefix", "nexthop"}, scoped: true,
		parents: routerChild("static_routes"),
		columns: spec(own("route_table", "policy", "ip_prefix", "nexthop"),
			columnSpec{name: "bfd", mode: refs, table: ovnnb.BFDTable},
			columnSpec{name: "options", mode: keys, owned: []string{"ecmp_symmetric_reply"}})},
	{name: ovnnb.LogicalRouterPolicyTable, identity: []string{"priority", "match"}, scoped: true, parents: routerChild("policies"),
		columns: spec(own("priority", "match", "action", "nexthops"),
			columnSpec{name: "bfd_sessions", mode: refs, table: ovnnb.BFDTable})},
	{name: ovnnb.NATTable, identity: []string{"type", "external_ip", "logical_ip"}, scoped: true, parents: routerChild("nat"),
		columns: spec(own("type", "external_ip", "logical_ip", "logical_port", "external_mac"),
			columnSpec{name: "options", mode: keys, owned: []string{"stateless"}})},
	{name: ovnnb.BFDTable, identity: []string{"logical_port", "dst_ip"}, unique: true, root: true,
		columns: spec(own("logical_port", "dst_ip", "min_tx", "min_rx", "detect_mult")),
		status:  []string{"status"},
		guards: []string{ovnnb.LogicalRouterStaticRouteTable + ".bfd",
			ovnnb.LogicalRouterPolicyTable + ".bfd_sessions"}},
	{name: ovnnb.HAChassisGroupTable, identity: []string{"name"}, unique: true, root: true,
		columns: spec(own("name"), columnSpec{name: "ha_chassis", mode: refs, table: ovnnb.HAChassisTable})},
	{name: ovnnb.HAChassisTable, identity: []string{"external_ids:" + util.ExtHAGroup, "chassis_name"}, byRef: true,
		columns: spec(own("chassis_name", "priority"))},
	{name: ovnnb.LogicalSwitchTable, identity: []string{"name"}, root: true,
		columns: spec(own("name"), columnSpec{name: "load_balancer", mode: shared, table: ovnnb.LoadBalancerTable},
			columnSpec{name: "other_config", mode: keys, owned: []string{"mcast_snoop", "mcast_querier", "mcast_ip4_src",
				"mcast_eth_src", "mcast_ip6_src", "mcast_flood_unregistered"}})},
	{name: ovnnb.LogicalSwitchPortTable, identity: []string{"name"}, unique: true,
		parents: []parentSpec{{ovnnb.LogicalSwitchTable, "ports", util.ExtSwitch}},
		columns: spec(own("name", "type", "addresses", "port_security", "tag"),
			columnSpec{name: "options", mode: keys, owned: []string{"router-port", "network_name", "virtual-ip", "virtual-parents",
				"requested-chassis", "activation-strategy", "mcast_flood", "mcast_flood_reports", "nat-addresses", "arp_proxy"}},
			columnSpec{name: "dhcpv4_options", mode: refs, table: ovnnb.DHCPOptionsTable},
			columnSpec{name: "dhcpv6_options", mode: refs, table: ovnnb.DHCPOptionsTable}),
		status: []string{"up"}},
	{name: ovnnb.PortGroupTable, identity: []string{"name"}, unique: true, root: true, columns: spec(own("name"))},
	{name: ovnnb.AddressSetTable, identity: []string{"name"}, unique: true, root: true,
		columns: spec(own("name"), columnSpec{name: "addresses", mode: members})},
	{name: ovnnb.ACLTable, identity: []string{"direction", "priority", "match", "tier"}, scoped: true,
		parents: []parentSpec{{ovnnb.LogicalSwitchTable, "acls", util.ExtSwitch}, {ovnnb.PortGroupTable, "acls", util.ExtParent}},
		columns: spec(own("direction", "priority", "match", "tier", "action", "name", "log", "severity", "meter"),
			columnSpec{name: "options", mode: keys, owned: []string{"apply-after-lb"}})},
	{name: ovnnb.DHCPOptionsTable, identity: []string{"external_ids:" + util.ExtName}, root: true, columns: spec(own("cidr", "options"))},
	{name: ovnnb.LoadBalancerTable, identity: []string{"name"}, root: true,
		columns: spec(own("name", "protocol", "vips", "selection_fields", "ip_port_mappings", "options"),
			columnSpec{name: "health_check", mode: refs, table: ovnnb.LoadBalancerHealthCheckTable})},
	{name: ovnnb.LoadBalancerHealthCheckTable, identity: []string{"external_ids:" + util.ExtLoadBalancer, "vip"}, byRef: true,
		columns: spec(own("vip", "options"))},
}

var southbound = []*tableSpec{
	{name: ovnsb.ChassisTable, identity: []string{"name"}, unique: true, root: true, adopt: true,
		columns: []columnSpec{{name: externalIDs, mode: marks, foreign: []string{"*"}}},
		status:  []string{"name", "hostname", "other_config", externalIDs}, siblings: []string{ovnsb.ChassisPrivateTable}},
}

var openVSwitch = []*tableSpec{
	{name: vswitch.OpenvSwitchTable, identity: nil, single: true, root: true, adopt: true,
		columns: []columnSpec{{name: externalIDs, mode: keys}, {name: "other_config", mode: keys}},
		status:  []string{"ovs_version", "datapath_types", "iface_types", "dpdk_initialized", externalIDs, "other_config"}},
	{name: vswitch.BridgeTable, identity: []string{"name"}, unique: true,
		parents: []parentSpec{{vswitch.OpenvSwitchTable, "bridges", ""}},
		columns: append(own("name", "datapath_type", "fail_mode"),
			columnSpec{name: "other_config", mode: keys, owned: []string{"mac-learning-fallback", "hwaddr", "mac-table-size"}},
			columnSpec{name: externalIDs, mode: marks, foreign: []string{"ct-zone-*", "ovn-*", "bridge-id"}})},
	{name: vswitch.PortTable, identity: []string{"name"}, unique: true,
		parents: []parentSpec{{vswitch.BridgeTable, "ports", util.ExtBridge}},
		columns: append(own("name", "tag", "trunks"),
			columnSpec{name: "interfaces", mode: refs, table: vswitch.InterfaceTable},
			columnSpec{name: "qos", mode: refs, table: vswitch.QoSTable},
			columnSpec{name: externalIDs, mode: marks, foreign: []string{"ovn-*"}})},
	{name: vswitch.InterfaceTable, identity: []string{"name"}, unique: true, byRef: true,
		columns: append(own("name", "type", "options", "mtu_request", "ingress_policing_rate", "ingress_policing_burst"),
			columnSpec{name: externalIDs, mode: marks, foreign: []string{"ovn-installed", "ovn-installed-ts", "ovn-*", "attached-mac"}}),
		status: []string{"ofport", "mac_in_use", "link_state", "admin_state", "error", "mtu", "ifindex", externalIDs}},
	{name: vswitch.QoSTable, identity: []string{"external_ids:" + util.ExtPort}, root: true,
		columns: spec(own("type", "other_config"), columnSpec{name: "queues", mode: refs, table: vswitch.QueueTable})},
	{name: vswitch.QueueTable, identity: []string{"external_ids:" + util.ExtPort}, root: true, columns: spec(own("other_config"))},
	{name: vswitch.MirrorTable, identity: []string{"name"}, scoped: true,
		parents: []parentSpec{{vswitch.BridgeTable, "mirrors", util.ExtBridge}},
		columns: spec(own("name", "select_all"), columnSpec{name: "select_dst_port", mode: refs, table: vswitch.PortTable},
			columnSpec{name: "output_port", mode: refs, table: vswitch.PortTable})},
}

func tablesOf(db Database) []*tableSpec {
	switch db {
	case Northbound:
		return northbound
	case Southbound:
		return southbound
	case OpenVSwitchDB:
		return openVSwitch
	}
	return nil
}

// isPortMAC says whether text is a unicast MAC in the notation of ovn-nb(5), "xx:xx:xx:xx:xx:xx" of either letter case.
func isPortMAC(text string) bool {
	const length = len("xx:xx:xx:xx:xx:xx")
	mac, err := net.ParseMAC(text)
	return err == nil && len(text) == length && strings.Contains(text, ":") && mac[0]&1 == 0 && !bytes.Equal(mac, make([]byte, 6))
}

func matchesKey(patterns []string, key string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(key, prefix) || p == key {
			return true
		}
	}
	return false
}
