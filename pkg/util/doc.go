// Package util holds the pure leaves everybody shares: names, annotations, labels, priorities and addresses.
//
// Every string that a user or another program can see is declared here once. It imports no Kubernetes client.
package util
