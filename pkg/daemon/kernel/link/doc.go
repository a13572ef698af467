// Package link makes network devices of this node agree: MAC, MTU, addresses, state, and offloads that the userspace
// datapath cannot live with.
//
// Key: a device name. Reads and writes rtnetlink and ethtool; devices it is not told about stay as they are.
package link
