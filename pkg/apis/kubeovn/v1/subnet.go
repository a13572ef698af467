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
// +kubebuilder:validation:XValidation:rule=`!has(oldSelf.spec) || !has(oldSelf.spec.gateway) || oldSelf.spec.gateway == "" || (oldSelf.?status.v4usingIPs.orValue(0.0) == 0.0 && oldSelf.?status.v6usingIPs.orValue(0.0) == 0.0) || (has(self.spec) && has(self.spec.gateway) && oldSelf.spec.gateway.split(',').all(g, g.trim().lowerAscii() in self.spec.gateway.split(',')))`,message="can't update gateway of cidr when any IPs in Using",fieldPath=".spec.gateway"
type Subnet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted network.
	Spec SubnetSpec `json:"spec,omitempty"`
	// Status is what the controller has set up and counted.
	Status SubnetStatus `json:"status,omitempty"`
}

// SubnetSpec is the wanted network of a Subnet.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.cidrBlock) && self.cidrBlock != "") || (has(self.vlan) && self.vlan != "")`,message="cidrBlock has to be set unless the subnet has a vlan",fieldPath=".cidrBlock"
// +kubebuilder:validation:XValidation:rule=`(has(self.cidrBlock) && self.cidrBlock != "") || ((!has(self.gateway) || self.gateway == "") && (!has(self.excludeIps) || self.excludeIps.size() == 0) && (!has(self.vips) || self.vips.size() == 0) && (!has(self.u2oInterconnectionIP) || self.u2oInterconnectionIP == ""))`,message="gateway, excludeIps, vips and u2oInterconnectionIP must be empty for underlay subnet without cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!has(self.gateway) || !has(self.cidrBlock) || self.gateway.split(',').all(g, !isIP(g) || self.cidrBlock.split(',').exists(c, !isCIDR(c) || cidr(c).containsIP(g)))`,messageExpression=`'gateway ' + self.gateway + ' is not in cidr ' + self.cidrBlock`,fieldPath=".gateway"
// +kubebuilder:validation:XValidation:rule=`!has(self.gateway) || !has(self.cidrBlock) || self.gateway.split(',').all(g, !isIP(g) || self.cidrBlock.split(',').all(c, !isCIDR(c) || !(ip(g) in [cidr(c).masked().ip()]) || cidr(c).prefixLength() == (c.contains(':') ? 127 : 31)))`,messageExpression=`'gateway ' + self.gateway + ' is the network address of cidr ' + self.cidrBlock`,fieldPath=".gateway"
// +kubebuilder:validation:XValidation:rule=`!has(self.gateway) || !has(self.cidrBlock) || self.gateway.split(',').all(g, !isIP(g) || g.contains(':') || self.cidrBlock.split(',').all(c, !isCIDR(c) || cidr(c).prefixLength() >= 31 || !cidr(c).containsIP(g) || (int(g.split('.')[0]) * 16777216 + int(g.split('.')[1]) * 65536 + int(g.split('.')[2]) * 256 + int(g.split('.')[3]) + 1) % [4294967296, 2147483648, 1073741824, 536870912, 268435456, 134217728, 67108864, 33554432, 16777216, 8388608, 4194304, 2097152, 1048576, 524288, 262144, 131072, 65536, 32768, 16384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4][cidr(c).prefixLength()] != 0))`,messageExpression=`'gateway ' + self.gateway + ' is the broadcast address of cidr ' + self.cidrBlock`,fieldPath=".gateway"
// +kubebuilder:validation:XValidation:rule=`!has(self.vips) || !has(self.cidrBlock) || self.vips.all(v, !isIP(v) || self.cidrBlock.split(',').exists(c, !isCIDR(c) || cidr(c).containsIP(v)))`,messageExpression=`'a vip is not in cidr ' + self.cidrBlock`,fieldPath=".vips"
// +kubebuilder:validation:XValidation:rule=`!has(self.u2oInterconnectionIP) || !has(self.cidrBlock) || self.u2oInterconnectionIP.split(',').all(a, !isIP(a) || self.cidrBlock.split(',').exists(c, !isCIDR(c) || cidr(c).containsIP(a)))`,messageExpression=`'u2oInterconnectionIP ' + self.u2oInterconnectionIP + ' is not in cidr ' + self.cidrBlock`,fieldPath=".u2oInterconnectionIP"
// +kubebuilder:validation:XValidation:rule=`!has(self.u2oInterconnectionIP) || !has(self.gateway) || self.u2oInterconnectionIP.split(',').all(a, a == "" || !(a in self.gateway.split(',')))`,messageExpression=`'u2oInterconnectionIP ' + self.u2oInterconnectionIP + ' is the gateway'`,fieldPath=".u2oInterconnectionIP"
// +kubebuilder:validation:XValidation:rule=`!has(self.mtu) || self.mtu == 0 || self.mtu >= 1280 || !has(self.cidrBlock) || !self.cidrBlock.contains(':')`,message="mtu is below the IPv6 minimum 1280",fieldPath=".mtu"
// +kubebuilder:validation:XValidation:rule=`!has(self.natOutgoing) || !self.natOutgoing || !has(self.externalEgressGateway) || self.externalEgressGateway == ""`,message="conflict configuration: natOutgoing and externalEgressGateway exclude each other"
// +kubebuilder:validation:XValidation:rule=`!has(self.externalEgressGateway) || self.externalEgressGateway == "" || !has(self.cidrBlock) || (self.externalEgressGateway.contains(':') == self.cidrBlock.contains(':') && self.externalEgressGateway.contains('.') == self.cidrBlock.contains('.'))`,message="invalid external egress gateway: it needs one address per address family of cidrBlock",fieldPath=".externalEgressGateway"
// +kubebuilder:validation:XValidation:rule=`!has(self.logicalGateway) || !self.logicalGateway || !has(self.u2oInterconnection) || !self.u2oInterconnection`,message="logicalGateway and u2oInterconnection can not be true at the same time"
// +kubebuilder:validation:XValidation:rule=`self.?cidrBlock.orValue("") != "" || !(self.?logicalGateway.orValue(false) || self.?u2oInterconnection.orValue(false))`,message="logicalGateway and u2oInterconnection need a cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!self.?u2oFeatures.overlayOnlyRouting.orValue(false) || (self.?u2oInterconnection.orValue(false) && self.?vlan.orValue("") != "")`,message="overlayOnlyRouting needs u2oInterconnection and a vlan",fieldPath=".u2oFeatures"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?vpc.orValue("") in ["", self.?vpc.orValue("")]`,message="vpc can only be changed from empty",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`(oldSelf.?cidrBlock.orValue("") == "") == (self.?cidrBlock.orValue("") == "")`,message="cidrBlock can be neither added to nor removed from a subnet",fieldPath=".cidrBlock"
type SubnetSpec struct {
	// Default marks the cluster's default subnet. The controller clears it on any other subnet.
	// +kubebuilder:default=false
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
	// +kubebuilder:validation:MaxLength=62
	// +kubebuilder:validation:XValidation:rule=`self == "" || isCIDR(self) || (self.contains(',') && isCIDR(self.substring(0, self.indexOf(','))) && isCIDR(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'cidrBlock ' + self + ' has a format error: it is not a CIDR, or an IPv4 and an IPv6 CIDR separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'cidrBlock ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'cidrBlock ' + self + ' has two CIDRs of one address family'`
	// +kubebuilder:validation:XValidation:rule=`self.split(',').all(c, !isCIDR(c) || cidr(c).prefixLength() < (c.contains(':') ? 128 : 32))`,messageExpression=`'cidrBlock ' + self + ' mask is invalid: a subnet needs more than one address'`
	// +kubebuilder:validation:XValidation:rule=`self.split(',').all(c, !isCIDR(c) || cidr(c).ip().isGlobalUnicast())`,messageExpression=`'cidrBlock ' + self + ' is not a range of global unicast addresses'`
	CIDRBlock string `json:"cidrBlock,omitempty"`
	// Gateway is the address of the gateway, one per family separated by a comma. Empty becomes the first usable address.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'gateway ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'gateway ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'gateway ' + self + ' has two addresses of one family'`
	Gateway string `json:"gateway,omitempty"`
	// ExcludeIps are addresses that are never given to pods: addresses, or ranges first..last. The gateway is added.
	// +kubebuilder:validation:MaxItems=4096
	// +kubebuilder:validation:items:MaxLength=80
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self) || (self.contains('..') && isIP(self.substring(0, self.indexOf('..'))) && isIP(self.substring(self.indexOf('..') + 2)) && ip(self.substring(0, self.indexOf('..'))).family() == ip(self.substring(self.indexOf('..') + 2)).family())`,messageExpression=`'excludeIps entry ' + self + ' is not a valid address or address range first..last'`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains('..') || self.contains(':') || !isIP(self.substring(0, self.indexOf('..'))) || !isIP(self.substring(self.indexOf('..') + 2)) || int(self.substring(0, self.indexOf('..')).split('.')[0]) * 16777216 + int(self.substring(0, self.indexOf('..')).split('.')[1]) * 65536 + int(self.substring(0, self.indexOf('..')).split('.')[2]) * 256 + int(self.substring(0, self.indexOf('..')).split('.')[3]) <= int(self.substring(self.indexOf('..') + 2).split('.')[0]) * 16777216 + int(self.substring(self.indexOf('..') + 2).split('.')[1]) * 65536 + int(self.substring(self.indexOf('..') + 2).split('.')[2]) * 256 + int(self.substring(self.indexOf('..') + 2).split('.')[3])`,messageExpression=`'excludeIps entry ' + self + ' is not a valid ip range: the first address is above the last'`
	// +kubebuilder:validation:items:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'excludeIps entry ' + self + ' can not contain upper case'`
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
	// +kubebuilder:default=false
	NatOutgoing bool `json:"natOutgoing"`
	// NatOutgoingPolicyRules choose flows that natOutgoing does or does not apply to; the first rule that matches decides.
	// +kubebuilder:validation:MaxItems=1000
	NatOutgoingPolicyRules []NatOutgoingPolicyRule `json:"natOutgoingPolicyRules,omitempty"`
	// ExternalEgressGateway sends traffic that leaves the cluster to this gateway by policy routing: one address per family, separated by a comma. This version does not support it and says so in the conditions.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'invalid external egress gateway ' + self + ': it is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'invalid external egress gateway ' + self + ': it has two addresses of one family'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'externalEgressGateway ' + self + ' can not contain upper case'`
	ExternalEgressGateway string `json:"externalEgressGateway,omitempty"`
	// PolicyRoutingPriority is the priority of the node's ip rule for externalEgressGateway, 1 to 32765.
	// +kubebuilder:validation:XValidation:rule=`self >= 0 && self <= 32765`,message="policyRoutingPriority is not in the range 1 to 32765"
	PolicyRoutingPriority uint32 `json:"policyRoutingPriority,omitempty"`
	// PolicyRoutingTableID is the node's routing table for externalEgressGateway, 1 to 2147483647 without 252 to 255; each subnet needs its own.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	// +kubebuilder:validation:XValidation:rule=`!(self in [252, 253, 254, 255])`,message="policyRoutingTableID 252 to 255 are tables of the kernel"
	PolicyRoutingTableID uint32 `json:"policyRoutingTableID,omitempty"`
	// Mtu of the pods' interfaces in bytes, 68 to 65535, and at least 1280 with IPv6. Empty means the cluster's.
	// +kubebuilder:validation:XValidation:rule=`self == 0 || (self >= 68 && self <= 65535)`,message="mtu is not in the range 68 to 65535"
	Mtu uint32 `json:"mtu,omitempty"`
	// Private refuses traffic from other subnets, except from allowSubnets.
	// +kubebuilder:default=false
	Private bool `json:"private"`
	// AllowSubnets are prefixes that can reach this subnet although it is private.
	// +kubebuilder:validation:MaxItems=4096
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule=`self == "" || isCIDR(self)`,messageExpression=`'allowSubnets entry ' + self + ' is not a valid CIDR'`
	// +kubebuilder:validation:items:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'allowSubnets entry ' + self + ' can not contain upper case'`
	AllowSubnets []string `json:"allowSubnets,omitempty"`
	// Vlan is the Vlan object that puts the subnet on a provider network (underlay).
	Vlan string `json:"vlan,omitempty"`
	// Vips are addresses in this subnet for OVN virtual ports. This version does not support them and says so in the conditions; Vip objects are served.
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self)`,messageExpression=`'vips entry ' + self + ' is not an IP address'`
	// +kubebuilder:validation:items:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'vips entry ' + self + ' can not contain upper case'`
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
	// +kubebuilder:validation:MaxItems=5000
	Acls []ACL `json:"acls,omitempty"`
	// AllowEWTraffic permits traffic inside the subnet whatever acls says.
	AllowEWTraffic bool `json:"allowEWTraffic,omitempty"`
	// U2OInterconnection connects an underlay subnet with the overlay subnets of its VPC. It excludes logicalGateway.
	U2OInterconnection bool `json:"u2oInterconnection,omitempty"`
	// U2OInterconnectionIP fixes the router's address in the underlay subnet: inside cidrBlock and not the gateway.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'u2oInterconnectionIP ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'u2oInterconnectionIP ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'u2oInterconnectionIP ' + self + ' has two addresses of one family'`
	U2OInterconnectionIP string `json:"u2oInterconnectionIP,omitempty"`
	// U2OFeatures refine u2oInterconnection.
	U2OFeatures *U2OFeatures `json:"u2oFeatures,omitempty"`
	// EnableLb attaches the service load balancers to the subnet. Empty means the setting of the controller.
	EnableLb *bool `json:"enableLb,omitempty"`
	// EnableEcmp spreads traffic over all nodes of a centralized gateway instead of using one at a time.
	EnableEcmp bool `json:"enableEcmp,omitempty"`
	// EnableMulticastSnoop sends multicast only to ports that asked for it, and asks them (IGMP snooping and querier). This version does not support it and says so in the conditions.
	EnableMulticastSnoop bool `json:"enableMulticastSnoop,omitempty"`
	// EnableExternalLBAddress serves addresses of Services of type LoadBalancer from this underlay subnet. This version does not support it and says so in the conditions.
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
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32767
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
//
// +kubebuilder:validation:XValidation:rule=`!((has(self.srcIPs) && self.srcIPs.contains('.')) || (has(self.dstIPs) && self.dstIPs.contains('.'))) || !((has(self.srcIPs) && self.srcIPs.contains(':')) || (has(self.dstIPs) && self.dstIPs.contains(':')))`,message="match ips protocol is not consistent: all addresses have to be of one family"
type NatOutGoingPolicyMatch struct {
	// SrcIPs are addresses or prefixes of the source, separated by commas. Empty matches any.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || isCIDR(self) || (self.contains(',') && self.matches('^[0-9A-Fa-f.:/, ]+$'))`,messageExpression=`'srcIPs ' + self + ' is not a list of IP addresses and CIDRs separated by commas'`
	SrcIPs string `json:"srcIPs,omitempty"`
	// DstIPs are addresses or prefixes of the destination, separated by commas. Empty matches any.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || isCIDR(self) || (self.contains(',') && self.matches('^[0-9A-Fa-f.:/, ]+$'))`,messageExpression=`'dstIPs ' + self + ' is not a list of IP addresses and CIDRs separated by commas'`
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

	// Accepted is the last spec that was accepted. It stays in effect while a later one is looked at or refused.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Accepted *AcceptedSubnet `json:"accepted,omitempty"`

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
	// +kubebuilder:validation:MaxItems=1000
	NatOutgoingPolicyRules []NatOutgoingPolicyRuleStatus `json:"natOutgoingPolicyRules"`
	// McastQuerierIP is the source address of multicast queries.
	McastQuerierIP string `json:"mcastQuerierIP"`
	// McastQuerierMAC is the source MAC of multicast queries.
	McastQuerierMAC string `json:"mcastQuerierMAC"`
}

// AcceptedSubnet is a spec that the controller accepted.
type AcceptedSubnet struct {
	// Generation is the metadata.generation of the object that had it.
	Generation int64 `json:"generation"`
	// Spec is what was accepted. Its schema is not repeated: it passed as the object's spec.
	Spec SubnetSpec `json:"spec"`
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
