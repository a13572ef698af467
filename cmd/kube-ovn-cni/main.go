// Command kube-ovn-cni is the CNI plugin: it turns the environment and the configuration on stdin into one request on the
// daemon's unix socket, and the answer into a CNI result (CNI specification 0.1.0 to 1.1.0). All work is the daemon's.
package main

import (
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: del, Check: check, GC: gc, Status: status},
		version.All, "CNI plugin kube-ovn")
}
