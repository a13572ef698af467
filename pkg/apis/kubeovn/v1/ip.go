package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IP is one claim on addresses of a subnet: that of a pod's interface, of a node, or a reservation made by a user.
//
// +genclient
// +genclient:nonNamespaced
// +genclient:noStatus
// +kubebuilder:resource:scope=Cluster,path=ips,singular=ip,shortName=ip
// +kubebuilder:printcolumn:name="V4IP",type=string,JSONPath=".spec.v4IpAddress"
// +kubebuilder:printcolumn:name="V6IP",type=string,JSONPath=".spec.v6IpAddress"
// +kubebuilder:printcolumn:name="Mac",type=string,JSONPath=".spec.macAddress"
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=".spec.nodeName"
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IP struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the claim.
	Spec IPSpec `json:"spec,omitempty"`
}

// IPSpec is the claim of an IP: who holds which addresses.
//
// +kubebuilder:validation:XValidation:rule=`self.?subnet.orValue("") != ""`,message="subnet of an ip has to be set",fieldPath=".subnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?subnet.orValue("") in ["", self.?subnet.orValue("")]`,message="subnet of an ip can not change once it is set",fieldPath=".subnet"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?namespace.orValue("") in ["", self.?namespace.orValue("")]`,message="namespace of an ip can not change once it is set",fieldPath=".namespace"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?podName.orValue("") in ["", self.?podName.orValue("")]`,message="podName of an ip can not change once it is set",fieldPath=".podName"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?podType.orValue("") in ["", self.?podType.orValue("")]`,message="podType of an ip can not change once it is set",fieldPath=".podType"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v4IpAddress.orValue("") in ["", self.?v4IpAddress.orValue("")]`,message="v4IpAddress of an ip can not change once it is set",fieldPath=".v4IpAddress"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?v6IpAddress.orValue("") == "" || (has(self.v6IpAddress) && isIP(self.v6IpAddress) && isIP(oldSelf.v6IpAddress) && ip(self.v6IpAddress) in [ip(oldSelf.v6IpAddress)])`,message="v6IpAddress of an ip can not change once it is set",fieldPath=".v6IpAddress"
// +kubebuilder:validation:XValidation:rule=`oldSelf.?macAddress.orValue("") == "" || (has(self.macAddress) && self.macAddress.lowerAscii() == oldSelf.macAddress.lowerAscii())`,message="macAddress of an ip can not change once it is set",fieldPath=".macAddress"
type IPSpec struct {
	// PodName is the pod, or the virtual machine, that holds the addresses. It cannot change once set.
	PodName string `json:"podName"`
	// Namespace of the pod. It cannot change once set.
	Namespace string `json:"namespace"`
	// Subnet that the addresses are from. Every claim needs it; it cannot change.
	Subnet string `json:"subnet"`
	// AttachSubnets are further subnets. Kept for old objects; empty.
	AttachSubnets []string `json:"attachSubnets"`
	// NodeName is the node that runs the pod.
	NodeName string `json:"nodeName"`
	// IPAddress holds the addresses of both families, separated by a comma.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'ipAddress ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'ipAddress ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'ipAddress ' + self + ' has two addresses of one family'`
	IPAddress string `json:"ipAddress"`
	// V4IPAddress is the IPv4 address. The controller fills it when the subnet has IPv4; it cannot change once set.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 4)`,messageExpression=`'v4IpAddress ' + self + ' is not an IPv4 address'`
	V4IPAddress string `json:"v4IpAddress"`
	// V6IPAddress is the IPv6 address. The controller fills it when the subnet has IPv6; it cannot change once set.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule=`self == "" || (isIP(self) && ip(self).family() == 6)`,messageExpression=`'v6IpAddress ' + self + ' is not an IPv6 address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'v6IpAddress ' + self + ' can not contain upper case'`
	V6IPAddress string `json:"v6IpAddress"`
	// AttachIPs are further addresses. Kept for old objects; empty.
	AttachIPs []string `json:"attachIps"`
	// MacAddress is the MAC of the port. The controller fills it; it cannot change once set.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')`,messageExpression=`'macAddress ' + self + ' is not a MAC address such as 00:00:00:1a:2b:3c'`
	MacAddress string `json:"macAddress"`
	// AttachMacs are further MACs. Kept for old objects; empty.
	AttachMacs []string `json:"attachMacs"`
	// ContainerID is for the use of CNI programs.
	ContainerID string `json:"containerID"`
	// PodType is the kind of owner that keeps the addresses when the pod is made anew: StatefulSet, VirtualMachine, or empty for none. It cannot change once set.
	// +kubebuilder:validation:Enum="";StatefulSet;VirtualMachine
	PodType string `json:"podType"`
}

// IPList is a list of IPs.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type IPList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IP `json:"items"`
}
