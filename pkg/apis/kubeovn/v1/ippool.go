package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IPPool is a part of a subnet that is kept for the namespaces and pods that name it.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=ippools,singular=ippool,shortName=ippool
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet"
// +kubebuilder:printcolumn:name="enableAddressSet",type=boolean,JSONPath=".spec.enableAddressSet"
// +kubebuilder:printcolumn:name="IPs",type=string,JSONPath=".spec.ips"
// +kubebuilder:printcolumn:name="V4Used",type=number,JSONPath=".status.v4UsingIPs"
// +kubebuilder:printcolumn:name="V4Available",type=number,JSONPath=".status.v4AvailableIPs"
// +kubebuilder:printcolumn:name="V6Used",type=number,JSONPath=".status.v6UsingIPs"
// +kubebuilder:printcolumn:name="V6Available",type=number,JSONPath=".status.v6AvailableIPs"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IPPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted pool.
	Spec IPPoolSpec `json:"spec,omitempty"`
	// Status is what the controller has counted.
	Status IPPoolStatus `json:"status,omitempty"`
}

// IPPoolSpec is the wanted pool of an IPPool.
type IPPoolSpec struct {
	// Subnet that the addresses are from. It cannot change.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule=`self == oldSelf`,message="subnet of an ippool can not change"
	Subnet string `json:"subnet,omitempty"`
	// Namespaces whose pods get their addresses from this pool.
	Namespaces []string `json:"namespaces,omitempty"`
	// IPs are the members: addresses, prefixes, or ranges first..last.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4096
	// +kubebuilder:validation:items:MaxLength=80
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self) || isCIDR(self) || (self.contains('..') && isIP(self.substring(0, self.indexOf('..'))) && isIP(self.substring(self.indexOf('..') + 2)) && ip(self.substring(0, self.indexOf('..'))).family() == ip(self.substring(self.indexOf('..') + 2)).family())`,messageExpression=`'ips entry ' + self + ' is not a valid address, CIDR or address range first..last'`
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains('..') || self.contains(':') || !isIP(self.substring(0, self.indexOf('..'))) || !isIP(self.substring(self.indexOf('..') + 2)) || int(self.substring(0, self.indexOf('..')).split('.')[0]) * 16777216 + int(self.substring(0, self.indexOf('..')).split('.')[1]) * 65536 + int(self.substring(0, self.indexOf('..')).split('.')[2]) * 256 + int(self.substring(0, self.indexOf('..')).split('.')[3]) <= int(self.substring(self.indexOf('..') + 2).split('.')[0]) * 16777216 + int(self.substring(self.indexOf('..') + 2).split('.')[1]) * 65536 + int(self.substring(self.indexOf('..') + 2).split('.')[2]) * 256 + int(self.substring(self.indexOf('..') + 2).split('.')[3])`,messageExpression=`'ips entry ' + self + ' is not a valid ip range: the first address is above the last'`
	// +kubebuilder:validation:items:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'ips entry ' + self + ' can not contain upper case'`
	IPs []string `json:"ips,omitempty"`
	// EnableAddressSet mirrors the pool as an OVN address set for use in match expressions.
	// +kubebuilder:default=false
	EnableAddressSet bool `json:"enableAddressSet,omitempty"`
}

// IPPoolStatus is what the controller has counted for an IPPool.
type IPPoolStatus struct {
	// V4AvailableIPs counts the IPv4 addresses that can still be given.
	V4AvailableIPs BigInt `json:"v4AvailableIPs"`
	// V4AvailableIPRange lists the IPv4 addresses that can still be given, as first-last separated by commas.
	V4AvailableIPRange string `json:"v4AvailableIPRange"`
	// V4UsingIPs counts the IPv4 addresses in use.
	V4UsingIPs BigInt `json:"v4UsingIPs"`
	// V4UsingIPRange lists the IPv4 addresses in use, as first-last separated by commas.
	V4UsingIPRange string `json:"v4UsingIPRange"`
	// V6AvailableIPs counts the IPv6 addresses that can still be given.
	V6AvailableIPs BigInt `json:"v6AvailableIPs"`
	// V6AvailableIPRange lists the IPv6 addresses that can still be given, as first-last separated by commas.
	V6AvailableIPRange string `json:"v6AvailableIPRange"`
	// V6UsingIPs counts the IPv6 addresses in use.
	V6UsingIPs BigInt `json:"v6UsingIPs"`
	// V6UsingIPRange lists the IPv6 addresses in use, as first-last separated by commas.
	V6UsingIPRange string `json:"v6UsingIPRange"`

	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// IPPoolList is a list of IPPools.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IPPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IPPool `json:"items"`
}
