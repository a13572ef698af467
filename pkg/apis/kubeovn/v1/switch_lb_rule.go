package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SwitchLBRule is a load balancer inside a VPC: one address whose ports are spread over pods.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=switch-lb-rules
// +kubebuilder:resource:scope=Cluster,path=switch-lb-rules,singular=switch-lb-rule,shortName=slr
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="vip",type=string,JSONPath=".spec.vip"
// +kubebuilder:printcolumn:name="port(s)",type=string,JSONPath=".status.ports"
// +kubebuilder:printcolumn:name="service",type=string,JSONPath=".status.service"
// +kubebuilder:printcolumn:name="age",type=date,JSONPath=".metadata.creationTimestamp"
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SwitchLBRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted load balancer.
	Spec SwitchLBRuleSpec `json:"spec,omitempty"`
	// Status is the load balancer in effect.
	Status SwitchLBRuleStatus `json:"status,omitempty"`
}

// SwitchLBRuleSpec is the wanted load balancer of a SwitchLBRule.
//
// +kubebuilder:validation:XValidation:rule=`self.?vip.orValue("") != ""`,message="vip of a load balancer has to be set",fieldPath=".vip"
// +kubebuilder:validation:XValidation:rule=`self.?ports.orValue([]).size() > 0`,message="ports of a load balancer have to be set",fieldPath=".ports"
type SwitchLBRuleSpec struct {
	// Vip is the address of the load balancer; an IPv4 and an IPv6 address separated by a comma for dual stack.
	// +kubebuilder:validation:MaxLength=55
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self) || (self.contains(',') && isIP(self.substring(0, self.indexOf(','))) && isIP(self.substring(self.indexOf(',') + 1)))`,messageExpression=`'vip ' + self + ' is not an IP address, or an IPv4 and an IPv6 address separated by a comma'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'vip ' + self + ' can not contain upper case'`
	// +kubebuilder:validation:XValidation:rule=`!self.contains(',') || (self.contains('.') && self.contains(':'))`,messageExpression=`'vip ' + self + ' has two addresses of one family'`
	Vip string `json:"vip"`
	// Namespace of the pods and of the Service that is made. Empty means default.
	Namespace string `json:"namespace"`
	// Selector chooses the pods, as key:value of their labels; all have to match.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=400
	// +kubebuilder:validation:items:XValidation:rule=`self.matches('^[^:]+:.*$')`,messageExpression=`'selector entry ' + self + ' is not key:value'`
	Selector []string `json:"selector"`
	// Endpoints are the addresses behind the load balancer; they replace selector.
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self)`,messageExpression=`'endpoints entry ' + self + ' is not an IP address'`
	Endpoints []string `json:"endpoints"`
	// SessionAffinity ClientIP sends a client always to the same pod. Empty means None.
	// +kubebuilder:validation:Enum="";ClientIP;None
	SessionAffinity string `json:"sessionAffinity,omitempty"`
	// Ports of the load balancer.
	// +kubebuilder:validation:MaxItems=1000
	Ports []SwitchLBRulePort `json:"ports"`
}

// SwitchLBRulePort is one port of a load balancer.
type SwitchLBRulePort struct {
	// Name of the port, unique in the rule.
	Name string `json:"name"`
	// Port of the load balancer's address.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +kubebuilder:validation:Required
	Port int32 `json:"port"`
	// TargetPort is the port of the pods. Empty means port.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	TargetPort int32 `json:"targetPort,omitempty"`
	// Protocol is TCP, UDP or SCTP. Empty means TCP.
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule=`self.upperAscii() in ["", 'TCP', 'UDP', 'SCTP']`,messageExpression=`'protocol ' + self + ' is none of TCP, UDP and SCTP'`
	Protocol string `json:"protocol"`
}

// SwitchLBRuleStatus is the load balancer in effect for a SwitchLBRule.
type SwitchLBRuleStatus struct {
	// Conditions are the latest observations about this object.
	// +patchMergeKey=type
	// +patchStrategy=merge
	Conditions []Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// Ports in effect, for example 53/UDP,53/TCP.
	Ports string `json:"ports"`
	// Service that was made, as namespace/name.
	Service string `json:"service"`
}

// SwitchLBRuleList is a list of SwitchLBRules.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SwitchLBRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []SwitchLBRule `json:"items"`
}
