// Package ipam hands out addresses: it knows which addresses and MACs of which subnet are held, by whom, and which one
// comes next (northbound.md 4.3). It is a value with a mutex and knows neither Kubernetes nor OVN.
//
// Key: a lease belongs to one port (NIC) of one subnet and names its owner. The same owner asking again for the same NIC
// gets the same lease. It reads nothing and writes nothing: callers describe subnets and pools (SetSubnet, SetPool),
// restore what is held after a start (Rebuild, before the first Claim), then Claim and Release.
//
// Sets of addresses are ordered sets of ranges, so that a /8 or a /64 costs as little as a /24, and a claim or release
// takes time logarithmic in the number of ranges.
package ipam
