// Package namespace tells each Namespace which subnets its pods use. Queue key: the Namespace's name.
//
// Reads Namespaces, Subnets, Vpcs and IPPools. Writes no rows. API: the Namespace's annotations logical_switch, cidr,
// exclude_ips and ip_pool (northbound.md 4.7).
package namespace
