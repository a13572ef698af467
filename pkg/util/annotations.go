package util

// Keys below a provider's prefix; Key puts them together (api.md 3.1).
const (
	// Written by the controller when an address is granted; ip_address, mac_address and logical_switch may also be asked
	// for by the user.
	IPAddress     = "ip_address"
	MACAddress    = "mac_address"
	CIDR          = "cidr"
	Gateway       = "gateway"
	LogicalSwitch = "logical_switch"
	LogicalRouter = "logical_router"
	PodNicType    = "pod_nic_type"
	VlanID        = "vlan_id"
	ProviderNet   = "provider_network"
	VMName        = "virtualmachine"
	Allocated     = "allocated"
	Routed        = "routed"

	// Written by the user, read by the controller.
	IPPool             = "ip_pool"
	IPFamily           = "ip_family"
	SecurityGroups     = "security_groups"
	PortSecurity       = "port_security"
	PortVips           = "port_vips"
	Layer2Forward      = "layer2_forward"
	DHCPv4Options      = "dhcp-v4-options"
	DHCPv6Options      = "dhcp-v6-options"
	ActivationStrategy = "activation_strategy"

	// Written by the user, read by the daemon.
	Routes       = "routes"
	DefaultRoute = "default_route"
	IngressRate  = "ingress_rate"
	EgressRate   = "egress_rate"
	IngressBurst = "ingress_burst"
	EgressBurst  = "egress_burst"
	Latency      = "latency"
	Limit        = "limit"
	Loss         = "loss"
	Jitter       = "jitter"
	Mirror       = "mirror"
)

// Key is the full annotation key of a provider: "ovn.kubernetes.io/ip_address", "net.ns.ovn.kubernetes.io/ip_address".
func Key(provider, suffix string) string {
	if provider == "" {
		provider = OvnProvider
	}
	return provider + ".kubernetes.io/" + suffix
}

// Annotations of fixed name.
const (
	// Pod, written by the user.
	EipAnnotation          = "ovn.kubernetes.io/eip"
	SnatAnnotation         = "ovn.kubernetes.io/snat"
	NorthGatewayAnnotation = "ovn.kubernetes.io/north_gateway"
	VipAnnotation          = "ovn.kubernetes.io/vip"
	AapsAnnotation         = "ovn.kubernetes.io/aaps"

	// Multus, written by the user.
	DefaultNetworkAnnotation     = "v1.multus-cni.io/default-network"
	AttachmentNetworksAnnotation = "k8s.v1.cni.cncf.io/networks"

	// Node. Written by the controller: allocation of the join port. The keys are those of provider "ovn" (Key).
	PortNameAnnotation = "ovn.kubernetes.io/port_name"
	// Node, written by the daemon: SB chassis name (system-id).
	ChassisAnnotation = "ovn.kubernetes.io/chassis"
	// Node, written by the user.
	TunnelInterfaceAnnotation = "ovn.kubernetes.io/tunnel_interface"
	NodeNetworksAnnotation    = "ovn.kubernetes.io/node_networks"

	// Namespace, written by the controller.
	NamespaceSubnetsAnnotation    = "ovn.kubernetes.io/logical_switch"
	NamespaceCIDRAnnotation       = "ovn.kubernetes.io/cidr"
	NamespaceExcludeIPsAnnotation = "ovn.kubernetes.io/exclude_ips"
	NamespaceIPPoolAnnotation     = "ovn.kubernetes.io/ip_pool"
)

// Labels (api.md 3).
const (
	SubnetLabel     = "ovn.kubernetes.io/subnet"
	NodeNameLabel   = "ovn.kubernetes.io/node-name"
	IPReservedLabel = "ovn.kubernetes.io/ip_reserved"
	ExternalGWLabel = "ovn.kubernetes.io/external-gw"
	OvsDPTypeLabel  = "ovn.kubernetes.io/ovs_dp_type"
)

// Events on pods, nodes and subnets (api.md 8.1).
const (
	EventValidatePodNetworkFailed  = "ValidatePodNetworkFailed"
	EventAcquireAddressFailed      = "AcquireAddressFailed"
	EventCreateOVNPortFailed       = "CreateOVNPortFailed"
	EventAddressOutOfRange         = "AddressOutOfRange"
	EventGatewayTypeChanged        = "SubnetGatewayTypeChanged"
	EventGatewayNodeChanged        = "SubnetGatewayNodeChanged"
	EventNodeAddressConflict       = "NodeAddressConflictWithSubnet"
	EventPodNetworkConfigured      = "PodNetworkConfigured"
	EventPodNetworkConfigureFailed = "PodNetworkConfigureFailed"
)
