// Package node runs one node of the lab: namespaces whose process 1 is pause, private standard folders, containerd, kubelet and kube-proxy.
//
// Key: the node's name. It writes the node's disk below plan.NodeDir, its control groups and its NICs. Stop keeps the disk and loses everything that
// a machine without power loses: processes, mounts, the network state of the kernel, and /run.
package node
