package util

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

// InternalIPs are the addresses of a node that are of type InternalIP, in its order. What is no address is left out.
func InternalIPs(node *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		if addr, err := netip.ParseAddr(a.Address); err == nil {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}
