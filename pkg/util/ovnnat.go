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

// Types of a FIP: translated on the pod's own node, or on the gateway node. They are also the values of the key "type" of the
// gateway's ConfigMap, which is the default of FIPs (api.md 4.1).
const (
	NatDistributed = "distributed"
	NatCentralized = "centralized"
)

// The ConfigMap of the default VPC's external gateway, written by the user, and its keys (api.md 4.1).
const (
	ExternalGatewayConfig        = "ovn-external-gw-config"
	ExternalGatewayConfigEnable  = "enable-external-gw" // "false" tears down, anything else establishes
	ExternalGatewayConfigType    = "type"               // NatCentralized, which is the default, or NatDistributed
	ExternalGatewayConfigNodes   = "external-gw-nodes"  // comma list of node names
	ExternalGatewayConfigNIC     = "external-gw-nic"    // NIC that the daemons bridge
	ExternalGatewayConfigAddress = "external-gw-addr"   // physical gateway, with or without its prefix length
	ExternalGatewayConfigNICIP   = "nic-ip"             // address of the router port with its prefix length
	ExternalGatewayConfigNICMAC  = "nic-mac"            // MAC of the router port
)

// SourceMatch is the match of what comes from an address or prefix, as a router policy has it.
func SourceMatch(source string) string {
	if strings.Contains(source, ":") {
		return "ip6.src == " + source
	}
	return "ip4.src == " + source
}

// DestinationMatch is the match of what goes to an address or prefix, as a router policy has it.
func DestinationMatch(destination string) string {
	if strings.Contains(destination, ":") {
		return "ip6.dst == " + destination
	}
	return "ip4.dst == " + destination
}

// SourceOfMatch is the address or prefix of a SourceMatch, also of one that goes on with "&&"; "" for other matches.
func SourceOfMatch(match string) string {
	for _, prefix := range []string{"ip4.src == ", "ip6.src == "} {
		if rest, ok := strings.CutPrefix(match, prefix); ok {
			source, _, _ := strings.Cut(rest, " ")
			return source
		}
	}
	return ""
}

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
	// The VPC has no port on the external network, or the network has no gateway.
	ReasonNatNotConnected = "ExternalNetworkNotConnected"
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
