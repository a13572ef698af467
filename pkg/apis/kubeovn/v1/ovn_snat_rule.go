package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OvnSnatRule lets inside addresses reach the outside with the address of an OvnEip.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-snat-rules
// +kubebuilder:resource:scope=Cluster,path=ovn-snat-rules,singular=ovn-snat-rule,shortName=osnat
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".status.vpc"
// +kubebuilder:printcolumn:name="V4Eip",type=string,JSONPath=".status.v4Eip"
// +kubebuilder:printcolumn:name="V6Eip",type=string,JSONPath=".status.v6Eip"
// +kubebuilder:printcolumn:name="V4IpCidr",type=string,JSONPath=".status.v4IpCidr"
// +kubebuilder:printcolumn:name="V6IpCidr",type=string,JSONPath=".status.v6IpCidr"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnSnatRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec OvnSnatRuleSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status OvnSnatRuleStatus `json:"status,omitempty"`
}

// OvnSnatRuleSpec is the wanted NAT of an OvnSnatRule. The inside is vpcSubnet, or ipName, or vpc with v4IpCidr or v6IpCidr.
//
// +kubebuilder:validation:XValidation:rule=`self.?ovnEip.orValue("") != ""`,message="should set spec ovnEip",fieldPath=".ovnEip"
// +kubebuilder:validation:XValidation:rule=`self.?vpcSubnet.orValue("") == "" || self.?ipName.orValue("") == ""`,message="should not set spec vpcSubnet and ipName at the same time"
// +kubebuilder:validation:XValidation:rule=`self.?vpc.orValue("") == "" || (self.?v4IpCidr.orValue("") != "" || self.?v6IpCidr.orValue("") != "")`,message="should set spec v4IpCidr or v6IpCidr when spec vpc is set",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`!(self.?v4IpCidr.orValue("") != "" || self.?v6IpCidr.orValue("") != "") || self.?vpc.orValue("") != ""`,message="should set spec vpc when v4IpCidr or v6IpCidr is given",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`self.?vpcSubnet.orValue("") != "" || self.?ipName.orValue("") != "" || (self.?v4IpCidr.orValue("") != "" || self.?v6IpCidr.orValue("") != "")`,message="should set spec vpcSubnet, ipName, or vpc with v4IpCidr or v6IpCidr"
type OvnSnatRuleSpec struct {
	// OvnEip is the name of the OvnEip with the outside address. Several rules can use it.
	OvnEip string `json:"ovnEip"`
	// VpcSubnet is the subnet whose addresses are inside.
	VpcSubnet string `json:"vpcSubnet"`
	// IPName is the name of the IP object (pod.namespace) with the inside address.
	IPName string `json:"ipName"`
	// Vpc of v4IpCidr and v6IpCidr.
	Vpc string `json:"vpc"`
	// V4IpCidr is the inside IPv4 prefix or address, when it is given directly.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isCIDR(self) ? cidr(self).ip().family() == 4 : isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4IpCidr ' + self + ' is not an IPv4 CIDR or address'`
	V4IpCidr string `json:"v4IpCidr"`
	// V6IpCidr is the inside IPv6 prefix or address, when it is given directly.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isCIDR(self) ? cidr(self).ip().family() == 6 : isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6IpCidr ' + self + ' is not an IPv6 CIDR or address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6IpCidr ' + self + ' can not contain upper case'`
	V6IpCidr string `json:"v6IpCidr"`
}

// OvnSnatRuleStatus is the NAT in effect for an OvnSnatRule.
type OvnSnatRuleStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Ready is true when the NAT is in effect.
	Ready bool `json:"ready"`
	// Vpc of the inside addresses.
	Vpc string `json:"vpc"`
	// V4Eip is the outside IPv4 address.
	V4Eip string `json:"v4Eip"`
	// V6Eip is the outside IPv6 address.
	V6Eip string `json:"v6Eip"`
	// V4IpCidr is the inside IPv4 prefix or address.
	V4IpCidr string `json:"v4IpCidr"`
	// V6IpCidr is the inside IPv6 prefix or address.
	V6IpCidr string `json:"v6IpCidr"`
}

// OvnSnatRuleList is a list of OvnSnatRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnSnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OvnSnatRule `json:"items"`
}
