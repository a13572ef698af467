// Package vpc turns each Vpc into its logical router. Queue key: the Vpc's name.
//
// Reads Vpcs and Subnets. Writes Logical_Router, the static routes and policies of the spec, the default VPC's default
// routes to the join network and peering ports (northbound.md 4.1). API: the Vpc's finalizer, defaults of its spec, status.
package vpc
