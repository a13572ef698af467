package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// VpcEgressGateway is a set of pods through which chosen traffic of a VPC leaves with their external addresses.
//
// +genclient
// +resourceName=vpc-egress-gateways
// +kubebuilder:resource:scope=Namespaced,path=vpc-egress-gateways,singular=vpc-egress-gateway,shortName=vpc-egress-gw;veg
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.labelSelector
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".spec.vpc"
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=".spec.replicas"
// +kubebuilder:printcolumn:name="bfd",type=boolean,JSONPath=".spec.bfd.enabled"
// +kubebuilder:printcolumn:name="External Subnet",type=string,JSONPath=".spec.externalSubnet"
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=".status.phase"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="Internal IPs",type=string,JSONPath=".status.internalIPs",priority=1
// +kubebuilder:printcolumn:name="External IPs",type=string,JSONPath=".status.externalIPs",priority=1
// +kubebuilder:printcolumn:name="Working Nodes",type=string,JSONPath=".status.workload.nodes",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcEgressGateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted gateway.
	Spec VpcEgressGatewaySpec `json:"spec,omitempty"`
	// Status is the gateway in effect.
	Status VpcEgressGatewayStatus `json:"status,omitempty"`
}

// VpcEgressGatewaySpec is the wanted gateway of a VpcEgressGateway.
//
// +kubebuilder:validation:XValidation:rule=`self.?policies.orValue([]).size() + self.?selectors.orValue([]).size() > 0`,message="a gateway needs at least one of policies and selectors"
// +kubebuilder:validation:XValidation:rule=`self.?internalIPs.orValue([]).size() == 0 || self.internalIPs.size() >= self.?replicas.orValue(1)`,message="internalIPs needs at least as many entries as replicas",fieldPath=".internalIPs"
// +kubebuilder:validation:XValidation:rule=`self.?externalIPs.orValue([]).size() == 0 || self.externalIPs.size() >= self.?replicas.orValue(1)`,message="externalIPs needs at least as many entries as replicas",fieldPath=".externalIPs"
// +kubebuilder:validation:XValidation:rule=`self.?internalIPs.orValue([]).size() == 0 || self.?internalIPPool.orValue("") == ""`,message="internalIPs and internalIPPool exclude each other",fieldPath=".internalIPPool"
// +kubebuilder:validation:XValidation:rule=`self.?externalIPs.orValue([]).size() == 0 || self.?externalIPPool.orValue("") == ""`,message="externalIPs and externalIPPool exclude each other",fieldPath=".externalIPPool"
type VpcEgressGatewaySpec struct {
	// VPC whose traffic takes the gateway. Empty means the default VPC.
	VPC string `json:"vpc,omitempty"`
	// BgpConf is the name of the BgpConf to announce routes with.
	BgpConf string `json:"bgpConf,omitempty"`
	// EvpnConf is the name of the EvpnConf to announce routes with.
	EvpnConf string `json:"evpnConf,omitempty"`
	// Replicas is the number of gateway pods, 0 to 10.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Replicas int32 `json:"replicas,omitempty"`
	// Prefix of the name of the Deployment, which is prefix and the name of this object. It cannot change.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^[a-z0-9]([-a-z0-9]*)$')`,messageExpression=`'prefix ' + self + ' is not the beginning of a name: lower case letters, digits and -'`
	// +kubebuilder:validation:XValidation:rule=`self == oldSelf`,message="prefix of a gateway can not change"
	Prefix string `json:"prefix,omitempty"`
	// Image of the gateway's pods. Empty means that of the controller's settings.
	Image string `json:"image,omitempty"`
	// InternalSubnet is the subnet of the inside interfaces. Empty means the default subnet of the VPC.
	InternalSubnet string `json:"internalSubnet,omitempty"`
	// ExternalSubnet is the subnet of the outside interfaces; its provider names a NetworkAttachmentDefinition.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinLength=1
	ExternalSubnet string `json:"externalSubnet"`
	// InternalIPs are the inside addresses, an entry per pod: an IPv4 address, an IPv6 address, or both separated by a comma.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=55
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'internalIPs entry ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'internalIPs entry ' + self + ' has two addresses of one family'`
	InternalIPs []string `json:"internalIPs,omitempty"`
	// ExternalIPs are the outside addresses, an entry per pod: an IPv4 address, an IPv6 address, or both separated by a comma.
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=55
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'externalIPs entry ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'externalIPs entry ' + self + ' has two addresses of one family'`
	ExternalIPs []string `json:"externalIPs,omitempty"`
	// InternalIPPool is the IPPool of the inside addresses; it excludes internalIPs.
	InternalIPPool string `json:"internalIPPool,omitempty"`
	// ExternalIPPool is the IPPool of the outside addresses; it excludes externalIPs.
	ExternalIPPool string `json:"externalIPPool,omitempty"`
	// Selectors choose the pods whose traffic takes the gateway.
	// +kubebuilder:validation:MaxItems=200
	Selectors []VpcEgressGatewaySelector `json:"selectors,omitempty"`
	// TrafficPolicy Local prefers the gateway pod on the node of the traffic; Cluster uses all.
	// +kubebuilder:default=Cluster
	// +kubebuilder:validation:Enum=Local;Cluster
	TrafficPolicy string `json:"trafficPolicy,omitempty"`
	// PodAntiAffinity says whether gateway pods have to be (Required) or should be (Preferred) on different nodes.
	// +kubebuilder:default=Required
	// +kubebuilder:validation:Enum=Required;Preferred
	PodAntiAffinity string `json:"podAntiAffinity,omitempty"`
	// BFD lets the VPC's BFD port watch the gateway's pods.
	// +kubebuilder:default={}
	BFD VpcEgressGatewayBFD `json:"bfd,omitempty"`
	// Policies choose the prefixes and subnets whose traffic takes the gateway.
	// +kubebuilder:validation:MaxItems=200
	Policies []VpcEgressGatewayPolicy `json:"policies,omitempty"`
	// NodeSelector chooses the nodes that can run the gateway; one entry has to match.
	// +kubebuilder:validation:MaxItems=50
	NodeSelector []VpcEgressGatewayNodeSelector `json:"nodeSelector,omitempty"`
	// Tolerations of the gateway's pods.
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// Resources of the gateway's containers.
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// Bandwidth limits each gateway pod, seen from its clients.
	Bandwidth *VpcEgressGatewayBandwidth `json:"bandwidth,omitempty"`
	// Observability measures and logs what the gateway carries.
	Observability *VpcEgressGatewayObservability `json:"observability,omitempty"`
}

// VpcEgressGatewaySelector chooses pods; both selectors have to match.
//
// +kubebuilder:validation:XValidation:rule=`(!has(self.namespaceSelector) || self.namespaceSelector.?matchLabels.orValue({}).size() > 0 || self.namespaceSelector.?matchExpressions.orValue([]).size() > 0)`,message="namespaceSelector needs matchLabels or matchExpressions",fieldPath=".namespaceSelector"
// +kubebuilder:validation:XValidation:rule=`(!has(self.podSelector) || self.podSelector.?matchLabels.orValue({}).size() > 0 || self.podSelector.?matchExpressions.orValue([]).size() > 0)`,message="podSelector needs matchLabels or matchExpressions",fieldPath=".podSelector"
// +kubebuilder:validation:XValidation:rule=`has(self.namespaceSelector) || has(self.podSelector)`,message="a selector needs namespaceSelector or podSelector"
type VpcEgressGatewaySelector struct {
	// NamespaceSelector chooses the namespaces of the pods. Empty matches all.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// PodSelector chooses the pods. Empty matches all.
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
}

// VpcEgressGatewayBFD lets the VPC's BFD port watch the gateway's pods.
type VpcEgressGatewayBFD struct {
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
	// +kubebuilder:validation:Maximum=3600000
	Multiplier int32 `json:"multiplier,omitempty"`
}

// VpcEgressGatewayPolicy chooses traffic by its source.
//
// +kubebuilder:validation:XValidation:rule=`self.?ipBlocks.orValue([]).size() + self.?subnets.orValue([]).size() > 0`,message="a policy needs ipBlocks or subnets"
type VpcEgressGatewayPolicy struct {
	// SNAT replaces the source address by the outside address of the gateway pod.
	// +kubebuilder:default=false
	SNAT bool `json:"snat"`
	// IPBlocks are the prefixes or addresses of the traffic.
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule=`isCIDR(self) || isIP(self)`,messageExpression=`'ipBlocks entry ' + self + ' is not a CIDR or an IP address'`
	IPBlocks []string `json:"ipBlocks,omitempty"`
	// Subnets are the subnets of the traffic.
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=253
	Subnets []string `json:"subnets,omitempty"`
}

// VpcEgressGatewayNodeSelector chooses nodes; all parts have to match.
type VpcEgressGatewayNodeSelector struct {
	// MatchLabels are labels that the node has to have.
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// MatchExpressions are requirements on the node's labels.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule=`self.all(r, r.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])`,message="operator of matchExpressions is none of In, NotIn, Exists, DoesNotExist, Gt and Lt"
	MatchExpressions []corev1.NodeSelectorRequirement `json:"matchExpressions,omitempty"`
	// MatchFields are requirements on the node's fields.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule=`self.all(r, r.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])`,message="operator of matchFields is none of In, NotIn, Exists, DoesNotExist, Gt and Lt"
	MatchFields []corev1.NodeSelectorRequirement `json:"matchFields,omitempty"`
}

// VpcEgressGatewayBandwidth limits a gateway pod, seen from its clients.
type VpcEgressGatewayBandwidth struct {
	// Ingress is the limit towards clients: a whole number of Mbit/s, or a number with M, Mi, G or Gi.
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? self >= 0 && self <= 9223372036854 : self.matches('^[0-9]+(M|Mi|G|Gi)?$')`,message="ingress is neither a whole number of Mbit/s up to 9223372036854 nor a number with M, Mi, G or Gi"
	Ingress *intstr.IntOrString `json:"ingress,omitempty"`
	// Egress is the limit from clients: a whole number of Mbit/s, or a number with M, Mi, G or Gi.
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? self >= 0 && self <= 9223372036854 : self.matches('^[0-9]+(M|Mi|G|Gi)?$')`,message="egress is neither a whole number of Mbit/s up to 9223372036854 nor a number with M, Mi, G or Gi"
	Egress *intstr.IntOrString `json:"egress,omitempty"`
}

// VpcEgressGatewayStatus is the gateway in effect for a VpcEgressGateway.
type VpcEgressGatewayStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Replicas is the number of gateway pods.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Replicas int32 `json:"replicas,omitempty"`
	// LabelSelector selects the gateway's pods, for the scale subresource.
	LabelSelector string `json:"labelSelector,omitempty"`
	// Ready is true when every gateway pod carries traffic.
	// +kubebuilder:default=false
	Ready bool `json:"ready"`
	// Phase of the set-up: Pending, Processing or Completed.
	// +kubebuilder:default=Pending
	// +kubebuilder:validation:Enum=Pending;Processing;Completed
	Phase VpcEgressGatewayPhase `json:"phase"`
	// InternalIPs are the inside addresses of the pods.
	InternalIPs []string `json:"internalIPs,omitempty"`
	// ExternalIPs are the outside addresses of the pods.
	ExternalIPs []string `json:"externalIPs,omitempty"`
	// Workload is the object that runs the gateway's pods.
	Workload WorkloadStatus `json:"workload,omitempty"`
}

// VpcEgressGatewayPhase is how far the set-up of a gateway is.
type VpcEgressGatewayPhase string

// Phases of a gateway, in their order.
const (
	VpcEgressGatewayPending    VpcEgressGatewayPhase = "Pending"
	VpcEgressGatewayProcessing VpcEgressGatewayPhase = "Processing"
	VpcEgressGatewayCompleted  VpcEgressGatewayPhase = "Completed"
)

// VpcEgressGatewayList is a list of VpcEgressGateways.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcEgressGatewayList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VpcEgressGateway `json:"items"`
}
