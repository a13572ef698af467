package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// diff renders the input of iptables-restore --noflush that turns have into want; "" when they agree.
func diff(have tables, want Ruleset, mark Mark) string {
	var b strings.Builder
	for _, name := range []string{"raw", "mangle", "nat", "filter"} {
		t := have[name]
		if t == nil {
			t = &saved{}
		}
		if body := diffTable(name, t, want, mark); body != "" {
			fmt.Fprintf(&b, "*%s\n%sCOMMIT\n", name, body)
		}
	}
	return b.String()
}

// diffTable renders one table: declarations first (they create and flush), then rules, then chains that go.
func diffTable(table string, have *saved, want Ruleset, mark Mark) string {
	var declare, rules, remove strings.Builder
	wanted := map[string]bool{}
	for _, c := range want.Chains {
		if c.Table != table {
			continue
		}
		wanted[c.Name] = true
		if _, exists := have.policy[c.Name]; exists && slices.Equal(have.rules[c.Name], c.Rules) {
			continue
		}
		fmt.Fprintf(&declare, ":%s - [0:0]\n", c.Name)
		for _, rule := range c.Rules {
			fmt.Fprintf(&rules, "-A %s %s\n", c.Name, rule)
		}
	}
	for _, p := range want.Policies {
		if p.Table == table && have.policy[p.Chain] != "" && have.policy[p.Chain] != p.Target {
			fmt.Fprintf(&declare, ":%s %s [0:0]\n", p.Chain, p.Target)
		}
	}
	for _, name := range have.order {
		if mark.chain(name) && !wanted[name] {
			fmt.Fprintf(&declare, ":%s - [0:0]\n", name)
			fmt.Fprintf(&remove, "-X %s\n", name)
		}
	}
	for _, chain := range hookedChains(table, have, want) {
		var hooks []Hook
		for _, h := range want.Hooks {
			if h.Table == table && h.Chain == chain {
				hooks = append(hooks, h)
			}
		}
		for _, op := range diffHooks(have.rules[chain], hooks, mark) {
			fmt.Fprintf(&rules, "%s\n", op.render(chain))
		}
	}
	return declare.String() + rules.String() + remove.String()
}

// hookedChains are the system's chains that may hold a rule of ours.
func hookedChains(table string, have *saved, want Ruleset) []string {
	var out []string
	for _, name := range have.order {
		if have.policy[name] != "-" {
			out = append(out, name)
		}
	}
	for _, h := range want.Hooks {
		if h.Table == table && !slices.Contains(out, h.Chain) {
			out = append(out, h.Chain)
		}
	}
	return out
}

// op inserts a rule at a position (from 1), or deletes the first equal one when at is 0.
type op struct {
	at   int
	rule string
}

func (o op) render(chain string) string {
	if o.at == 0 {
		return fmt.Sprintf("-D %s %s", chain, o.rule)
	}
	return fmt.Sprintf("-I %s %d %s", chain, o.at, o.rule)
}

// diffHooks edits one foreign chain. Rules that stand right stay, so that their counters go on; deletions name the rule and
// not its position, which another writer may have moved meanwhile.
func diffHooks(have []string, want []Hook, mark Mark) []op {
	var ops []op
	keep, drop := standing(have, want, mark)
	for _, rule := range drop {
		ops = append(ops, op{rule: rule})
	}
	// The chain as it is after the deletions; kept rules are unique in it.
	var now []string
	for i, rule := range have {
		if keep[i] || !slices.Contains(drop, rule) {
			now = append(now, rule)
		}
	}
	at := 1
	for _, h := range want {
		if i := slices.Index(now, h.Rule); i >= 0 {
			at = i + 2
			continue
		}
		now = slices.Insert(now, at-1, h.Rule)
		ops = append(ops, op{at: at, rule: h.Rule})
		at++
	}
	return ops
}

// standing decides which of our rules in a foreign chain stay: those that are wanted, alone, in order and in front of the
// jump they must precede. It returns their positions, and the texts to delete, once per occurrence.
func standing(have []string, want []Hook, mark Mark) (map[int]bool, []string) {
	keep := map[int]bool{}
	var drop []string
	last := -1
	for i, rule := range have {
		n := slices.IndexFunc(want, func(h Hook) bool { return h.Rule == rule })
		if n < 0 && !mark.rule(rule) {
			continue
		}
		if n > last && alone(have, rule) && precedes(have, i, want[n].Before) {
			keep[i] = true
			last = n
			continue
		}
		drop = append(drop, rule)
	}
	return keep, drop
}

func alone(have []string, rule string) bool {
	first := slices.Index(have, rule)
	return !slices.Contains(have[first+1:], rule)
}

// precedes says whether no jump to chain comes before position i.
func precedes(have []string, i int, chain string) bool {
	if chain == "" {
		return true
	}
	return !slices.ContainsFunc(have[:i], func(rule string) bool {
		return strings.HasSuffix(rule, "-j "+chain)
	})
}
