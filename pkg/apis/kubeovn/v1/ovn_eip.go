package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OvnEip is an address of an external subnet: for NAT in OVN, for a router port, or for the gateway port of a node.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=ovn-eips
// +kubebuilder:resource:scope=Cluster,path=ovn-eips,singular=ovn-eip,shortName=oeip
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="V4IP",type=string,JSONPath=".status.v4Ip"
// +kubebuilder:printcolumn:name="V6IP",type=string,JSONPath=".status.v6Ip"
// +kubebuilder:printcolumn:name="Mac",type=string,JSONPath=".status.macAddress"
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".status.type"
// +kubebuilder:printcolumn:name="Nat",type=string,JSONPath=".status.nat"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="ExternalSubnet",type=string,JSONPath=".spec.externalSubnet"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnEip struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted address.
	Spec OvnEipSpec `json:"spec,omitempty"`
	// Status is what the controller has allocated.
	Status OvnEipStatus `json:"status,omitempty"`
}

// OvnEipSpec is the wanted address of an OvnEip.
//
// +kubebuilder:validation:XValidation:rule=`oldSelf.?externalSubnet.orValue("") in ["", self.?externalSubnet.orValue("")]`,message="OvnEip not support change of externalSubnet",fieldPath=".externalSubnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v4Ip.orValue("") in ["", self.?v4Ip.orValue("")]`,message="OvnEip not support change of v4Ip",fieldPath=".v4Ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v6Ip.orValue("") == "" || (has(self.v6Ip) && isIP(self.v6Ip) && isIP(oldSelf.v6Ip) && ip(self.v6Ip) in [ip(oldSelf.v6Ip)])`,message="OvnEip not support change of v6Ip",fieldPath=".v6Ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?macAddress.orValue("") == "" || (has(self.macAddress) && self.macAddress.lowerAscii() == oldSelf.macAddress.lowerAscii())`,message="OvnEip not support change of macAddress",fieldPath=".macAddress"
// +kubebuilder:validation:XValidation:rule=`self.?type.orValue("") in [oldSelf.?type.orValue("")] || (oldSelf.?type.orValue("") == "" && self.?type.orValue("") == 'nat')`,message="OvnEip not support change of type",fieldPath=".type"
type OvnEipSpec struct {
	// ExternalSubnet that the address is from. Empty means the default external subnet.
	ExternalSubnet string `json:"externalSubnet"`
	// V4Ip is the IPv4 address. The controller fills it when it is empty and the subnet has IPv4.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4Ip ' + self + ' is not an IPv4 address'`
	V4Ip string `json:"v4Ip"`
	// V6Ip is the IPv6 address in lower case. The controller fills it when it is empty and the subnet has IPv6.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6Ip ' + self + ' is not an IPv6 address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6Ip ' + self + ' can not contain upper case'`
	V6Ip string `json:"v6Ip"`
	// MacAddress is the MAC of the port. The controller fills it when it is empty.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')`,messageExpression=`'macAddress ' + self + ' is not a MAC address such as 00:00:00:1a:2b:3c'`
	MacAddress string `json:"macAddress"`
	// Type is nat for an address of NAT rules, lrp for a router port, lsp for the gateway port of the node with the object's name. Empty means nat.
	// +kubebuilder:validation:Enum="";nat;lrp;lsp
	Type string `json:"type"`
}

// OvnEipStatus is what the controller has allocated for an OvnEip.
type OvnEipStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Type in effect; for an address without a type in spec, what uses it (fip, snat, dnat) or nat.
	Type string `json:"type"`
	// Nat lists what uses the address: fip, snat, dnat, separated by commas.
	Nat string `json:"nat"`
	// Ready is true when the address can be used.
	Ready bool `json:"ready"`
	// V4Ip is the allocated IPv4 address.
	V4Ip string `json:"v4Ip"`
	// V6Ip is the allocated IPv6 address.
	V6Ip string `json:"v6Ip"`
	// MacAddress is the allocated MAC.
	MacAddress string `json:"macAddress"`
	// OutsideMac is the MAC at which the outside finds the address: that of the port which has it, of the pod for distributed NAT,
	// of the VPC's router port for any other NAT. It is empty while no rule uses an address for NAT and while that router has no port.
	OutsideMac string `json:"outsideMac,omitempty"`
}

// OvnEipList is a list of OvnEips.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnEipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OvnEip `json:"items"`
}
