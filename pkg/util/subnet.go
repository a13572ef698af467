package util

import (
	"cmp"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// UnderlayMTU is the MTU in bytes of a network without tunnel header.
const UnderlayMTU = 1500

// TunnelHeader is what a tunnel of a network type takes from the MTU, in bytes (northbound.md 1.6). Underlay clusters have
// their overlay subnets on geneve.
func TunnelHeader(networkType string) int {
	switch networkType {
	case "vxlan":
		return 50
	case "stt":
		return 72
	}
	return 100
}

// DHCPOptionsName is the identity of a subnet's DHCP_Options row for ProtocolIPv4 or ProtocolIPv6.
func DHCPOptionsName(subnet, protocol string) string { return subnet + "/" + protocol }

// ReasonSubnetU2OFailed stands while the router gets no address in an interconnected underlay subnet.
const ReasonSubnetU2OFailed = "AcquireU2OAddressFailed"

// InEffect is the subnet with the spec that counts for everybody but the subnet controller: the last one it accepted. An edit
// that was not looked at yet or is refused changes nothing, also for a program that starts meanwhile, because the accepted
// spec is in the status. It is nil for a subnet that was never accepted. Releases that kept no record are believed as they
// were: with Validated the present spec counts. What is returned shares memory with s.
func InEffect(s *v1.Subnet) *v1.Subnet {
	accepted := s.Status.Accepted
	switch {
	case accepted == nil && !v1.IsConditionTrue(s.Status.Conditions, v1.ConditionValidated):
		return nil
	case accepted == nil, accepted.Generation == s.Generation:
		return s
	}
	effective := *s
	effective.Generation, effective.Spec = accepted.Generation, accepted.Spec
	return &effective
}

// Effective is InEffect, or the subnet as it is as long as it was never accepted: what it is or is about to be.
func Effective(s *v1.Subnet) *v1.Subnet { return cmp.Or(InEffect(s), s) }

// NewRouterPortMAC is what a new port of a VPC's router in a subnet has: the same after any restart and with an emptied database.
// An outside network may be shared with another cluster that has the same names, and so the subnet's UID is a part of it there.
func NewRouterPortMAC(vpc string, s *v1.Subnet) string {
	name := RouterPortName(vpc, s.Name)
	if s.Spec.Vlan != "" {
		name += "/" + string(s.UID)
	}
	return HashMAC(name, 0)
}

// UnderReview says whether the subnet controller has not looked at an edit yet.
func UnderReview(s *v1.Subnet) bool {
	validated := v1.FindCondition(s.Status.Conditions, v1.ConditionValidated)
	accepted := s.Status.Accepted
	return accepted != nil && accepted.Generation < s.Generation && (validated == nil || validated.ObservedGeneration < s.Generation)
}

// InEffectChanged says whether an update of a subnet can change what is in effect. An edit changes it when it is accepted.
func InEffectChanged(before, after *v1.Subnet) bool {
	a, b := InEffect(before), InEffect(after)
	return (a == nil) != (b == nil) || a != nil && (a.UID != b.UID || a.Generation != b.Generation)
}
