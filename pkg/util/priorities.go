package util

// Logical router policy priorities (northbound.md 1.2).
const (
	SubnetPolicyPriority       = 31000
	NodeLocalDNSPolicyPriority = 30100
	U2OInsidePolicyPriority    = 30060
	U2OGatewayPolicyPriority   = 30050
	NodePolicyPriority         = 30000
	U2OSubnetPolicyPriority    = 29400
	NorthGatewayPolicyPriority = 29250
	SnatPolicyPriority         = 29240 // of an OvnSnatRule for a prefix
	GatewayPolicyPriority      = 29000
)

// ACL priorities and the tier they live in (northbound.md 1.3).
const (
	NodeAllowACLPriority         = 3000
	PrivateSubnetJoinACLPriority = 3000
	EastWestACLPriority          = 1900
	PrivateSubnetAllowPriority   = 1001
	PrivateSubnetDropPriority    = 1000

	NetworkPolicyACLTier = 2
)

// GatewayChassisPriority is the priority of the i-th gateway chassis of a router port.
func GatewayChassisPriority(i int) int { return 100 - i }
