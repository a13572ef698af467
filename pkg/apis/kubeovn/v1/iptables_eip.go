package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IptablesEIP is an address of an external network on a VpcNatGateway.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=iptables-eips
// +kubebuilder:resource:scope=Cluster,path=iptables-eips,singular=iptables-eip,shortName=eip
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=".spec.namespace"
// +kubebuilder:printcolumn:name="ExternalSubnet",type=string,JSONPath=".spec.externalSubnet"
// +kubebuilder:printcolumn:name="IP",type=string,JSONPath=".status.ip"
// +kubebuilder:printcolumn:name="Mac",type=string,JSONPath=".spec.macAddress"
// +kubebuilder:printcolumn:name="Nat",type=string,JSONPath=".status.nat"
// +kubebuilder:printcolumn:name="NatGwDp",type=string,JSONPath=".spec.natGwDp"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesEIP struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted address.
	Spec IptablesEIPSpec `json:"spec,omitempty"`
	// Status is the address in effect.
	Status IptablesEIPStatus `json:"status,omitempty"`
}

// IptablesEIPSpec is the wanted address of an IptablesEIP.
//
// +kubebuilder:validation:XValidation:rule=`self.?natGwDp.orValue("") != ""`,message="natGwDp of an eip has to be set",fieldPath=".natGwDp"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?natGwDp.orValue("") in ["", self.?natGwDp.orValue("")]`,message="natGwDp of an eip can not change once it is set",fieldPath=".natGwDp"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v4ip.orValue("") in ["", self.?v4ip.orValue("")]`,message="v4ip of an eip can not change once it is set",fieldPath=".v4ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v6ip.orValue("") == "" || (has(self.v6ip) && isIP(self.v6ip) && isIP(oldSelf.v6ip) && ip(self.v6ip) in [ip(oldSelf.v6ip)])`,message="v6ip of an eip can not change once it is set",fieldPath=".v6ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?macAddress.orValue("") == "" || (has(self.macAddress) && self.macAddress.lowerAscii() == oldSelf.macAddress.lowerAscii())`,message="macAddress of an eip can not change once it is set",fieldPath=".macAddress"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?externalSubnet.orValue("") in ["", self.?externalSubnet.orValue("")]`,message="externalSubnet of an eip can not change once it is set",fieldPath=".externalSubnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?namespace.orValue("") in ["", self.?namespace.orValue("")]`,message="namespace of an eip can not change once it is set",fieldPath=".namespace"
type IptablesEIPSpec struct {
	// NatGwDp is the name of the VpcNatGateway. It cannot change.
	NatGwDp string `json:"natGwDp"`
	// V4ip is the IPv4 address. The controller fills it when it is empty.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4ip ' + self + ' is not an IPv4 address'`
	V4ip string `json:"v4ip"`
	// V6ip is the IPv6 address in lower case.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6ip ' + self + ' is not an IPv6 address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6ip ' + self + ' can not contain upper case'`
	V6ip string `json:"v6ip"`
	// MacAddress is the MAC. The controller fills it when it is empty.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')`,messageExpression=`'macAddress ' + self + ' is not a MAC address such as 00:00:00:1a:2b:3c'`
	MacAddress string `json:"macAddress"`
	// QoSPolicy is the name of a QoSPolicy for addresses.
	QoSPolicy string `json:"qosPolicy"`
	// ExternalSubnet that the address is from. Empty means ovn-vpc-external-network.
	ExternalSubnet string `json:"externalSubnet"`
	// Namespace of the gateway's workload; for information.
	Namespace string `json:"namespace,omitempty"`
}

// IptablesEIPStatus is the address in effect for an IptablesEIP.
type IptablesEIPStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Ready is true when the gateway has the address.
	Ready bool `json:"ready"`
	// IP is the address.
	IP string `json:"ip"`
	// Nat lists what uses the address: fip, dnat, snat, separated by commas.
	Nat string `json:"nat"`
	// Redo changes when the gateway has to set up the address again.
	Redo string `json:"redo"`
	// QoSPolicy in effect.
	QoSPolicy string `json:"qosPolicy"`
}

// IptablesEIPList is a list of IptablesEIPs.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IptablesEIPList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IptablesEIP `json:"items"`
}
