package util

import "strings"

// Names that are fixed by contract (northbound.md 1.1 and 1.4, node.md 0).
const (
	DefaultVpc    = "ovn-cluster"
	DefaultSubnet = "ovn-default"
	JoinSubnet    = "join"

	OvnProvider = "ovn"

	Vendor    = "kube-ovn"
	Finalizer = "kubeovn.io/kube-ovn-controller"
	// LegacyFinalizer is replaced by Finalizer wherever it is met.
	LegacyFinalizer = "kube-ovn-controller"

	IntegrationBridge = "br-int"
	TunnelBridge      = "br-phy" // owns the encap address on the userspace datapath
	NodeNIC           = "ovn0"
	MirrorNIC         = "mirror0"
	CNISocket         = "/run/openvswitch/kube-ovn-daemon.sock"
	CNIConfName       = "01-kube-ovn.conflist"
)

// Keys we write into external_ids of OVN rows (northbound.md 1.5). The engine adds vendor and owner itself.
const (
	ExtVendor        = "vendor"
	ExtOwner         = "owner"
	ExtSwitch        = "ls"
	ExtRouter        = "lr"
	ExtPod           = "pod"
	ExtNode          = "node"
	ExtSubnet        = "subnet"
	ExtNP            = "np"
	ExtParent        = "parent"
	ExtProtocol      = "protocol"
	ExtPort          = "port"
	ExtAddressFamily = "address-family"
)

// Keys we write into external_ids of an Open_vSwitch Interface (node.md 2.3).
const (
	IfaceID           = "iface-id"
	IfacePodName      = "pod_name"
	IfacePodNamespace = "pod_namespace"
	IfacePodNetns     = "pod_netns"
	IfaceIP           = "ip"
	IfaceContainerID  = "container_id" // full container id, lets GC tell a recreated pod from a dead one
)

// Dotted replaces every "-" by ".", the form OVN address-set and port-group names need.
func Dotted(s string) string { return strings.ReplaceAll(s, "-", ".") }

// RouterPortName is the router side of the link between a VPC and a subnet.
func RouterPortName(vpc, subnet string) string { return vpc + "-" + subnet }

// SwitchRouterPortName is the switch side of the link between a VPC and a subnet.
func SwitchRouterPortName(subnet, vpc string) string { return subnet + "-" + vpc }

// LocalnetPortName is the localnet port of an underlay subnet.
func LocalnetPortName(subnet string) string { return "localnet." + subnet }

// FormerLocalnetPortName is the name that earlier releases gave the localnet port of a switch (northbound.md D-05).
func FormerLocalnetPortName(name string) string { return "ln-" + name }

// PodPortName is the switch port and the IP object of a pod's interface; provider "ovn" is left out.
func PodPortName(pod, namespace, provider string) string {
	if provider == "" || provider == OvnProvider {
		return pod + "." + namespace
	}
	return pod + "." + namespace + "." + provider
}

// NodePortName is the join port of a node, its IP object and its port_name annotation.
func NodePortName(node string) string { return "node-" + node }

// NodePortGroup holds the pod ports of one node.
func NodePortGroup(node string) string { return Dotted("node-" + node) }

// SubnetNodePortGroup holds the pod ports of one subnet on one node.
func SubnetNodePortGroup(subnet, node string) string { return Dotted(subnet + "." + node) }

// IsOvnProvider says whether a provider's subnets have switches: "ovn" or "<nad>.<namespace>.ovn".
func IsOvnProvider(provider string) bool {
	return provider == "" || provider == OvnProvider || strings.HasSuffix(provider, "."+OvnProvider)
}
