package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OvnDnatRule sends what arrives at one port of an OvnEip to a port of an inside address.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-dnat-rules
// +kubebuilder:resource:scope=Cluster,path=ovn-dnat-rules,singular=ovn-dnat-rule,shortName=odnat
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".status.vpc"
// +kubebuilder:printcolumn:name="Eip",type=string,JSONPath=".spec.ovnEip"
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=".status.protocol"
// +kubebuilder:printcolumn:name="V4Eip",type=string,JSONPath=".status.v4Eip"
// +kubebuilder:printcolumn:name="V6Eip",type=string,JSONPath=".status.v6Eip"
// +kubebuilder:printcolumn:name="V4Ip",type=string,JSONPath=".status.v4Ip"
// +kubebuilder:printcolumn:name="V6Ip",type=string,JSONPath=".status.v6Ip"
// +kubebuilder:printcolumn:name="InternalPort",type=string,JSONPath=".status.internalPort"
// +kubebuilder:printcolumn:name="ExternalPort",type=string,JSONPath=".status.externalPort"
// +kubebuilder:printcolumn:name="IpName",type=string,JSONPath=".spec.ipName"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnDnatRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec OvnDnatRuleSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status OvnDnatRuleStatus `json:"status,omitempty"`
}

// OvnDnatRuleSpec is the wanted NAT of an OvnDnatRule. The inside address is that of ipName, or vpc with v4Ip or v6Ip.
//
// +kubebuilder:validation:XValidation:rule=`self.?ovnEip.orValue("") != ""`,message="should set spec ovnEip",fieldPath=".ovnEip"
// +kubebuilder:validation:XValidation:rule=`self.?ipName.orValue("") != "" || self.?v4Ip.orValue("") != "" || self.?v6Ip.orValue("") != ""`,message="should set spec ipName, or vpc with v4Ip or v6Ip"
// +kubebuilder:validation:XValidation:rule=`self.?ipName.orValue("") != "" || self.?vpc.orValue("") != "" || !(self.?ipName.orValue("") != "" || self.?v4Ip.orValue("") != "" || self.?v6Ip.orValue("") != "")`,message="should set spec vpc when v4Ip or v6Ip is given without ipName",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`self.?externalPort.orValue("") != ""`,message="should set spec externalPort",fieldPath=".externalPort"
// +kubebuilder:validation:XValidation:rule=`self.?internalPort.orValue("") != ""`,message="should set spec internalPort",fieldPath=".internalPort"
// +kubebuilder:validation:XValidation:rule=`self.?protocol.orValue("") != ""`,message="should set spec protocol: tcp or udp",fieldPath=".protocol"
type OvnDnatRuleSpec struct {
	// OvnEip is the name of the OvnEip with the outside address.
	OvnEip string `json:"ovnEip"`
	// IPType says what ipName names: a Vip (vip), or an IP (ip or empty).
	// +kubebuilder:validation:Enum="";vip;ip
	IPType string `json:"ipType"`
	// IPName is the name of the IP object (pod.namespace) or of the Vip with the inside address.
	IPName string `json:"ipName"`
	// InternalPort is the port of the inside address, 1 to 65535 in quotes.
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.matches('^[1-9][0-9]{0,4}$') && int(self) <= 65535)`,messageExpression=`'internalPort ' + self + ' is not a port from 1 to 65535'`
	InternalPort string `json:"internalPort"`
	// ExternalPort is the port of the outside address, 1 to 65535 in quotes.
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.matches('^[1-9][0-9]{0,4}$') && int(self) <= 65535)`,messageExpression=`'externalPort ' + self + ' is not a port from 1 to 65535'`
	ExternalPort string `json:"externalPort"`
	// Protocol is tcp or udp.
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule=`self.lowerAscii() in ["", 'tcp', 'udp']`,messageExpression=`'invalid dnat protocol ' + self + ', it is neither tcp nor udp'`
	Protocol string `json:"protocol,omitempty"`
	// Vpc of the inside address, when it is given directly. Empty means the VPC of ipName's subnet.
	Vpc string `json:"vpc"`
	// V4Ip is the inside IPv4 address, when it is given directly.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4Ip ' + self + ' is not an IPv4 address'`
	V4Ip string `json:"v4Ip"`
	// V6Ip is the inside IPv6 address, when it is given directly.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6Ip ' + self + ' is not an IPv6 address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6Ip ' + self + ' can not contain upper case'`
	V6Ip string `json:"v6Ip"`
}

// OvnDnatRuleStatus is the NAT in effect for an OvnDnatRule.
type OvnDnatRuleStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Ready is true when the NAT is in effect.
	Ready bool `json:"ready"`
	// Vpc of the inside address.
	Vpc string `json:"vpc"`
	// V4Eip is the outside IPv4 address.
	V4Eip string `json:"v4Eip"`
	// V6Eip is the outside IPv6 address.
	V6Eip string `json:"v6Eip"`
	// ExternalPort is the port of the outside address.
	ExternalPort string `json:"externalPort"`
	// V4Ip is the inside IPv4 address.
	V4Ip string `json:"v4Ip"`
	// V6Ip is the inside IPv6 address.
	V6Ip string `json:"v6Ip"`
	// InternalPort is the port of the inside address.
	InternalPort string `json:"internalPort"`
	// Protocol of the port.
	Protocol string `json:"protocol,omitempty"`
	// IPName is the name of the object with the inside address.
	IPName string `json:"ipName"`
}

// OvnDnatRuleList is a list of OvnDnatRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnDnatRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OvnDnatRule `json:"items"`
}
