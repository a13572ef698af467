package ovs_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// withoutOwner cuts the mark that is the same in all rows of these tests.
var withoutOwner = strings.NewReplacer(", owner=test/x", "", "external_ids={owner=test/x} ", "", "owner=test/x, ", "")

// stage is one wish of an owner and the lines of the dump that belong to it.
type stage struct {
	name string
	rows []ovs.Row
	want string
}

func m(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// runStages applies each stage after the other in one database and compares the lines that carry the owner.
func runStages(t *testing.T, stages []stage) {
	t.Helper()
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t)
	apply(t, c, "base/all", ovs.LogicalRouter{Name: "r"}, ovs.LogicalRouter{Name: "r2"}, ovs.LogicalSwitch{Name: "s"}, ovs.LogicalSwitch{Name: "s2"},
		ovs.PortGroup{Name: "g"}, ovs.PortGroup{Name: "g2"}, ovs.BFD{LogicalPort: "r-s", DstIP: "1.1.1.1"}, ovs.BFD{LogicalPort: "r-s", DstIP: "1.1.1.2"},
		ovs.DHCPOptions{Name: "s/IPv4", CIDR: netip.MustParsePrefix("10.0.0.0/8")},
		ovs.DHCPOptions{Name: "s/IPv6", CIDR: netip.MustParsePrefix("fd00::/64")},
		ovs.LoadBalancer{Name: "lb1"}, ovs.LoadBalancer{Name: "lb2"})
	base := s.Dump(t)
	for _, st := range append(stages, stage{name: "nothing"}) {
		apply(t, c, "test/x", st.rows...)
		var got []string
		for _, l := range strings.Split(s.Dump(t), "\n") {
			if strings.Contains(l, "owner=test/x") {
				got = append(got, withoutOwner.Replace(l))
			}
		}
		if text := strings.Join(got, "\n"); text != strings.TrimSpace(st.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", st.name, strings.ReplaceAll(text, "\n", "\n     "), strings.ReplaceAll(strings.TrimSpace(st.want), "\n", "\n     "))
		}
		if n := apply(t, c, "test/x", st.rows...); n != 0 {
			t.Errorf("%s: %d operations for equal rows", st.name, n)
		}
	}
	same(t, s, base)
}

func TestLogicalRouterRows(t *testing.T) {
	runStages(t, []stage{
		{"new", []ovs.Row{ovs.LogicalRouter{Name: "x", Options: m("mac_binding_age_threshold", "300", "own", "1"), ExternalIDs: m("a", "1")}},
			"Logical_Router x: external_ids={a=1} name=x options={mac_binding_age_threshold=300, own=1}"},
		{"options and keys change", []ovs.Row{ovs.LogicalRouter{Name: "x", Options: m("dynamic_neigh_routers", "true", "own", "2"), ExternalIDs: m("b", "2")}},
			"Logical_Router x: external_ids={b=2} name=x options={dynamic_neigh_routers=true, own=2}"},
	})
}

func TestLogicalRouterPortRows(t *testing.T) {
	port := ovs.LogicalRouterPort{Router: "r", Name: "r-s", MAC: "00:00:00:00:00:01", Networks: []string{"10.0.0.1/8", "fd00::1/64"}, Peer: "p",
		Options: m("route_table", "t1"), IPv6Prefix: []string{"fd00::/64"}, IPv6RAConfigs: m("address_mode", "slaac"), ExternalIDs: m("a", "1"),
		GatewayChassis: []ovs.GatewayChassis{{Chassis: "c1", Priority: 2}, {Chassis: "c2", Priority: 1}}}
	order, moved, plain := port, port, port
	order.GatewayChassis = []ovs.GatewayChassis{{Chassis: "c3", Priority: 2}, {Chassis: "c1", Priority: 1}}
	moved.Router = "r2"
	plain.Networks, plain.Peer, plain.Options, plain.IPv6Prefix, plain.IPv6RAConfigs = []string{"10.0.0.2/8"}, "", nil, nil, nil
	plain.GatewayChassis, plain.HAChassisGroup = nil, "ha"
	group := ovs.HAChassisGroup{Name: "ha", Chassis: []ovs.GatewayChassis{{Chassis: "c1", Priority: 5}}}
	const rest = "external_ids={a=1, lr=r} gateway_chassis=[Gateway_Chassis:r-s-c1 Gateway_Chassis:r-s-c2] ipv6_prefix=fd00::/64 " +
		"ipv6_ra_configs={address_mode=slaac} mac=00:00:00:00:00:01 name=r-s networks=[10.0.0.1/8 fd00::1/64] options={route_table=t1} peer=p"
	const chassis = `
Gateway_Chassis r-s-c1: chassis_name=c1 external_ids={lrp=r-s} name=r-s-c1 priority=2
Gateway_Chassis r-s-c2: chassis_name=c2 external_ids={lrp=r-s} name=r-s-c2 priority=1
`
	runStages(t, []stage{
		{"new", []ovs.Row{port}, chassis + "Logical_Router_Port r-s: " + rest},
		{"chassis change and swap", []ovs.Row{order}, `
Gateway_Chassis r-s-c1: chassis_name=c1 external_ids={lrp=r-s} name=r-s-c1 priority=1
Gateway_Chassis r-s-c3: chassis_name=c3 external_ids={lrp=r-s} name=r-s-c3 priority=2
Logical_Router_Port r-s: ` + strings.Replace(rest, "r-s-c2", "r-s-c3", 1)},
		{"other router", []ovs.Row{moved}, chassis + "Logical_Router_Port r-s: " + strings.Replace(rest, "lr=r}", "lr=r2}", 1)},
		{"plain with HA group", []ovs.Row{plain, group}, `
HA_Chassis c1,5: chassis_name=c1 external_ids={group=ha} priority=5
HA_Chassis_Group ha: ha_chassis=HA_Chassis:c1,5 name=ha
Logical_Router_Port r-s: external_ids={a=1, lr=r} ha_chassis_group=HA_Chassis_Group:ha mac=00:00:00:00:00:01 name=r-s networks=10.0.0.2/8`},
	})
}

func TestRouteRows(t *testing.T) {
	route := ovs.StaticRoute{Router: "r", Prefix: "0.0.0.0/0", Nexthop: "10.0.0.254"}
	bfd, ecmp := route, route
	bfd.BFD, bfd.Options = ovs.BFDRef{LogicalPort: "r-s", DstIP: "1.1.1.1"}, m("ecmp_symmetric_reply", "true")
	other := bfd
	other.BFD.DstIP, other.Options = "1.1.1.2", nil
	ecmp.Nexthop, ecmp.Policy, ecmp.Table = "10.0.0.253", "src-ip", "t1"
	line := func(id, more string) string {
		return "Logical_Router_Static_Route " + id + ",0.0.0.0/0,10.0.0.254: " + more + " ip_prefix=0.0.0.0/0 nexthop=10.0.0.254"
	}
	runStages(t, []stage{
		{"new", []ovs.Row{route}, line("dst-ip", "external_ids={lr=r}") + " policy=dst-ip"},
		{"BFD", []ovs.Row{bfd}, line("dst-ip", "bfd=BFD:r-s,1.1.1.1 external_ids={lr=r}") + " options={ecmp_symmetric_reply=true} policy=dst-ip"},
		{"other BFD", []ovs.Row{other}, line("dst-ip", "bfd=BFD:r-s,1.1.1.2 external_ids={lr=r}") + " policy=dst-ip"},
		{"second next hop in a table", []ovs.Row{route, ecmp}, line("dst-ip", "external_ids={lr=r}") + " policy=dst-ip\n" +
			"Logical_Router_Static_Route t1,src-ip,0.0.0.0/0,10.0.0.253: external_ids={lr=r} ip_prefix=0.0.0.0/0 nexthop=10.0.0.253 policy=src-ip route_table=t1"},
	})
}

func TestPolicyAndNATRows(t *testing.T) {
	policy := ovs.RouterPolicy{Router: "r", Priority: 29000, Match: "ip4.src == $x_ip4", Action: "reroute", Nexthops: []string{"1.1.1.2", "1.1.1.1"}}
	allow := policy
	allow.Action, allow.Nexthops, allow.ExternalIDs = "allow", nil, m("node", "n1")
	fip := ovs.NAT{Router: "r", Type: "dnat_and_snat", ExternalIP: "2.2.2.2", LogicalIP: "10.0.0.5", LogicalPort: "p", ExternalMAC: "00:00:00:00:00:05",
		Options: m("stateless", "true")}
	central, replaced := fip, fip
	central.LogicalPort, central.ExternalMAC, central.Options = "", "", nil
	replaced.ExternalIP = "2.2.2.3"
	runStages(t, []stage{
		{"policy", []ovs.Row{policy}, "Logical_Router_Policy 29000,ip4.src == $x_ip4: action=reroute external_ids={lr=r} match=ip4.src == $x_ip4 nexthops=[1.1.1.1 1.1.1.2] priority=29000"},
		{"policy allows", []ovs.Row{allow}, "Logical_Router_Policy 29000,ip4.src == $x_ip4: action=allow external_ids={lr=r, node=n1} match=ip4.src == $x_ip4 priority=29000"},
		{"distributed NAT", []ovs.Row{fip}, "NAT dnat_and_snat,2.2.2.2,10.0.0.5,p: external_ids={lr=r} external_ip=2.2.2.2 external_mac=00:00:00:00:00:05 logical_ip=10.0.0.5 logical_port=p options={stateless=true} type=dnat_and_snat"},
		{"centralized NAT", []ovs.Row{central}, "NAT dnat_and_snat,2.2.2.2,10.0.0.5: external_ids={lr=r} external_ip=2.2.2.2 logical_ip=10.0.0.5 type=dnat_and_snat"},
		{"other external address", []ovs.Row{replaced}, "NAT dnat_and_snat,2.2.2.3,10.0.0.5,p: external_ids={lr=r} external_ip=2.2.2.3 external_mac=00:00:00:00:00:05 logical_ip=10.0.0.5 logical_port=p options={stateless=true} type=dnat_and_snat"},
	})
}

func TestBFDAndHARows(t *testing.T) {
	bfd := ovs.BFD{LogicalPort: "r-s", DstIP: "3.3.3.3", MinTX: 100, MinRX: 200, DetectMult: 3}
	slow := bfd
	slow.MinTX, slow.DetectMult = 1000, 0
	group := func(names ...string) ovs.HAChassisGroup {
		g := ovs.HAChassisGroup{Name: "ha"}
		for i, n := range names {
			g.Chassis = append(g.Chassis, ovs.GatewayChassis{Chassis: n, Priority: 100 - i})
		}
		return g
	}
	runStages(t, []stage{
		{"session", []ovs.Row{bfd}, "BFD r-s,3.3.3.3: detect_mult=3 dst_ip=3.3.3.3 logical_port=r-s min_rx=200 min_tx=100"},
		{"timers", []ovs.Row{slow}, "BFD r-s,3.3.3.3: dst_ip=3.3.3.3 logical_port=r-s min_rx=200 min_tx=1000"},
		{"group", []ovs.Row{group("c1", "c2")}, `
HA_Chassis c1,100: chassis_name=c1 external_ids={group=ha} priority=100
HA_Chassis c2,99: chassis_name=c2 external_ids={group=ha} priority=99
HA_Chassis_Group ha: ha_chassis=[HA_Chassis:c1,100 HA_Chassis:c2,99] name=ha`},
		{"other order", []ovs.Row{group("c2")}, `
HA_Chassis c2,100: chassis_name=c2 external_ids={group=ha} priority=100
HA_Chassis_Group ha: ha_chassis=HA_Chassis:c2,100 name=ha`},
	})
}

func TestSwitchRows(t *testing.T) {
	runStages(t, []stage{
		{"new", []ovs.Row{ovs.LogicalSwitch{Name: "x", LoadBalancers: []string{"lb1", "lb2"}, OtherConfig: m("mcast_snoop", "true"), ExternalIDs: m("a", "1")}},
			"Logical_Switch x: external_ids={a=1} load_balancer=[Load_Balancer:lb1 Load_Balancer:lb2] name=x other_config={mcast_snoop=true}"},
		{"less", []ovs.Row{ovs.LogicalSwitch{Name: "x", LoadBalancers: []string{"lb2"}}},
			"Logical_Switch x: load_balancer=Load_Balancer:lb2 name=x"},
	})
}

func TestSwitchPortRows(t *testing.T) {
	port := ovs.LogicalSwitchPort{Switch: "s", Name: "p", Addresses: []string{"00:00:00:00:00:01 10.0.0.2", "unknown"}, PortSecurity: []string{"00:00:00:00:00:01"},
		Tag: 7, Options: m("requested-chassis", "n1"), DHCPv4: "s/IPv4", DHCPv6: "s/IPv6", PortGroups: []string{"g2", "g", "g2"}, ExternalIDs: m("pod", "a/b")}
	bare := ovs.LogicalSwitchPort{Switch: "s2", Name: "p", Type: "localnet", Addresses: []string{"unknown"}, Options: m("network_name", "ext")}
	runStages(t, []stage{
		{"full", []ovs.Row{port}, "Logical_Switch_Port p: addresses=[00:00:00:00:00:01 10.0.0.2 unknown] dhcpv4_options=DHCP_Options:s/IPv4 dhcpv6_options=DHCP_Options:s/IPv6 " +
			"external_ids={ls=s, pod=a/b, port_groups=g,g2} name=p options={requested-chassis=n1} port_security=00:00:00:00:00:01 tag=7"},
		{"bare, of another type, on another switch", []ovs.Row{bare},
			"Logical_Switch_Port p: addresses=unknown external_ids={ls=s2} name=p options={network_name=ext} type=localnet"},
	})
}

func TestGroupSetAndACLRows(t *testing.T) {
	acl := ovs.ACL{PortGroup: "g", Direction: "to-lport", Priority: 2001, Match: "ip4.src == $x", Action: "allow-related", Name: "np/x", Log: true,
		Severity: "info", Options: m("apply-after-lb", "true")}
	quiet := acl
	quiet.Name, quiet.Log, quiet.Severity, quiet.Options, quiet.Action = "", false, "", nil, "drop"
	onSwitch := quiet
	onSwitch.PortGroup, onSwitch.Switch, onSwitch.ExternalIDs = "", "s", m("subnet", "s")
	runStages(t, []stage{
		{"group", []ovs.Row{ovs.PortGroup{Name: "x", ExternalIDs: m("np", "a/b")}}, "Port_Group x: external_ids={np=a/b} name=x"},
		{"set", []ovs.Row{ovs.AddressSet{Name: "x", Addresses: []string{"1.1.1.2", "1.1.1.1", "1.1.1.1"}}}, "Address_Set x: addresses=[1.1.1.1 1.1.1.2] name=x"},
		{"set changes", []ovs.Row{ovs.AddressSet{Name: "x", Addresses: []string{"1.1.1.3", "1.1.1.1"}, ExternalIDs: m("np", "x")}},
			"Address_Set x: addresses=[1.1.1.1 1.1.1.3] external_ids={np=x} name=x"},
		{"set is emptied", []ovs.Row{ovs.AddressSet{Name: "x"}}, "Address_Set x: name=x"},
		{"ACL of a group", []ovs.Row{acl}, "ACL np/x: action=allow-related direction=to-lport external_ids={parent=g} log=true match=ip4.src == $x name=np/x " +
			"options={apply-after-lb=true} priority=2001 severity=info"},
		{"ACL changes", []ovs.Row{quiet}, "ACL 2001,to-lport,ip4.src == $x: action=drop direction=to-lport external_ids={parent=g} match=ip4.src == $x priority=2001"},
		{"ACL of a switch", []ovs.Row{onSwitch}, "ACL 2001,to-lport,ip4.src == $x: action=drop direction=to-lport external_ids={ls=s, parent=s, subnet=s} match=ip4.src == $x priority=2001"},
	})
}

func TestDHCPAndLoadBalancerRows(t *testing.T) {
	options := ovs.DHCPOptions{Name: "x/IPv4", CIDR: netip.MustParsePrefix("10.1.0.0/16"), Options: m("lease_time", "3600", "router", "10.1.0.1"), ExternalIDs: m("ls", "x")}
	short := options
	short.Options = m("lease_time", "60")
	lb := ovs.LoadBalancer{Name: "x", Protocol: "tcp", VIPs: m("1.1.1.1:80", "10.0.0.1:80"), SelectionFields: []string{"ip_src"}, Options: m("affinity_timeout", "10"),
		IPPortMappings: m("10.0.0.1", "p:10.0.0.9"), Routers: []string{"r", "r2"},
		HealthChecks: []ovs.LoadBalancerHealthCheck{{VIP: "1.1.1.1:80", Options: m("interval", "5"), ExternalIDs: m("switch_lb_subnet", "s")}}}
	less := lb
	less.HealthChecks, less.Routers, less.SelectionFields, less.Options, less.IPPortMappings = nil, []string{"r2"}, nil, nil, nil
	runStages(t, []stage{
		{"DHCP", []ovs.Row{options}, "DHCP_Options x/IPv4: cidr=10.1.0.0/16 external_ids={ls=x, name=x/IPv4} options={lease_time=3600, router=10.1.0.1}"},
		{"DHCP changes", []ovs.Row{short}, "DHCP_Options x/IPv4: cidr=10.1.0.0/16 external_ids={ls=x, name=x/IPv4} options={lease_time=60}"},
		{"load balancer", []ovs.Row{lb}, `
Load_Balancer x: health_check=Load_Balancer_Health_Check:1.1.1.1:80 ip_port_mappings={10.0.0.1=p:10.0.0.9} name=x options={affinity_timeout=10} protocol=tcp selection_fields=ip_src vips={1.1.1.1:80=10.0.0.1:80}
Load_Balancer_Health_Check 1.1.1.1:80: external_ids={lb=x, switch_lb_subnet=s} options={interval=5} vip=1.1.1.1:80`},
		{"less", []ovs.Row{less}, "Load_Balancer x: name=x protocol=tcp vips={1.1.1.1:80=10.0.0.1:80}"},
	})
}
