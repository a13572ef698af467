// Package bridge puts a NIC of the node into an Open vSwitch bridge together with its addresses and routes, and takes it out
// again: the tunnel bridge of the userspace datapath (node.md 11 R6), and provider bridges (node.md 4.2, 4.4).
//
// Key: the bridge's name. Writes the rows of owner "bridge/<name>" in the vswitch database, addresses and routes of the two
// devices, and on the userspace datapath the NIC's ingress chain. At every moment the addresses are on one of the two
// devices at least, so that a pass after a crash goes on where the last one stopped.
package bridge
