// Package bridge puts a NIC of the node into an Open vSwitch bridge together with its addresses and routes, and takes it out
// again: the tunnel bridge of the userspace datapath (node.md 11 R6), provider bridges (node.md 4.2 to 4.4), and the bridge of an
// external gateway, whose NIC keeps its addresses (node.md 5).
//
// Key: the bridge's name. Writes the rows of owner "bridge/<name>" in the vswitch database, names, addresses and routes of the
// devices, and on the userspace datapath the NIC's ingress chain. At every moment the addresses are on one of the two
// devices at least, so that a pass after a crash goes on where the last one stopped. A NIC that exchanged names with its bridge
// carries its former name as an alternative one, a VLAN device that we made carries its network as an alias.
package bridge
