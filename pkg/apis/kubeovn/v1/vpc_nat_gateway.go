package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VpcNatGateway is a pod between a VPC and external networks that translates addresses with iptables.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=vpc-nat-gateways
// +kubebuilder:resource:scope=Cluster,path=vpc-nat-gateways,singular=vpc-nat-gateway,shortName=vpc-nat-gw
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=".spec.namespace"
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".spec.vpc"
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet"
// +kubebuilder:printcolumn:name="LanIP",type=string,JSONPath=".spec.lanIp"
// +kubebuilder:printcolumn:name="IPs",type=string,JSONPath=".status.lanIp"
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=".spec.replicas"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="BFD",type=boolean,JSONPath=".spec.bfd.enabled"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcNatGateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted gateway.
	Spec VpcNatGatewaySpec `json:"spec,omitempty"`
	// Status is the gateway in effect.
	Status VpcNatGatewayStatus `json:"status,omitempty"`
}

// VpcNatGatewaySpec is the wanted gateway of a VpcNatGateway.
//
// +kubebuilder:validation:XValidation:rule=`self.?vpc.orValue("") != ""`,message="vpc of a gateway has to be set",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`self.?subnet.orValue("") != ""`,message="subnet of a gateway has to be set",fieldPath=".subnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?namespace.orValue("") in ["", self.?namespace.orValue("")]`,message="spec.namespace is immutable",fieldPath=".namespace"
// +kubebuilder:validation:XValidation:rule=`(oldSelf.?replicas.orValue(1) > 1) == (self.?replicas.orValue(1) > 1)`,message="change of replicas between one and more is not supported; delete and recreate the gateway",fieldPath=".replicas"
type VpcNatGatewaySpec struct {
	// Namespace of the gateway's workload. Empty means that of the controller; it cannot change once set.
	Namespace string `json:"namespace,omitempty"`
	// Vpc that the gateway serves.
	Vpc string `json:"vpc"`
	// Subnet of the VPC that the gateway's inside interface is in.
	Subnet string `json:"subnet"`
	// ExternalSubnets are the names of the external networks; the first is used. Empty means ovn-vpc-external-network.
	ExternalSubnets []string `json:"externalSubnets"`
	// LanIP is the gateway's address in subnet, the next hop of the VPC's routes. The controller fills it when there is one replica.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self)`,messageExpression=`'lanIp ' + self + ' is not an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'lanIp ' + self + ' can not contain upper case'`
	LanIP string `json:"lanIp"`
	// Selector chooses the nodes that can run the gateway, as "key: value" of their labels.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=400
	// +kubebuilder:validation:items:XValidation:rule=`self.matches('^[^:]+:.*$')`,messageExpression=`'selector entry ' + self + ' is not key: value'`
	Selector []string `json:"selector"`
	// Tolerations of the gateway's pods.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(t, t.?operator.orValue("") in ["", 'Equal', 'Exists'])`,message="operator of a toleration is neither Equal nor Exists"
	// +kubebuilder:validation:XValidation:rule=`self.all(t, t.?effect.orValue("") in ["", 'NoSchedule', 'PreferNoSchedule', 'NoExecute'])`,message="effect of a toleration is none of NoSchedule, PreferNoSchedule and NoExecute"
	Tolerations []corev1.Toleration `json:"tolerations"`
	// Affinity of the gateway's pods.
	Affinity corev1.Affinity `json:"affinity"`
	// QoSPolicy is the name of a shared QoSPolicy for gateways.
	QoSPolicy string `json:"qosPolicy"`
	// BgpSpeaker announces the gateway's addresses by BGP.
	BgpSpeaker VpcBgpSpeaker `json:"bgpSpeaker"`
	// Replicas is the number of gateway pods; more than one makes the gateway highly available. One and more cannot replace each other.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	Replicas int32 `json:"replicas,omitempty"`
	// BFD lets the VPC watch the gateway's pods; for several replicas.
	// +kubebuilder:default={}
	BFD VpcNatGatewayBFD `json:"bfd,omitempty"`
	// InternalSubnets are the subnets whose traffic takes the gateway; for several replicas.
	InternalSubnets []string `json:"internalSubnets,omitempty"`
	// InternalCIDRs are the prefixes whose traffic takes the gateway; for several replicas.
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule=`isCIDR(self)`,messageExpression=`'internalCIDRs entry ' + self + ' is not a CIDR'`
	InternalCIDRs []string `json:"internalCIDRs,omitempty"`
	// Routes are further routes inside the gateway's pods.
	// +kubebuilder:validation:MaxItems=1000
	Routes []Route `json:"routes"`
	// NoDefaultEIP leaves the external interface without an address until an IptablesEIP is made.
	NoDefaultEIP bool `json:"noDefaultEIP"`
	// Annotations are copied to the gateway's pods.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// VpcBgpSpeaker announces a gateway's addresses by BGP.
type VpcBgpSpeaker struct {
	// Enabled starts the speaker.
	Enabled bool `json:"enabled"`
	// ASN is the autonomous system number of the speaker.
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Maximum=4294967295
	// +kubebuilder:validation:Minimum=0
	ASN uint32 `json:"asn"`
	// RemoteASN is the autonomous system number of the neighbors.
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Maximum=4294967295
	// +kubebuilder:validation:Minimum=0
	RemoteASN uint32 `json:"remoteAsn"`
	// Neighbors are the addresses of the BGP peers.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self)`,messageExpression=`'neighbors entry ' + self + ' is not an IP address'`
	Neighbors []string `json:"neighbors"`
	// HoldTime is after how long a silent neighbor is given up, for example 90s.
	HoldTime metav1.Duration `json:"holdTime"`
	// RouterID identifies the speaker, an IPv4 address. Empty means the gateway's.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'routerId ' + self + ' is not an IPv4 address'`
	RouterID string `json:"routerId"`
	// Password of TCP MD5 authentication. Anyone who may read this object reads it.
	Password string `json:"password"`
	// EnableGracefulRestart keeps forwarding while the speaker restarts.
	EnableGracefulRestart bool `json:"enableGracefulRestart"`
	// ExtraArgs are further command line arguments of the speaker.
	ExtraArgs []string `json:"extraArgs"`
}

// VpcNatGatewayBFD lets the VPC's BFD port watch the gateway's pods.
type VpcNatGatewayBFD struct {
	// Enabled starts BFD. The VPC needs bfdPort.
	// +kubebuilder:default=false
	Enabled bool `json:"enabled"`
	// MinRX is the least interval of received packets in milliseconds.
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600000
	MinRX int32 `json:"minRX,omitempty"`
	// MinTX is the least interval of sent packets in milliseconds.
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600000
	MinTX int32 `json:"minTX,omitempty"`
	// Multiplier is how many packets in a row are lost before a session is down.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=255
	Multiplier int32 `json:"multiplier,omitempty"`
}

// Route is a route inside a gateway's pods.
type Route struct {
	// CIDR is the destination, for example 10.1.0.0/16.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`isCIDR(self)`,messageExpression=`'cidr ' + self + ' is not a CIDR'`
	CIDR string `json:"cidr"`
	// NextHopIP is the address of the next hop, or gateway for the gateway of the inside subnet.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule=`self == 'gateway' || isIP(self)`,messageExpression=`'nextHopIP ' + self + ' is neither an IP address nor gateway'`
	NextHopIP string `json:"nextHopIP"`
}

// VpcNatGatewayStatus is the gateway in effect for a VpcNatGateway.
type VpcNatGatewayStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// QoSPolicy in effect.
	QoSPolicy string `json:"qosPolicy"`
	// ExternalSubnets in effect.
	ExternalSubnets []string `json:"externalSubnets"`
	// Selector in effect.
	Selector []string `json:"selector"`
	// Tolerations in effect.
	Tolerations []corev1.Toleration `json:"tolerations"`
	// Affinity in effect.
	Affinity corev1.Affinity `json:"affinity"`
	// Replicas is the number of gateway pods.
	Replicas int32 `json:"replicas,omitempty"`
	// Ready is true when every gateway pod is set up.
	Ready bool `json:"ready,omitempty"`
	// LanIP holds the inside addresses of the gateway's pods, separated by commas.
	LanIP string `json:"lanIp,omitempty"`
	// Workload is the object that runs the gateway's pods.
	Workload WorkloadStatus `json:"workload,omitempty"`
	// InternalSubnets in effect.
	InternalSubnets []string `json:"internalSubnets,omitempty"`
	// InternalCIDRs in effect.
	InternalCIDRs []string `json:"internalCIDRs,omitempty"`
}

// WorkloadStatus names the object that runs a gateway's pods.
type WorkloadStatus struct {
	// APIVersion of the object, for example apps/v1.
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the object, for example Deployment.
	Kind string `json:"kind,omitempty"`
	// Name of the object.
	Name string `json:"name,omitempty"`
	// Nodes that run the pods.
	Nodes []string `json:"nodes,omitempty"`
}

// VpcNatGatewayList is a list of VpcNatGateways.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcNatGatewayList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VpcNatGateway `json:"items"`
}
