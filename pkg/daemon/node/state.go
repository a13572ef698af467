package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ipset"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/route"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// State is what a node's network must be.
type State struct {
	Sets     []ipset.Set
	Rulesets []iptables.Ruleset // IPv4, IPv6; an empty one means that nothing of ours remains
	Join     *Join              // nil until the controller has given this node its join address
	Tunnel   *Tunnel            // nil when no NIC fits
	// Providers are the networks outside of the cluster, sorted by name, the external gateway's last.
	Providers []Provider
	Bridges   []bridge.Spec // that they need; all others of ours but the tunnel bridge are not wanted
	Problems  []string      // inputs that were left out, and why
}

// Join is the node's NIC in the join network (node.md 1.6).
type Join struct {
	Port     ovs.VSwitchPort
	Device   link.Device
	Routes   route.Device
	Gateways []netip.Addr // answer a ping when the network works
}

// Tunnel is how packets for other nodes leave (node.md 1.4, 1.5).
type Tunnel struct {
	NIC string
	// Bridge must hold NIC and its addresses; "" leaves the NIC alone. Only the userspace datapath needs it (node.md 11 R6).
	Bridge   string
	EncapIPs []netip.Addr // the default one first
	PodMTU   int          // bytes
	Settings ovs.OpenVSwitch
}

// Desired computes the whole state.
func Desired(in Inputs) State {
	v := newView(in)
	s := State{}
	s.Tunnel = v.tunnel()
	s.Join = v.join(s.Tunnel)
	s.Providers, s.Bridges = v.providers(s.Tunnel)
	for _, ipv6 := range []bool{false, true} {
		f := v.family(ipv6)
		if !f.present {
			s.Rulesets = append(s.Rulesets, iptables.Ruleset{Family: f.iptables()})
			continue
		}
		s.Sets = append(s.Sets, f.sets()...)
		s.Rulesets = append(s.Rulesets, f.rules())
	}
	slices.Sort(v.problems)
	s.Problems = slices.Compact(v.problems)
	return s
}

// Mark says which chains and rules of the kernel are ours.
func Mark() iptables.Mark {
	return iptables.Mark{
		Chains: []string{
			util.ChainPrerouting, util.ChainPostrouting, util.ChainOutput, util.ChainMasquerade, util.ChainNatPolicy,
			util.ChainNatPolicyPrefix + "*",
		},
		Rules: []string{"--match-set " + util.SetPrefixV4, "--match-set " + util.SetPrefixV6, util.CommentGatewayPrefix},
	}
}

// String prints the state as the tools of the kernel would; tests compare it.
func (s State) String() string {
	var b strings.Builder
	if t := s.Tunnel; t != nil {
		fmt.Fprintf(&b, "# tunnel\nnic %s bridge %q mtu %d\n", t.NIC, t.Bridge, t.PodMTU)
		keys := make([]string, 0, len(t.Settings.ExternalIDs))
		for k, v := range t.Settings.ExternalIDs {
			keys = append(keys, fmt.Sprintf("%s=%q\n", k, v))
		}
		slices.Sort(keys)
		b.WriteString(strings.Join(keys, ""))
	}
	if j := s.Join; j != nil {
		fmt.Fprintf(&b, "# join\nport %s on %s type %s mtu_request %d iface-id %s ip %s\n", j.Port.Name, j.Port.Bridge, j.Port.Type,
			j.Port.MTURequest, j.Port.ExternalIDs[util.IfaceID], j.Port.ExternalIDs[util.IfaceIP])
		fmt.Fprintf(&b, "%s%s", j.Device, j.Routes)
		fmt.Fprintf(&b, "ping %s\n", util.FormatAddrs(j.Gateways))
	}
	if len(s.Providers) > 0 {
		b.WriteString("# provider networks\n")
	}
	for _, p := range s.Providers {
		b.WriteString(p.String())
	}
	for _, spec := range s.Bridges {
		b.WriteString(bridgeText(spec))
	}
	if len(s.Sets) > 0 {
		b.WriteString("# ipset\n")
	}
	for _, set := range s.Sets {
		b.WriteString(set.String() + "\n")
	}
	for _, r := range s.Rulesets {
		b.WriteString(r.String())
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "# problem: %s\n", p)
	}
	return b.String()
}
