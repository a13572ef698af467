package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of all kinds of this package.
const GroupName = "kubeovn.io"

// SchemeGroupVersion is the group and version that objects of this package are registered under.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1"}

// SchemeBuilder collects the functions that add this package to a scheme; AddToScheme applies them.
var (
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	AddToScheme   = SchemeBuilder.AddToScheme
)

// Resource qualifies a plural name with the group, as errors of listers want it.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

// addKnownTypes registers every kind and its list.
func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&Vpc{}, &VpcList{},
		&Subnet{}, &SubnetList{},
		&IP{}, &IPList{},
		&IPPool{}, &IPPoolList{},
		&Vip{}, &VipList{},
		&Vlan{}, &VlanList{},
		&ProviderNetwork{}, &ProviderNetworkList{},
		&OvnEip{}, &OvnEipList{},
		&OvnFip{}, &OvnFipList{},
		&OvnSnatRule{}, &OvnSnatRuleList{},
		&OvnDnatRule{}, &OvnDnatRuleList{},
		&VpcNatGateway{}, &VpcNatGatewayList{},
		&IptablesEIP{}, &IptablesEIPList{},
		&IptablesFIPRule{}, &IptablesFIPRuleList{},
		&IptablesDnatRule{}, &IptablesDnatRuleList{},
		&IptablesSnatRule{}, &IptablesSnatRuleList{},
		&SwitchLBRule{}, &SwitchLBRuleList{},
		&VpcDns{}, &VpcDnsList{},
		&SecurityGroup{}, &SecurityGroupList{},
		&QoSPolicy{}, &QoSPolicyList{},
		&VpcEgressGateway{}, &VpcEgressGatewayList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
