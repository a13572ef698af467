// Package subnet turns each Subnet into its logical switch, its port on the VPC's router and its book in IPAM. Queue key:
// the Subnet's name.
//
// Reads Subnets, Vpcs, Nodes and IPs. Writes Logical_Switch, router ports on both sides, DHCP_Options, the ACLs of
// isolation and of the spec, and the router policies that keep a VPC's traffic inside (northbound.md 4.2). API: the
// Subnet's finalizer, defaults of its spec, and all of its status but activateGateway.
package subnet
