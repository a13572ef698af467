package controller

import (
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// defaults are the flags of a plain cluster.
func defaults() Config {
	return Config{
		DefaultVpc: util.DefaultVpc, DefaultSubnet: util.DefaultSubnet, JoinSubnet: util.JoinSubnet,
		DefaultCIDR: "10.16.0.0/16", JoinCIDR: "100.64.0.0/16", ServiceCIDR: "10.96.0.0/12", NetworkType: "geneve",
		GatewayCheck: true, DNATModDLDst: true, SkipCTLocalPorts: true, PodNicType: "veth-pair", Workers: 3,
	}
}

// underlayFlags are those of network type vlan with their defaults.
func underlayFlags(c *Config) {
	c.NetworkType, c.DefaultInterface = "vlan", "eth1"
	c.DefaultProvider, c.DefaultVlan, c.DefaultVlanID = util.DefaultProviderNetwork, util.DefaultVlan, 1
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Config)
		want []string // parts of the message; none: valid
	}{
		{"defaults", func(*Config) {}, nil},
		{"dual stack", func(c *Config) {
			c.DefaultCIDR, c.JoinCIDR, c.ServiceCIDR = "10.16.0.0/16,fd00:10:16::/64", "100.64.0.0/16,fd00:100:64::/64", "10.96.0.0/12,fd00:10:96::/112"
		}, nil},
		{"typo", func(c *Config) { c.DefaultCIDR = "10.16.0.0" }, []string{"default-cidr:", "format error"}},
		{"empty", func(c *Config) { c.ServiceCIDR = "" }, []string{"service-cluster-ip-range:", "is empty"}},
		{"loopback", func(c *Config) { c.JoinCIDR = "127.0.0.0/16" }, []string{"node-switch-cidr:", "special range"}},
		{"unspecified", func(c *Config) { c.JoinCIDR = "0.0.0.0/0" }, []string{"node-switch-cidr:", "special range"}},
		{"link local", func(c *Config) { c.DefaultCIDR = "fe80::/64" }, []string{"default-cidr:", "special range"}},
		{"default and join overlap", func(c *Config) { c.JoinCIDR = "10.16.1.0/24" }, []string{"node-switch-cidr 10.16.1.0/24 overlaps default-cidr 10.16.0.0/16"}},
		{"join and service overlap", func(c *Config) { c.ServiceCIDR = "100.64.0.0/10" }, []string{"service-cluster-ip-range 100.64.0.0/10 overlaps node-switch-cidr"}},
		{"gateway outside", func(c *Config) { c.DefaultGateway = "10.17.0.1" }, []string{"default-gateway:", "is not in cidr"}},
		{"join gateway outside", func(c *Config) { c.JoinGateway = "10.17.0.1" }, []string{"node-switch-gateway:", "is not in cidr"}},
		{"excludes", func(c *Config) { c.DefaultExcludeIPs = []string{"10.16.0.9..10.16.0.1"} }, []string{"default-exclude-ips:", "not a valid ip range"}},
		{"local dns", func(c *Config) { c.NodeLocalDNSIPs = []string{"169.254.20.10", "dns"} }, []string{`node-local-dns-ip: "dns" is not an address`}},
		{"underlay cluster", underlayFlags, nil},
		{"underlay without interface", func(c *Config) { underlayFlags(c); c.DefaultInterface = "" }, []string{"network type vlan needs --default-interface-name"}},
		{"underlay with both gateways", func(c *Config) { underlayFlags(c); c.DefaultLogicalGateway, c.DefaultU2O = true, true }, []string{"exclude each other"}},
		{"both gateways without underlay", func(c *Config) { c.DefaultLogicalGateway, c.DefaultU2O = true, true }, nil},
		{"underlay tag", func(c *Config) { underlayFlags(c); c.DefaultVlanID = 4096 }, []string{"default-vlan-id 4096: want 0 to 4095"}},
		{"network type", func(c *Config) { c.NetworkType = "gre" }, []string{`network-type "gre": want geneve, vxlan, stt or vlan`}},
		{"nic type", func(c *Config) { c.PodNicType = "dpdk" }, []string{`pod-nic-type "dpdk": this version has veth-pair only`}},
		{"no workers", func(c *Config) { c.Workers = 0 }, []string{"worker-num 0: want 1 or more"}},
		{"skipped destinations", func(c *Config) { c.SkipConntrackDstCIDRs = "10.0.0.0/8, 10.1" }, []string{`skip-conntrack-dst-cidrs: "10.1" is not a prefix`}},
		{"all at once", func(c *Config) { c.DefaultCIDR, c.JoinCIDR = "x", "y" }, []string{"default-cidr:", "node-switch-cidr:"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := defaults()
			test.edit(&config)
			err := config.Validate()
			if len(test.want) == 0 && err != nil {
				t.Fatalf("refused: %v", err)
			}
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
		})
	}
}

func TestMTU(t *testing.T) {
	for networkType, want := range map[string]int{"geneve": 1400, "vxlan": 1450, "stt": 1428} {
		config := defaults()
		config.NetworkType = networkType
		if got := config.mtu(); got != want {
			t.Errorf("%s: %d, want %d", networkType, got, want)
		}
	}
}
