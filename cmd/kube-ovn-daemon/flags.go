package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeovn/kube-ovn/cmd/internal/logfile"
	"github.com/kubeovn/kube-ovn/pkg/daemon"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// options are flags and environment, checked.
type options struct {
	config      daemon.Config
	installOnly bool
	kubeconfig  string
	ovsEndpoint string
	log         *logfile.File
	unused      []string // flags that were given and have no effect
}

// defaultOVSSocket is where the vswitch database of the node listens.
const defaultOVSSocket = "/run/openvswitch/db.sock"

// raw are flags as they were given.
type raw struct {
	install                      bool
	conf                         daemon.CNIConf
	node                         node.Config
	config                       daemon.Config
	serving                      daemon.Serving
	kubeconfig, socket, services string
	nodeName                     string
	secure                       bool
}

// later are flags of api.md 5.2 whose features are not here: they are accepted so that manifests work, and named in the log
// when they ask for something.
var later = map[string]string{
	"default-provider-name":    "provider",
	"default-interface-name":   "",
	"kubelet-dir":              "/var/lib/kubelet",
	"tcp-conn-check-port":      "8100",
	"udp-conn-check-port":      "8101",
	"ovs-vsctl-concurrency":    "100",
	"cert-manager-issuer-name": "kube-ovn",
	"ovn-ipsec-cert-duration":  "63072000",
	"tls-min-version":          "",
	"tls-max-version":          "",
	"tls-cipher-suites":        "",
}

// laterSwitches are those that are true or false, all false by default.
var laterSwitches = []string{"enable-verbose-conn-check", "enable-tproxy", "enable-ovn-ipsec", "cert-manager-ipsec-cert"}

func (r *raw) register(fs *pflag.FlagSet) {
	fs.BoolVar(&r.install, "install-cni-config", false, "Copy the CNI configuration file and exit; without it the daemon does so when it is ready.")
	fs.StringVar(&r.conf.Dir, "cni-conf-dir", "/etc/cni/net.d", "Directory of the runtime's network configurations.")
	fs.StringVar(&r.conf.Source, "cni-conf-file", "/kube-ovn/"+util.CNIConfName, "CNI configuration file to install.")
	fs.StringVar(&r.conf.Name, "cni-conf-name", util.CNIConfName, "Name of the installed file.")
	fs.StringVar(&r.node.Iface, "iface", "", "Tunnel NIC: name, or comma list of names and regular expressions. Default: the one with the node's address.")
	fs.BoolVar(&r.node.HostTunnelSrc, "host-tunnel-src", false, "Allow /32, /128 and loopback addresses as tunnel source.")
	fs.StringVar(&r.node.DPDKIface, "dpdk-tunnel-iface", util.TunnelBridge, "Tunnel NIC of nodes with the label "+util.OvsDPTypeLabel+"="+util.OvsDPUserspace+".")
	fs.IntVar(&r.node.MTU, "mtu", 0, "MTU of pods in bytes; 0: that of the tunnel NIC less the tunnel's header.")
	fs.BoolVar(&r.config.EnableMirror, "enable-mirror", false, "Copy the traffic of all pods to the mirror NIC.")
	fs.StringVar(&r.config.MirrorIface, "mirror-iface", util.MirrorNIC, "Name of the mirror NIC.")
	fs.StringVar(&r.config.Socket, "bind-socket", util.CNISocket, "Socket of the CNI server.")
	fs.StringVar(&r.socket, "ovs-socket", "", "Socket of the vswitch database. Default: "+defaultOVSSocket+".")
	fs.StringVar(&r.kubeconfig, "kubeconfig", "", "Configuration of the API server's client. Default: that of the pod.")
	fs.StringVar(&r.services, "service-cluster-ip-range", "10.96.0.0/12", "Prefixes of ClusterIPs, separated by a comma; ServiceCIDR objects win.")
	fs.StringVar(&r.node.ClusterRouter, "cluster-router", util.DefaultVpc, "Name of the default VPC.")
	fs.StringVar(&r.node.NodeSwitch, "node-switch", util.JoinSubnet, "Name of the join subnet.")
	fs.BoolVar(&r.node.EncapChecksum, "encap-checksum", true, "Checksums in tunnel headers.")
	fs.StringVar(&r.node.NetworkType, "network-type", "geneve", "Tunnel: geneve, vxlan, stt or vlan.")
	fs.IntVar(&r.serving.Port, "pprof-port", 10665, "Port of health checks, metrics and profiles.")
	fs.BoolVar(&r.serving.Pprof, "enable-pprof", false, "Serve profiles.")
	fs.BoolVar(&r.serving.Metrics, "enable-metrics", true, "Serve metrics.")
	fs.BoolVar(&r.secure, "secure-serving", false, "Serve by TLS, and metrics only to those whom the API server allows.")
	fs.BoolVar(&r.config.DetectConflicts, "enable-arp-detect-ip-conflict", true, "Probe for a pod's IPv4 address before the pod uses it.")
	fs.BoolVar(&r.config.SetVxlanTxOff, "set-vxlan-tx-off", false, "Switch transmit checksums off on the kernel's VXLAN device.")
	fs.BoolVar(&r.config.NonPrimary, "non-primary-cni-mode", false, "Another plugin makes the pods' first interface: no ovn0 check, no rules, no node condition.")
	fs.BoolVar(&r.node.MACLearningFallback, "mac-learning-fallback", false, "Let provider bridges learn MACs where OVN's flows do not decide.")
	fs.String("external-gateway-config-ns", "kube-system", "Accepted; the controller reads the ConfigMap "+util.ExternalGatewayConfig+".")
	fs.StringVar(&r.node.GatewaySwitch, "external-gateway-switch", util.ExternalGatewaySwitch, "Network of the external gateway; its bridge is br-<network>.")
	fs.StringVar(&r.nodeName, "node-name", "", "Name of this node; NODE_NAME of the environment wins.")
	for name, value := range later {
		fs.String(name, value, "Accepted; no effect in this version.")
	}
	for _, name := range laterSwitches {
		fs.Bool(name, false, "Accepted; no effect in this version.")
	}
}

// parse reads arguments and environment.
func parse(args []string, getenv func(string) string) (*options, error) {
	fs := pflag.NewFlagSet("kube-ovn-daemon", pflag.ContinueOnError)
	var r raw
	r.register(fs)
	log := logfile.Register(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o := &options{config: r.config, installOnly: r.install, kubeconfig: r.kubeconfig, log: log}
	o.config.CNIConf, o.config.Node, o.config.Serving = r.conf, r.node, r.serving
	if o.installOnly {
		return o, nil
	}
	o.unused = unused(fs)
	err := errors.Join(o.readNode(r, getenv), o.readAddresses(r, getenv), o.readRest(r))
	return o, err
}

// unused are flags of other versions that ask for something.
func unused(fs *pflag.FlagSet) []string {
	var out []string
	fs.Visit(func(f *pflag.Flag) {
		if def, ok := later[f.Name]; ok && f.Value.String() != def {
			out = append(out, "--"+f.Name)
		}
		for _, name := range laterSwitches {
			if f.Name == name && f.Value.String() == "true" {
				out = append(out, "--"+f.Name)
			}
		}
	})
	return out
}

func (o *options) readNode(r raw, getenv func(string) string) error {
	o.config.NodeName = getenv("NODE_NAME")
	if o.config.NodeName == "" {
		o.config.NodeName = r.nodeName
	}
	if o.config.NodeName == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name of this node: %w", err)
		}
		o.config.NodeName = strings.ToLower(name)
	}
	o.config.SysctlDir = getenv("SYSCTL_NET_DIR")
	o.config.Pod = types.NamespacedName{Namespace: getenv("POD_NAMESPACE"), Name: getenv("POD_NAME")}
	return nil
}

func (o *options) readAddresses(r raw, getenv func(string) string) error {
	ips := getenv("POD_IPS")
	if ips == "" {
		ips = getenv("POD_IP")
	}
	for text := range strings.SplitSeq(ips, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("POD_IPS: %w", err)
		}
		o.config.Node.PodIPs = append(o.config.Node.PodIPs, ip)
	}
	if getenv("ENABLE_BIND_LOCAL_IP") == "true" {
		o.config.Serving.Addresses = o.config.Node.PodIPs
	}
	for text := range strings.SplitSeq(r.services, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("--service-cluster-ip-range: %w", err)
		}
		o.config.ServiceCIDRs = append(o.config.ServiceCIDRs, p.Masked())
	}
	return nil
}

func (o *options) readRest(r raw) error {
	if r.secure {
		return errors.New("--secure-serving is not supported in this version")
	}
	switch r.node.NetworkType {
	case "geneve", "vxlan", "stt", "vlan":
	default:
		return fmt.Errorf("--network-type %q: want geneve, vxlan, stt or vlan", r.node.NetworkType)
	}
	if n := r.node.MTU; n != 0 && (n < 68 || n > 65535) {
		return fmt.Errorf("--mtu %d: want 0, or 68 to 65535", n)
	}
	if name := r.node.GatewaySwitch; name == "" || len(util.ProviderBridge(name)) > 15 {
		return fmt.Errorf("--external-gateway-switch %q: want 1 to 12 characters", name)
	}
	if n := r.serving.Port; n < 0 || n > 65535 {
		return fmt.Errorf("--pprof-port %d: want 0 to 65535", n)
	}
	o.ovsEndpoint = r.socket
	if o.ovsEndpoint == "" {
		o.ovsEndpoint = defaultOVSSocket
	}
	if !strings.Contains(o.ovsEndpoint, ":") {
		o.ovsEndpoint = "unix:" + o.ovsEndpoint
	}
	return nil
}

// apiAddresses are the addresses in the API server's URL; a name has none that lasts.
func apiAddresses(host string) []netip.Addr {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	return []netip.Addr{ip.Unmap()}
}
