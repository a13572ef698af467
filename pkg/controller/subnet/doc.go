// Package subnet turns each Subnet into its logical switch, its port on the VPC's router and its book in IPAM. Queue key:
// the Subnet's name.
//
// Reads Subnets, Vpcs, Vlans, ProviderNetworks, Nodes, IPs, Vips, OvnEips and, of the database, the MAC of the router port
// that is there: it is kept. Writes Logical_Switch, router ports on both sides, the localnet port of an underlay subnet,
// DHCP_Options, the ACLs of isolation and of the spec, the router policies that keep a VPC's traffic inside, and those of
// U2O with its set of node addresses (northbound.md 4.2). API: the Subnet's finalizer, defaults of its spec, all of its
// status but activateGateway, and the IP object of a U2O address.
package subnet
