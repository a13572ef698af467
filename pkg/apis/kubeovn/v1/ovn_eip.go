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
type OvnEipSpec struct {
	// ExternalSubnet that the address is from. Empty means the default external subnet.
	ExternalSubnet string `json:"externalSubnet"`
	// V4Ip is the IPv4 address. The controller fills it when it is empty and the subnet has IPv4.
	V4Ip string `json:"v4Ip"`
	// V6Ip is the IPv6 address in lower case. The controller fills it when it is empty and the subnet has IPv6.
	V6Ip string `json:"v6Ip"`
	// MacAddress is the MAC of the port. The controller fills it when it is empty.
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
}

// OvnEipList is a list of OvnEips.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type OvnEipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OvnEip `json:"items"`
}
