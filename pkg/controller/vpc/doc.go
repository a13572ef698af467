// Package vpc turns each Vpc into its logical router. Queue key: the Vpc's name.
//
// Reads Vpcs, Subnets, Vlans, OvnEips, NAT rules, Nodes and the external gateway's ConfigMap. Writes Logical_Router, the static
// routes and policies of the spec, default routes to the join network and to the outside, routes from interconnected underlay
// subnets to their physical gateways, peering ports, and both sides of the links to external switches with their
// Gateway_Chassis (northbound.md 4.1, 4.13). API: the Vpc's finalizer, defaults of its spec, the annotation of the gateway's
// settings in effect, status; OvnEips of type lrp are made and deleted.
package vpc
