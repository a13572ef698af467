package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// QoSPolicy limits the bandwidth of IptablesEIPs or VpcNatGateways that name it.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=qos-policies
// +kubebuilder:resource:scope=Cluster,path=qos-policies,singular=qos-policy,shortName=qos
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Shared",type=string,JSONPath=".spec.shared"
// +kubebuilder:printcolumn:name="BindingType",type=string,JSONPath=".spec.bindingType"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type QoSPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted limits.
	Spec QoSPolicySpec `json:"spec,omitempty"`
	// Status is the limits in effect.
	Status QoSPolicyStatus `json:"status,omitempty"`
}

// QoSPolicySpec is the wanted limits of a QoSPolicy.
type QoSPolicySpec struct {
	// BandwidthLimitRules are the limits.
	// +listType=map
	// +listMapKey=name
	BandwidthLimitRules []QoSPolicyBandwidthLimitRule `json:"bandwidthLimitRules"`
	// Shared lets several objects use the policy. A policy for gateways has to be shared. It cannot change.
	Shared bool `json:"shared"`
	// BindingType says what the policy is for: EIP or NATGW.
	// +kubebuilder:validation:Enum=EIP;NATGW
	BindingType string `json:"bindingType"`
}

// QoSPolicyBandwidthLimitRule is one limit.
type QoSPolicyBandwidthLimitRule struct {
	// Name of the limit, unique in the policy.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Interface of a gateway that is limited, for example net1.
	Interface string `json:"interface,omitempty"`
	// RateMax is the rate in Mbit/s as a decimal number in quotes.
	RateMax string `json:"rateMax,omitempty"`
	// BurstMax is the burst in MByte as a decimal number in quotes.
	BurstMax string `json:"burstMax,omitempty"`
	// Priority of the traffic control filter; the lowest that matches wins.
	Priority int `json:"priority,omitempty"`
	// Direction is ingress or egress.
	// +kubebuilder:validation:Enum=ingress;egress
	Direction string `json:"direction,omitempty"`
	// MatchType says what matchValue compares: ip, or empty for all traffic.
	// +kubebuilder:validation:Enum="";ip
	MatchType string `json:"matchType,omitempty"`
	// MatchValue is src or dst, one space, and a prefix, for example src 10.0.0.0/8.
	MatchValue string `json:"matchValue,omitempty"`
}

// QoSPolicyStatus is the limits in effect for a QoSPolicy.
type QoSPolicyStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// BandwidthLimitRules in effect.
	// +listType=map
	// +listMapKey=name
	BandwidthLimitRules []QoSPolicyBandwidthLimitRule `json:"bandwidthLimitRules"`
	// Shared in effect.
	Shared bool `json:"shared"`
	// BindingType in effect.
	BindingType string `json:"bindingType"`
}

// QoSPolicyList is a list of QoSPolicies.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type QoSPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []QoSPolicy `json:"items"`
}
