// Package vip holds addresses that are not a pod's own. Queue key: the Vip's name.
//
// Reads Vips, Subnets, Pods and the MAC of the router port. Writes the Vip's switch port, if its type has one: virtual for
// an address that selected pods share, with the router's MAC for the front of a load balancer (northbound.md 4.23), and its
// lease in IPAM, which a pod with annotation vip shares. API: finalizer, labels, addresses in the spec, and status.
package vip
