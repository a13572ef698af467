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
type IPSpec struct {
	// PodName is the pod, or the virtual machine, that holds the addresses.
	PodName string `json:"podName"`
	// Namespace of the pod.
	Namespace string `json:"namespace"`
	// Subnet that the addresses are from. A reservation needs it.
	Subnet string `json:"subnet"`
	// AttachSubnets are further subnets. Kept for old objects; empty.
	AttachSubnets []string `json:"attachSubnets"`
	// NodeName is the node that runs the pod.
	NodeName string `json:"nodeName"`
	// IPAddress holds the addresses of both families, separated by a comma.
	IPAddress string `json:"ipAddress"`
	// V4IPAddress is the IPv4 address. The controller fills it when the subnet has IPv4.
	V4IPAddress string `json:"v4IpAddress"`
	// V6IPAddress is the IPv6 address. The controller fills it when the subnet has IPv6.
	V6IPAddress string `json:"v6IpAddress"`
	// AttachIPs are further addresses. Kept for old objects; empty.
	AttachIPs []string `json:"attachIps"`
	// MacAddress is the MAC of the port. The controller fills it.
	MacAddress string `json:"macAddress"`
	// AttachMacs are further MACs. Kept for old objects; empty.
	AttachMacs []string `json:"attachMacs"`
	// ContainerID is for the use of CNI programs.
	ContainerID string `json:"containerID"`
	// PodType is the kind of owner that keeps the addresses when the pod is made anew: StatefulSet, VirtualMachine, or empty for none.
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
