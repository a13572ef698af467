// Package gateway sends the traffic of the default VPC's subnets to a gateway node.
//
// Key: subnet. Reads Subnets and Nodes. Writes the port groups `<subnet>.<node>` and the 29000 policies of the default
// router; for underlay subnets that are interconnected and have no load balancers the 29400 policies to Services. API:
// Subnet status.activateGateway.
package gateway
