package ovs

import "net/netip"

// Owner names the one writer of a row, `<kind>/<key>`: the kind is the controller's folder name, the key its queue key.
type Owner struct {
	Kind string
	Key  string
}

// String is the form kept in external_ids, for example "subnet/net1" or "pod/default/nginx".
func (o Owner) String() string { return o.Kind + "/" + o.Key }

// Row is one wanted row. The row types of this package are its only implementations.
//
// Fields that name other rows (Switch, Router, PortGroups, BFD, ...) hold identities. Empty optional fields mean that the
// column is empty; keys of foreign writers in shared maps are never touched.
type Row interface{ row() []wanted }

// LogicalRouter is a row of Logical_Router; identity: Name.
type LogicalRouter struct {
	Name string
	// Options: only these keys are ours.
	Options map[string]string
	// Gateways are the external and join gateways of the VPC. Default routes to them without any mark, and unmarked routes
	// with a BFD session on a port of this router, were made for this VPC by an earlier release: those that are not wanted
	// are removed (northbound.md D-02). Other unmarked routes are foreign.
	Gateways    []string
	ExternalIDs map[string]string
}

// LogicalRouterPort is a row of Logical_Router_Port; identity: Name; parent: Router.
type LogicalRouterPort struct {
	Router string
	Name   string
	// MAC is the port's whatever it had before; "" leaves it to DefaultMAC.
	MAC string
	// DefaultMAC is for a port that has no usable MAC yet. One that it has, whoever gave it, is what its neighbours know.
	DefaultMAC string
	// Networks are prefixes with the port's own address, "10.16.0.1/16".
	Networks       []string
	Peer           string
	Options        map[string]string
	IPv6Prefix     []string
	IPv6RAConfigs  map[string]string
	GatewayChassis []GatewayChassis
	HAChassisGroup string
	ExternalIDs    map[string]string
}

// GatewayChassis is one entry of a router port's gateway_chassis; the row's name is `<lrp>-<chassis>`.
type GatewayChassis struct {
	Chassis  string // SB chassis name (system-id), not the host name
	Priority int
}

// BFDRef names a BFD row by its identity.
type BFDRef struct {
	LogicalPort string
	DstIP       string
}

// StaticRoute is a row of Logical_Router_Static_Route; identity: router, table, policy, prefix, nexthop.
type StaticRoute struct {
	Router      string
	Table       string // "" is the main table
	Policy      string // "dst-ip" or "src-ip"
	Prefix      string
	Nexthop     string
	BFD         BFDRef
	Options     map[string]string
	ExternalIDs map[string]string
}

// RouterPolicy is a row of Logical_Router_Policy; identity: router, priority, match.
type RouterPolicy struct {
	Router      string
	Priority    int
	Match       string
	Action      string // "allow", "drop" or "reroute"
	Nexthops    []string
	BFD         []BFDRef // only where the server's schema has bfd_sessions
	ExternalIDs map[string]string
}

// NAT is a row of NAT; identity: router, type, external IP, logical IP.
type NAT struct {
	Router      string
	Type        string // "snat", "dnat" or "dnat_and_snat"
	ExternalIP  string
	LogicalIP   string // address or prefix
	LogicalPort string
	ExternalMAC string
	Options     map[string]string
	ExternalIDs map[string]string
}

// BFD is a row of BFD; identity: logical port, destination.
type BFD struct {
	LogicalPort string
	DstIP       string
	MinTX       int // ms
	MinRX       int // ms
	DetectMult  int
	ExternalIDs map[string]string
}

// HAChassisGroup is a row of HA_Chassis_Group with its HA_Chassis rows; identity: Name.
type HAChassisGroup struct {
	Name        string
	Chassis     []GatewayChassis
	ExternalIDs map[string]string
}

// LogicalSwitch is a row of Logical_Switch; identity: Name.
type LogicalSwitch struct {
	Name          string
	LoadBalancers []string // names; only these members of load_balancer are ours
	OtherConfig   map[string]string
	ExternalIDs   map[string]string
}

// LogicalSwitchPort is a row of Logical_Switch_Port; identity: Name; parent: Switch. A port whose switch changed is moved
// in the same transaction.
type LogicalSwitchPort struct {
	Switch       string
	Name         string
	Type         string // "", "router", "localnet", "virtual", ...
	Addresses    []string
	PortSecurity []string
	Tag          int // 0: none
	Options      map[string]string
	DHCPv4       string // identity of the DHCP_Options row: its Name
	DHCPv6       string
	// PortGroups are the groups this port is a member of; the engine edits Port_Group.ports and records the membership here.
	PortGroups  []string
	ExternalIDs map[string]string
}

// PortGroup is a row of Port_Group; identity: Name. Its ports belong to the ports' owners.
type PortGroup struct {
	Name        string
	ExternalIDs map[string]string
}

// AddressSet is a row of Address_Set; identity: Name. Addresses are changed member by member.
type AddressSet struct {
	Name        string
	Addresses   []string
	ExternalIDs map[string]string
}

// ACL is a row of ACL; identity: parent, direction, priority, match (and tier where the schema has it).
type ACL struct {
	Switch      string // parent switch, or
	PortGroup   string // parent port group: exactly one is set
	Direction   string // "to-lport" or "from-lport"
	Priority    int
	Match       string
	Action      string
	Tier        int
	Name        string // cut to 63 characters by the engine (northbound.md 1.3)
	Log         bool
	Severity    string
	Meter       string
	Options     map[string]string
	ExternalIDs map[string]string
}

// DHCPOptions is a row of DHCP_Options. The table has no name column; identity: Name, kept in external_ids.
type DHCPOptions struct {
	Name        string // for example "net1/IPv4"
	CIDR        netip.Prefix
	Options     map[string]string
	ExternalIDs map[string]string
}

// LoadBalancer is a row of Load_Balancer; identity: Name.
type LoadBalancer struct {
	Name            string
	Protocol        string // "tcp", "udp" or "sctp"
	VIPs            map[string]string
	SelectionFields []string
	Options         map[string]string
	IPPortMappings  map[string]string
	HealthChecks    []LoadBalancerHealthCheck
	Routers         []string // routers that carry it
	ExternalIDs     map[string]string
}

// LoadBalancerHealthCheck is a row of Load_Balancer_Health_Check of one load balancer.
type LoadBalancerHealthCheck struct {
	VIP         string
	Options     map[string]string
	ExternalIDs map[string]string
}

// NBGlobal is the single row of NB_Global: keys with a value are set, keys with "" are removed, all others are foreign.
type NBGlobal struct {
	Options     map[string]string
	ExternalIDs map[string]string
}

// Chassis marks an existing row of the SB table Chassis; it is adopted, never inserted. Dropping it from an owner's rows
// deletes the chassis (and its Chassis_Private row).
type Chassis struct {
	Name        string
	ExternalIDs map[string]string
}

// Bridge is a row of the Open_vSwitch table Bridge; identity: Name.
type Bridge struct {
	Name         string
	DatapathType string // "" (kernel) or "netdev"
	FailMode     string
	OtherConfig  map[string]string
	ExternalIDs  map[string]string
}

// VSwitchPort is a Port row with its one Interface row; identity: Name.
type VSwitchPort struct {
	Bridge string
	Name   string
	Type   string // "", "internal", "patch", ...
	Tag    int
	Trunks []int
	// MTURequest in bytes; 0: unset. The only way to set the MTU of an internal port on the userspace datapath.
	MTURequest int
	// PolicingRate and PolicingBurst are ingress_policing_rate (kbit/s) and ingress_policing_burst (kbit).
	PolicingRate  int
	PolicingBurst int
	Options       map[string]string
	// ExternalIDs are those of the Interface row (iface-id, pod_name, ...); the Port row carries only the mark.
	ExternalIDs map[string]string
	QoS         *QoS
}

// QoS is a QoS row of one port with at most one queue.
type QoS struct {
	Type        string // "linux-htb" or "linux-netem"
	OtherConfig map[string]string
	Queue       map[string]string // other_config of queue 0; nil: no queue
	ExternalIDs map[string]string
}

// Mirror is a row of the Open_vSwitch table Mirror on a bridge; identity: Name.
type Mirror struct {
	Bridge         string
	Name           string
	SelectAll      bool
	SelectDstPorts []string
	OutputPort     string
	ExternalIDs    map[string]string
}

// OpenVSwitch is the single row of Open_vSwitch: keys with a value are set, keys with "" are removed, all others are foreign.
type OpenVSwitch struct {
	ExternalIDs map[string]string
	OtherConfig map[string]string
}
