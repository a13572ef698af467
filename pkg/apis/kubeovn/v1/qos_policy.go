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
//
// +kubebuilder:validation:XValidation:rule=`self.?bindingType.orValue("") != ""`,message="bindingType of a qos policy has to be set: EIP or NATGW",fieldPath=".bindingType"
// +kubebuilder:validation:XValidation:rule=`self.?bindingType.orValue("") != 'NATGW' || self.?shared.orValue(false)`,message="not support qos policy with bindingType NATGW that is not shared",fieldPath=".shared"
// +kubebuilder:validation:XValidation:rule=`self.?shared.orValue(false) == oldSelf.?shared.orValue(false)`,message="not support qos change of shared",fieldPath=".shared"
// +kubebuilder:validation:XValidation:rule=`self.?bindingType.orValue("") in [oldSelf.?bindingType.orValue("")]`,message="not support qos change of bindingType",fieldPath=".bindingType"
type QoSPolicySpec struct {
	// BandwidthLimitRules are the limits.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	BandwidthLimitRules []QoSPolicyBandwidthLimitRule `json:"bandwidthLimitRules"`
	// Shared lets several objects use the policy. A policy for gateways has to be shared. It cannot change.
	Shared bool `json:"shared"`
	// BindingType says what the policy is for: EIP or NATGW.
	// +kubebuilder:validation:Enum=EIP;NATGW
	BindingType string `json:"bindingType"`
}

// QoSPolicyBandwidthLimitRule is one limit.
//
// +kubebuilder:validation:XValidation:rule=`self.?matchType.orValue("") != 'ip' || self.?matchValue.orValue("") != ""`,message="a rule with matchType ip needs matchValue",fieldPath=".matchValue"
type QoSPolicyBandwidthLimitRule struct {
	// Name of the limit, unique in the policy.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Interface of a gateway that is limited, for example net1.
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9_-]*$')`,messageExpression=`'not support qos interface ' + self + ': letters, digits, _ and - only'`
	Interface string `json:"interface,omitempty"`
	// RateMax is the rate in Mbit/s as a decimal number in quotes.
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^[0-9]+([.][0-9]+)?$')`,messageExpression=`'not support qos rateMax ' + self + ': it is not a decimal number'`
	RateMax string `json:"rateMax,omitempty"`
	// BurstMax is the burst in MByte as a decimal number in quotes.
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^[0-9]+([.][0-9]+)?$')`,messageExpression=`'not support qos burstMax ' + self + ': it is not a decimal number'`
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
	// +kubebuilder:validation:MaxLength=60
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.matches('^(src|dst) [^ ]+$') && isCIDR(self.substring(4)))`,messageExpression=`'not support qos matchValue ' + self + ': it is not src or dst, one space and a CIDR'`
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
	// +kubebuilder:validation:MaxItems=200
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
