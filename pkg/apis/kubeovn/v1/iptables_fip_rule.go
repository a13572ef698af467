package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IptablesFIPRule gives one inside address an IptablesEIP of its own: NAT in both directions.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-fip-rules
// +kubebuilder:resource:scope=Cluster,path=iptables-fip-rules,singular=iptables-fip-rule,shortName=fip
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Eip",type=string,JSONPath=".spec.eip"
// +kubebuilder:printcolumn:name="V4ip",type=string,JSONPath=".status.v4ip"
// +kubebuilder:printcolumn:name="InternalIp",type=string,JSONPath=".spec.internalIp"
// +kubebuilder:printcolumn:name="V6ip",type=string,JSONPath=".status.v6ip"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="NatGwDp",type=string,JSONPath=".status.natGwDp"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesFIPRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec IptablesFIPRuleSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status IptablesFIPRuleStatus `json:"status,omitempty"`
}

// IptablesFIPRuleSpec is the wanted NAT of an IptablesFIPRule.
//
// +kubebuilder:validation:XValidation:rule=`self.?eip.orValue("") != ""`,message="eip of a fip rule has to be set",fieldPath=".eip"
// +kubebuilder:validation:XValidation:rule=`self.?internalIp.orValue("") != ""`,message="internalIp of a fip rule has to be set",fieldPath=".internalIp"
type IptablesFIPRuleSpec struct {
	// EIP is the name of the IptablesEIP. No other rule can use it.
	EIP string `json:"eip"`
	// InternalIP is the inside IPv4 address.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'internalIp ' + self + ' is not an IPv4 address'`
	InternalIP string `json:"internalIp"`
}

// IptablesFIPRuleStatus is the NAT in effect for an IptablesFIPRule.
type IptablesFIPRuleStatus struct {
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
	// InternalIP is the inside address.
	InternalIP string `json:"internalIp"`
}

// IptablesFIPRuleList is a list of IptablesFIPRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesFIPRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IptablesFIPRule `json:"items"`
}
