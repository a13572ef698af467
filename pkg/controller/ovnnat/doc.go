// Package ovnnat gives out outside addresses and translates them: OvnEip, OvnFip, OvnSnatRule and OvnDnatRule, one loop per
// kind. Queue key: the object's name.
//
// Reads those four, IPs, Vips, Subnets, Vpcs and the ConfigMap of the external gateway. Writes the switch port of an lsp
// OvnEip, NAT rows and the Load_Balancer of a dnat rule (northbound.md 4.14 to 4.17), and leases in IPAM. API: finalizers,
// labels, annotations and status of the four kinds, and the addresses in the spec of an OvnEip.
package ovnnat
