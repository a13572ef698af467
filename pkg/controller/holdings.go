package controller

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// heldByIPs are the durable claims. Addresses that outlive their pods come first, then older claims before younger ones.
func heldByIPs(ips []*v1.IP) []ipam.Holding {
	sorted := slices.Clone(ips)
	slices.SortFunc(sorted, func(a, b *v1.IP) int {
		if x, y := a.Spec.PodType != "", b.Spec.PodType != ""; x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return cmp.Compare(a.Name, b.Name)
	})
	held := make([]ipam.Holding, 0, len(sorted))
	for _, ip := range sorted {
		addresses := ip.Spec.IPAddress
		if addresses == "" {
			addresses = util.JoinDual(ip.Spec.V4IPAddress, ip.Spec.V6IPAddress)
		}
		nic, mac := ip.Name, ip.Spec.MacAddress
		if port, ok := util.U2OPort(ip.Name, ip.Spec.Subnet); ok {
			nic, mac = port, "" // the MAC is the gateway's in the book
		}
		held = append(held, holding(ip.Spec.Subnet, ownerOfIP(ip), nic, addresses, mac))
	}
	return held
}

// ownerOfIP is who claimed an IP object's addresses: a pod, a node port, or nobody yet.
func ownerOfIP(ip *v1.IP) string {
	switch {
	case ip.Spec.Namespace != "" && ip.Spec.PodName != "":
		return ip.Spec.Namespace + "/" + ip.Spec.PodName
	case strings.HasPrefix(ip.Name, util.NodePortName("")), strings.HasPrefix(ip.Name, util.U2OPrefix):
		return ip.Name
	}
	return ""
}

// allocatedSuffix follows the provider in the annotation that ends an allocation.
var allocatedSuffix = strings.TrimPrefix(util.Key(util.OvnProvider, util.Allocated), util.OvnProvider)

// heldByPods are the addresses that running pods were told, by network provider.
func heldByPods(pods []*corev1.Pod) []ipam.Holding {
	var held []ipam.Holding
	for _, pod := range pods {
		if pod.Spec.HostNetwork || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		var providers []string
		for key, value := range pod.Annotations {
			if provider, ok := strings.CutSuffix(key, allocatedSuffix); ok && value == "true" {
				providers = append(providers, provider)
			}
		}
		slices.Sort(providers)
		for _, provider := range providers {
			get := func(key string) string { return pod.Annotations[util.Key(provider, key)] }
			name := pod.Name
			if vm := get(util.VMName); vm != "" {
				name = vm
			}
			port := util.PodPortName(name, pod.Namespace, provider)
			held = append(held, holding(get(util.LogicalSwitch), pod.Namespace+"/"+name, port, get(util.IPAddress), get(util.MACAddress)))
		}
	}
	return held
}

// heldByNodes are the join addresses that nodes were told.
func heldByNodes(nodes []*corev1.Node, join string) []ipam.Holding {
	var held []ipam.Holding
	for _, node := range nodes {
		get := func(key string) string { return node.Annotations[util.Key(util.OvnProvider, key)] }
		if get(util.Allocated) == "true" {
			port := util.NodePortName(node.Name)
			held = append(held, holding(join, port, port, get(util.IPAddress), get(util.MACAddress)))
		}
	}
	return held
}

// heldByPorts are the addresses that still sit on switch ports, of whatever owner: nobody else may get one before its port
// is gone.
func heldByPorts(ports []ovs.LivePort) []ipam.Holding {
	var held []ipam.Holding
	for _, port := range ports {
		for _, entry := range port.Addresses {
			mac, addresses, ok := strings.Cut(strings.TrimSpace(entry), " ")
			if !ok || !strings.Contains(mac, ":") { // "router", "unknown", "dynamic ..."
				continue
			}
			held = append(held, holding(port.Switch, ownerOfPort(port), port.Name, strings.Join(strings.Fields(addresses), ","), mac))
		}
	}
	return held
}

// ownerOfPort is the address book's owner for the owner of a row.
func ownerOfPort(port ovs.LivePort) string {
	kind, key, _ := strings.Cut(port.ExternalIDs[util.ExtOwner], "/")
	switch kind {
	case "pod":
		return key
	case "node":
		return util.NodePortName(key)
	}
	return port.ExternalIDs[util.ExtPod]
}

// holding reads "v4,v6" texts. What cannot be read is left out: the rest still counts.
func holding(subnet, owner, nic, addresses, mac string) ipam.Holding {
	h := ipam.Holding{Lease: ipam.Lease{Subnet: subnet, Owner: owner, NIC: nic, MAC: mac}}
	for text := range strings.SplitSeq(addresses, ",") {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		switch {
		case err != nil:
		case addr.Is4():
			h.V4 = addr
		default:
			h.V6 = addr
		}
	}
	return h
}
