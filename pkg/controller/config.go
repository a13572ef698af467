package controller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// LoadBalancers are the names of the six load balancers of a VPC.
type LoadBalancers struct {
	TCP, UDP, SCTP                      string
	TCPSession, UDPSession, SCTPSession string
}

// Config is what the program's flags say (api.md 5.1).
type Config struct {
	Northbound, Southbound ovs.Config

	DefaultVpc string
	// LoadBalancers are the names of those of the default VPC. Nobody makes them yet.
	LoadBalancers LoadBalancers

	// The default subnet: CIDRBlock may be dual stack; gateway and excludes are derived when empty.
	DefaultSubnet     string
	DefaultCIDR       string
	DefaultGateway    string
	DefaultExcludeIPs []string
	// The default subnet of an underlay cluster (network type vlan) is on this VLAN of this provider network, whose NIC
	// DefaultInterface has to name.
	DefaultProvider  string
	DefaultInterface string
	DefaultVlan      string
	DefaultVlanID    int
	ExchangeLinkName bool
	// DefaultLogicalGateway makes the router its gateway; DefaultU2O connects it with the overlay. They exclude each other.
	DefaultLogicalGateway bool
	DefaultU2O            bool
	// GatewayCheck makes pods test that the gateway of the default subnet answers.
	GatewayCheck bool

	JoinSubnet  string
	JoinCIDR    string
	JoinGateway string

	ServiceCIDR string
	// APIServerIP is the address of the kubernetes Service, "" when it is not known.
	APIServerIP string
	NetworkType string
	PodNicType  string
	NonPrimary  bool
	EnableLb    bool
	EnableEcmp  bool
	Workers     int

	// EnableEipSnat: the pod annotations eip and snat count.
	EnableEipSnat bool

	// ExternalSwitch is the switch of the default outside network and, when a Subnet manages it, that Subnet. Run chooses it
	// when it is empty.
	ExternalSwitch string
	// ExternalNet and ExternalVlanID are network name and tag of its localnet port when no Subnet manages it.
	ExternalNet    string
	ExternalVlanID int
	// FormerPortName names that port as earlier releases did.
	FormerPortName bool
	// GatewayConfigNamespace has the ConfigMap of the default VPC's external gateway.
	GatewayConfigNamespace string

	// Options of NB_Global (northbound.md 2.2).
	DNATModDLDst          bool
	SkipCTLocalPorts      bool
	NodeLocalDNSIPs       []string
	SkipConntrackDstCIDRs string

	// Rehearsal makes Run a dry run; nil: it is none.
	Rehearsal *Rehearsal

	// CountDelay is subnet.Config's; 0 means the default.
	CountDelay time.Duration
}

// defaultCountDelay keeps the counters of a subnet in which pods come and go from being written more than once a second.
const defaultCountDelay = time.Second

// podWorkersPerWorker: a pod's sync waits nearly all its time for the API server and for the database's group commit, so
// pods have many workers for each of the other kinds' --worker-num.
const podWorkersPerWorker = 16

// usesDelay is how long after a rule its OvnEip tells, at the earliest, that it is used.
const usesDelay = 2 * time.Second

// natWorkersPerWorker: likewise for outside addresses and the rules that use them.
const natWorkersPerWorker = 4

// Validate is the check at start (northbound.md 1.1): blocks that are malformed, special or overlap, and what this version
// does not have.
func (c *Config) Validate() error {
	var errs []error
	if c.underlay() {
		errs = append(errs, c.validateUnderlay())
	}
	blocks := []struct{ name, text string }{
		{"default-cidr", c.DefaultCIDR}, {"node-switch-cidr", c.JoinCIDR}, {"service-cluster-ip-range", c.ServiceCIDR},
	}
	parsed := make([][]netip.Prefix, len(blocks))
	for i, block := range blocks {
		prefixes, err := util.ParseSubnetCIDRs(block.text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", block.name, err))
			continue
		}
		parsed[i] = prefixes
		for j := range i {
			if util.PrefixesOverlap(parsed[j], prefixes) {
				errs = append(errs, fmt.Errorf("%s %s overlaps %s %s", block.name, block.text, blocks[j].name, blocks[j].text))
			}
		}
	}
	for name, gateway := range map[string]struct {
		text   string
		inside []netip.Prefix
	}{"default-gateway": {c.DefaultGateway, parsed[0]}, "node-switch-gateway": {c.JoinGateway, parsed[1]}} {
		if gateway.inside == nil {
			continue
		}
		if err := util.ValidateGateway(gateway.text, gateway.inside); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if _, err := util.ParseExcludeIPs(c.DefaultExcludeIPs); err != nil {
		errs = append(errs, fmt.Errorf("default-exclude-ips: %w", err))
	}
	for _, text := range c.NodeLocalDNSIPs {
		if _, err := netip.ParseAddr(text); err != nil {
			errs = append(errs, fmt.Errorf("node-local-dns-ip: %q is not an address", text))
		}
	}
	if c.ExternalVlanID < 0 || c.ExternalVlanID > 4095 {
		errs = append(errs, fmt.Errorf("external-gateway-vlanid %d: want 0 to 4095", c.ExternalVlanID))
	}
	if !slices.Contains([]string{"geneve", "vxlan", "stt", util.NetworkTypeVlan}, strings.ToLower(c.NetworkType)) {
		errs = append(errs, fmt.Errorf("network-type %q: want geneve, vxlan, stt or vlan", c.NetworkType))
	}
	if c.PodNicType != util.PodNicVeth {
		errs = append(errs, fmt.Errorf("pod-nic-type %q: this version has %s only", c.PodNicType, util.PodNicVeth))
	}
	if c.Workers < 1 {
		errs = append(errs, fmt.Errorf("worker-num %d: want 1 or more", c.Workers))
	}
	for text := range strings.SplitSeq(c.SkipConntrackDstCIDRs, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if _, err := netip.ParsePrefix(text); err != nil {
			errs = append(errs, fmt.Errorf("skip-conntrack-dst-cidrs: %q is not a prefix", text))
		}
	}
	return errors.Join(errs...)
}

// underlay says whether the default subnet is a VLAN of a physical network.
func (c *Config) underlay() bool { return strings.EqualFold(c.NetworkType, util.NetworkTypeVlan) }

func (c *Config) validateUnderlay() error {
	var errs []error
	for name, text := range map[string]string{
		"default-interface-name": c.DefaultInterface, "default-provider-name": c.DefaultProvider, "default-vlan-name": c.DefaultVlan,
	} {
		if text == "" {
			errs = append(errs, fmt.Errorf("network type vlan needs --%s", name))
		}
	}
	if c.DefaultLogicalGateway && c.DefaultU2O {
		errs = append(errs, errors.New("default-logical-gateway and default-u2o-interconnection exclude each other"))
	}
	if c.DefaultVlanID < 0 || c.DefaultVlanID > util.MaxVlanID {
		errs = append(errs, fmt.Errorf("default-vlan-id %d: want 0 to %d", c.DefaultVlanID, util.MaxVlanID))
	}
	return errors.Join(errs...)
}

// mtu of overlay pods in bytes.
func (c *Config) mtu() int { return util.UnderlayMTU - util.TunnelHeader(c.NetworkType) }
