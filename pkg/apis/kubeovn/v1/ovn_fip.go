package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OvnFip gives one inside address an OvnEip of its own: NAT in both directions.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-fips
// +kubebuilder:resource:scope=Cluster,path=ovn-fips,singular=ovn-fip,shortName=ofip
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".status.vpc"
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="V4Eip",type=string,JSONPath=".status.v4Eip"
// +kubebuilder:printcolumn:name="V6Eip",type=string,JSONPath=".status.v6Eip"
// +kubebuilder:printcolumn:name="V4Ip",type=string,JSONPath=".status.v4Ip"
// +kubebuilder:printcolumn:name="V6Ip",type=string,JSONPath=".status.v6Ip"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="IpType",type=string,JSONPath=".spec.ipType"
// +kubebuilder:printcolumn:name="IpName",type=string,JSONPath=".spec.ipName"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnFip struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted NAT.
	Spec OvnFipSpec `json:"spec,omitempty"`
	// Status is the NAT in effect.
	Status OvnFipStatus `json:"status,omitempty"`
}

// OvnFipSpec is the wanted NAT of an OvnFip. The inside address is that of ipName, or vpc with v4Ip or v6Ip.
//
// +kubebuilder:validation:XValidation:rule=`self.?ovnEip.orValue("") != ""`,message="should set spec ovnEip",fieldPath=".ovnEip"
// +kubebuilder:validation:XValidation:rule=`self.?ipName.orValue("") != "" || self.?v4Ip.orValue("") != "" || self.?v6Ip.orValue("") != ""`,message="should set spec ipName, or vpc with v4Ip or v6Ip"
// +kubebuilder:validation:XValidation:rule=`self.?ipName.orValue("") != "" || self.?vpc.orValue("") != "" || !(self.?ipName.orValue("") != "" || self.?v4Ip.orValue("") != "" || self.?v6Ip.orValue("") != "")`,message="should set spec vpc when v4Ip or v6Ip is given without ipName",fieldPath=".vpc"
type OvnFipSpec struct {
	// OvnEip is the name of the OvnEip with the outside address. No other OvnFip can use it, and no rule of another VPC.
	OvnEip string `json:"ovnEip"`
	// IPType says what ipName names: a Vip (vip), or an IP (ip or empty).
	// +kubebuilder:validation:Enum="";vip;ip
	IPType string `json:"ipType"`
	// IPName is the name of the IP object (pod.namespace) or of the Vip with the inside address.
	IPName string `json:"ipName"`
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
	// Type is distributed for NAT on the pod's node, centralized for NAT on the gateway node. Empty means the cluster's setting.
	// +kubebuilder:validation:Enum="";distributed;centralized
	Type string `json:"type"`
}

// OvnFipStatus is the NAT in effect for an OvnFip.
type OvnFipStatus struct {
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
	// V4Ip is the inside IPv4 address.
	V4Ip string `json:"v4Ip"`
	// V6Ip is the inside IPv6 address.
	V6Ip string `json:"v6Ip"`
	// MacAddress is the MAC of distributed NAT.
	MacAddress string `json:"macAddress"`
}

// OvnFipList is a list of OvnFips.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnFipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OvnFip `json:"items"`
}
