// Package ippool sets parts of subnets apart. Queue key: the IPPool's name.
//
// Reads IPPools and Subnets, and counts with IPs, Vips and OvnEips. Writes the pool in IPAM and, where the spec asks for it,
// an address set of its members (northbound.md 4.3 and 4.23). API: finalizer and status.
package ippool
