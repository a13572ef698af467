package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// Family is an address family.
type Family int

// The families iptables knows.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String is the command of the family.
func (f Family) String() string {
	if f == IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// Ruleset is everything we want in one family. Nothing in it means that nothing of ours remains.
type Ruleset struct {
	Family Family
	Chains []Chain
	Hooks  []Hook
	// Policies are what chains of the system do with packets that no rule decided.
	Policies []Policy
}

// Chain is a chain of our own with all its rules.
type Chain struct {
	Table string
	Name  string
	Rules []string // canonical, without "-A <chain>"
}

// Hook is a rule of ours in a chain of the system. The hooks of one chain keep the order of the ruleset; a missing one is
// inserted in front of the rules of others.
type Hook struct {
	Table string
	Chain string
	Rule  string
	// Before names a chain whose jump must come after this rule, whoever inserted it.
	Before string
}

// Policy is the default target of a chain of the system.
type Policy struct{ Table, Chain, Target string }

// Mark says what is ours.
type Mark struct {
	// Chains are names of our chains; one that ends in "*" stands for all names with that beginning.
	Chains []string
	// Rules are texts that only our rules in foreign chains contain.
	Rules []string
}

func (m Mark) chain(name string) bool {
	return slices.ContainsFunc(m.Chains, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || wild && strings.HasPrefix(name, prefix)
	})
}

func (m Mark) rule(rule string) bool {
	if _, target, ok := strings.Cut(rule+" ", " -j "); ok || strings.HasPrefix(rule, "-j ") {
		if !ok {
			target = strings.TrimPrefix(rule, "-j ")
		}
		if name, _, _ := strings.Cut(target, " "); m.chain(name) {
			return true
		}
	}
	return slices.ContainsFunc(m.Rules, func(text string) bool { return strings.Contains(rule, text) })
}

// String prints the ruleset as `iptables -S` would, table by table.
func (r Ruleset) String() string {
	var b strings.Builder
	for _, table := range r.tables() {
		fmt.Fprintf(&b, "# %s -t %s\n", r.Family, table)
		for _, p := range r.Policies {
			if p.Table == table {
				fmt.Fprintf(&b, "-P %s %s\n", p.Chain, p.Target)
			}
		}
		for _, h := range r.Hooks {
			if h.Table == table {
				fmt.Fprintf(&b, "-A %s %s\n", h.Chain, h.Rule)
			}
		}
		for _, c := range r.Chains {
			if c.Table != table {
				continue
			}
			fmt.Fprintf(&b, "-N %s\n", c.Name)
			for _, rule := range c.Rules {
				fmt.Fprintf(&b, "-A %s %s\n", c.Name, rule)
			}
		}
	}
	return b.String()
}

// tables lists the tables of a ruleset in a fixed order.
func (r Ruleset) tables() []string {
	seen := map[string]bool{}
	for _, c := range r.Chains {
		seen[c.Table] = true
	}
	for _, h := range r.Hooks {
		seen[h.Table] = true
	}
	for _, p := range r.Policies {
		seen[p.Table] = true
	}
	var out []string
	for _, t := range []string{"raw", "mangle", "nat", "filter"} {
		if seen[t] {
			out = append(out, t)
		}
	}
	return out
}

// Comment is the canonical match that carries a remark. iptables prints text in quotes as soon as it has more than
// letters, digits, "-" and "_" (xtables_save_string of libxtables).
func Comment(text string) string {
	plain := !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
	if !plain || text == "" {
		text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`).Replace(text) + `"`
	}
	return "-m comment --comment " + text
}
