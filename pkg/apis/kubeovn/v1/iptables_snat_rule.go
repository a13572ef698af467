package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IptablesSnatRule lets inside addresses reach the outside with the address of an IptablesEIP.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-snat-rules
// +kubebuilder:resource:scope=Cluster,path=iptables-snat-rules,singular=iptables-snat-rule,shortName=snat
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="EIP",type=string,JSONPath=".spec.eip"
// +kubebuilder:printcolumn:name="V4ip",type=string,JSONPath=".status.v4ip"
// +kubebuilder:printcolumn:name="V6ip",type=string,JSONPath=".status.v6ip"
// +kubebuilder:printcolumn:name="InternalCIDR",type=string,JSONPath=".spec.internalCIDR"
// +kubebuilder:printcolumn:name="NatGwDp",type=string,JSONPath=".status.natGwDp"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesSnatRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec IptablesSnatRuleSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status IptablesSnatRuleStatus `json:"status,omitempty"`
}

// IptablesSnatRuleSpec is the wanted NAT of an IptablesSnatRule.
//
// +kubebuilder:validation:XValidation:rule=`self.?eip.orValue("") != ""`,message="eip of a snat rule has to be set",fieldPath=".eip"
// +kubebuilder:validation:XValidation:rule=`self.?internalCIDR.orValue("") != ""`,message="internalCIDR of a snat rule has to be set",fieldPath=".internalCIDR"
type IptablesSnatRuleSpec struct {
	// EIP is the name of the IptablesEIP.
	EIP string `json:"eip"`
	// InternalCIDR is the inside IPv4 prefix or address.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isCIDR(self) ? cidr(self).ip().family() == 4 : isIP(self) && ip(self).family() == 4)`,messageExpression=`'internalCIDR ' + self + ' is not an IPv4 CIDR or address'`
	InternalCIDR string `json:"internalCIDR"`
}

// IptablesSnatRuleStatus is the NAT in effect for an IptablesSnatRule.
type IptablesSnatRuleStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Ready is true when the gateway has the rule.
	Ready bool `json:"ready"`
	// V4ip is the outside IPv4 address.
	V4ip string `json:"v4ip"`
	// V6ip is the outside IPv6 address.
	V6ip string `json:"v6ip"`
	// NatGwDp is the VpcNatGateway that has the rule.
	NatGwDp string `json:"natGwDp"`
	// Redo changes when the gateway has to set up the rule again.
	Redo string `json:"redo"`
	// InternalCIDR is the inside prefix.
	InternalCIDR string `json:"internalCIDR"`
}

// IptablesSnatRuleList is a list of IptablesSnatRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesSnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IptablesSnatRule `json:"items"`
}
