package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// view is the inputs, parsed and sorted once.
type view struct {
	in       Inputs
	self     *corev1.Node
	ips      []netip.Addr // InternalIPs of this node
	others   []netip.Addr // InternalIPs of all other nodes
	subnets  []subnet     // in effect in the default VPC, sorted by name
	problems []string
}

// subnet is a subnet of the default VPC with its parsed prefixes.
type subnet struct {
	*kubeovnv1.Subnet
	cidrs []netip.Prefix
}

func newView(in Inputs) *view {
	v := &view{in: in}
	for _, n := range in.Nodes {
		if n.Name == in.Name {
			v.self = n
			v.ips = v.internalIPs(n)
		} else {
			v.others = append(v.others, v.internalIPs(n)...)
		}
	}
	for _, s := range in.Subnets {
		// What the controller refuses is no network of ours: its prefix may be the nodes' own. Of a subnet whose edit it refuses,
		// the accepted spec stays in effect. It is in the status, so a daemon that starts meanwhile needs no memory of it.
		if s = util.InEffect(s); s == nil {
			continue
		}
		if s.Spec.Vpc != in.Config.ClusterRouter || !util.IsOvnProvider(s.Spec.Provider) || s.Spec.CIDRBlock == "" {
			continue
		}
		cidrs, err := util.ParseCIDRs(s.Spec.CIDRBlock)
		if err != nil {
			v.problem("subnet %s: %v", s.Name, err)
			continue
		}
		v.subnets = append(v.subnets, subnet{s, cidrs})
	}
	slices.SortFunc(v.subnets, func(a, b subnet) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

func (v *view) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *view) internalIPs(n *corev1.Node) []netip.Addr {
	var out []netip.Addr
	for _, a := range n.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		ip, err := netip.ParseAddr(a.Address)
		if err != nil {
			v.problem("node %s: InternalIP %q is no address", n.Name, a.Address)
			continue
		}
		out = append(out, ip.Unmap())
	}
	return out
}

// annotation reads one of this node's annotations.
func (v *view) annotation(key string) string {
	if v.self == nil {
		return ""
	}
	return v.self.Annotations[key]
}

func (v *view) label(key string) string {
	if v.self == nil {
		return ""
	}
	return v.self.Labels[key]
}

// overlay says whether a subnet's pods are reached over OVN, not over their VLAN.
func (s subnet) overlay() bool { return s.Spec.Vlan == "" || s.Spec.LogicalGateway }

// masqueraded says whether traffic of the subnet leaves the cluster with a node's address.
func (s subnet) masqueraded() bool {
	return s.overlay() && s.Spec.NatOutgoing && s.DeletionTimestamp == nil
}

// policed says whether rules decide which of its flows are masqueraded.
func (s subnet) policed() bool { return s.masqueraded() && len(s.Status.NatOutgoingPolicyRules) > 0 }

// routed says whether the node reaches the subnet through ovn0 (node.md 1.7).
func (s subnet) routed() bool {
	lb := s.Spec.EnableLb != nil && *s.Spec.EnableLb
	return s.overlay() || s.Spec.U2OInterconnection && !lb
}

// egressIPs are the addresses that a centralized subnet leaves this node with: gatewayNode is "node[:address],...".
func (s subnet) egressIPs(node string) []netip.Addr {
	if s.Spec.GatewayType != util.GatewayCentralized || !s.overlay() || s.DeletionTimestamp != nil {
		return nil
	}
	if !s.Spec.EnableEcmp && s.Status.ActivateGateway != node {
		return nil
	}
	var out []netip.Addr
	for part := range strings.SplitSeq(s.Spec.GatewayNode, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok || name != node {
			continue
		}
		if ip, err := netip.ParseAddr(strings.TrimSpace(address)); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

// family is the view of one address family.
type family struct {
	*view
	ipv6    bool
	present bool // this node has an address of the family
	nodeIP  netip.Addr
}

func (v *view) family(ipv6 bool) family {
	f := family{view: v, ipv6: ipv6}
	for _, ip := range v.ips {
		if ip.Is6() == ipv6 && !f.nodeIP.IsValid() {
			f.nodeIP = ip
		}
	}
	f.present = f.nodeIP.IsValid()
	if addrs, err := util.ParseAddrs(v.annotation(util.Key(util.OvnProvider, util.IPAddress))); err == nil {
		for _, a := range addrs {
			f.present = f.present || a.Is6() == ipv6
		}
	}
	return f
}

// cidrs returns the prefixes of the family of all subnets that pass.
func (f family) cidrs(pass func(subnet) bool) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range f.subnets {
		if pass(s) {
			out = append(out, f.of(s)...)
		}
	}
	return out
}

// of returns a subnet's prefixes of the family.
func (f family) of(s subnet) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s.cidrs {
		if p.Addr().Is6() == f.ipv6 {
			out = append(out, p)
		}
	}
	return out
}
