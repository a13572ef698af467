// Package ip serves the IP objects that users make to reserve addresses, and lets deleted IP objects go. Queue key: the IP
// object's name, which is its port's.
//
// Reads IPs, Subnets and Pods. Writes no rows. API: of a reservation its addresses, labels and finalizer, and events; of
// every other IP object, which its pod or node controller writes, only the removal of the finalizer (northbound.md 4.4).
package ip
