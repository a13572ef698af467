package util

// OnlyExtraExternalAnnotation, written by the user on a Vpc with extra external subnets, is "true" when it is to be connected
// to those alone, not to the default external network besides (northbound.md D-06).
const OnlyExtraExternalAnnotation = "ovn.kubernetes.io/only_extra_external"

// Annotations of the external connection of VPCs, written by the controller.
const (
	// VpcRouterPortAnnotation, on an OvnEip, names the VPC for whose router port the controller made it. One without it was
	// made by the user and stays when the VPC leaves the network.
	VpcRouterPortAnnotation = "ovn.kubernetes.io/vpc_lrp"
	// ExternalGatewayInEffect, on the default VPC, is the data of the gateway's ConfigMap that is in effect, as JSON. It lets
	// what works outlive a ConfigMap that was broken or lost.
	ExternalGatewayInEffect = "ovn.kubernetes.io/external_gw_config"
	// ExternalGWByAnnotation, on a node with ExternalGWLabel, says why it is a gateway of the default VPC, and so whose it is
	// to end that: one of the two values below.
	ExternalGWByAnnotation = "ovn.kubernetes.io/external_gw_by"
	ExternalGWByList       = "list"  // named by the ConfigMap
	ExternalGWByLabel      = "label" // labelled by the user
)

// FormerExternalGatewaySwitch is the default outside network's switch of releases up to 1.5, whose clusters keep it
// (northbound.md D-04). The present one's name is ExternalGatewaySwitch.
const FormerExternalGatewaySwitch = "ovn-external"

// Reasons of conditions and events of the external connection.
const (
	ReasonExternalSubnetNotReady = "ExternalSubnetNotReady"
	ReasonExternalNoGatewayNode  = "NoExternalGatewayNode"
	ReasonExternalEipNotReady    = "ExternalAddressNotReady"
	ReasonExternalInUse          = "ExternalConnectionInUse"
	ReasonGatewayConfigInvalid   = "ExternalGatewayConfigInvalid"
	ReasonGatewayConfigNotFound  = "ExternalGatewayConfigNotFound"
)

// EipLeaseOwner is who holds an OvnEip's address in IPAM. It cannot be taken for a Vip or node of the same name, and tells
// others who has what they want.
func EipLeaseOwner(eip string) string { return "OvnEip " + eip }
