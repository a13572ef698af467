package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VpcDns is a DNS server inside a VPC that answers names of the cluster.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=vpc-dnses
// +kubebuilder:resource:scope=Cluster,path=vpc-dnses,singular=vpc-dns,shortName=vpc-dns
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Active",type=boolean,JSONPath=".status.active"
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=".spec.vpc"
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet"
// +kubebuilder:printcolumn:name="Corefile",type=string,JSONPath=".spec.corefile"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcDns struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted server.
	Spec VpcDnsSpec `json:"spec,omitempty"`
	// Status is the server in effect.
	Status VpcDnsStatus `json:"status,omitempty"`
}

// VpcDnsSpec is the wanted server of a VpcDns.
//
// +kubebuilder:validation:XValidation:rule=`self.?vpc.orValue("") != ""`,message="vpc of a dns server has to be set",fieldPath=".vpc"
// +kubebuilder:validation:XValidation:rule=`self.?subnet.orValue("") != ""`,message="subnet of a dns server has to be set",fieldPath=".subnet"
type VpcDnsSpec struct {
	// Vpc that the server is for; one object is active per VPC.
	Vpc string `json:"vpc"`
	// Subnet of the VPC that the server's pods are in.
	Subnet string `json:"subnet"`
	// Replicas is the number of pods, 1 to 3. Empty means 2.
	// +kubebuilder:validation:XValidation:rule=`self >= 0 && self <= 3`,message="replicas is not in the range 1 to 3"
	Replicas int32 `json:"replicas,omitempty"`
	// Corefile is the name of the ConfigMap that holds the server's configuration.
	// +kubebuilder:default=vpc-dns-corefile
	Corefile string `json:"corefile,omitempty"`
}

// VpcDnsStatus is the server in effect for a VpcDns.
type VpcDnsStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Active is true when this object serves its VPC.
	Active bool `json:"active"`
}

// VpcDnsList is a list of VpcDns objects.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VpcDnsList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VpcDns `json:"items"`
}
