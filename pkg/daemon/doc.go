// Package daemon is the agent of one node: it makes the kernel and Open vSwitch agree with node.Desired, and serves the CNI
// binary.
//
// Key: the node; there is one state, recomputed whole at any change, at most every 200 ms, and every 30 s against edits from
// outside. Reads nodes, subnets, service ranges and this node's pods. Writes the node's annotation with its chassis and its
// condition NetworkUnavailable, events on pods, the CNI conf file, the rows of owners "node/<node>", "join/<node>" and
// "mirror/<node>" in the vswitch database, and through its drivers ip sets, chains, routes and devices.
package daemon
