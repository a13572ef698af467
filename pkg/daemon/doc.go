// Package daemon is the agent of one node: it makes the kernel and Open vSwitch agree with node.Desired, and serves the CNI
// binary.
//
// Key: the node; there is one state, recomputed whole at any change, at most every 200 ms, and every 30 s against edits from
// outside. Reads nodes, subnets, provider networks, VLANs, the ConfigMap of the external gateway, service ranges and this
// node's pods, and OvnEips with an IPv6 address, which the first connected node of a network announces outside. Writes the
// node's annotation with its chassis, its labels of provider networks and its condition NetworkUnavailable, the annotation
// err_mesg of its own pod, events on pods, nodes and provider networks, the CNI conf file, the rows of owners "node/<node>",
// "join/<node>", "mirror/<node>" and "networks/<node>" in the vswitch database, and through its drivers bridges, ip sets,
// chains, routes and devices.
package daemon
