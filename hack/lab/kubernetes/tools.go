//go:build tools

// Package kubernetes pins the programs that hack/lab builds from source: it holds no code of its own.
package kubernetes

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus"
	_ "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/thin_entrypoint"
	_ "k8s.io/kubernetes/test/images/agnhost"
)
