// Package ingress keeps frames that arrive on a device attached to the userspace datapath away from the host's own stack.
//
// Key: a device name. Writes the nftables table `netdev kube-ovn`, one base chain per device (hook ingress, policy drop).
// Open vSwitch reads the device through AF_PACKET, which comes before this hook, so it still gets every frame; without the
// chain the host answers ARP, ICMP and TCP a second time (node.md 11 R4). A kernel without that family gets a DROP in raw
// PREROUTING, and a device without ARP and IPv6, instead.
package ingress
