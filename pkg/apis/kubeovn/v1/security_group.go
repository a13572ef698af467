package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecurityGroup is a set of access rules for the pods that name it in their security_groups annotation.
//
// +genclient
// +genclient:nonNamespaced
// +resourceName=security-groups
// +kubebuilder:resource:scope=Cluster,path=security-groups,singular=security-group,shortName=sg
// +kubebuilder:subresource:status
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SecurityGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the wanted rules.
	Spec SecurityGroupSpec `json:"spec,omitempty"`
	// Status is what the controller has set up.
	Status SecurityGroupStatus `json:"status,omitempty"`
}

// SecurityGroupSpec is the wanted rules of a SecurityGroup.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.tier) || self.tier != 1 || ((!has(self.ingressRules) || self.ingressRules.all(r, r.policy != 'pass')) && (!has(self.egressRules) || self.egressRules.all(r, r.policy != 'pass')))`,message="a rule of tier 1 can not have policy pass: no tier of security groups is left"
type SecurityGroupSpec struct {
	// IngressRules are for traffic towards the pods.
	// +kubebuilder:validation:MaxItems=1000
	IngressRules []SecurityGroupRule `json:"ingressRules,omitempty"`
	// EgressRules are for traffic from the pods.
	// +kubebuilder:validation:MaxItems=1000
	EgressRules []SecurityGroupRule `json:"egressRules,omitempty"`
	// AllowSameGroupTraffic permits traffic between pods of the group.
	AllowSameGroupTraffic bool `json:"allowSameGroupTraffic,omitempty"`
	// Tier of the rules, 0 or 1. Rules of tier 0 are looked at first.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Tier int `json:"tier,omitempty"`
}

// SecurityGroupRule is one access rule.
//
// +kubebuilder:validation:XValidation:rule=`self.remoteType != 'address' || self.?remoteAddress.orValue("") != ""`,message="a rule with remoteType address needs remoteAddress",fieldPath=".remoteAddress"
// +kubebuilder:validation:XValidation:rule=`self.remoteType != 'securityGroup' || self.?remoteSecurityGroup.orValue("") != ""`,message="a rule with remoteType securityGroup needs remoteSecurityGroup",fieldPath=".remoteSecurityGroup"
// +kubebuilder:validation:XValidation:rule=`[self.?remoteAddress.orValue(""), self.?localAddress.orValue("")].all(a, a == "" || a.contains(':') == (self.ipVersion == 'ipv6'))`,message="remoteAddress and localAddress have to be of ipVersion"
// +kubebuilder:validation:XValidation:rule=`!(self.?protocol.orValue("") in ['tcp', 'udp']) || (self.?portRangeMin.orValue(0) >= 1 && self.?portRangeMin.orValue(0) <= self.?portRangeMax.orValue(0))`,message="a rule for tcp or udp needs portRangeMin and portRangeMax from 1 to 65535, the first not above the last"
// +kubebuilder:validation:XValidation:rule=`!(self.?protocol.orValue("") in ['tcp', 'udp']) || self.?localAddress.orValue("") == "" || (self.?sourcePortRangeMin.orValue(0) == 0 && self.?sourcePortRangeMax.orValue(0) == 0) || (self.?sourcePortRangeMin.orValue(0) >= 1 && self.?sourcePortRangeMin.orValue(0) <= self.?sourcePortRangeMax.orValue(0))`,message="sourcePortRangeMin and sourcePortRangeMax have to be from 1 to 65535, the first not above the last"
type SecurityGroupRule struct {
	// IPVersion is ipv4 or ipv6.
	// +kubebuilder:validation:Enum=ipv4;ipv6
	// +kubebuilder:validation:Required
	IPVersion string `json:"ipVersion"`
	// Protocol is all, icmp, tcp or udp.
	// +kubebuilder:validation:Enum="";all;icmp;tcp;udp
	Protocol string `json:"protocol,omitempty"`
	// Priority of the rule, 1 to 16384. The lowest that matches wins.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16384
	// +kubebuilder:validation:Required
	Priority int `json:"priority,omitempty"`
	// RemoteType says what the other side is: address or securityGroup.
	// +kubebuilder:validation:Enum=address;securityGroup
	// +kubebuilder:validation:Required
	RemoteType string `json:"remoteType"`
	// RemoteAddress is the address or prefix of the other side.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || isCIDR(self) || isIP(self)`,messageExpression=`'remoteAddress ' + self + ' is not a CIDR or an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'remoteAddress ' + self + ' can not contain upper case'`
	RemoteAddress string `json:"remoteAddress,omitempty"`
	// RemoteSecurityGroup is the name of the other side's SecurityGroup.
	RemoteSecurityGroup string `json:"remoteSecurityGroup,omitempty"`
	// PortRangeMin is the first destination port of tcp and udp.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	PortRangeMin int `json:"portRangeMin,omitempty"`
	// PortRangeMax is the last destination port of tcp and udp.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	PortRangeMax int `json:"portRangeMax,omitempty"`
	// LocalAddress is the address or prefix of the pod's side. Empty matches any.
	// +kubebuilder:validation:MaxLength=49
	// +kubebuilder:validation:XValidation:rule=`self == "" || isCIDR(self) || isIP(self)`,messageExpression=`'localAddress ' + self + ' is not a CIDR or an IP address'`
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,messageExpression=`'localAddress ' + self + ' can not contain upper case'`
	LocalAddress string `json:"localAddress,omitempty"`
	// SourcePortRangeMin is the first source port of tcp and udp; with localAddress.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	SourcePortRangeMin int `json:"sourcePortRangeMin,omitempty"`
	// SourcePortRangeMax is the last source port of tcp and udp; with localAddress.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	SourcePortRangeMax int `json:"sourcePortRangeMax,omitempty"`
	// Policy is allow, drop, or pass to leave the decision to later tiers.
	// +kubebuilder:validation:Enum=allow;drop;pass
	// +kubebuilder:validation:Required
	Policy string `json:"policy"`
}

// SecurityGroupStatus is what the controller has set up for a SecurityGroup.
type SecurityGroupStatus struct {
	// PortGroup is the name of the OVN port group.
	PortGroup string `json:"portGroup"`
	// AllowSameGroupTraffic in effect.
	AllowSameGroupTraffic bool `json:"allowSameGroupTraffic"`
	// IngressMd5 is a checksum of the ingress rules in effect.
	IngressMd5 string `json:"ingressMd5"`
	// EgressMd5 is a checksum of the egress rules in effect.
	EgressMd5 string `json:"egressMd5"`
	// IngressLastSyncSuccess is true when the ingress rules are in effect.
	IngressLastSyncSuccess bool `json:"ingressLastSyncSuccess"`
	// EgressLastSyncSuccess is true when the egress rules are in effect.
	EgressLastSyncSuccess bool `json:"egressLastSyncSuccess"`
}

// SecurityGroupList is a list of SecurityGroups.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SecurityGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []SecurityGroup `json:"items"`
}
