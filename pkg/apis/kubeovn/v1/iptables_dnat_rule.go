package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IptablesDnatRule sends what arrives at one port of an IptablesEIP to a port of an inside address.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-dnat-rules
// +kubebuilder:resource:scope=Cluster,path=iptables-dnat-rules,singular=iptables-dnat-rule,shortName=dnat
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Eip",type=string,JSONPath=".spec.eip"
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=".spec.protocol"
// +kubebuilder:printcolumn:name="V4ip",type=string,JSONPath=".status.v4ip"
// +kubebuilder:printcolumn:name="V6ip",type=string,JSONPath=".status.v6ip"
// +kubebuilder:printcolumn:name="InternalIp",type=string,JSONPath=".spec.internalIp"
// +kubebuilder:printcolumn:name="ExternalPort",type=string,JSONPath=".spec.externalPort"
// +kubebuilder:printcolumn:name="InternalPort",type=string,JSONPath=".spec.internalPort"
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="NatGwDp",type=string,JSONPath=".status.natGwDp"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesDnatRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec IptablesDnatRuleSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status IptablesDnatRuleStatus `json:"status,omitempty"`
}

// IptablesDnatRuleSpec is the wanted NAT of an IptablesDnatRule.
//
// +kubebuilder:validation:XValidation:rule=`self.?eip.orValue("") != ""`,message="eip of a dnat rule has to be set",fieldPath=".eip"
// +kubebuilder:validation:XValidation:rule=`self.?externalPort.orValue("") != ""`,message="externalPort of a dnat rule has to be set",fieldPath=".externalPort"
// +kubebuilder:validation:XValidation:rule=`self.?internalPort.orValue("") != ""`,message="internalPort of a dnat rule has to be set",fieldPath=".internalPort"
// +kubebuilder:validation:XValidation:rule=`self.?internalIp.orValue("") != ""`,message="internalIp of a dnat rule has to be set",fieldPath=".internalIp"
// +kubebuilder:validation:XValidation:rule=`self.?protocol.orValue("") != ""`,message="protocol of a dnat rule has to be set",fieldPath=".protocol"
// +kubebuilder:validation:XValidation:rule=`(oldSelf.?type.orValue("") in ["", 'exclusive']) == (self.?type.orValue("") in ["", 'exclusive'])`,message="type of a dnat rule can not change",fieldPath=".type"
type IptablesDnatRuleSpec struct {
	// EIP is the name of the IptablesEIP.
	EIP string `json:"eip"`
	// ExternalPort is the port of the outside address, 1 to 65535 in quotes.
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.matches('^[1-9][0-9]{0,4}$') && int(self) <= 65535)`,messageExpression=`'externalPort ' + self + ' is not a port from 1 to 65535'`
	ExternalPort string `json:"externalPort"`
	// Protocol is tcp or udp.
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule=`self.lowerAscii() in ["", 'tcp', 'udp']`,messageExpression=`'protocol ' + self + ' is neither tcp nor udp'`
	Protocol string `json:"protocol,omitempty"`
	// InternalIP is the inside address.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self)`,messageExpression=`'internalIp ' + self + ' is not an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'internalIp ' + self + ' can not contain upper case'`
	InternalIP string `json:"internalIp"`
	// InternalPort is the port of the inside address, 1 to 65535 in quotes.
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.matches('^[1-9][0-9]{0,4}$') && int(self) <= 65535)`,messageExpression=`'internalPort ' + self + ' is not a port from 1 to 65535'`
	InternalPort string `json:"internalPort"`
	// Type is exclusive for a port with one rule, share for a port whose connections are spread over all its rules. It cannot change.
	// +kubebuilder:default=exclusive
	// +kubebuilder:validation:Enum="";exclusive;share
	Type string `json:"type,omitempty"`
}

// IptablesDnatRuleStatus is the NAT in effect for an IptablesDnatRule.
type IptablesDnatRuleStatus struct {
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
	// Protocol of the port.
	Protocol string `json:"protocol,omitempty"`
	// InternalIP is the inside address.
	InternalIP string `json:"internalIp"`
	// InternalPort is the port of the inside address.
	InternalPort string `json:"internalPort"`
	// ExternalPort is the port of the outside address.
	ExternalPort string `json:"externalPort"`
}

// IptablesDnatRuleList is a list of IptablesDnatRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesDnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IptablesDnatRule `json:"items"`
}
