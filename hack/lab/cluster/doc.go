// Package cluster runs a real Kubernetes control plane: etcd, kube-apiserver and, when wanted, kube-controller-manager and kube-scheduler.
//
// Start brings one up for a test or a benchmark on free loopback ports and ends it with its parent; the lab runs the same programs with the same
// arguments (Config.Programs) on its bridge. It reads the programs of package cache and writes only below Config.Dir.
package cluster
