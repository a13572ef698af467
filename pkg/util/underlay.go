package util

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

// ExternalGatewaySwitch is the default name of the external gateway's network (node.md 5).
const ExternalGatewaySwitch = "external"

// Keys in external_ids that tell the daemon how a bridge came about.
const (
	// BridgeExchanged on a Bridge, "true": it has the name its NIC had, and the NIC that of the bridge (node.md 4.2).
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

// ProviderNetworkKey is a label or annotation of a provider network.
func ProviderNetworkKey(providerNetwork, suffix string) string {
	return providerNetwork + ".provider-network.kubernetes.io/" + suffix
}

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
)
