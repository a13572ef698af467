package util

// Further external_ids keys that only the OVN engine writes and reads.
const (
	// ExtName is the identity of rows whose table has no name column (DHCP_Options).
	ExtName = "name"
	// ExtPortGroups records the groups of a switch port: "<group>:<first 8 of its UUID>", joined with ",".
	ExtPortGroups   = "port_groups"
	ExtBridge       = "bridge" // of a Port or Mirror
	ExtRouterPort   = "lrp"    // of a Gateway_Chassis
	ExtHAGroup      = "group"  // of an HA_Chassis
	ExtLoadBalancer = "lb"     // of a Load_Balancer_Health_Check
)
