package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProviderNetwork connects nodes to a physical network: on each node one interface joins the OVS bridge br-<name>.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=provider-networks
// +kubebuilder:resource:scope=Cluster,path=provider-networks,singular=provider-network,shortName=pn
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="DefaultInterface",type=string,JSONPath=".spec.defaultInterface"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 12`,messageExpression=`'name ' + self.metadata.name + ' is longer than 12 characters, with br- in front it is no name of a bridge'`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'int'`,message="name int is refused because br-int is the integration bridge"
type ProviderNetwork struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted connection.
	Spec ProviderNetworkSpec `json:"spec,omitempty"`
	// Status is what the nodes have set up.
	Status ProviderNetworkStatus `json:"status,omitempty"`
}

// ProviderNetworkSpec is the wanted connection of a ProviderNetwork.
type ProviderNetworkSpec struct {
	// DefaultInterface is the name of the nodes' interface, at most 15 characters without slash and space.
	// +kubebuilder:validation:Required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[^/[:space:]]*$')`,messageExpression=`'defaultInterface ' + self + ' can contain neither slash nor space'`
	DefaultInterface string `json:"defaultInterface,omitempty"`
	// CustomInterfaces name another interface on some nodes.
	// +kubebuilder:validation:MaxItems=5000
	CustomInterfaces []CustomInterface `json:"customInterfaces,omitempty"`
	// ExcludeNodes are nodes that are not connected. A nodeSelector replaces them.
	ExcludeNodes []string `json:"excludeNodes,omitempty"`
	// NodeSelector chooses by labels the nodes that are connected.
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
	// ExchangeLinkName gives the bridge the name of the interface and the interface the name of the bridge.
	ExchangeLinkName bool `json:"exchangeLinkName,omitempty"`
	// AutoCreateVlanSubinterfaces makes the VLAN interface <interface>.<vlan> on nodes that lack it.
	AutoCreateVlanSubinterfaces bool `json:"autoCreateVlanSubinterfaces,omitempty"`
	// PreserveVlanInterfaces keeps the VLAN interfaces of the interface working, as internal ports of the bridge.
	PreserveVlanInterfaces bool `json:"preserveVlanInterfaces,omitempty"`
	// VlanInterfaces are the VLAN interfaces to preserve, as <interface>.<vlan>.
	// +kubebuilder:validation:MaxItems=4096
	// +kubebuilder:validation:items:MaxLength=15
	// +kubebuilder:validation:items:XValidation:rule=`self.matches('^[^/[:space:]]+[.][0-9]{1,4}$')`,messageExpression=`'vlanInterfaces entry ' + self + ' is not an interface name, a dot and a VLAN ID'`
	VlanInterfaces []string `json:"vlanInterfaces,omitempty"`
}

// CustomInterface names the interface on some nodes.
type CustomInterface struct {
	// Interface is the name of the nodes' interface, at most 15 characters without slash and space.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[^/[:space:]]*$')`,messageExpression=`'interface ' + self + ' can contain neither slash nor space'`
	Interface string `json:"interface"`
	// Nodes that use it.
	Nodes []string `json:"nodes"`
}

// ProviderNetworkStatus is what the nodes have set up for a ProviderNetwork.
type ProviderNetworkStatus struct {
	// Ready is true when no node is left to set up.
	Ready bool `json:"ready"`
	// ReadyNodes are the nodes that are connected.
	ReadyNodes []string `json:"readyNodes,omitempty"`
	// NotReadyNodes are the nodes that are not connected yet; conditions say why.
	NotReadyNodes []string `json:"notReadyNodes,omitempty"`
	// Vlans are the Vlan objects on this provider network.
	Vlans []string `json:"vlans,omitempty"`
	// Conditions are the latest observations, per node.
	Conditions []NodeCondition `json:"conditions,omitempty"`
}

// NodeCondition is one observation about one node.
type NodeCondition struct {
	// Node that the observation is about.
	Node      string `json:"node"`
	Condition `json:",inline"`
}

// ProviderNetworkList is a list of ProviderNetworks.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ProviderNetworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ProviderNetwork `json:"items"`
}
