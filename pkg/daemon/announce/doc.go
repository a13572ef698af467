// Package announce talks ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861, RFC 4862) on one interface: it asks
// whether an address is free, tells the segment who has it now, ourselves or a router, and checks that a gateway answers.
//
// Key: an interface of a network namespace. Sockets are opened on a thread of that namespace and used from any other.
// Reads and writes frames only; addresses and routes are the caller's.
package announce
