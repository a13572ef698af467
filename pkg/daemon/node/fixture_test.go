package node

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// testNode is a node with InternalIPs "a,b" and, unless join is "", the join annotations of it.
func testNode(name, ips, join string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}, Labels: map[string]string{}}}
	for ip := range strings.SplitSeq(ips, ",") {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: name})
	if join == "" {
		return n
	}
	cidr, gateway := "100.64.0.0/16", "100.64.0.1"
	if strings.Contains(join, ":") {
		cidr, gateway = cidr+",fd00:100:64::/112", gateway+",fd00:100:64::1"
	}
	for k, v := range map[string]string{
		"allocated": "true", "ip_address": join, "cidr": cidr, "gateway": gateway,
		"mac_address": "00:00:00:ab:cd:ef", "port_name": "node-" + name, "logical_switch": "join",
	} {
		n.Annotations["ovn.kubernetes.io/"+k] = v
	}
	return n
}

// testSubnet is a validated distributed subnet of the default VPC that is masqueraded.
func testSubnet(name, cidr string, edit ...func(*kubeovnv1.Subnet)) *kubeovnv1.Subnet {
	s := &kubeovnv1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012s", name))},
		Spec: kubeovnv1.SubnetSpec{
			Vpc: "ovn-cluster", Provider: "ovn", CIDRBlock: cidr, GatewayType: "distributed", NatOutgoing: true,
		},
		Status: kubeovnv1.SubnetStatus{Conditions: []kubeovnv1.Condition{{Type: "Validated", Status: metav1.ConditionTrue}}},
	}
	for _, e := range edit {
		e(s)
	}
	return s
}

func joinSubnet(cidr string) *kubeovnv1.Subnet {
	return testSubnet("join", cidr, func(s *kubeovnv1.Subnet) { s.Spec.NatOutgoing = false })
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// seed is the cluster of the user's document on the paths of the default VPC, as its node3 sees it.
func seed() Inputs {
	return Inputs{
		Name: "node3",
		Nodes: []*corev1.Node{
			testNode("node1", "192.168.123.21", "100.64.0.2"),
			testNode("node2", "192.168.123.22", "100.64.0.3"),
			testNode("node3", "192.168.123.23", "100.64.0.4"),
		},
		Subnets:      []*kubeovnv1.Subnet{testSubnet("ovn-default", "10.233.64.0/18"), joinSubnet("100.64.0.0/16")},
		ServiceCIDRs: prefixes("10.233.0.0/18"),
		Config: Config{
			ClusterRouter: "ovn-cluster", NodeSwitch: "join", DPDKIface: "br-phy", NetworkType: "geneve", EncapChecksum: true,
			PodIPs: []netip.Addr{netip.MustParseAddr("192.168.123.23")},
		},
		Facts: Facts{
			RandomFully: true,
			Links: []Link{
				{Name: "lo", MTU: 65536, Loopback: true, Addresses: prefixes("127.0.0.1/8", "::1/128")},
				{Name: "eth0", MTU: 1500, Addresses: prefixes("192.168.123.23/24", "fe80::1/64")},
			},
		},
	}
}

// dual is a node of a dual-stack cluster on the userspace datapath whose tunnel NIC is eth1.
func dual() Inputs {
	in := seed()
	in.Nodes = []*corev1.Node{
		testNode("node3", "172.30.16.13,fd00:30::13", "100.64.0.4,fd00:100:64::4"),
		testNode("node1", "172.30.16.11,fd00:30::11", "100.64.0.2,fd00:100:64::2"),
	}
	in.Subnets = []*kubeovnv1.Subnet{testSubnet("ovn-default", "10.16.0.0/16,fd00:10:16::/64"), joinSubnet("100.64.0.0/16,fd00:100:64::/112")}
	in.ServiceCIDRs = prefixes("10.96.0.0/12", "fd00:10:96::/112")
	in.Config.Iface = "eth1"
	in.Config.PodIPs = []netip.Addr{netip.MustParseAddr("172.30.16.13")}
	in.Facts.Netdev = true
	in.Facts.Links = []Link{
		{Name: "eth0", MTU: 1500, Addresses: prefixes("172.30.16.13/24", "fd00:30::13/64")},
		{Name: "eth1", MTU: 1500, Addresses: prefixes("172.30.17.13/24")},
	}
	return in
}
