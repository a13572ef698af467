package v1_test

import (
	"strings"
	"testing"
)

// refusal is an object that the API server has to refuse with a sentence.
type refusal struct {
	why  string
	name string
	spec string
	want string
}

// runRefusals creates objects of one kind and compares what the server says.
func runRefusals(t *testing.T, kind string, rows []refusal) {
	t.Helper()
	server := newCRDServer(t)
	for _, row := range rows {
		t.Run(row.why, func(t *testing.T) {
			name := row.name
			if name == "" {
				name = "test"
			}
			_, err := server.create(t.Context(), object(t, kind, name, row.spec))
			wantRefusal(t, err, row.want)
		})
	}
}

// object makes an object from its spec in YAML.
func object(t *testing.T, kind, name, spec string) map[string]any {
	t.Helper()
	return map[string]any{
		"apiVersion": "kubeovn.io/v1",
		"kind":       kind,
		"metadata":   map[string]any{"name": name},
		"spec":       parse(t, spec),
	}
}

// wantRefusal fails unless err is exactly one refusal that contains the sentence. Several sentences about one mistake
// would hide which of them helps; an error of a rule itself is a mistake in the rule.
func wantRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatalf("accepted, want a refusal with %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("refused with\n%v\nwant\n%s", err, want)
	case strings.Contains(err.Error(), "\n"):
		t.Errorf("more than one sentence:\n%v", err)
	}
}

func TestSubnetRefusals(t *testing.T) {
	runRefusals(t, "Subnet", []refusal{
		{"no cidr", "", `{vpc: a}`, "spec.cidrBlock: Invalid value: cidrBlock has to be set unless the subnet has a vlan"},
		{"cidr is no cidr", "", `{cidrBlock: 10.16.0.0}`, "cidrBlock 10.16.0.0 has a format error"},
		{"octet too large", "", `{cidrBlock: 10.16.256.0/24}`, "cidrBlock 10.16.256.0/24 has a format error"},
		{"mask too long", "", `{cidrBlock: 10.16.0.0/33}`, "has a format error"},
		{"space after the comma", "", `{cidrBlock: "10.16.0.0/16, fd00::/64"}`, "has a format error"},
		{"three cidrs", "", `{cidrBlock: "10.0.0.0/24,fd00::/64,10.1.0.0/24"}`, "has a format error"},
		{"two of one family", "", `{cidrBlock: "10.0.0.0/24,10.1.0.0/24"}`, "has two CIDRs of one address family"},
		{"one IPv4 address", "", `{cidrBlock: 10.0.0.1/32}`, "mask is invalid"},
		{"one IPv6 address", "", `{cidrBlock: "fd00::1/128"}`, "mask is invalid"},
		{"multicast", "", `{cidrBlock: 224.0.0.0/8}`, "not a range of global unicast addresses"},
		{"loopback", "", `{cidrBlock: 127.0.0.0/8}`, "not a range of global unicast addresses"},
		{"link local", "", `{cidrBlock: "fe80::/64"}`, "not a range of global unicast addresses"},
		{"upper case cidr", "", `{cidrBlock: "FD00::/64"}`, "cidrBlock FD00::/64 can not contain upper case"},
		{"gateway is no address", "", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0}`, "gateway 10.0.0 is not an IP address"},
		{"gateway outside", "", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.1.1}`, "spec.gateway: Invalid value: gateway 10.0.1.1 is not in cidr 10.0.0.0/24"},
		{"second gateway outside", "", `{cidrBlock: "10.0.0.0/24,fd00::/112", gateway: "10.0.0.1,fd01::1"}`, "is not in cidr"},
		{"gateway of the other family", "", `{cidrBlock: 10.0.0.0/24, gateway: "fd00::1"}`, "is not in cidr"},
		{"two gateways of one family", "", `{cidrBlock: 10.0.0.0/24, gateway: "10.0.0.1,10.0.0.2"}`, "has two addresses of one family"},
		{"network address", "", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.0}`, "gateway 10.0.0.0 is the network address of cidr 10.0.0.0/24"},
		{"IPv6 network address", "", `{cidrBlock: "fd00::/64", gateway: "fd00::"}`, "is the network address"},
		{"network address of a cidr with host bits", "", `{cidrBlock: 10.0.0.77/26, gateway: 10.0.0.64}`, "is the network address"},
		{"broadcast of a /24", "", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.255}`, "gateway 10.0.0.255 is the broadcast address"},
		{"broadcast of a /20", "", `{cidrBlock: 10.0.16.0/20, gateway: 10.0.31.255}`, "is the broadcast address"},
		{"broadcast of a /30", "", `{cidrBlock: 10.0.0.4/30, gateway: 10.0.0.7}`, "is the broadcast address"},
		{"broadcast of a /8", "", `{cidrBlock: 10.0.0.0/8, gateway: 10.255.255.255}`, "is the broadcast address"},
		{"upper case gateway", "", `{cidrBlock: "fd00::/64", gateway: "fd00::A"}`, "gateway fd00::A can not contain upper case"},
		{"exclude typo", "", `{cidrBlock: 10.0.0.0/24, excludeIps: [10.0.0.5-10.0.0.9]}`, "excludeIps entry 10.0.0.5-10.0.0.9 is not a valid address or address range"},
		{"exclude open range", "", `{cidrBlock: 10.0.0.0/24, excludeIps: [10.0.0.5..]}`, "is not a valid address or address range"},
		{"exclude mixed families", "", `{cidrBlock: 10.0.0.0/24, excludeIps: ["10.0.0.5..fd00::1"]}`, "is not a valid address or address range"},
		{"exclude reversed", "", `{cidrBlock: 10.0.0.0/24, excludeIps: [10.0.0.9..10.0.0.5]}`, "is not a valid ip range: the first address is above the last"},
		{"exclude reversed in a high octet", "", `{cidrBlock: 10.0.0.0/8, excludeIps: [10.1.0.0..10.0.255.255]}`, "the first address is above the last"},
		{"exclude upper case", "", `{cidrBlock: "fd00::/64", excludeIps: ["fd00::A"]}`, "can not contain upper case"},
		{"operator of a selector of nodes", "", `{cidrBlock: 10.0.0.0/24, gatewayNodeSelectors: [{matchExpressions: [{key: a, operator: Foo, values: [x]}]}]}`, "Unsupported value: \"Foo\""},
		{"operator of a selector of namespaces", "", `{cidrBlock: 10.0.0.0/24, namespaceSelectors: [{matchExpressions: [{key: a, operator: Foo}]}]}`, "Unsupported value: \"Foo\""},
		{"allowSubnets entry", "", `{cidrBlock: 10.0.0.0/24, allowSubnets: [10.1.0.0]}`, "allowSubnets entry 10.1.0.0 is not a valid CIDR"},
		{"gateway type", "", `{cidrBlock: 10.0.0.0/24, gatewayType: central}`, `spec.gatewayType: Unsupported value: "central": supported values: "", "distributed", "centralized"`},
		{"protocol", "", `{cidrBlock: 10.0.0.0/24, protocol: ipv4}`, `spec.protocol: Unsupported value: "ipv4"`},
		{"mtu with IPv6", "", `{cidrBlock: "fd00::/64", mtu: 1279}`, "spec.mtu: Invalid value: mtu is below the IPv6 minimum 1280"},
		{"mtu too small", "", `{cidrBlock: 10.0.0.0/24, mtu: 67}`, "mtu is not in the range 68 to 65535"},
		{"mtu too large", "", `{cidrBlock: 10.0.0.0/24, mtu: 65536}`, "mtu is not in the range 68 to 65535"},
		{"two ways out", "", `{cidrBlock: 10.0.0.0/24, natOutgoing: true, externalEgressGateway: 10.0.0.9}`, "conflict configuration: natOutgoing and externalEgressGateway exclude each other"},
		{"three egress gateways", "", `{cidrBlock: "10.0.0.0/24,fd00::/64", externalEgressGateway: "1.1.1.1,fd00::1,1.1.1.2"}`, "invalid external egress gateway"},
		{"egress gateway of the other family", "", `{cidrBlock: 10.0.0.0/24, externalEgressGateway: "fd00::1"}`, "it needs one address per address family"},
		{"egress gateway of one family", "", `{cidrBlock: "10.0.0.0/24,fd00::/64", externalEgressGateway: 1.1.1.1}`, "it needs one address per address family"},
		{"routing priority", "", `{cidrBlock: 10.0.0.0/24, policyRoutingPriority: 32766}`, "policyRoutingPriority is not in the range 1 to 32765"},
		{"kernel table", "", `{cidrBlock: 10.0.0.0/24, policyRoutingTableID: 254}`, "policyRoutingTableID 252 to 255 are tables of the kernel"},
		{"vip outside", "", `{cidrBlock: 10.0.0.0/24, vips: [10.0.0.5, 10.0.1.5]}`, "spec.vips: Invalid value: a vip is not in cidr 10.0.0.0/24"},
		{"vip is no address", "", `{cidrBlock: 10.0.0.0/24, vips: [web]}`, "vips entry web is not an IP address"},
		{"two gateways of an underlay", "", `{cidrBlock: 10.0.0.0/24, vlan: v, logicalGateway: true, u2oInterconnection: true}`, "logicalGateway and u2oInterconnection can not be true at the same time"},
		{"overlay only without u2o", "", `{cidrBlock: 10.0.0.0/24, vlan: v, u2oFeatures: {overlayOnlyRouting: true}}`, "overlayOnlyRouting needs u2oInterconnection and a vlan"},
		{"overlay only without vlan", "", `{cidrBlock: 10.0.0.0/24, u2oInterconnection: true, u2oFeatures: {overlayOnlyRouting: true}}`, "overlayOnlyRouting needs u2oInterconnection and a vlan"},
		{"u2o address outside", "", `{cidrBlock: 10.0.0.0/24, vlan: v, u2oInterconnection: true, u2oInterconnectionIP: 10.0.1.1}`, "u2oInterconnectionIP 10.0.1.1 is not in cidr"},
		{"u2o address is the gateway", "", `{cidrBlock: 10.0.0.0/24, gateway: 10.0.0.1, vlan: v, u2oInterconnection: true, u2oInterconnectionIP: 10.0.0.1}`, "u2oInterconnectionIP 10.0.0.1 is the gateway"},
		{"nat rule address", "", `{cidrBlock: 10.0.0.0/24, natOutgoingPolicyRules: [{match: {srcIPs: web}, action: nat}]}`, "srcIPs web is not a list of IP addresses and CIDRs"},
		{"nat rule list", "", `{cidrBlock: 10.0.0.0/24, natOutgoingPolicyRules: [{match: {dstIPs: "1.1.1.1;1.1.1.2"}, action: nat}]}`, "dstIPs 1.1.1.1;1.1.1.2 is not a list"},
		{"nat rule of two families", "", `{cidrBlock: 10.0.0.0/24, natOutgoingPolicyRules: [{match: {srcIPs: 10.0.0.1, dstIPs: "fd00::1"}, action: nat}]}`, "match ips protocol is not consistent"},
		{"nat rule action", "", `{cidrBlock: 10.0.0.0/24, natOutgoingPolicyRules: [{match: {}, action: masquerade}]}`, `supported values: "nat", "forward"`},
		{"underlay without cidr is interconnected", "", `{vlan: v, u2oInterconnection: true}`, "logicalGateway and u2oInterconnection need a cidrBlock"},
		{"underlay without cidr has logical gateway", "", `{vlan: v, logicalGateway: true}`, "logicalGateway and u2oInterconnection need a cidrBlock"},
		{"underlay without cidr has gateway", "", `{vlan: v, gateway: 10.0.0.1}`, "must be empty for underlay subnet"},
		{"underlay without cidr has excludes", "", `{vlan: v, excludeIps: [10.0.0.1]}`, "must be empty for underlay subnet"},
		{"underlay without cidr has vips", "", `{vlan: v, vips: [10.0.0.1]}`, "must be empty for underlay subnet"},
		{"underlay without cidr has u2o address", "", `{vlan: v, u2oInterconnectionIP: 10.0.0.1}`, "must be empty for underlay subnet"},
		{"acl direction", "", `{cidrBlock: 10.0.0.0/24, acls: [{direction: in, match: ip4, action: allow}]}`, `supported values: "from-lport", "to-lport"`},
		{"acl action", "", `{cidrBlock: 10.0.0.0/24, acls: [{direction: to-lport, match: ip4, action: deny}]}`, `Unsupported value: "deny"`},
		{"acl priority", "", `{cidrBlock: 10.0.0.0/24, acls: [{direction: to-lport, priority: 32768, match: ip4, action: drop}]}`, "spec.acls[0].priority in body should be less than or equal to 32767"},
		{"unknown field", "", `{cidrBlock: 10.0.0.0/24, gatway: 10.0.0.1}`, "unknown fields [spec.gatway]"},
	})
}

func TestVpcRefusals(t *testing.T) {
	runRefusals(t, "Vpc", []refusal{
		{"route policy", "", `{staticRoutes: [{cidr: 10.0.0.0/8, nextHopIP: 10.0.0.1, policy: src}]}`, `supported values: "", "policySrc", "policyDst"`},
		{"route cidr", "", `{staticRoutes: [{cidr: 10.0.0.0/8/8, nextHopIP: 10.0.0.1}]}`, "cidr 10.0.0.0/8/8 is not a CIDR or an IP address"},
		{"route next hop", "", `{staticRoutes: [{cidr: 10.0.0.0/8, nextHopIP: gw}]}`, "nextHopIP gw is not an IP address"},
		{"route without next hop", "", `{staticRoutes: [{cidr: 10.0.0.0/8}]}`, "a static route needs cidr and nextHopIP"},
		{"route of two families", "", `{staticRoutes: [{cidr: 10.0.0.0/8, nextHopIP: "fd00::1"}]}`, "cidr 10.0.0.0/8 and nextHopIP fd00::1 are not of the same address family"},
		{"policy action", "", `{policyRoutes: [{match: ip4, action: deny}]}`, `Unsupported value: "deny"`},
		{"policy without action", "", `{policyRoutes: [{match: ip4}]}`, "a policy route needs an action: allow, drop or reroute"},
		{"policy without match", "", `{policyRoutes: [{action: drop}]}`, "a policy route needs a match"},
		{"policy priority", "", `{policyRoutes: [{priority: 32768, match: ip4, action: drop}]}`, "should be less than or equal to 32767"},
		{"reroute to nowhere", "", `{policyRoutes: [{match: ip4, action: reroute}]}`, "a policy route that reroutes needs nextHopIP"},
		{"reroute to a name", "", `{policyRoutes: [{match: ip4, action: reroute, nextHopIP: gw}]}`, "nextHopIP gw is not a list of IP addresses separated by commas"},
		{"peering without mask", "", `{vpcPeerings: [{remoteVpc: b, localConnectIP: 169.254.0.1}]}`, "localConnectIP 169.254.0.1 is not an address with prefix length"},
		{"peering with itself", "me", `{vpcPeerings: [{remoteVpc: me, localConnectIP: 169.254.0.1/30}]}`, "a vpc can not peer with itself"},
		{"bfd port without address", "", `{bfdPort: {enabled: true}}`, "spec.bfdPort.ip: Invalid value: ip has to be set when the BFD port is enabled"},
		{"bfd port address", "", `{bfdPort: {enabled: true, ip: 10.255.255.255/32}}`, "ip 10.255.255.255/32 is not an IP address"},
		{"bfd port of one family", "", `{bfdPort: {enabled: true, ip: "10.0.0.1,10.0.0.2"}}`, "has two addresses of one family"},
	})
}

func TestAddressRefusals(t *testing.T) {
	runRefusals(t, "IP", []refusal{
		{"no subnet", "", `{podName: a}`, "spec.subnet: Invalid value: subnet of an ip has to be set"},
		{"bad IPv4", "", `{subnet: s, v4IpAddress: 10.0.0.300}`, "v4IpAddress 10.0.0.300 is not an IPv4 address"},
		{"IPv6 as IPv4", "", `{subnet: s, v4IpAddress: "fd00::1"}`, "v4IpAddress fd00::1 is not an IPv4 address"},
		{"IPv4 as IPv6", "", `{subnet: s, v6IpAddress: 10.0.0.1}`, "v6IpAddress 10.0.0.1 is not an IPv6 address"},
		{"upper case", "", `{subnet: s, v6IpAddress: "fd00::A"}`, "v6IpAddress fd00::A can not contain upper case"},
		{"both", "", `{subnet: s, ipAddress: "10.0.0.1 fd00::1"}`, "ipAddress 10.0.0.1 fd00::1 is not an IP address"},
		{"mac", "", `{subnet: s, macAddress: 00-00-00-00-00-01}`, "macAddress 00-00-00-00-00-01 is not a MAC address"},
		{"pod type", "", `{subnet: s, podType: Deployment}`, `supported values: "", "StatefulSet", "VirtualMachine"`},
	})
	runRefusals(t, "IPPool", []refusal{
		{"pool without subnet", "", `{ips: [10.0.0.1]}`, "spec.subnet: Required value"},
		{"pool without ips", "", `{subnet: s}`, "spec.ips: Required value"},
		{"empty pool", "", `{subnet: s, ips: []}`, "should have at least 1 items"},
		{"pool entry", "", `{subnet: s, ips: [10.0.0.1-10.0.0.9]}`, "ips entry 10.0.0.1-10.0.0.9 is not a valid address, CIDR or address range"},
		{"pool range reversed", "", `{subnet: s, ips: [10.0.0.9..10.0.0.1]}`, "the first address is above the last"},
	})
	runRefusals(t, "Vip", []refusal{
		{"vip without subnet", "", `{}`, "subnet of a vip has to be set"},
		{"vip type", "", `{subnet: s, type: lb}`, `supported values: "", "switch_lb_vip", "kube_host_vm_vip"`},
		{"vip address", "", `{subnet: s, v4ip: 10.0.0.}`, "v4ip 10.0.0. is not an IPv4 address"},
		{"vip upper case", "", `{subnet: s, v6ip: "FD00::1"}`, "v6ip FD00::1 can not contain upper case"},
	})
}

func TestUnderlayRefusals(t *testing.T) {
	runRefusals(t, "Vlan", []refusal{
		{"tag too large", "", `{id: 4096, provider: p}`, "should be less than or equal to 4095"},
		{"negative tag", "", `{id: -1, provider: p}`, "should be greater than or equal to 0"},
		{"no provider", "", `{id: 5}`, "provider of a vlan has to be set"},
	})
	runRefusals(t, "ProviderNetwork", []refusal{
		{"no interface", "", `{}`, "spec.defaultInterface: Required value"},
		{"name too long", "thirteen-char", `{defaultInterface: eth0}`, "name thirteen-char is longer than 12 characters"},
		{"name of the integration bridge", "int", `{defaultInterface: eth0}`, "name int is refused because br-int is the integration bridge"},
		{"interface too long", "", `{defaultInterface: sixteen-chars-it}`, "may not be more than 15"},
		{"interface with slash", "", `{defaultInterface: eth0/1}`, "defaultInterface eth0/1 can contain neither slash nor space"},
		{"interface with space", "", `{defaultInterface: eth0, customInterfaces: [{interface: "eth 1", nodes: [a]}]}`, "interface eth 1 can contain neither slash nor space"},
		{"vlan interface", "", `{defaultInterface: eth0, vlanInterfaces: [eth0]}`, "vlanInterfaces entry eth0 is not an interface name, a dot and a VLAN ID"},
	})
}

func TestOvnNatRefusals(t *testing.T) {
	runRefusals(t, "OvnEip", []refusal{
		{"eip type", "", `{type: snat}`, `supported values: "", "nat", "lrp", "lsp"`},
		{"eip address", "", `{v4Ip: 1.2.3}`, "v4Ip 1.2.3 is not an IPv4 address"},
		{"eip upper case", "", `{v6Ip: "fd00::A"}`, "v6Ip fd00::A can not contain upper case"},
		{"eip mac", "", `{macAddress: "00:00"}`, "macAddress 00:00 is not a MAC address"},
	})
	runRefusals(t, "OvnFip", []refusal{
		{"fip without eip", "", `{ipName: a.b}`, "should set spec ovnEip"},
		{"fip without target", "", `{ovnEip: e}`, "should set spec ipName, or vpc with v4Ip or v6Ip"},
		{"fip without vpc", "", `{ovnEip: e, v4Ip: 10.0.0.1}`, "should set spec vpc when v4Ip or v6Ip is given without ipName"},
		{"fip target type", "", `{ovnEip: e, ipName: a, ipType: pod}`, `supported values: "", "vip", "ip"`},
		{"fip type", "", `{ovnEip: e, ipName: a, type: local}`, `supported values: "", "distributed", "centralized"`},
		{"fip address", "", `{ovnEip: e, vpc: v, v4Ip: "fd00::1"}`, "v4Ip fd00::1 is not an IPv4 address"},
	})
	runRefusals(t, "OvnSnatRule", []refusal{
		{"snat without eip", "", `{vpcSubnet: s}`, "should set spec ovnEip"},
		{"snat with two sources", "", `{ovnEip: e, vpcSubnet: s, ipName: a.b}`, "should not set spec vpcSubnet and ipName at the same time"},
		{"snat vpc without cidr", "", `{ovnEip: e, vpc: v, vpcSubnet: s}`, "should set spec v4IpCidr or v6IpCidr when spec vpc is set"},
		{"snat IPv4 cidr without vpc", "", `{ovnEip: e, v4IpCidr: 10.0.0.0/24}`, "should set spec vpc when v4IpCidr or v6IpCidr is given"},
		{"snat IPv6 cidr without vpc", "", `{ovnEip: e, v6IpCidr: "fd00::/64"}`, "should set spec vpc when v4IpCidr or v6IpCidr is given"},
		{"snat of nothing", "", `{ovnEip: e}`, "should set spec vpcSubnet, ipName, or vpc with v4IpCidr or v6IpCidr"},
		{"snat cidr", "", `{ovnEip: e, vpc: v, v4IpCidr: 10.0.0.0/40}`, "v4IpCidr 10.0.0.0/40 is not an IPv4 CIDR or address"},
		{"snat cidr of the other family", "", `{ovnEip: e, vpc: v, v6IpCidr: 10.0.0.0/24}`, "v6IpCidr 10.0.0.0/24 is not an IPv6 CIDR or address"},
	})
	runRefusals(t, "OvnDnatRule", []refusal{
		{"dnat without eip", "", `{ipName: a.b, protocol: tcp, internalPort: "1", externalPort: "1"}`, "should set spec ovnEip"},
		{"dnat without target", "", `{ovnEip: e, protocol: tcp, internalPort: "1", externalPort: "1"}`, "should set spec ipName, or vpc with v4Ip or v6Ip"},
		{"dnat without internal port", "", `{ovnEip: e, ipName: a.b, protocol: tcp, externalPort: "1"}`, "should set spec internalPort"},
		{"dnat without external port", "", `{ovnEip: e, ipName: a.b, protocol: tcp, internalPort: "1"}`, "should set spec externalPort"},
		{"dnat port zero", "", `{ovnEip: e, ipName: a.b, protocol: tcp, internalPort: "0", externalPort: "1"}`, "internalPort 0 is not a port from 1 to 65535"},
		{"dnat port too large", "", `{ovnEip: e, ipName: a.b, protocol: tcp, internalPort: "1", externalPort: "65536"}`, "externalPort 65536 is not a port from 1 to 65535"},
		{"dnat port name", "", `{ovnEip: e, ipName: a.b, protocol: tcp, internalPort: "1", externalPort: "http"}`, "externalPort http is not a port from 1 to 65535"},
		{"dnat protocol", "", `{ovnEip: e, ipName: a.b, protocol: icmp, internalPort: "1", externalPort: "1"}`, "invalid dnat protocol icmp, it is neither tcp nor udp"},
		{"dnat without protocol", "", `{ovnEip: e, ipName: a.b, internalPort: "1", externalPort: "1"}`, "should set spec protocol: tcp or udp"},
	})
}

func TestIptablesGatewayRefusals(t *testing.T) {
	runRefusals(t, "VpcNatGateway", []refusal{
		{"gateway without vpc", "", `{subnet: s}`, "vpc of a gateway has to be set"},
		{"gateway without subnet", "", `{vpc: v}`, "subnet of a gateway has to be set"},
		{"gateway lan address", "", `{vpc: v, subnet: s, lanIp: 10.0.1}`, "lanIp 10.0.1 is not an IP address"},
		{"gateway selector", "", `{vpc: v, subnet: s, selector: [kubernetes.io/os=linux]}`, "selector entry kubernetes.io/os=linux is not key: value"},
		{"gateway toleration operator", "", `{vpc: v, subnet: s, tolerations: [{key: a, operator: In}]}`, "operator of a toleration is neither Equal nor Exists"},
		{"gateway toleration effect", "", `{vpc: v, subnet: s, tolerations: [{key: a, effect: Evict}]}`, "effect of a toleration is none of"},
		{"gateway replicas", "", `{vpc: v, subnet: s, replicas: 0}`, "spec.replicas in body should be greater than or equal to 1"},
		{"gateway bfd", "", `{vpc: v, subnet: s, bfd: {multiplier: 256}}`, "should be less than or equal to 255"},
		{"gateway route", "", `{vpc: v, subnet: s, routes: [{cidr: 10.0.0.1, nextHopIP: gateway}]}`, "cidr 10.0.0.1 is not a CIDR"},
		{"gateway route next hop", "", `{vpc: v, subnet: s, routes: [{cidr: 10.0.0.0/8, nextHopIP: gw}]}`, "nextHopIP gw is neither an IP address nor gateway"},
		{"gateway asn", "", `{vpc: v, subnet: s, bgpSpeaker: {asn: 4294967296}}`, "should be less than or equal to 4294967295"},
	})
	runRefusals(t, "IptablesEIP", []refusal{
		{"eip without gateway", "", `{v4ip: 10.0.0.1}`, "natGwDp of an eip has to be set"},
		{"eip address", "", `{natGwDp: g, v4ip: 10.0.0.256}`, "v4ip 10.0.0.256 is not an IPv4 address"},
		{"eip upper case", "", `{natGwDp: g, v6ip: "FD00::1"}`, "v6ip FD00::1 can not contain upper case"},
	})
	runRefusals(t, "IptablesFIPRule", []refusal{
		{"fip without eip", "", `{internalIp: 10.0.0.1}`, "eip of a fip rule has to be set"},
		{"fip without address", "", `{eip: e}`, "internalIp of a fip rule has to be set"},
		{"fip address", "", `{eip: e, internalIp: "fd00::1"}`, "internalIp fd00::1 is not an IPv4 address"},
	})
	runRefusals(t, "IptablesDnatRule", []refusal{
		{"dnat without eip", "", `{externalPort: "1", internalPort: "1", internalIp: 10.0.0.1, protocol: tcp}`, "eip of a dnat rule has to be set"},
		{"dnat without port", "", `{eip: e, internalPort: "1", internalIp: 10.0.0.1, protocol: tcp}`, "externalPort of a dnat rule has to be set"},
		{"dnat port", "", `{eip: e, externalPort: "70000", internalPort: "1", internalIp: 10.0.0.1, protocol: tcp}`, "externalPort 70000 is not a port from 1 to 65535"},
		{"dnat address", "", `{eip: e, externalPort: "1", internalPort: "1", internalIp: web, protocol: tcp}`, "internalIp web is not an IP address"},
		{"dnat protocol", "", `{eip: e, externalPort: "1", internalPort: "1", internalIp: 10.0.0.1, protocol: sctp}`, "protocol sctp is neither tcp nor udp"},
		{"dnat type", "", `{eip: e, externalPort: "1", internalPort: "1", internalIp: 10.0.0.1, protocol: tcp, type: both}`, `supported values: "", "exclusive", "share"`},
	})
	runRefusals(t, "IptablesSnatRule", []refusal{
		{"snat without eip", "", `{internalCIDR: 10.0.0.0/8}`, "eip of a snat rule has to be set"},
		{"snat without cidr", "", `{eip: e}`, "internalCIDR of a snat rule has to be set"},
		{"snat cidr", "", `{eip: e, internalCIDR: "10.0.0.0/8,10.1.0.0/16"}`, "internalCIDR 10.0.0.0/8,10.1.0.0/16 is not an IPv4 CIDR or address"},
		{"snat IPv6", "", `{eip: e, internalCIDR: "fd00::/8"}`, "internalCIDR fd00::/8 is not an IPv4 CIDR or address"},
	})
}

func TestServiceRefusals(t *testing.T) {
	runRefusals(t, "SwitchLBRule", []refusal{
		{"no vip", "", `{ports: [{name: a, port: 1, protocol: TCP}]}`, "vip of a load balancer has to be set"},
		{"vip", "", `{vip: web, ports: [{name: a, port: 1, protocol: TCP}]}`, "vip web is not an IP address"},
		{"no ports", "", `{vip: 1.1.1.1}`, "ports of a load balancer have to be set"},
		{"port", "", `{vip: 1.1.1.1, ports: [{name: a, port: 0, protocol: TCP}]}`, "should be greater than or equal to 1"},
		{"target port", "", `{vip: 1.1.1.1, ports: [{name: a, port: 1, targetPort: 65536, protocol: TCP}]}`, "should be less than or equal to 65535"},
		{"protocol", "", `{vip: 1.1.1.1, ports: [{name: a, port: 1, protocol: ICMP}]}`, "protocol ICMP is none of TCP, UDP and SCTP"},
		{"affinity", "", `{vip: 1.1.1.1, sessionAffinity: Cookie, ports: [{name: a, port: 1}]}`, `supported values: "", "ClientIP", "None"`},
		{"selector", "", `{vip: 1.1.1.1, selector: [app=web], ports: [{name: a, port: 1}]}`, "selector entry app=web is not key:value"},
		{"endpoint", "", `{vip: 1.1.1.1, endpoints: [web], ports: [{name: a, port: 1}]}`, "endpoints entry web is not an IP address"},
	})
	runRefusals(t, "VpcDns", []refusal{
		{"dns without vpc", "", `{subnet: s}`, "vpc of a dns server has to be set"},
		{"dns without subnet", "", `{vpc: v}`, "subnet of a dns server has to be set"},
		{"dns replicas", "", `{vpc: v, subnet: s, replicas: 4}`, "replicas is not in the range 1 to 3"},
	})
}

func TestSecurityGroupRefusals(t *testing.T) {
	rule := func(fields string) string {
		return "{ingressRules: [{ipVersion: ipv4, priority: 5, remoteType: address, remoteAddress: 10.0.0.1, policy: allow, " + fields + "}]}"
	}
	runRefusals(t, "SecurityGroup", []refusal{
		{"tier", "", `{tier: 2}`, "should be less than or equal to 1"},
		{"version", "", `{egressRules: [{ipVersion: IPv4, priority: 1, remoteType: address, remoteAddress: 10.0.0.1, policy: drop}]}`, `supported values: "ipv4", "ipv6"`},
		{"priority", "", `{egressRules: [{ipVersion: ipv4, priority: 16385, remoteType: address, remoteAddress: 10.0.0.1, policy: drop}]}`, "should be less than or equal to 16384"},
		{"no policy", "", `{egressRules: [{ipVersion: ipv4, priority: 1, remoteType: address, remoteAddress: 10.0.0.1}]}`, "spec.egressRules[0].policy: Required value"},
		{"no address", "", `{egressRules: [{ipVersion: ipv4, priority: 1, remoteType: address, policy: drop}]}`, "a rule with remoteType address needs remoteAddress"},
		{"no group", "", `{egressRules: [{ipVersion: ipv4, priority: 1, remoteType: securityGroup, policy: drop}]}`, "a rule with remoteType securityGroup needs remoteSecurityGroup"},
		{"address", "", `{egressRules: [{ipVersion: ipv4, priority: 1, remoteType: address, remoteAddress: web, policy: drop}]}`, "remoteAddress web is not a CIDR or an IP address"},
		{"family", "", `{egressRules: [{ipVersion: ipv6, priority: 1, remoteType: address, remoteAddress: 10.0.0.1, policy: drop}]}`, "remoteAddress and localAddress have to be of ipVersion"},
		{"protocol", "", rule("protocol: sctp"), `supported values: "", "all", "icmp", "tcp", "udp"`},
		{"tcp without ports", "", rule("protocol: tcp"), "needs portRangeMin and portRangeMax from 1 to 65535"},
		{"ports reversed", "", rule("protocol: udp, portRangeMin: 9, portRangeMax: 8"), "the first not above the last"},
		{"source ports reversed", "", rule("protocol: udp, portRangeMin: 1, portRangeMax: 8, localAddress: 10.0.0.2, sourcePortRangeMin: 9, sourcePortRangeMax: 8"), "sourcePortRangeMin and sourcePortRangeMax have to be from 1 to 65535"},
		{"pass in the last tier", "", `{tier: 1, ingressRules: [{ipVersion: ipv4, priority: 1, remoteType: address, remoteAddress: 10.0.0.1, policy: pass}]}`, "a rule of tier 1 can not have policy pass"},
	})
}

func TestQoSPolicyRefusals(t *testing.T) {
	rule := func(fields string) string {
		return "{bindingType: EIP, bandwidthLimitRules: [{name: a, " + fields + "}]}"
	}
	runRefusals(t, "QoSPolicy", []refusal{
		{"binding", "", `{bindingType: POD}`, `supported values: "EIP", "NATGW"`},
		{"no binding", "", `{shared: true}`, "bindingType of a qos policy has to be set: EIP or NATGW"},
		{"gateway not shared", "", `{bindingType: NATGW}`, "not support qos policy with bindingType NATGW that is not shared"},
		{"no name", "", `{bindingType: EIP, bandwidthLimitRules: [{rateMax: "1"}]}`, "spec.bandwidthLimitRules[0].name: Required value"},
		{"same name twice", "", `{bindingType: EIP, bandwidthLimitRules: [{name: a}, {name: a}]}`, `Duplicate value: {"name":"a"}`},
		{"interface", "", rule("interface: eth0.1"), "not support qos interface eth0.1"},
		{"rate", "", rule(`rateMax: "10M"`), "not support qos rateMax 10M: it is not a decimal number"},
		{"burst", "", rule(`burstMax: "-1"`), "not support qos burstMax -1"},
		{"direction", "", rule("direction: in"), `supported values: "ingress", "egress"`},
		{"match type", "", rule("matchType: port"), `supported values: "", "ip"`},
		{"match value", "", rule("matchType: ip, matchValue: 10.0.0.0/8"), "not support qos matchValue 10.0.0.0/8: it is not src or dst, one space and a CIDR"},
		{"match value with two spaces", "", rule(`matchType: ip, matchValue: "src  10.0.0.0/8"`), "it is not src or dst, one space and a CIDR"},
		{"match without value", "", rule("matchType: ip"), "a rule with matchType ip needs matchValue"},
	})
}

func TestVpcEgressGatewayRefusals(t *testing.T) {
	spec := func(fields string) string {
		return "{externalSubnet: ext, policies: [{subnets: [a]}], " + fields + "}"
	}
	runRefusals(t, "VpcEgressGateway", []refusal{
		{"no external subnet", "", `{policies: [{subnets: [a]}]}`, "spec.externalSubnet: Required value"},
		{"no traffic", "", `{externalSubnet: ext}`, "a gateway needs at least one of policies and selectors"},
		{"replicas", "", spec("replicas: 11"), "should be less than or equal to 10"},
		{"prefix", "", spec("prefix: Team"), "prefix Team is not the beginning of a name"},
		{"internal address", "", spec("internalIPs: [web]"), "internalIPs entry web is not an IP address"},
		{"too few addresses", "", spec("replicas: 2, externalIPs: [10.0.0.1]"), "externalIPs needs at least as many entries as replicas"},
		{"addresses twice", "", spec("externalIPs: [10.0.0.1, 10.0.0.1]"), "Duplicate value"},
		{"addresses of one family", "", spec(`externalIPs: ["10.0.0.1,10.0.0.2"]`), "has two addresses of one family"},
		{"list and pool", "", spec("internalIPs: [10.0.0.1], internalIPPool: p"), "internalIPs and internalIPPool exclude each other"},
		{"traffic policy", "", spec("trafficPolicy: Node"), `supported values: "Local", "Cluster"`},
		{"anti affinity", "", spec("podAntiAffinity: Never"), `supported values: "Required", "Preferred"`},
		{"bfd", "", spec("bfd: {minRX: 0}"), "should be greater than or equal to 1"},
		{"empty policy", "", `{externalSubnet: ext, policies: [{snat: true}]}`, "a policy needs ipBlocks or subnets"},
		{"policy block", "", `{externalSubnet: ext, policies: [{ipBlocks: [10.0.0.0/64]}]}`, "ipBlocks entry 10.0.0.0/64 is not a CIDR or an IP address"},
		{"empty selector", "", `{externalSubnet: ext, selectors: [{}]}`, "a selector needs namespaceSelector or podSelector"},
		{"selector without labels", "", `{externalSubnet: ext, selectors: [{podSelector: {}}]}`, "podSelector needs matchLabels or matchExpressions"},
		{"node operator", "", spec("nodeSelector: [{matchExpressions: [{key: a, operator: Is}]}]"), "operator of matchExpressions is none of In, NotIn, Exists, DoesNotExist, Gt and Lt"},
		{"bandwidth", "", spec("bandwidth: {egress: 1T}"), "egress is neither a whole number of Mbit/s up to 9223372036854 nor a number with M, Mi, G or Gi"},
		{"negative bandwidth", "", spec("bandwidth: {ingress: -1}"), "ingress is neither a whole number"},
		{"log event", "", spec("observability: {conntrack: {log: {events: [middle]}}}"), `supported values: "start", "end"`},
		{"log rate", "", spec("observability: {conntrack: {log: {rateLimit: {recordsPerSecond: 100001}}}}"), "should be less than or equal to 100000"},
		{"log ports", "", spec("observability: {conntrack: {log: {filters: {include: [{original: {sourcePorts: [{start: 5, end: 4}]}}]}}}}"), "start of a port range is above its end"},
		{"log prefix", "", spec("observability: {conntrack: {log: {filters: {exclude: [{translated: {sourceCIDRs: [10.0.0.1]}}]}}}}"), "sourceCIDRs entry 10.0.0.1 is not a CIDR"},
	})
}
