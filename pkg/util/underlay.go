package util

import (
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// Names of provider networks (node.md 4.1). A NIC that several provider networks name is in the bridge of the first one,
// and all of them are mapped to that bridge.
const (
	// ProviderBridgePrefix begins the name of a provider network's bridge.
	ProviderBridgePrefix = "br-"
	// OvsBridgeMappings and OvsChassisMACMappings are keys in external_ids of the Open_vSwitch row that ovn-controller
	// reads: "<network>:<bridge>,..." and "<network>:<MAC>,...".
	OvsBridgeMappings     = "ovn-bridge-mappings"
	OvsChassisMACMappings = "ovn-chassis-mac-mappings"
	// OvsOwnNetworks is a key of ours beside them: the networks, separated by commas, whose entries the daemon made. All
	// other entries belong to somebody else and stay.
	OvsOwnNetworks = "kube-ovn-networks"
)

// ExternalGatewaySwitch is the default name of the default outside network's switch, and of the network whose bridge the
// daemons make for it (node.md 5).
const ExternalGatewaySwitch = "external"

// Keys in external_ids that tell the daemon how a bridge came about.
const (
	// BridgeExchanged on a Bridge, "true": it has the name its NIC had, and the NIC that of the bridge (node.md 4.2); else "false".
	BridgeExchanged = "exchange-link-name"
	// IfaceVlanDevice on an Interface: the VLAN device whose addresses the internal port has taken (node.md 4.3).
	IfaceVlanDevice = "provider-vlan-interface"
)

// Marks on devices of the kernel, written by the daemon.
const (
	// FormerNamePrefix begins an alternative name of a NIC that was renamed; the name it had follows. It is all that knows
	// the name when the daemon dies between the removal of the bridge and the renaming.
	FormerNamePrefix = "kube-ovn-was-"
	// VlanAliasPrefix begins the alias of a VLAN device that the daemon made; the provider network follows.
	VlanAliasPrefix = "kube-ovn:"
)

// ProviderBridge is the bridge of a provider network on every node.
func ProviderBridge(providerNetwork string) string { return ProviderBridgePrefix + providerNetwork }

// Suffixes of the keys of a provider network on nodes, api.md 3.1; ProviderNetworkKey puts them together.
const (
	ProviderReady          = "ready"           // label, "true": written by the daemon, read by the controller
	ProviderInterface      = "interface"       // label: the NIC, written by the daemon; annotation: written by the user
	ProviderMTU            = "mtu"             // label: bytes, written by the daemon
	ProviderExclude        = "exclude"         // label, "true": written by the daemon; annotation: written by the user
	ProviderVlanInterfaces = "vlan_interfaces" // label, "true": written by the daemon
	ProviderError          = "err_mesg"        // annotation of the daemon's own pod: why the node is not ready
)

// providerNetworkInfix is between the name of a provider network and the suffix of its keys.
const providerNetworkInfix = ".provider-network.kubernetes.io/"

// ProviderNetworkKey is a label or annotation of a provider network.
func ProviderNetworkKey(providerNetwork, suffix string) string {
	return providerNetwork + providerNetworkInfix + suffix
}

// ParseProviderNetworkKey splits a ProviderNetworkKey; ok is false for any other label or annotation.
func ParseProviderNetworkKey(key string) (providerNetwork, suffix string, ok bool) {
	providerNetwork, suffix, ok = strings.Cut(key, providerNetworkInfix)
	return providerNetwork, suffix, ok && providerNetwork != ""
}

// Messages of a node that is not connected and says nothing about it (api.md 2.2).
const (
	ProviderErrorUnknown = "unknown error"
	ProviderErrorNoPod   = "no daemon pod runs on the node"
)

// DaemonApp is the value of the label "app" of the daemon's pods, by which the controller finds a node's ProviderError.
const DaemonApp = "kube-ovn-cni"

// Reasons of conditions and events of provider networks and VLANs (api.md 2.2).
const (
	ReasonProviderReady  = "InitOVSBridgeSucceeded"
	ReasonProviderFailed = "InitOVSBridgeFailed"
	ReasonVlanReconciled = "ReconcileVlanSuccess"
	ReasonVlanInvalid    = "ValidateVlanFailed"
	ReasonVlanConflict   = "VlanConflict"
	ReasonVlanInUse      = "VlanInUse"
	ReasonProviderInUse  = "ProviderNetworkInUse"

	// ReasonProviderInvalid: an annotation of the node names no interface.
	ReasonProviderInvalid = "ValidateProviderNetworkFailed"
)

// NetworkTypeVlan is the network type of a cluster whose default subnet is a VLAN.
const NetworkTypeVlan = "vlan"

// Defaults of an underlay cluster (northbound.md 1.1).
const (
	DefaultProviderNetwork = "provider"
	DefaultVlan            = "ovn-vlan"
	MaxVlanID              = 4095
)

// Names and marks of the rows that connect an underlay subnet with the overlay, U2O (northbound.md 1.4, 1.5).
const (
	U2OPrefix = "u2o-interconnection." // of the IP object; VPC and subnet follow

	ExtIPv4Network   = "ipv4_network" // of a localnet port: the subnet's prefixes
	ExtIPv6Network   = "ipv6_network"
	ExtU2OPolicy     = "isU2ORoutePolicy"
	ExtU2OOverlay    = "isU2OOverlayOnlyRoutePolicy"
	ExtU2ONoLB       = "isU2ONoLBRoutePolicy"
	ExtU2OCIDRs      = "isU2OOverlayCIDRs"
	ExtU2OGroup      = "u2o"
	ExtVpc           = "vpc"
	ExtServiceCIDR   = "svcCidr"
	u2oExcludeSuffix = ".u2o_exclude_ip."
	u2oOverlaySuffix = ".u2o_overlay_cidrs."
)

// U2OIPName is the IP object of the router's address in an underlay subnet, and its owner in IPAM.
func U2OIPName(vpc, subnet string) string { return U2OPrefix + vpc + "." + subnet }

// U2OPort is the port in IPAM of the IP object of that name, which is the router's port; ok is false for another object.
func U2OPort(ipName, subnet string) (port string, ok bool) {
	rest, ok := strings.CutPrefix(ipName, U2OPrefix)
	if !ok {
		return "", false
	}
	vpc, ok := strings.CutSuffix(rest, "."+subnet)
	return RouterPortName(vpc, subnet), ok
}

// U2OExcludeSet is the set of the nodes' addresses that an underlay subnet reaches by its physical gateway; family is "ip4"
// or "ip6".
func U2OExcludeSet(subnet, family string) string { return Dotted(subnet + u2oExcludeSuffix + family) }

// U2OOverlaySet is the set of a VPC's overlay prefixes.
func U2OOverlaySet(vpc, family string) string { return Dotted(vpc + u2oOverlaySuffix + family) }

// IsInterconnected says whether the router of the VPC has a port in an underlay subnet whose gateway is a physical one.
func IsInterconnected(s *v1.Subnet) bool {
	spec := &s.Spec
	return IsOvnProvider(spec.Provider) && spec.CIDRBlock != "" && spec.Vlan != "" && !spec.LogicalGateway && spec.U2OInterconnection
}

// ServicesByNode says whether an interconnected subnet of the default VPC needs the nodes to reach Services: its switch has no
// load balancers.
func ServicesByNode(s *v1.Subnet) bool {
	return IsInterconnected(s) && (s.Spec.EnableLb == nil || !*s.Spec.EnableLb)
}

// HasNodeGroups says whether the ports of a subnet of the default VPC are in a group per node, because nodes carry traffic of
// it: they are the gateways of overlay, and of underlay with OVN's gateway, or lead to Services.
func HasNodeGroups(s *v1.Subnet) bool {
	return s.Spec.Vlan == "" || s.Spec.LogicalGateway || ServicesByNode(s)
}
