package util

// Gateway types of a subnet of the default VPC (api.md 1.2).
const (
	GatewayDistributed = "distributed"
	GatewayCentralized = "centralized"
)
