package daemon

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// Config is what flags and environment say (api.md 5.2).
type Config struct {
	NodeName string
	Socket   string // of the CNI server
	CNIConf  CNIConf
	Node     node.Config
	// ServiceCIDRs hold where the cluster has no ServiceCIDR objects.
	ServiceCIDRs []netip.Prefix
	// Protected are addresses, the API server's, that must not depend on vswitchd.
	Protected []netip.Addr
	// DetectConflicts probes for a pod's IPv4 address before the pod uses it.
	DetectConflicts bool
	// EnableMirror copies the traffic of all pods to MirrorIface; otherwise only what goes to pods that ask for it.
	EnableMirror  bool
	MirrorIface   string
	SetVxlanTxOff bool
	// NonPrimary: another plugin is the primary network; the gateway's rules, the check of ovn0 and the node condition are
	// not ours.
	NonPrimary bool
	// SysctlDir is where /proc/sys/net can be written; "": there.
	SysctlDir string
	// Pod is this daemon's own; its annotations tell what is wrong with provider networks. Empty outside of a cluster.
	Pod     types.NamespacedName
	Serving Serving
}

// CNIConf names the network configuration that tells the runtime that this node can run pods.
type CNIConf struct {
	Source string // file
	Dir    string
	Name   string // in Dir
}

// Serving configures the HTTP server of health and metrics.
type Serving struct {
	Addresses []netip.Addr // none: all
	Port      int
	Metrics   bool
	Pprof     bool
}

// Deps are what the daemon works on.
type Deps struct {
	Kube     kubernetes.Interface
	KubeOVN  versioned.Interface
	VSwitch  *ovs.Client
	IPTables *iptables.Driver
}
