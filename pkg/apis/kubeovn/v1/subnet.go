package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Subnet is a layer 2 network with its addresses: one OVN logical switch, in overlay or on a provider VLAN.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=subnets,singular=subnet,shortName=subnet
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=".spec.provider"
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".spec.vpc"
// +kubebuilder:printcolumn:name="Vlan",type=string,JSONPath=".spec.vlan"
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=".spec.protocol"
// +kubebuilder:printcolumn:name="CIDR",type=string,JSONPath=".spec.cidrBlock"
// +kubebuilder:printcolumn:name="Private",type=boolean,JSONPath=".spec.private"
// +kubebuilder:printcolumn:name="NAT",type=boolean,JSONPath=".spec.natOutgoing"
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=".spec.default"
// +kubebuilder:printcolumn:name="GatewayType",type=string,JSONPath=".spec.gatewayType"
// +kubebuilder:printcolumn:name="V4Used",type=number,JSONPath=".status.v4usingIPs"
// +kubebuilder:printcolumn:name="V4Available",type=number,JSONPath=".status.v4availableIPs"
// +kubebuilder:printcolumn:name="V6Used",type=number,JSONPath=".status.v6usingIPs"
// +kubebuilder:printcolumn:name="V6Available",type=number,JSONPath=".status.v6availableIPs"
// +kubebuilder:printcolumn:name="ExcludeIPs",type=string,JSONPath=".spec.excludeIps"
// +kubebuilder:printcolumn:name="U2OInterconnectionIP",type=string,JSONPath=".status.u2oInterconnectionIP"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Subnet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted network.
	Spec SubnetSpec `json:"spec,omitempty"`
	// Status is what the controller has set up and counted.
	Status SubnetStatus `json:"status,omitempty"`
}

// SubnetSpec is the wanted network of a Subnet.
type SubnetSpec struct {
	// Default marks the cluster's default subnet. The controller clears it on any other subnet.
	Default bool `json:"default"`
	// Vpc is the VPC that the subnet belongs to. Empty becomes the default VPC for a subnet of OVN; it cannot change once set.
	Vpc string `json:"vpc,omitempty"`
	// Protocol is the address family: IPv4, IPv6, Dual, or Mac for an underlay subnet without addresses. The controller derives it from cidrBlock.
	// +kubebuilder:validation:Enum="";IPv4;IPv6;Dual;Mac
	Protocol string `json:"protocol,omitempty"`
	// Namespaces whose pods use this subnet when they do not choose another.
	Namespaces []string `json:"namespaces,omitempty"`
	// NamespaceSelectors choose by labels further namespaces whose pods use this subnet.
	NamespaceSelectors []metav1.LabelSelector `json:"namespaceSelectors,omitempty"`
	// CIDRBlock is the prefix of the subnet: one, or an IPv4 and an IPv6 prefix separated by a comma, for example 10.16.0.0/16,fd00:10:16::/64.
	CIDRBlock string `json:"cidrBlock,omitempty"`
	// Gateway is the address of the gateway, one per family separated by a comma. Empty becomes the first usable address.
	Gateway string `json:"gateway,omitempty"`
	// ExcludeIps are addresses that are never given to pods: addresses, or ranges first..last. The gateway is added.
	ExcludeIps []string `json:"excludeIps,omitempty"`
	// Provider is the network provider: ovn for the cluster network, <nad>.<namespace>.ovn for a further OVN network, <nad>.<namespace> for address management only.
	Provider string `json:"provider,omitempty"`
	// GatewayType is how pods of the default VPC leave the cluster: distributed over each pod's node, or centralized over the gateway nodes.
	// +kubebuilder:validation:Enum="";distributed;centralized
	GatewayType string `json:"gatewayType,omitempty"`
	// GatewayNode lists the nodes of a centralized gateway, separated by commas: node, or node:address to leave with that address.
	GatewayNode string `json:"gatewayNode"`
	// GatewayNodeSelectors choose by labels the nodes of a centralized gateway.
	GatewayNodeSelectors []metav1.LabelSelector `json:"gatewayNodeSelectors,omitempty"`
	// NatOutgoing replaces the source address of traffic that leaves the cluster by that of the node.
	NatOutgoing bool `json:"natOutgoing"`
	// NatOutgoingPolicyRules choose flows that natOutgoing does or does not apply to; the first rule that matches decides.
	NatOutgoingPolicyRules []NatOutgoingPolicyRule `json:"natOutgoingPolicyRules,omitempty"`
	// ExternalEgressGateway sends traffic that leaves the cluster to this gateway by policy routing: one address per family, separated by a comma.
	ExternalEgressGateway string `json:"externalEgressGateway,omitempty"`
	// PolicyRoutingPriority is the priority of the node's ip rule for externalEgressGateway, 1 to 32765.
	PolicyRoutingPriority uint32 `json:"policyRoutingPriority,omitempty"`
	// PolicyRoutingTableID is the node's routing table for externalEgressGateway, 1 to 2147483647 without 252 to 255; each subnet needs its own.
	PolicyRoutingTableID uint32 `json:"policyRoutingTableID,omitempty"`
	// Mtu of the pods' interfaces in bytes, 68 to 65535, and at least 1280 with IPv6. Empty means the cluster's.
	Mtu uint32 `json:"mtu,omitempty"`
	// Private refuses traffic from other subnets, except from allowSubnets.
	Private bool `json:"private"`
	// AllowSubnets are prefixes that can reach this subnet although it is private.
	AllowSubnets []string `json:"allowSubnets,omitempty"`
	// Vlan is the Vlan object that puts the subnet on a provider network (underlay).
	Vlan string `json:"vlan,omitempty"`
	// Vips are addresses in this subnet for OVN virtual ports.
	Vips []string `json:"vips,omitempty"`
	// LogicalGateway makes the OVN router the gateway of an underlay subnet. It excludes u2oInterconnection.
	LogicalGateway bool `json:"logicalGateway,omitempty"`
	// DisableGatewayCheck starts pods without testing that the gateway answers.
	DisableGatewayCheck bool `json:"disableGatewayCheck,omitempty"`
	// DisableInterConnection keeps the subnet out of OVN interconnection with other clusters.
	DisableInterConnection bool `json:"disableInterConnection,omitempty"`
	// EnableDHCP answers DHCPv4 and DHCPv6 requests of pods.
	EnableDHCP bool `json:"enableDHCP,omitempty"`
	// DHCPv4Options replace the DHCPv4 options, as key=value separated by commas.
	DHCPv4Options string `json:"dhcpV4Options,omitempty"`
	// DHCPv6Options replace the DHCPv6 options, as key=value separated by commas.
	DHCPv6Options string `json:"dhcpV6Options,omitempty"`
	// EnableIPv6RA sends IPv6 router advertisements.
	EnableIPv6RA bool `json:"enableIPv6RA,omitempty"`
	// IPv6RAConfigs replace the options of router advertisements, as key=value separated by commas. Empty means address_mode=dhcpv6_stateful,max_interval=30,min_interval=5,send_periodic=true.
	IPv6RAConfigs string `json:"ipv6RAConfigs,omitempty"`
	// Acls are access rules of the logical switch in the words of OVN.
	Acls []ACL `json:"acls,omitempty"`
	// AllowEWTraffic permits traffic inside the subnet whatever acls says.
	AllowEWTraffic bool `json:"allowEWTraffic,omitempty"`
	// U2OInterconnection connects an underlay subnet with the overlay subnets of its VPC. It excludes logicalGateway.
	U2OInterconnection bool `json:"u2oInterconnection,omitempty"`
	// U2OInterconnectionIP fixes the router's address in the underlay subnet: inside cidrBlock and not the gateway.
	U2OInterconnectionIP string `json:"u2oInterconnectionIP,omitempty"`
	// U2OFeatures refine u2oInterconnection.
	U2OFeatures *U2OFeatures `json:"u2oFeatures,omitempty"`
	// EnableLb attaches the service load balancers to the subnet. Empty means the setting of the controller.
	EnableLb *bool `json:"enableLb,omitempty"`
	// EnableEcmp spreads traffic over all nodes of a centralized gateway instead of using one at a time.
	EnableEcmp bool `json:"enableEcmp,omitempty"`
	// EnableMulticastSnoop sends multicast only to ports that asked for it, and asks them (IGMP snooping and querier).
	EnableMulticastSnoop bool `json:"enableMulticastSnoop,omitempty"`
	// EnableExternalLBAddress serves addresses of Services of type LoadBalancer from this underlay subnet.
	EnableExternalLBAddress bool `json:"enableExternalLBAddress,omitempty"`
	// RouteTable is the OVN route table for traffic that comes from this subnet. Empty is the main table.
	RouteTable string `json:"routeTable,omitempty"`
	// NodeNetwork is the key of the node annotation node_networks whose address carries the tunnels of pods in this subnet.
	NodeNetwork string `json:"nodeNetwork,omitempty"`
}

// ACL is one access rule of a logical switch.
type ACL struct {
	// Direction is to-lport for traffic towards pods and from-lport for traffic from pods.
	// +kubebuilder:validation:Enum=from-lport;to-lport
	Direction string `json:"direction,omitempty"`
	// Priority of the rule, 0 to 32767. The highest that matches wins.
	Priority int `json:"priority,omitempty"`
	// Match is an OVN match expression, for example ip4.src == 10.0.1.0/24 && tcp.
	Match string `json:"match,omitempty"`
	// Action on packets that match: allow-related, allow-stateless, allow, drop or reject.
	// +kubebuilder:validation:Enum=allow-related;allow-stateless;allow;drop;reject
	Action string `json:"action,omitempty"`
}

// NatOutgoingPolicyRule decides for the flows that it matches whether their source address is replaced.
type NatOutgoingPolicyRule struct {
	// Match says which flows the rule is for; empty matches all.
	Match NatOutGoingPolicyMatch `json:"match"`
	// Action nat replaces the source address, forward keeps it.
	// +kubebuilder:validation:Enum=nat;forward
	Action string `json:"action"`
}

// NatOutGoingPolicyMatch chooses flows by their addresses; both fields have to match, and addresses are of one family.
type NatOutGoingPolicyMatch struct {
	// SrcIPs are addresses or prefixes of the source, separated by commas. Empty matches any.
	SrcIPs string `json:"srcIPs,omitempty"`
	// DstIPs are addresses or prefixes of the destination, separated by commas. Empty matches any.
	DstIPs string `json:"dstIPs,omitempty"`
}

// U2OFeatures refine the connection of an underlay subnet with the overlay.
type U2OFeatures struct {
	// OverlayOnlyRouting sends only traffic for the VPC's overlay prefixes over the router. It needs vlan and u2oInterconnection.
	OverlayOnlyRouting bool `json:"overlayOnlyRouting,omitempty"`
}

// SubnetStatus is what the controller has set up and counted for a Subnet.
type SubnetStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// V4AvailableIPs counts the IPv4 addresses that can still be given.
	V4AvailableIPs BigInt `json:"v4availableIPs"`
	// V4AvailableIPRange lists the IPv4 addresses that can still be given, as first-last separated by commas.
	V4AvailableIPRange string `json:"v4availableIPrange"`
	// V4UsingIPs counts the IPv4 addresses in use.
	V4UsingIPs BigInt `json:"v4usingIPs"`
	// V4UsingIPRange lists the IPv4 addresses in use, as first-last separated by commas.
	V4UsingIPRange string `json:"v4usingIPrange"`
	// V6AvailableIPs counts the IPv6 addresses that can still be given.
	V6AvailableIPs BigInt `json:"v6availableIPs"`
	// V6AvailableIPRange lists the IPv6 addresses that can still be given, as first-last separated by commas.
	V6AvailableIPRange string `json:"v6availableIPrange"`
	// V6UsingIPs counts the IPv6 addresses in use.
	V6UsingIPs BigInt `json:"v6usingIPs"`
	// V6UsingIPRange lists the IPv6 addresses in use, as first-last separated by commas.
	V6UsingIPRange string `json:"v6usingIPrange"`
	// ActivateGateway is the node that is the centralized gateway now.
	ActivateGateway string `json:"activateGateway"`
	// DHCPv4OptionsUUID is the UUID of the OVN row with the DHCPv4 options.
	DHCPv4OptionsUUID string `json:"dhcpV4OptionsUUID"`
	// DHCPv6OptionsUUID is the UUID of the OVN row with the DHCPv6 options.
	DHCPv6OptionsUUID string `json:"dhcpV6OptionsUUID"`
	// U2OInterconnectionIP is the router's address in the underlay subnet.
	U2OInterconnectionIP string `json:"u2oInterconnectionIP"`
	// U2OInterconnectionMAC is the MAC of the router's port in the underlay subnet.
	U2OInterconnectionMAC string `json:"u2oInterconnectionMAC"`
	// U2OInterconnectionVPC is the VPC that the underlay subnet is connected with.
	U2OInterconnectionVPC string `json:"u2oInterconnectionVPC"`
	// NatOutgoingPolicyRules are the rules in effect with their identities.
	NatOutgoingPolicyRules []NatOutgoingPolicyRuleStatus `json:"natOutgoingPolicyRules"`
	// McastQuerierIP is the source address of multicast queries.
	McastQuerierIP string `json:"mcastQuerierIP"`
	// McastQuerierMAC is the source MAC of multicast queries.
	McastQuerierMAC string `json:"mcastQuerierMAC"`
}

// NatOutgoingPolicyRuleStatus is a rule in effect.
type NatOutgoingPolicyRuleStatus struct {
	// RuleID identifies the rule on the nodes: twelve hexadecimal digits.
	RuleID                string `json:"ruleID"`
	NatOutgoingPolicyRule `json:",inline"`
}

// SubnetList is a list of Subnets.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SubnetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Subnet `json:"items"`
}
