// Package ko is the kubectl plugin `kubectl ko`: the tools of OVN and OVS, run in the pod that can answer (node.md 10).
//
// It reads: pods of ovn-central by their leader labels, pods of ovs-ovn by their node. It writes nothing itself.
// The remote tool's output and exit code are passed on unchanged.
package ko
