package iptables

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// tables is what a save listing holds: table name to chains in their order.
type tables map[string]*saved

// saved is one table.
type saved struct {
	order  []string
	policy map[string]string   // "-" for chains of users
	rules  map[string][]string // without "-A <chain>"
}

// parseSave reads the output of iptables-save. Comments and warnings are skipped.
func parseSave(text string) (tables, error) {
	out := tables{}
	var t *saved
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		name, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#") || line == "COMMIT":
		case strings.HasPrefix(line, "*"):
			t = &saved{policy: map[string]string{}, rules: map[string][]string{}}
			out[line[1:]] = t
		case t == nil:
			return nil, fmt.Errorf("line %q comes before any table", line)
		case strings.HasPrefix(line, ":"):
			policy, _, _ := strings.Cut(rest, " ")
			t.order = append(t.order, name[1:])
			t.policy[name[1:]] = policy
		case name == "-A":
			chain, rule, _ := strings.Cut(rest, " ")
			t.rules[chain] = append(t.rules[chain], rule)
		default:
			return nil, fmt.Errorf("line %q is no rule", line)
		}
	}
	return out, lines.Err()
}

// Counter is one rule of a chain with what it has counted.
type Counter struct {
	Rule    string
	Packets uint64
	Bytes   uint64
}

// parseCounters reads the rules of a chain that contain mark from the output of iptables-save -c.
func parseCounters(text, chain, mark string) ([]Counter, error) {
	var out []Counter
	for line := range strings.Lines(text) {
		head, rule, ok := strings.Cut(strings.TrimRight(line, "\n"), "] -A "+chain+" ")
		if !ok || !strings.Contains(rule, mark) {
			continue
		}
		packets, bytes, _ := strings.Cut(strings.TrimPrefix(head, "["), ":")
		p, err := strconv.ParseUint(packets, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("counter of rule %q: %w", rule, err)
		}
		b, err := strconv.ParseUint(bytes, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("counter of rule %q: %w", rule, err)
		}
		out = append(out, Counter{Rule: rule, Packets: p, Bytes: b})
	}
	return out, nil
}
