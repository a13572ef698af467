package node

import (
	"fmt"
	"net/netip"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func (f family) iptables() iptables.Family {
	if f.ipv6 {
		return iptables.IPv6
	}
	return iptables.IPv4
}

// rules are the chains and hooks of node.md 3.2 to 3.4.
func (f family) rules() iptables.Ruleset {
	r := iptables.Ruleset{
		Family: f.iptables(),
		Chains: []iptables.Chain{
			{Table: "nat", Name: util.ChainPrerouting, Rules: f.natPrerouting()},
			{Table: "nat", Name: util.ChainPostrouting, Rules: f.natPostrouting()},
			{Table: "nat", Name: util.ChainMasquerade, Rules: []string{
				"-j MARK --set-xmark " + util.MarkNone,
				"-j MASQUERADE" + f.random(),
			}},
			{Table: "mangle", Name: util.ChainPostrouting, Rules: f.manglePostrouting()},
		},
		Hooks: []iptables.Hook{
			// Our marks must be set before kube-proxy translates the destination.
			{Table: "nat", Chain: "PREROUTING", Rule: jump(util.CommentPrerouting, util.ChainPrerouting), Before: util.KubeServicesChain},
			{Table: "nat", Chain: "POSTROUTING", Rule: jump(util.CommentPostrouting, util.ChainPostrouting)},
			{Table: "mangle", Chain: "POSTROUTING", Rule: jump(util.CommentPostrouting, util.ChainPostrouting)},
		},
		Policies: []iptables.Policy{{Table: "filter", Chain: "FORWARD", Target: "ACCEPT"}},
	}
	r.Chains = append(r.Chains, f.natPolicies()...)
	r.Hooks = append(r.Hooks, f.filterHooks()...)
	return r
}

func jump(comment, chain string) string { return iptables.Comment(comment) + " -j " + chain }

// random is the option that keeps two flows from racing for one source port.
func (f family) random() string {
	if f.in.Facts.RandomFully {
		return " --random-fully"
	}
	return ""
}

func (f family) match(id, dir string) string { return "-m set --match-set " + f.set(id) + " " + dir }
func (f family) matchNot(id, dir string) string {
	return "-m set ! --match-set " + f.set(id) + " " + dir
}

func (f family) natPrerouting() []string {
	services := f.match(util.SetServices, "dst")
	if name := f.kubeSet(util.KubeSetClusterIP); name != "" {
		services = "-m set --match-set " + name + " dst,dst"
	}
	rules := []string{fmt.Sprintf("-i %s %s %s -j MARK --set-xmark %s",
		util.NodeNIC, f.match(util.SetSubnets, "src"), services, util.MarkMasquerade)}
	var local, other []string
	for _, p := range []struct{ protocol, suffix string }{{"tcp", "-TCP"}, {"udp", "-UDP"}} {
		set := f.kubeSet(util.KubeSetNodePort + p.suffix)
		if set == "" {
			continue
		}
		local = append(local, fmt.Sprintf("-p %s -m addrtype --dst-type LOCAL -m set --match-set %s dst -j MARK --set-xmark %s",
			p.protocol, set, util.MarkNodePort))
		other = append(other, fmt.Sprintf("-p %s %s -m set --match-set %s dst -j MARK --set-xmark %s",
			p.protocol, f.match(util.SetOtherNode, "src"), set, util.MarkMasquerade))
	}
	return append(append(rules, local...), other...)
}

func (f family) natPostrouting() []string {
	masquerade := " -j " + util.ChainMasquerade
	var rules []string
	if f.nodeIP.IsValid() {
		rules = append(rules, fmt.Sprintf("%s %s -m mark --mark %s -j SNAT --to-source %s%s",
			f.match(util.SetServices, "src"), f.match(util.SetSubnets, "dst"), util.MarkMasquerade, f.nodeIP, f.random()))
	}
	rules = append(rules,
		"-m mark --mark "+util.MarkMasquerade+masquerade,
		f.match(util.SetSubnets, "src")+" "+f.match(util.SetSubnets, "dst")+masquerade,
		// externalTrafficPolicy Local keeps the client's address where the reply comes back this way anyhow.
		"-m mark --mark "+util.MarkNodePort+" "+f.match(util.SetDistributedGW, "dst")+" -j RETURN",
		"-m mark --mark "+util.MarkNodePort+masquerade,
		// Replies of asymmetric flows, and traffic that the outside routes to pods.
		"-p tcp -m tcp --tcp-flags SYN NONE -m conntrack --ctstate NEW -j RETURN",
		f.matchNot(util.SetSubnets, "src")+" "+f.matchNot(util.SetOtherNode, "src")+" "+f.match(util.SetSubnetsNat, "dst")+" -j RETURN",
		f.match(util.SetNatPolicy, "src")+" "+f.matchNot(util.SetSubnets, "dst")+" -j "+util.ChainNatPolicy,
		"-m mark --mark "+util.MarkNatPolicy+masquerade,
		"-m mark --mark "+util.MarkNatForward+" -j RETURN",
	)
	for _, e := range f.egress() {
		rules = append(rules, fmt.Sprintf("-s %s %s -j SNAT --to-source %s%s",
			e.cidr, f.matchNot(util.SetSubnets, "dst"), e.ip, f.random()))
	}
	return append(rules, f.match(util.SetSubnetsNat, "src")+" "+f.matchNot(util.SetSubnets, "dst")+masquerade)
}

// egress is a prefix that leaves this node with an address of its own.
type egress struct {
	cidr netip.Prefix
	ip   netip.Addr
}

func (f family) egress() []egress {
	var out []egress
	for _, s := range f.subnets {
		for _, ip := range s.egressIPs(f.in.Name) {
			if ip.Is6() != f.ipv6 {
				continue
			}
			for _, cidr := range f.of(s) {
				out = append(out, egress{cidr, ip})
			}
		}
	}
	return out
}

// natPolicies are OVN-NAT-POLICY and one chain per subnet with rules. MARK does not end a chain, so a RETURN on the mark
// follows each one: the first rule that matches decides (node.md 3.3).
func (f family) natPolicies() []iptables.Chain {
	top := iptables.Chain{Table: "nat", Name: util.ChainNatPolicy}
	var chains []iptables.Chain
	for _, s := range f.subnets {
		if !s.policed() {
			continue
		}
		uid := string(s.UID)
		chain := iptables.Chain{Table: "nat", Name: util.ChainNatPolicyPrefix + uid[max(0, len(uid)-12):]}
		for _, cidr := range f.of(s) {
			top.Rules = append(top.Rules, fmt.Sprintf("-s %s %s -j %s", cidr, iptables.Comment(util.CommentNatPolicyPrefix+s.Name), chain.Name))
		}
		for _, p := range f.policies(s) {
			mark := util.MarkNatPolicy
			if p.action == util.NatActionForward {
				mark = util.MarkNatForward
			}
			var match string
			if p.src != nil {
				match += f.match(p.srcSet(), "src") + " "
			}
			if p.dst != nil {
				match += f.match(p.dstSet(), "dst") + " "
			}
			chain.Rules = append(chain.Rules, match+"-j MARK --set-xmark "+mark, "-m mark --mark "+mark+" -j RETURN")
		}
		if len(f.of(s)) > 0 {
			chains = append(chains, chain)
		}
	}
	return append([]iptables.Chain{top}, chains...)
}

// filterHooks are rules in chains of the system; refusals and counters come before what accepts.
func (f family) filterHooks() []iptables.Hook {
	var out []iptables.Hook
	add := func(chain, rule string) { out = append(out, iptables.Hook{Table: "filter", Chain: chain, Rule: rule}) }
	if f.kubeSet(util.KubeSetClusterIP) != "" {
		with := "icmp-port-unreachable"
		if f.ipv6 {
			with = "icmp6-port-unreachable"
		}
		refuse := "-p tcp -m mark ! --mark " + util.MarkMasquerade + " " + f.match(util.SetServices, "dst") +
			" -m conntrack --ctstate NEW -j REJECT --reject-with " + with
		add("INPUT", refuse)
		add("OUTPUT", refuse)
	}
	for _, s := range f.subnets {
		if !s.overlay() || s.Name == f.in.Config.NodeSwitch {
			continue
		}
		for _, cidr := range f.of(s) {
			for _, flag := range []string{"-s", "-d"} {
				add("FORWARD", fmt.Sprintf("%s %s %s", flag, cidr, iptables.Comment(util.CommentGatewayPrefix+s.Name)))
			}
		}
	}
	for _, chain := range []string{"INPUT", "FORWARD"} {
		for _, id := range []string{util.SetSubnets, util.SetServices} {
			add(chain, f.match(id, "src")+" -j ACCEPT")
			add(chain, f.match(id, "dst")+" -j ACCEPT")
		}
	}
	// The mark of the inner packet would make the kernel touch the checksum of the tunnel's outer one.
	for _, port := range []string{"6081", "4789"} {
		add("OUTPUT", "-p udp -m udp --dport "+port+" -j MARK --set-xmark "+util.MarkNone)
	}
	return out
}

func (f family) manglePostrouting() []string {
	// A reset that conntrack does not know would leave with a pod's own address.
	rules := []string{"-p tcp " + f.match(util.SetSubnets, "src") + " -m tcp --tcp-flags RST RST -m state --state INVALID -j DROP"}
	for _, e := range f.egress() {
		rules = append(rules, fmt.Sprintf("-s %s -p tcp -m tcp --tcp-flags SYN NONE -m conntrack --ctstate NEW %s -j DROP",
			e.cidr, f.matchNot(util.SetSubnets, "dst")))
	}
	return rules
}
