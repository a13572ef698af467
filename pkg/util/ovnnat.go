package util

import "strings"

// Values of OvnEip.spec.type (api.md 1.8). Empty counts as nat.
const (
	EipTypeNAT = "nat"
	EipTypeLRP = "lrp"
	EipTypeLSP = "lsp"
)

// Uses of an OvnEip as its status.nat lists them, each a kind of rule.
const (
	NatFip  = "fip"
	NatSnat = "snat"
	NatDnat = "dnat"
)

// IPTypeVip is the ipType of a rule whose ipName names a Vip.
const IPTypeVip = "vip"

// NatDistributed is the type of a FIP that is translated on the pod's own node, and the value of the key "type" of the
// gateway's ConfigMap that makes it the default (api.md 4.1).
const NatDistributed = "distributed"

// The ConfigMap of the default VPC's external gateway, written by the user, and the key of its type.
const (
	ExternalGatewayConfig     = "ovn-external-gw-config"
	ExternalGatewayConfigType = "type"
)

// Labels and annotations of OvnEips and of the rules that use them, written by the controller (api.md 3).
const (
	EipTypeLabel     = "ovn.kubernetes.io/ovn_eip_type"
	EipV4Label       = "ovn.kubernetes.io/eip_v4_ip"
	EipV6Label       = "ovn.kubernetes.io/eip_v6_ip"
	VpcLabel         = "ovn.kubernetes.io/vpc"
	VpcNatAnnotation = "ovn.kubernetes.io/vpc_nat"
	VpcEipAnnotation = "ovn.kubernetes.io/vpc_eip"
)

// Reasons of conditions and events of OvnEips and of the rules that use them.
const (
	ReasonEipReconciled   = "ReconcileOvnEipSuccess"
	ReasonEipFailed       = "ReconcileOvnEipFailed"
	ReasonEipInvalid      = "ValidateOvnEipFailed"
	ReasonEipInUse        = "OvnEipInUse"
	ReasonEipNotReady     = "OvnEipNotReady"
	ReasonNatReconciled   = "ReconcileNatSuccess"
	ReasonNatFailed       = "ReconcileNatFailed"
	ReasonNatInvalid      = "ValidateNatFailed"
	ReasonNatConflict     = "NatConflict"
	ReasonNatTargetAbsent = "NatTargetNotFound"
)

// AddressLabel is an address as the value of a label, which can neither contain a colon nor begin or end with a dash:
// "fd00::" is "fd00--0".
func AddressLabel(address string) string {
	value := strings.ReplaceAll(address, ":", "-")
	if strings.HasPrefix(value, "-") {
		value = "0" + value
	}
	if strings.HasSuffix(value, "-") {
		value += "0"
	}
	return value
}
