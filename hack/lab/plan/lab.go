package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Limits and fixed names.
const (
	DefaultName  = "kube-ovn"
	DefaultNodes = 3
	MaxNodes     = 9

	// ManagementNIC is the node's NIC that the kubelet uses. It stays a plain NIC: on the userspace datapath the node would lose the API server
	// whenever vswitchd restarts.
	ManagementNIC = "eth0"

	// DefaultTunnelNIC is the node's NIC of the tunnels. The names before it are those that the documents give to the outside.
	DefaultTunnelNIC = "eth2"

	// AnyPrefix begins every lab's Prefix.
	AnyPrefix = "lab."

	// Internet and Internet6 are addresses far outside that every outside network reaches.
	Internet  = "223.5.5.5"
	Internet6 = "2400:3200::1"

	maxName      = 20 // characters of a lab's name
	maxNIC       = 10 // characters of an outside NIC's name: `<nic>.<tag>`, `<nic>-<index>` and `br-<nic>` are interfaces too
	maxInterface = 15 // IFNAMSIZ without its zero byte
)

// Lab is one cluster on this machine.
type Lab struct {
	Name       string
	Root       string // folder of the checkout
	Nodes      []Node
	TunnelNIC  string // of every node
	Management netip.Prefix
	Tunnel     netip.Prefix
	Outside    []Outside

	PodCIDR     netip.Prefix // only to be kept out of the way; the product assigns it
	ServiceCIDR netip.Prefix
}

// Node is one machine of the cluster, in namespaces of its own.
type Node struct {
	Name         string
	Index        int
	Management   netip.Addr
	Tunnel       netip.Addr
	ControlPlane bool // carries ovn-central; the API server itself runs beside the nodes
}

// New plans the lab of the given name. getenv supplies LAB_TUNNEL_NIC (default DefaultTunnelNIC) and LAB_OUTSIDE (default DefaultOutside), a list of
// `nic=prefix[@tag][+prefix[@tag]...]`.
func New(name, root string, nodes int, getenv func(string) string) (*Lab, error) {
	if name == "" {
		name = DefaultName
	}
	if len(name) > maxName || !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name) {
		return nil, fmt.Errorf("lab name %q: want at most %d lower case letters, digits and dashes, a letter first", name, maxName)
	}
	if nodes < 1 || nodes > MaxNodes {
		return nil, fmt.Errorf("%d nodes: want 1 to %d", nodes, MaxNodes)
	}
	l := &Lab{Name: name, Root: root, TunnelNIC: getenv("LAB_TUNNEL_NIC"), ServiceCIDR: netip.MustParsePrefix("10.96.0.0/12"), PodCIDR: netip.MustParsePrefix("10.16.0.0/16")}
	if l.TunnelNIC == "" {
		l.TunnelNIC = DefaultTunnelNIC
	}
	third := byte(16)
	if name != DefaultName { // another lab beside the first: its own pair of subnets
		h := fnv.New32a()
		h.Write([]byte(name))
		third = byte(32 + 2*(h.Sum32()%100))
	}
	l.Management = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 30, third, 0}), 24)
	l.Tunnel = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 30, third + 1, 0}), 24)
	for i := range nodes {
		l.Nodes = append(l.Nodes, Node{
			Name: nodeName(i), Index: i, ControlPlane: i == 0,
			Management: host(l.Management, byte(11+i)), Tunnel: host(l.Tunnel, byte(11+i)),
		})
	}
	list := getenv("LAB_OUTSIDE")
	if list == "" {
		list = DefaultOutside
	}
	var err error
	if l.Outside, err = parseOutside(list, ManagementNIC, l.TunnelNIC, "lo"); err != nil {
		return nil, fmt.Errorf("LAB_OUTSIDE: %w", err)
	}
	return l, nil
}

// nodeName follows kind: a control plane, then worker, worker2, worker3 ...
func nodeName(index int) string {
	switch index {
	case 0:
		return "kube-ovn-control-plane"
	case 1:
		return "kube-ovn-worker"
	}
	return "kube-ovn-worker" + strconv.Itoa(index)
}

func host(p netip.Prefix, last byte) netip.Addr {
	a := p.Addr().As4()
	a[3] = last
	return netip.AddrFrom4(a)
}

// Node finds a node by name.
func (l *Lab) Node(name string) (Node, error) {
	var names []string
	for _, n := range l.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, fmt.Errorf("no node %q; the lab has %s", name, strings.Join(names, ", "))
}

// Host is the lab's own address on the management network, where the API server listens.
func (l *Lab) Host() netip.Addr { return host(l.Management, 1) }

// Router is the outside's address on the management network, the default gateway of every node.
func (l *Lab) Router() netip.Addr { return host(l.Management, 254) }

// Dir is the folder of everything the lab writes, below the checkout.
func (l *Lab) Dir() string { return filepath.Join(l.Root, ".lab", l.Name) }

// NodeDir is the folder of one node's disk.
func (l *Lab) NodeDir(n Node) string { return filepath.Join(l.Dir(), "nodes", n.Name) }

// Prefix begins the name of every network namespace and every cgroup of the lab. No other lab's prefix begins with it.
func (l *Lab) Prefix() string { return AnyPrefix + l.Name + "." }

// NodeNetns is the name of a node's network namespace.
func (l *Lab) NodeNetns(n Node) string { return l.Prefix() + n.Name }

// OutsideNetns is the name of the network namespace of the tunnel's and the outside's switches.
func (l *Lab) OutsideNetns() string { return l.Prefix() + "ext" }

// NodeCgroup is the name of a node's cgroup in every hierarchy.
func (l *Lab) NodeCgroup(n Node) string { return l.Prefix() + n.Name }

// HostCgroup is the name of the cgroup of what runs beside the nodes.
func (l *Lab) HostCgroup() string { return l.Prefix() + "host" }

// Bridge is the management network's switch, the one bridge in the machine's first network namespace.
func (l *Lab) Bridge() string { return l.short() + "-br" }

// HostVeth is the machine's end of a node's management NIC.
func (l *Lab) HostVeth(n Node) string { return l.short() + "-" + strconv.Itoa(n.Index) }

// HostOutsideVeth is the machine's end of the outside's management NIC.
func (l *Lab) HostOutsideVeth() string { return l.short() + "-ext" }

// HostInterfaces are all interfaces that a lab of this name can have in the machine's first network namespace.
func (l *Lab) HostInterfaces() []string {
	names := []string{l.Bridge(), l.HostOutsideVeth()}
	for i := range MaxNodes {
		names = append(names, l.HostVeth(Node{Index: i}))
	}
	return names
}

// short is the lab's name, as much of it as fits into an interface name.
func (l *Lab) short() string {
	const room = maxInterface - len("-ext")
	if len(l.Name) <= room {
		return l.Name
	}
	h := fnv.New32a()
	h.Write([]byte(l.Name))
	return fmt.Sprintf("%s%06x", l.Name[:room-6], h.Sum32()&0xffffff)
}
