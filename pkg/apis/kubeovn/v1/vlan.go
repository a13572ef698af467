package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Vlan is a VLAN on a provider network; subnets that name it are underlay subnets.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:resource:scope=Cluster,path=vlans,singular=vlan,shortName=vlan
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=".spec.id"
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=".spec.provider"
// +kubebuilder:printcolumn:name="conflict",type=boolean,JSONPath=".status.conflict"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Vlan struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted VLAN.
	Spec VlanSpec `json:"spec,omitempty"`
	// Status is what the controller has found.
	Status VlanStatus `json:"status,omitempty"`
}

// VlanSpec is the wanted VLAN of a Vlan.
//
// +kubebuilder:validation:XValidation:rule=`has(self.provider) || self.?providerInterfaceName.orValue("") != ""`,message="provider of a vlan has to be set",fieldPath=".provider"
type VlanSpec struct {
	// ID is the VLAN tag, 0 to 4095; 0 means untagged.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4095
	ID int `json:"id"`
	// Provider is the name of the ProviderNetwork. The empty string becomes the default provider network.
	Provider string `json:"provider,omitempty"`
	// VlanID is an old name of id; the controller moves it there.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4095
	VlanID int `json:"vlanId,omitempty"`
	// ProviderInterfaceName is an old name of provider; the controller moves it there.
	ProviderInterfaceName string `json:"providerInterfaceName,omitempty"`
}

// VlanStatus is what the controller has found for a Vlan.
type VlanStatus struct {
	// Subnets that use the VLAN.
	Subnets []string `json:"subnets,omitempty"`
	// Conflict is true when another Vlan has the same provider and ID.
	Conflict bool `json:"conflict,omitempty"`

	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// VlanList is a list of Vlans.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type VlanList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Vlan `json:"items"`
}
