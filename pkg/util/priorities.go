package util

import "net/netip"

// Logical router policy priorities (northbound.md 1.2).
const (
	SubnetPolicyPriority       = 31000
	NodeLocalDNSPolicyPriority = 30100
	U2OInsidePolicyPriority    = 30060
	U2OGatewayPolicyPriority   = 30050
	NodePolicyPriority         = 30000
	U2OSubnetPolicyPriority    = 29400
	StaticRoutePolicyPriority  = 29270 // of what spec.staticRoutes lead, before what outside addresses lead
	DnatReplyPolicyPriority    = 29260 // of what answers at the port of an OvnDnatRule
	NorthGatewayPolicyPriority = 29250
	GatewayPolicyPriority      = 29000
)

// SnatPolicyPriority is that of an OvnSnatRule for a prefix. The longest prefix leads, as in OVN's NAT: policies of one
// priority that both match would be OVN's free choice. There is room for 32 steps below NorthGatewayPolicyPriority, so IPv6
// has one per hexadecimal digit.
func SnatPolicyPriority(prefix netip.Prefix) int {
	const longest = 29240
	if prefix.Addr().Is4() {
		return longest - (31 - prefix.Bits())
	}
	return longest - (127-prefix.Bits())/4
}

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
