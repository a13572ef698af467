package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubeovn/kube-ovn/cmd/internal/logfile"
	"github.com/kubeovn/kube-ovn/pkg/controller"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// options are flags and environment, checked.
type options struct {
	config     controller.Config
	election   election
	serving    serving
	kubeconfig string
	dryRun     bool
	namespace  string // of the lease
	identity   string // in the lease
	log        *logfile.File
	unused     []string // flags that were given and have no effect
}

// election is the timing of the leader's lease.
type election struct{ lease, renew, retry time.Duration }

// raw are flags as they were given.
type raw struct {
	config                     controller.Config
	election                   election
	serving                    serving
	nb, sb, kubeconfig         string
	ovnTimeout, connectTimeout int // seconds
	connectRetries, inactivity int // tries, seconds
	excludes, localDNS         string
	secure, dryRun             bool
	minTLS, maxTLS             string
	ciphers                    []string
}

// later are flags of api.md 5.1 whose features are not here: they are accepted so that manifests work, and named in the log
// when they ask for something.
var later = map[string]string{
	"cust-crd-retry-min-delay":   "1",
	"cust-crd-retry-max-delay":   "20",
	"custom-crd-retry-min-delay": "1",
	"custom-crd-retry-max-delay": "20",
	"nodepg-probe-time":          "1",
	"np-enforcement":             "standard",
	"network-policy-enforcement": "standard",
	"gc-interval":                "360",
	"inspect-interval":           "20",
	"pod-default-fip-type":       "",
	"bfd-min-tx":                 "100",
	"bfd-min-rx":                 "100",
	"detect-mult":                "3",
	"image":                      "",
	"frr-image":                  "quay.io/frrouting/frr:10.5.1",
}

// laterSwitches are those that are true or false, with their defaults.
var laterSwitches = map[string]bool{
	"enable-np":                      true,
	"enable-external-vpc":            false,
	"keep-vm-ip":                     true,
	"enable-lb-svc":                  false,
	"enable-ovn-lb-prefer-local":     false,
	"enable-anp":                     false,
	"enable-dns-name-resolver":       false,
	"enable-ovn-ipsec":               false,
	"cert-manager-ipsec-cert":        false,
	"enable-live-migration-optimize": true,
}

func (r *raw) register(fs *pflag.FlagSet) {
	r.registerNetwork(fs)
	r.registerUnderlay(fs)
	r.registerProgram(fs)
	for name, value := range later {
		fs.String(name, value, "Accepted; no effect in this version.")
	}
	for name, value := range laterSwitches {
		fs.Bool(name, value, "Accepted; no effect in this version.")
	}
}

// registerNetwork are the flags that shape the network.
func (r *raw) registerNetwork(fs *pflag.FlagSet) {
	c := &r.config
	fs.StringVar(&c.DefaultVpc, "cluster-router", util.DefaultVpc, "Name of the default VPC and its logical router.")
	fs.StringVar(&c.DefaultSubnet, "default-ls", util.DefaultSubnet, "Name of the default subnet.")
	fs.StringVar(&c.DefaultCIDR, "default-cidr", "10.16.0.0/16", "CIDR of the default subnet: IPv4, IPv6, or both separated by a comma.")
	fs.StringVar(&c.DefaultGateway, "default-gateway", "", "Gateway of the default subnet. Default: its first address.")
	fs.StringVar(&r.excludes, "default-exclude-ips", "", "Addresses of the default subnet that no pod gets: addresses and ranges first..last separated by commas. Default: the gateway.")
	fs.BoolVar(&c.GatewayCheck, "default-gateway-check", true, "Pods of the default subnet start only when the gateway answers.")
	fs.StringVar(&c.JoinSubnet, "node-switch", util.JoinSubnet, "Name of the join subnet between nodes and pods.")
	fs.StringVar(&c.JoinCIDR, "node-switch-cidr", "100.64.0.0/16", "CIDR of the join subnet.")
	fs.StringVar(&c.JoinGateway, "node-switch-gateway", "", "Gateway of the join subnet. Default: its first address.")
	fs.StringVar(&c.ServiceCIDR, "service-cluster-ip-range", "10.96.0.0/12", "Prefixes of ClusterIPs, separated by a comma.")
	fs.StringVar(&c.NetworkType, "network-type", "geneve", "Tunnel between nodes: geneve, vxlan or stt; or vlan, with geneve tunnels for subnets that are not the default one.")
	fs.StringVar(&c.PodNicType, "pod-nic-type", util.PodNicVeth, "Interface of pods that do not ask for another.")
	fs.BoolVar(&c.EnableLb, "enable-lb", true, "Services are load balanced by OVN; default of the subnets' enableLb.")
	fs.BoolVar(&c.EnableEipSnat, "enable-eip-snat", true, "The pod annotations eip and snat count.")
	fs.BoolVar(&c.EnableEcmp, "enable-ecmp", false, "Centralized subnets use all their gateway nodes at once.")
	fs.BoolVar(&c.NonPrimary, "non-primary-cni-mode", false, "Another plugin makes the pods' first interface.")
	fs.BoolVar(&c.DNATModDLDst, "ls-dnat-mod-dl-dst", true, "Rewrite the destination MAC together with the address on switches.")
	fs.BoolVar(&c.SkipCTLocalPorts, "ls-ct-skip-dst-lport-ips", true, "No connection tracking between ports of one switch.")
	fs.StringVar(&r.localDNS, "node-local-dns-ip", "", "Addresses of the node-local DNS cache, separated by commas.")
	fs.StringVar(&c.SkipConntrackDstCIDRs, "skip-conntrack-dst-cidrs", "", "Prefixes of destinations without connection tracking, separated by commas.")
	fs.StringVar(&c.ExternalSwitch, "external-gateway-switch", "", "Switch of the default outside network; the Subnet of that name, if there is one. Default: "+util.ExternalGatewaySwitch+", or "+util.FormerExternalGatewaySwitch+" where an earlier release made it.")
	fs.StringVar(&c.ExternalNet, "external-gateway-net", util.ExternalGatewaySwitch, "Physical network of that switch when no Subnet manages it.")
	fs.IntVar(&c.ExternalVlanID, "external-gateway-vlanid", 0, "VLAN of that switch when no Subnet manages it; 0: untagged.")
	fs.BoolVar(&c.FormerPortName, "external-gateway-former-port-name", false, "Name the port of that switch to the physical network ln-<switch> as early releases did, when no Subnet manages it.")
	fs.StringVar(&c.GatewayConfigNamespace, "external-gateway-config-ns", "kube-system", "Namespace of the ConfigMap "+util.ExternalGatewayConfig+".")
	lb := &c.LoadBalancers
	for name, target := range map[string]*string{
		"cluster-tcp-loadbalancer": &lb.TCP, "cluster-tcp-session-loadbalancer": &lb.TCPSession,
		"cluster-udp-loadbalancer": &lb.UDP, "cluster-udp-session-loadbalancer": &lb.UDPSession,
		"cluster-sctp-loadbalancer": &lb.SCTP, "cluster-sctp-session-loadbalancer": &lb.SCTPSession,
	} {
		fs.StringVar(target, name, name, "Name of this load balancer of the default VPC.")
	}
}

// registerUnderlay are the flags of network type vlan.
func (r *raw) registerUnderlay(fs *pflag.FlagSet) {
	c := &r.config
	fs.StringVar(&c.DefaultProvider, "default-provider-name", util.DefaultProviderNetwork, "Provider network of Vlans that name none; of the default subnet with network type vlan.")
	fs.StringVar(&c.DefaultInterface, "default-interface-name", "", "NIC of that provider network on the nodes; needed with network type vlan.")
	fs.StringVar(&c.DefaultVlan, "default-vlan-name", util.DefaultVlan, "Vlan of the default subnet with network type vlan.")
	fs.IntVar(&c.DefaultVlanID, "default-vlan-id", 1, "ID of that Vlan; 0: untagged.")
	fs.BoolVar(&c.ExchangeLinkName, "default-exchange-link-name", false, "The bridge of that provider network gets the name of the NIC.")
	fs.BoolVar(&c.DefaultLogicalGateway, "default-logical-gateway", false, "The router is the gateway of the default subnet with network type vlan.")
	fs.BoolVar(&c.DefaultU2O, "default-u2o-interconnection", false, "The default subnet with network type vlan reaches the overlay subnets.")
}

// registerProgram are the flags of the program: clients, election, HTTP, log.
func (r *raw) registerProgram(fs *pflag.FlagSet) {
	fs.BoolVar(&r.dryRun, "dry-run", false, "Print what would be written to the databases, write nothing anywhere, and exit.")
	fs.StringVar(&r.kubeconfig, "kubeconfig", "", "Configuration of the API server's client. Default: that of the pod.")
	fs.StringVar(&r.nb, "ovn-nb-addr", "", "Northbound database: OVSDB methods (tcp:, ssl: or unix:) separated by commas.")
	fs.StringVar(&r.sb, "ovn-sb-addr", "", "Southbound database, likewise.")
	fs.IntVar(&r.ovnTimeout, "ovn-timeout", 60, "Seconds for one transaction.")
	fs.IntVar(&r.connectTimeout, "ovsdb-con-timeout", 3, "Seconds for one try to connect to a database.")
	fs.IntVar(&r.connectRetries, "ovsdb-con-maxretry", 60, "Tries to connect at the start.")
	fs.IntVar(&r.inactivity, "ovsdb-inactivity-timeout", 10, "Seconds of silence after which a database connection is probed.")
	fs.DurationVar(&r.election.lease, "leader-elect-lease-duration", 30*time.Second, "How long a leader counts that does not renew.")
	fs.DurationVar(&r.election.renew, "leader-elect-renew-deadline", 20*time.Second, "How long a leader tries to renew before it gives up.")
	fs.DurationVar(&r.election.retry, "leader-elect-retry-period", 6*time.Second, "Time between two tries to get or renew the lease.")
	fs.IntVar(&r.config.Workers, "worker-num", 3, "Workers per kind; pods have more.")
	fs.IntVar(&r.serving.port, "pprof-port", 10660, "Port of health checks, metrics and profiles.")
	fs.BoolVar(&r.serving.pprof, "enable-pprof", false, "Serve profiles.")
	fs.BoolVar(&r.serving.metrics, "enable-metrics", true, "Serve metrics.")
	fs.BoolVar(&r.secure, "secure-serving", false, "Serve by TLS, and metrics only to those whom the API server allows.")
	fs.StringVar(&r.minTLS, "tls-min-version", "", "Lowest TLS version to the databases: TLS10, TLS11, TLS12 or TLS13.")
	fs.StringVar(&r.maxTLS, "tls-max-version", "", "Highest TLS version to the databases.")
	fs.StringSliceVar(&r.ciphers, "tls-cipher-suites", nil, "Cipher suites to the databases, by their Go names.")
}

// parse reads arguments and environment.
func parse(args []string, getenv func(string) string) (*options, error) {
	fs := pflag.NewFlagSet("kube-ovn-controller", pflag.ContinueOnError)
	var r raw
	r.register(fs)
	log := logfile.Register(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	o := &options{
		config: r.config, election: r.election, serving: r.serving, kubeconfig: r.kubeconfig,
		dryRun: r.dryRun, log: log, unused: unused(fs),
	}
	o.config.APIServerIP = getenv("KUBERNETES_SERVICE_HOST")
	o.config.DefaultExcludeIPs = list(r.excludes)
	o.config.NodeLocalDNSIPs = list(r.localDNS)
	err := errors.Join(o.readElection(getenv), o.readServing(r, getenv), o.readDatabases(r, getenv), o.config.Validate())
	return o, err
}

// unused are flags of other versions that ask for something.
func unused(fs *pflag.FlagSet) []string {
	var out []string
	fs.Visit(func(f *pflag.Flag) {
		text, isLater := later[f.Name]
		if value, isSwitch := laterSwitches[f.Name]; isSwitch {
			text, isLater = strconv.FormatBool(value), true
		}
		// An image's name is given by every manifest and asks for nothing by itself.
		if isLater && f.Value.String() != text && f.Name != "image" {
			out = append(out, "--"+f.Name)
		}
	})
	return out
}

// readElection takes the lease's place from the pod's environment; outside of a pod it is kube-system and the host's name.
func (o *options) readElection(getenv func(string) string) error {
	o.namespace, o.identity = getenv("POD_NAMESPACE"), getenv("POD_NAME")
	if o.namespace == "" {
		o.namespace = "kube-system"
	}
	if o.identity == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name of this host: %w", err)
		}
		o.identity = name
	}
	e := o.election
	if e.retry <= 0 || e.lease <= e.renew || float64(e.renew) <= 1.2*float64(e.retry) {
		return fmt.Errorf("leader election: want lease duration %s > renew deadline %s > 1.2 x retry period %s > 0", e.lease, e.renew, e.retry)
	}
	return nil
}

func (o *options) readServing(r raw, getenv func(string) string) error {
	if r.secure {
		return errors.New("--secure-serving is not supported in this version")
	}
	if n := r.serving.port; n < 0 || n > 65535 {
		return fmt.Errorf("--pprof-port %d: want 0 to 65535", n)
	}
	if getenv("ENABLE_BIND_LOCAL_IP") != "true" {
		return nil
	}
	for _, text := range list(getenv("POD_IPS")) {
		if _, err := netip.ParseAddr(text); err != nil {
			return fmt.Errorf("POD_IPS: %w", err)
		}
		o.serving.hosts = append(o.serving.hosts, text)
	}
	return nil
}

// list splits at commas and drops what is empty.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
