package util

// Further keys in external_ids of a pod's Open_vSwitch Interface.
const (
	IfaceEncapIP  = "encap-ip"    // read by ovn-controller: tunnel source of the port's traffic
	IfacePodUID   = "pod_uid"     // tells a recreated pod of the same name from the one before
	IfaceNetwork  = "cni_network" // name of the CNI network configuration, the scope of CNI GC
	IfaceProvider = "provider"    // prefix of the annotations that shaped the port: "ovn", "net.ns.ovn", "net.ns.ovn.net1"

	// IfaceOvnInstalled is "true" when ovn-controller has installed the port's flows; it writes the key.
	IfaceOvnInstalled = "ovn-installed"
)

// Names that the CNI path gives to things of a node.
const (
	// PortOwnerKind is the owner kind of a container interface; its key is `<container id>/<interface name>`.
	PortOwnerKind = "cni"
	// NftTable is the nftables table (family netdev) whose chains keep the host's own stack off devices that belong to OVS.
	NftTable = "kube-ovn"
	// HostLinkSuffix and PodLinkSuffix end the names of the two ends of a pod's veth pair (node.md 2.3).
	HostLinkSuffix = "_h"
	PodLinkSuffix  = "_c"
)

// EventPodNetworkRemoveFailed is an event on a pod whose interface could not be removed (api.md 8.1).
const EventPodNetworkRemoveFailed = "PodNetworkRemoveFailed"

// PodNicVeth is the only value of the pod_nic_type annotation that is served.
const PodNicVeth = "veth-pair"

// MigrationJobAnnotation is set by KubeVirt on the target pod of a live migration; the address is then in use elsewhere.
const MigrationJobAnnotation = "kubevirt.io/migrationJobName"

// LocalnetPatchName is the patch port that ovn-controller makes on a provider bridge for an underlay subnet.
func LocalnetPatchName(subnet string) string {
	return "patch-" + LocalnetPortName(subnet) + "-to-" + IntegrationBridge
}
