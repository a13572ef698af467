package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Vpc is an isolated layer 3 network: one OVN logical router with its subnets, routes and peerings.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=vpcs,singular=vpc,shortName=vpc
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="EnableExternal",type=boolean,JSONPath=".status.enableExternal"
// +kubebuilder:printcolumn:name="EnableBfd",type=boolean,JSONPath=".status.enableBfd"
// +kubebuilder:printcolumn:name="Standby",type=boolean,JSONPath=".status.standby"
// +kubebuilder:printcolumn:name="Subnets",type=string,JSONPath=".status.subnets"
// +kubebuilder:printcolumn:name="ExtraExternalSubnets",type=string,JSONPath=".status.extraExternalSubnets"
// +kubebuilder:printcolumn:name="Namespaces",type=string,JSONPath=".spec.namespaces"
// +kubebuilder:printcolumn:name="DefaultSubnet",type=string,JSONPath=".status.defaultLogicalSwitch"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:validation:XValidation:rule=`!has(self.spec) || !has(self.spec.vpcPeerings) || self.spec.vpcPeerings.all(p, !has(p.remoteVpc) || p.remoteVpc != self.metadata.name)`,message="a vpc can not peer with itself",fieldPath=".spec.vpcPeerings"
type Vpc struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted network.
	Spec VpcSpec `json:"spec,omitempty"`
	// Status is what the controller has set up.
	Status VpcStatus `json:"status,omitempty"`
}

// VpcSpec is the wanted network of a Vpc.
type VpcSpec struct {
	// Namespaces that may use the subnets of this VPC and whose pods get its default subnet. Empty means any namespace.
	Namespaces []string `json:"namespaces,omitempty"`
	// DefaultSubnet is the subnet of this VPC that pods of its namespaces get when nothing else is chosen.
	DefaultSubnet string `json:"defaultSubnet,omitempty"`
	// StaticRoutes are routes of the VPC's logical router.
	// +kubebuilder:validation:MaxItems=5000
	StaticRoutes []*StaticRoute `json:"staticRoutes,omitempty"`
	// PolicyRoutes are routing policies of the VPC's logical router; they win over static routes.
	// +kubebuilder:validation:MaxItems=5000
	PolicyRoutes []*PolicyRoute `json:"policyRoutes,omitempty"`
	// VpcPeerings are direct links to the routers of other VPCs.
	// +kubebuilder:validation:MaxItems=500
	VpcPeerings []*VpcPeering `json:"vpcPeerings,omitempty"`
	// EnableExternal connects the router to the default external subnet and to the extra external subnets.
	EnableExternal bool `json:"enableExternal,omitempty"`
	// ExtraExternalSubnets are further external subnets (of provider VLANs) to connect to. They take effect only with enableExternal.
	ExtraExternalSubnets []string `json:"extraExternalSubnets,omitempty"`
	// AddExternalSubnets is another name of extraExternalSubnets; the two lists are merged.
	AddExternalSubnets []string `json:"addExternalSubnets,omitempty"`
	// EnableBfd makes the default routes ECMP routes over the external gateway nodes, each watched by BFD. This version does not support it and says so in the conditions.
	EnableBfd bool `json:"enableBfd,omitempty"`
	// BFDPort is a router port only for BFD sessions with egress gateways. This version does not support it and says so in the conditions.
	BFDPort *BFDPort `json:"bfdPort,omitempty"`
}

// StaticRoute is one route of a logical router.
//
// +kubebuilder:validation:XValidation:rule=`self.?cidr.orValue("") != "" && self.?nextHopIP.orValue("") != ""`,message="a static route needs cidr and nextHopIP"
// +kubebuilder:validation:XValidation:rule=`(!has(self.cidr) || !has(self.nextHopIP)) || self.cidr == "" || self.nextHopIP == "" || self.cidr.contains(':') == self.nextHopIP.contains(':')`,messageExpression=`'cidr ' + self.cidr + ' and nextHopIP ' + self.nextHopIP + ' are not of the same address family'`
type StaticRoute struct {
	// Policy says whether cidr is compared with the source (policySrc) or the destination (policyDst) address. Empty means policyDst.
	// +kubebuilder:validation:Enum="";policySrc;policyDst
	Policy RoutePolicy `json:"policy,omitempty"`
	// CIDR is the prefix, or one address, that the route is for, for example 0.0.0.0/0.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || isCIDR(self) || isIP(self)`,messageExpression=`'cidr ' + self + ' is not a CIDR or an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'cidr ' + self + ' can not contain upper case'`
	CIDR string `json:"cidr"`
	// NextHopIP is the address of the next hop, of the same family as cidr.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self)`,messageExpression=`'nextHopIP ' + self + ' is not an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'nextHopIP ' + self + ' can not contain upper case'`
	NextHopIP string `json:"nextHopIP"`
	// ECMPMode set to ecmp_symmetric_reply makes replies take the path of the request.
	ECMPMode string `json:"ecmpMode"`
	// BfdID is the UUID of the OVN BFD session that watches the next hop. This version does not support it and says so in the conditions.
	BfdID string `json:"bfdId"`
	// RouteTable is the OVN route table that holds the route. Empty is the main table.
	RouteTable string `json:"routeTable"`
}

// RoutePolicy says which address a static route looks at.
type RoutePolicy string

// Addresses that a static route can look at.
const (
	PolicySrc RoutePolicy = "policySrc"
	PolicyDst RoutePolicy = "policyDst"
)

// PolicyRoute is one routing policy of a logical router.
//
// +kubebuilder:validation:XValidation:rule=`self.?action.orValue("") != ""`,message="a policy route needs an action: allow, drop or reroute",fieldPath=".action"
// +kubebuilder:validation:XValidation:rule=`self.?match.orValue("") != ""`,message="a policy route needs a match",fieldPath=".match"
// +kubebuilder:validation:XValidation:rule=`self.?action.orValue("") != 'reroute' || self.?nextHopIP.orValue("") != ""`,message="a policy route that reroutes needs nextHopIP",fieldPath=".nextHopIP"
type PolicyRoute struct {
	// Priority of the policy, 0 to 32767. The highest that matches wins.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32767
	Priority int `json:"priority,omitempty"`
	// Match is an OVN match expression, for example ip4.src == 10.0.1.0/24.
	Match string `json:"match,omitempty"`
	// Action on packets that match: allow, drop or reroute.
	// +kubebuilder:validation:Enum="";allow;drop;reroute
	Action PolicyRouteAction `json:"action,omitempty"`
	// NextHopIP is where reroute sends packets: one address, or several separated by commas (ECMP).
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && self.matches('^[0-9A-Fa-f.:, ]+$'))`,messageExpression=`'nextHopIP ' + self + ' is not a list of IP addresses separated by commas'`
	NextHopIP string `json:"nextHopIP,omitempty"`
}

// PolicyRouteAction is what a routing policy does.
type PolicyRouteAction string

// Actions of routing policies.
const (
	PolicyRouteActionAllow   PolicyRouteAction = "allow"
	PolicyRouteActionDrop    PolicyRouteAction = "drop"
	PolicyRouteActionReroute PolicyRouteAction = "reroute"
)

// VpcPeering is a link between the routers of two VPCs; the other VPC has the mirror image.
type VpcPeering struct {
	// RemoteVpc is the name of the other VPC.
	// +kubebuilder:validation:MaxLength=253
	RemoteVpc string `json:"remoteVpc,omitempty"`
	// LocalConnectIP is this router's address on the link with prefix length, for example 169.254.0.1/30; two separated by a comma for dual stack.
	// +kubebuilder:validation:MaxLength=62
	// +kubebuilder:validation:XValidation:rule=`self == "" || isCIDR(self) || (self.contains(',') && isCIDR(self.substring(0, self.indexOf(','))) && isCIDR(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'localConnectIP ' + self + ' is not an address with prefix length such as 169.254.0.1/30, or two separated by a comma'`
	LocalConnectIP string `json:"localConnectIP,omitempty"`
}

// BFDPort describes a router port for BFD sessions with egress gateways.
//
// +kubebuilder:validation:XValidation:rule=`!self.?enabled.orValue(false) || self.?ip.orValue("") != ""`,message="ip has to be set when the BFD port is enabled",fieldPath=".ip"
type BFDPort struct {
	// Enabled makes the port.
	// +kubebuilder:default=false
	Enabled bool `json:"enabled"`
	// IP is the address of the port: one, or an IPv4 and an IPv6 address separated by a comma.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'ip ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'ip ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'ip ' + self + ' has two addresses of one family'`
	IP string `json:"ip,omitempty"`
	// NodeSelector chooses the nodes that can host the port. Without it at most three nodes are taken.
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// VpcStatus is what the controller has set up for a Vpc.
type VpcStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Standby is true when the router exists, so that subnets can use the VPC.
	Standby bool `json:"standby"`
	// Default is true for the cluster's default VPC.
	Default bool `json:"default"`
	// DefaultLogicalSwitch is the default subnet in effect.
	DefaultLogicalSwitch string `json:"defaultLogicalSwitch"`
	// Router is the name of the OVN logical router.
	Router string `json:"router"`
	// TCPLoadBalancer is the name of the OVN load balancer for TCP services. It and the five like it are empty as long as there is none.
	TCPLoadBalancer string `json:"tcpLoadBalancer"`
	// UDPLoadBalancer is the name of the OVN load balancer for UDP services.
	UDPLoadBalancer string `json:"udpLoadBalancer"`
	// SctpLoadBalancer is the name of the OVN load balancer for SCTP services.
	SctpLoadBalancer string `json:"sctpLoadBalancer"`
	// TCPSessionLoadBalancer is the name of the OVN load balancer for TCP services with client affinity.
	TCPSessionLoadBalancer string `json:"tcpSessionLoadBalancer"`
	// UDPSessionLoadBalancer is the name of the OVN load balancer for UDP services with client affinity.
	UDPSessionLoadBalancer string `json:"udpSessionLoadBalancer"`
	// SctpSessionLoadBalancer is the name of the OVN load balancer for SCTP services with client affinity.
	SctpSessionLoadBalancer string `json:"sctpSessionLoadBalancer"`
	// Subnets are the names of the subnets in this VPC.
	Subnets []string `json:"subnets"`
	// VpcPeerings are the names of the VPCs with an established link.
	VpcPeerings []string `json:"vpcPeerings"`
	// EnableExternal is true when the router is connected to its external subnets.
	EnableExternal bool `json:"enableExternal"`
	// ExtraExternalSubnets are the extra external subnets that the router is connected to.
	ExtraExternalSubnets []string `json:"extraExternalSubnets"`
	// EnableBfd is true when the default routes are watched by BFD.
	EnableBfd bool `json:"enableBfd"`
	// BFDPort is the router port for BFD sessions.
	BFDPort BFDPortStatus `json:"bfdPort,omitempty"`
}

// BFDPortStatus is the router port that was made for BFD sessions.
type BFDPortStatus struct {
	// Name of the router port, bfd@ and the name of the VPC.
	Name string `json:"name,omitempty"`
	// IP is the address of the port.
	IP string `json:"ip,omitempty"`
	// Nodes that can host the port.
	Nodes []string `json:"nodes,omitempty"`
}

// VpcList is a list of Vpcs.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Vpc `json:"items"`
}
