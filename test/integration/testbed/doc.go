// Package testbed is a cluster without kubelets: a real kube-apiserver with etcd, real Northbound and Southbound
// ovsdb-servers with ovn-northd, the controller program as a process of its own, and nodes and pods that are only objects.
//
// Integration tests and benchmarks share it. It counts what the controller costs from the outside: API writes by the API
// server's own metrics, transactions by the controller's, processor time and memory by /proc.
package testbed
