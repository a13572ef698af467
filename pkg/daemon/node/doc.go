// Package node decides what a node's network must be.
//
// Key: the node. [Desired] is a pure and total function from subnets, networks, nodes, configuration and facts of the kernel to one
// [State]: ip sets, chains, routes, the join NIC ovn0, the tunnel settings (node.md 1.4 to 1.7, 3.1 to 3.5), and the bridges of
// provider networks and of the external gateway (node.md 4, 5). It reads no client, clock or kernel; drivers make the node
// agree. What cannot be parsed is left out and named in State.Problems.
package node
