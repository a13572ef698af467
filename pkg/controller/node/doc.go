// Package node gives each Node its port on the join network. Queue key: the Node's name.
//
// Reads Nodes, Subnets and the IP objects of nodes. Writes the join port, the node's port group, its 30000 policies,
// and the mark of its Southbound Chassis (northbound.md 2.5, 4.6). API: the Node's annotations, its IP object, and an
// event about a subnet that hides the node.
package node
