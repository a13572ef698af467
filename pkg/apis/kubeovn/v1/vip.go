package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Vip is an address of a subnet that belongs to no interface: shared by pods, or the front of a load balancer.
//
// +genclient
// +genclient:nonNamespaced
// +genclient:noStatus
// +kubebuilder:resource:scope=Cluster,path=vips,singular=vip,shortName=vip
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=".spec.namespace"
// +kubebuilder:printcolumn:name="V4IP",type=string,JSONPath=".status.v4ip"
// +kubebuilder:printcolumn:name="PV4IP",type=string,JSONPath=".spec.parentV4ip"
// +kubebuilder:printcolumn:name="Mac",type=string,JSONPath=".status.mac"
// +kubebuilder:printcolumn:name="PMac",type=string,JSONPath=".spec.parentMac"
// +kubebuilder:printcolumn:name="V6IP",type=string,JSONPath=".status.v6ip"
// +kubebuilder:printcolumn:name="PV6IP",type=string,JSONPath=".spec.parentV6ip"
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=".status.type"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Vip struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted address.
	Spec VipSpec `json:"spec,omitempty"`
	// Status is what the controller has allocated.
	Status VipStatus `json:"status,omitempty"`
}

// VipSpec is the wanted address of a Vip.
//
// +kubebuilder:validation:XValidation:rule=`self.?subnet.orValue("") != ""`,message="subnet of a vip has to be set",fieldPath=".subnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?subnet.orValue("") in ["", self.?subnet.orValue("")]`,message="vip has been assigned, does not support change of subnet",fieldPath=".subnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v4ip.orValue("") in ["", self.?v4ip.orValue("")]`,message="vip has been assigned, does not support change of v4ip",fieldPath=".v4ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v6ip.orValue("") == "" || (has(self.v6ip) && isIP(self.v6ip) && isIP(oldSelf.v6ip) && ip(self.v6ip) in [ip(oldSelf.v6ip)])`,message="vip has been assigned, does not support change of v6ip",fieldPath=".v6ip"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?macAddress.orValue("") == "" || (has(self.macAddress) && self.macAddress.lowerAscii() == oldSelf.macAddress.lowerAscii())`,message="vip has been assigned, does not support change of macAddress",fieldPath=".macAddress"
// +kubebuilder:validation:XValidation:rule=`self.?type.orValue("") in [oldSelf.?type.orValue("")]`,message="vip does not support change of type",fieldPath=".type"
type VipSpec struct {
	// Namespace of the pods that selector looks at.
	Namespace string `json:"namespace"`
	// Subnet that the address is from.
	Subnet string `json:"subnet"`
	// Type is empty for an address that pods share, switch_lb_vip for the front of a load balancer, kube_host_vm_vip for virtual machines of a hosted cluster.
	// +kubebuilder:validation:Enum="";switch_lb_vip;kube_host_vm_vip
	Type string `json:"type"`
	// V4ip is the IPv4 address. The controller fills it when it is empty and the subnet has IPv4.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4ip ' + self + ' is not an IPv4 address'`
	V4ip string `json:"v4ip"`
	// V6ip is the IPv6 address in lower case. The controller fills it when it is empty and the subnet has IPv6.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6ip ' + self + ' is not an IPv6 address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6ip ' + self + ' can not contain upper case'`
	V6ip string `json:"v6ip"`
	// MacAddress is the MAC. The controller fills it when it is empty.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')`,messageExpression=`'macAddress ' + self + ' is not a MAC address such as 00:00:00:1a:2b:3c'`
	MacAddress string `json:"macAddress"`
	// ParentV4ip is accepted for old objects and has no effect.
	ParentV4ip string `json:"parentV4ip,omitempty"`
	// ParentV6ip is accepted for old objects and has no effect.
	ParentV6ip string `json:"parentV6ip,omitempty"`
	// ParentMac is accepted for old objects and has no effect.
	ParentMac string `json:"parentMac,omitempty"`
	// Selector chooses the pods that may use the address, as "key: value" of their labels; all have to match.
	Selector []string `json:"selector"`
	// AttachSubnets is accepted for old objects and has no effect.
	AttachSubnets []string `json:"attachSubnets"`
}

// VipStatus is what the controller has allocated for a Vip.
type VipStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Type in effect.
	Type string `json:"type"`
	// Ready is true when the address is allocated.
	Ready bool `json:"ready"`
	// V4ip is the allocated IPv4 address.
	V4ip string `json:"v4ip"`
	// V6ip is the allocated IPv6 address.
	V6ip string `json:"v6ip"`
	// Mac is the allocated MAC.
	Mac string `json:"mac"`
	// Pv4ip is read from old objects and has no effect.
	Pv4ip string `json:"pv4ip,omitempty"`
	// Pv6ip is read from old objects and has no effect.
	Pv6ip string `json:"pv6ip,omitempty"`
	// Pmac is read from old objects and has no effect.
	Pmac string `json:"pmac,omitempty"`
	// Selector in effect.
	Selector []string `json:"selector,omitempty"`
}

// VipList is a list of Vips.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Vip `json:"items"`
}
