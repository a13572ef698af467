package util

// Chains and comments of the node's rules (node.md 3.2), written by the daemon.
const (
	ChainPrerouting      = "OVN-PREROUTING"
	ChainPostrouting     = "OVN-POSTROUTING"
	ChainOutput          = "OVN-OUTPUT"
	ChainMasquerade      = "OVN-MASQUERADE"
	ChainNatPolicy       = "OVN-NAT-POLICY"
	ChainNatPolicyPrefix = "OVN-NAT-PSUBNET-" // followed by the last 12 characters of the subnet's UID

	CommentPrerouting      = "kube-ovn prerouting rules"
	CommentPostrouting     = "kube-ovn postrouting rules"
	CommentNatPolicyPrefix = "natPolicySubnet-"
	// CommentGatewayPrefix begins the comment of a counting rule; the subnet follows. Read back for metrics.
	CommentGatewayPrefix = "ovn-subnet-gateway,"
)

// Ip sets of the node (node.md 3.1), written by the daemon; the kernel name is "ovn40" or "ovn60" and the id.
const (
	SetServices       = "services"
	SetSubnets        = "subnets"
	SetLocalPodIPNat  = "local-pod-ip-nat"
	SetSubnetsNat     = "subnets-nat"
	SetDistributedGW  = "subnets-distributed-gw"
	SetOtherNode      = "other-node"
	SetNatPolicy      = "subnets-nat-policy"
	SetNatRulePrefix  = "natpr-" // followed by the rule's id and "-src" or "-dst"
	SetNatRuleSrc     = "-src"
	SetNatRuleDst     = "-dst"
	SetPrefixV4       = "ovn40"
	SetPrefixV6       = "ovn60"
	KubeSetClusterIP  = "CLUSTER-IP"      // of kube-proxy, after "KUBE-" or "KUBE-6-"
	KubeSetNodePort   = "NODE-PORT-LOCAL" // of kube-proxy; "-TCP" or "-UDP" follows
	KubeServicesChain = "KUBE-SERVICES"
)

// Packet marks (node.md 3.9) in iptables' form value/mask.
const (
	MarkMasquerade   = "0x4000/0x4000"   // shared with kube-proxy
	MarkNodePort     = "0x80000/0x80000" // NodePort with externalTrafficPolicy Local
	MarkNatPolicy    = "0x90001/0x90001"
	MarkNatForward   = "0x90002/0x90002"
	MarkNone         = "0x0/0xffffffff"
	NatActionNat     = "nat" // Subnet.spec.natOutgoingPolicyRules[].action
	NatActionForward = "forward"
)

// Keys in external_ids of the Open_vSwitch row (node.md 1.4).
const (
	OvnEncapIP            = "ovn-encap-ip"
	OvnEncapIPDefault     = "ovn-encap-ip-default"
	OvnEncapCsum          = "ovn-encap-csum"
	OvnIsInterconn        = "ovn-is-interconn"
	OvnBridgeDatapathType = "ovn-bridge-datapath-type" // written by start-ovs
	OvsSystemID           = "system-id"
)

// DatapathNetdev is the value of Bridge.datapath_type and ovn-bridge-datapath-type for the userspace datapath.
const DatapathNetdev = "netdev"

// ICGatewayLabel marks nodes that connect to other clusters.
const ICGatewayLabel = "ovn.kubernetes.io/ic-gw"

// OvsDPUserspace is the value of OvsDPTypeLabel for nodes whose tunnel bridge the operator made.
const OvsDPUserspace = "userspace"

// Reasons of the node condition NetworkUnavailable (node.md 1.6).
const (
	ReasonJoinGatewayReachable   = "JoinSubnetGatewayReachable"
	ReasonJoinGatewayUnreachable = "JoinSubnetGatewayUnreachable"
)

// BridgeAddresses in external_ids of a Bridge of ours remembers the addresses that came with its NIC, with a blank between.
const BridgeAddresses = "addresses"

// Devices that the kernel datapath makes for its tunnels, and the Mirror row of the node.
const (
	GeneveDevice = "genev_sys_6081"
	VxlanDevice  = "vxlan_sys_4789"
	MirrorName   = "m0"
)

// Events of the daemon on pods (api.md 8.1).
const (
	EventPodQoSUpdated      = "PodQoSUpdated"
	EventPodQoSUpdateFailed = "PodQoSUpdateFailed"
)

// ExtLocalDNS in external_ids of a router policy marks the way to the node's DNS cache (northbound.md 2.5).
const ExtLocalDNS = "isLocalDnsCache"
