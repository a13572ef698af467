package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
)

// packet is what the rules can see of the first packet of a flow.
type packet struct {
	in, out    string
	proto      string
	src, dst   netip.Addr
	flags      string // TCP flags set, "SYN" by default
	state      string // conntrack state, NEW by default
	dport      string
	localDst   bool
	mark       uint64
	kubeSets   []string // sets of kube-proxy that the destination is in
	translated string   // what was done to the source
}

// tracer walks packets through the rules of a State, as the kernel would.
type tracer struct {
	t     *testing.T
	rules iptables.Ruleset
	sets  map[string][]netip.Prefix
}

func newTracer(t *testing.T, in Inputs, ipv6 bool) *tracer {
	t.Helper()
	s := Desired(in)
	tr := &tracer{t: t, rules: s.Rulesets[0], sets: map[string][]netip.Prefix{}}
	if ipv6 {
		tr.rules = s.Rulesets[1]
	}
	for _, set := range s.Sets {
		tr.sets[set.Name] = set.Members
	}
	return tr
}

// forward sends a packet through the hooks of a routed packet and returns its verdict.
func (tr *tracer) forward(p *packet) string {
	return tr.walk(p, "PREROUTING", "FORWARD", "POSTROUTING")
}

// deliver sends a packet to the node itself.
func (tr *tracer) deliver(p *packet) string { return tr.walk(p, "PREROUTING", "INPUT") }

func (tr *tracer) walk(p *packet, hooks ...string) string {
	if p.flags == "" {
		p.flags = "SYN"
	}
	if p.state == "" {
		p.state = "NEW"
	}
	for _, hook := range hooks {
		for _, table := range []string{"mangle", "nat", "filter"} {
			if table == "nat" && p.state != "NEW" {
				continue // translations are made once per flow
			}
			var rules []string
			for _, h := range tr.rules.Hooks {
				if h.Table == table && h.Chain == hook {
					rules = append(rules, h.Rule)
				}
			}
			if v := tr.chain(table, rules, p); v == "DROP" || v == "REJECT" {
				return v
			}
		}
	}
	return "ACCEPT"
}

// chain returns the verdict that ends a chain, or "" when it runs to its end or returns.
func (tr *tracer) chain(table string, rules []string, p *packet) string {
	for _, rule := range rules {
		words := strings.Fields(rule)
		j := slices.Index(words, "-j")
		if j < 0 {
			j = len(words)
		}
		if !tr.matches(words[:j], p) || j == len(words) {
			continue
		}
		switch target := words[j+1]; target {
		case "ACCEPT", "DROP", "REJECT":
			return target
		case "RETURN":
			return ""
		case "MARK":
			value, mask := markOf(tr.t, words[j+3])
			p.mark = p.mark&^mask ^ value
		case "MASQUERADE":
			p.translated += "masquerade "
			return "ACCEPT"
		case "SNAT":
			p.translated += "snat " + words[j+3] + " "
			return "ACCEPT"
		default:
			i := slices.IndexFunc(tr.rules.Chains, func(c iptables.Chain) bool { return c.Table == table && c.Name == target })
			if i < 0 {
				tr.t.Fatalf("rule %q jumps to a chain that does not exist", rule)
			}
			if v := tr.chain(table, tr.rules.Chains[i].Rules, p); v != "" {
				return v
			}
		}
	}
	return ""
}

// matches evaluates the matches of one rule; a word it does not know fails the test.
func (tr *tracer) matches(words []string, p *packet) bool {
	ok, not := true, false
	for i := 0; i < len(words); i++ {
		arg := func(n int) string { return words[i+n] }
		result := true
		switch words[i] {
		case "!":
			not = true
			continue
		case "-m":
			if arg(1) == "comment" {
				return ok // comments hold blanks, and nothing follows them
			}
			i++
			continue
		case "-i":
			result, i = p.in == arg(1), i+1
		case "-p":
			result, i = p.proto == arg(1), i+1
		case "-s":
			result, i = netip.MustParsePrefix(arg(1)).Contains(p.src), i+1
		case "-d":
			result, i = netip.MustParsePrefix(arg(1)).Contains(p.dst), i+1
		case "--dport":
			result, i = p.dport == arg(1), i+1
		case "--dst-type":
			result, i = p.localDst, i+1
		case "--mark":
			value, mask := markOf(tr.t, arg(1))
			result, i = p.mark&mask == value, i+1
		case "--ctstate", "--state":
			result, i = p.state == arg(1), i+1
		case "--tcp-flags":
			set := strings.Contains(p.flags, arg(1))
			result, i = set == (arg(2) != "NONE"), i+2
		case "--match-set":
			result, i = tr.inSet(arg(1), arg(2), p), i+2
		default:
			tr.t.Fatalf("the tracer does not know %q of %q", words[i], words)
		}
		ok = ok && result != not
		not = false
	}
	return ok
}

func (tr *tracer) inSet(name, dir string, p *packet) bool {
	if strings.HasPrefix(name, "KUBE-") {
		return slices.Contains(p.kubeSets, name)
	}
	members, ok := tr.sets[name]
	if !ok {
		tr.t.Fatalf("a rule names the set %s, which does not exist", name)
	}
	ip := p.src
	if dir == "dst" {
		ip = p.dst
	}
	return slices.ContainsFunc(members, func(m netip.Prefix) bool { return m.Contains(ip) })
}

func markOf(t *testing.T, text string) (value, mask uint64) {
	t.Helper()
	v, m, _ := strings.Cut(text, "/")
	value, err1 := strconv.ParseUint(v, 0, 32)
	mask, err2 := strconv.ParseUint(m, 0, 32)
	if err1 != nil || err2 != nil {
		t.Fatalf("mark %q: %v %v", text, err1, err2)
	}
	return value, mask
}

// flow is one packet and what must become of it.
type flow struct {
	name     string
	path     string // "forward" or "deliver"
	from, to string
	edit     func(*packet)
	verdict  string
	source   string // translations of the source, "" for none
	mark     uint64
}

func (tr *tracer) run(f flow) {
	tr.t.Helper()
	p := &packet{in: "ovn0", out: "eth0", proto: "tcp", src: netip.MustParseAddr(f.from), dst: netip.MustParseAddr(f.to)}
	if f.edit != nil {
		f.edit(p)
	}
	verdict := ""
	if f.path == "deliver" {
		verdict = tr.deliver(p)
	} else {
		verdict = tr.forward(p)
	}
	if f.verdict == "" {
		f.verdict = "ACCEPT"
	}
	got := fmt.Sprintf("%s, source %q, mark %#x", verdict, strings.TrimSpace(p.translated), p.mark)
	want := fmt.Sprintf("%s, source %q, mark %#x", f.verdict, f.source, f.mark)
	if got != want {
		tr.t.Errorf("%s (%s -> %s):\n got  %s\n want %s", f.name, f.from, f.to, got, want)
	}
}

const (
	pod, pod2, peer, world = "10.233.64.10", "10.233.64.11", "192.168.123.21", "223.5.5.5"
	service                = "10.233.0.10"
)

func fromOutside(p *packet) { p.in, p.out = "eth0", "ovn0" }

func TestFlows(t *testing.T) {
	tr := newTracer(t, seed(), false)
	for _, f := range []flow{
		{name: "pod to the internet is masqueraded once", from: pod, to: world, source: "masquerade"},
		{name: "pod to another node is masqueraded", from: pod, to: peer, source: "masquerade"},
		{name: "pod to its own node keeps its address", path: "deliver", from: pod, to: "192.168.123.23"},
		{name: "established flow is not translated again", from: pod, to: world, edit: func(p *packet) { p.state, p.flags = "ESTABLISHED", "ACK" }},
		{name: "service that the node translated, back to a pod", from: pod, to: pod2, source: "masquerade"},
		{name: "pod to a service is marked for kube-proxy", path: "deliver", from: pod, to: service, mark: 0x4000},
		{name: "marked service traffic to the outside", from: pod, to: service, source: "masquerade"},
		{name: "service address to a pod gets the node's address", from: service, to: pod,
			edit: func(p *packet) { fromOutside(p); p.mark = 0x4000 }, source: "snat 192.168.123.23", mark: 0x4000},
		{name: "outside routes to a pod: client kept", from: "172.16.0.9", to: pod, edit: fromOutside},
		{name: "another node's host process to a pod", from: peer, to: pod, edit: fromOutside},
		{name: "NodePort of kube-proxy is masqueraded", from: "172.16.0.9", to: pod, source: "masquerade",
			edit: func(p *packet) { fromOutside(p); p.mark = 0x4000 }},
		{name: "NodePort with policy Local keeps the client", from: "172.16.0.9", to: pod, mark: 0x80000,
			edit: func(p *packet) { fromOutside(p); p.mark = 0x80000 }},
		{name: "reply of an asymmetric flow keeps its address", from: pod, to: world, edit: func(p *packet) { p.flags = "ACK" }},
		{name: "reset that conntrack does not know is dropped", from: pod, to: world, verdict: "DROP",
			edit: func(p *packet) { p.state, p.flags = "INVALID", "RST" }},
		{name: "foreign traffic is not touched", from: "172.16.0.9", to: "172.17.0.9", edit: fromOutside},
	} {
		tr.run(f)
	}
}

func TestFlowsIPv6(t *testing.T) {
	tr := newTracer(t, dual(), true)
	for _, f := range []flow{
		{name: "pod to the internet", from: "fd00:10:16::5", to: "2400:3200::1", source: "masquerade"},
		{name: "pod to a service", path: "deliver", from: "fd00:10:16::5", to: "fd00:10:96::1", mark: 0x4000},
		{name: "outside to a pod", from: "2400:3200::1", to: "fd00:10:16::5", edit: fromOutside},
	} {
		tr.run(f)
	}
}

func TestFlowsWithKubeProxyIPVS(t *testing.T) {
	tr := newTracer(t, cases()["kube-proxy-ipvs"], false)
	set := func(names ...string) func(*packet) { return func(p *packet) { p.kubeSets, p.localDst = names, true } }
	for _, f := range []flow{
		{name: "service that kube-proxy knows", path: "deliver", from: pod, to: service, edit: set("KUBE-CLUSTER-IP"), mark: 0x4000},
		{name: "service without endpoints is refused", path: "deliver", from: pod, to: service, verdict: "REJECT"},
		{name: "NodePort with policy Local", path: "deliver", from: world, to: "192.168.123.23", edit: set("KUBE-NODE-PORT-LOCAL-TCP"), mark: 0x80000},
		{name: "the same from another node", path: "deliver", from: peer, to: "192.168.123.23", edit: set("KUBE-NODE-PORT-LOCAL-TCP"), mark: 0x84000},
	} {
		tr.run(f)
	}
}

func TestFlowsOfCentralizedSubnets(t *testing.T) {
	tr := newTracer(t, cases()["centralized"], false)
	for _, f := range []flow{
		{name: "active gateway with an address", from: "10.20.0.5", to: world, source: "snat 192.168.123.100"},
		{name: "one of several gateways", from: "10.21.0.5", to: world, source: "snat 192.168.123.102"},
		{name: "gateway elsewhere", from: "10.22.0.5", to: world, source: "masquerade"},
		{name: "to a pod", from: "10.20.0.5", to: pod, source: "masquerade"},
		{name: "half of a flow that went another way", from: "10.20.0.5", to: world, verdict: "DROP", edit: func(p *packet) { p.flags = "ACK" }},
		{name: "NodePort with policy Local is masqueraded", from: world, to: "10.20.0.5", source: "masquerade",
			edit: func(p *packet) { fromOutside(p); p.mark = 0x80000 }},
	} {
		tr.run(f)
	}
}

// The first rule that matches decides, although the marks of the two actions share bits.
func TestFlowsWithNatPolicy(t *testing.T) {
	v4, v6 := newTracer(t, cases()["nat-policy"], false), newTracer(t, cases()["nat-policy"], true)
	for _, f := range []flow{
		{name: "first rule: forward", from: "10.30.0.5", to: "8.8.8.8", mark: 0x90002},
		{name: "last rule: forward", from: "10.30.0.6", to: "8.8.8.8", mark: 0x90002},
		{name: "inside the cluster no rule counts", from: "10.30.0.5", to: "10.16.0.1", source: "masquerade"},
		{name: "subnet without rules", from: "10.16.0.5", to: "8.8.8.8", source: "masquerade"},
	} {
		v4.run(f)
	}
	for _, f := range []flow{
		{name: "nat before forward", from: "fd00:10:30::5", to: "fd01::1", source: "masquerade"},
		{name: "forward after nat", from: "fd00:10:30::5", to: "fd02::1", mark: 0x90002},
	} {
		v6.run(f)
	}
}
