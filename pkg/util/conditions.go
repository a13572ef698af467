package util

// Reasons of conditions and events (api.md 2.2). A success reason stands with Ready=True, all others with Ready=False.
const (
	// Vpc.
	ReasonVpcReconciled  = "ReconcileVpcSuccess"
	ReasonVpcInvalid     = "ValidateVpcFailed"
	ReasonVpcFailed      = "ReconcileVpcFailed"
	ReasonVpcInUse       = "VpcInUse"
	ReasonVpcUnsupported = "NotSupported"
	ReasonVpcUnrouted    = "SubnetWithoutRoute"
	ReasonVpcUnpeered    = "PeerNotReady"

	// Subnet.
	ReasonSubnetInUse        = "SubnetInUse"
	ReasonSubnetFailed       = "ReconcileLogicalSwitchFailed"
	ReasonSubnetInvalid      = "ValidateLogicalSwitchFailed"
	ReasonSubnetVlanInvalid  = "ValidateSubnetVlanFailed"
	ReasonSubnetPrivate      = "SetPrivateLogicalSwitchSuccess"
	ReasonSubnetPublic       = "ResetLogicalSwitchAclSuccess"
	ReasonSubnetUnsupported  = "NotSupported"
	ReasonSubnetNotOvn       = "SetNonOvnSubnetSuccess"
	ReasonCentralizedGateway = "ReconcileCentralizedGatewaySuccess"
	ReasonNoActiveGateway    = "NoActiveGatewayFound"
	ReasonNoReadyGateway     = "NoReadyGateway"
)
