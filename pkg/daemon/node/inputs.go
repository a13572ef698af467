package node

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Inputs are everything a node's network depends on.
type Inputs struct {
	Name    string // of this node
	Nodes   []*corev1.Node
	Subnets []*kubeovnv1.Subnet
	// ServiceCIDRs are the ranges of ClusterIPs.
	ServiceCIDRs []netip.Prefix
	// Providers and Vlans are all provider networks and their VLANs.
	Providers []*kubeovnv1.ProviderNetwork
	Vlans     []*kubeovnv1.Vlan
	// Gateway is what the controller has put in effect for the external gateway; nil while that is not known: what is there stays.
	Gateway *util.ExternalGateway
	Config  Config
	Facts   Facts
}

// Config is what the daemon's flags and environment say (api.md 5.2).
type Config struct {
	ClusterRouter string
	NodeSwitch    string
	Iface         string // tunnel NIC: name, or comma list of regular expressions
	DPDKIface     string // tunnel NIC of nodes labelled as userspace
	HostTunnelSrc bool   // allow host-length and loopback addresses as tunnel source
	MTU           int    // of pods; 0: derived from the tunnel NIC
	NetworkType   string // geneve, vxlan, stt or vlan
	EncapChecksum bool
	PodIPs        []netip.Addr
	// MACLearningFallback is written to provider bridges.
	MACLearningFallback bool
	// GatewaySwitch names the network and the bridge of the external gateway (node.md 5).
	GatewaySwitch string
}

// Facts are what the kernel and Open vSwitch have and we do not decide.
type Facts struct {
	Netdev      bool            // Open vSwitch runs the userspace datapath
	RandomFully bool            // iptables knows --random-fully
	KubeSets    map[string]bool // names of existing ip sets; those of kube-proxy change our rules
	Links       []Link
	// Networks are the mappings of ovn-controller that ovs has now, and which of them are ours.
	Networks Networks
}

// Link is a device of this node.
type Link struct {
	Name      string
	MTU       int // bytes
	Loopback  bool
	Bridge    string // Open vSwitch bridge of ours that has it as a port; its addresses live there
	Former    string // its name before it was exchanged with that of its bridge
	Addresses []netip.Prefix
}
