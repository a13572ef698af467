package ovstest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"sort"
	"strings"
)

// raw is one row as the server prints it.
type raw map[string]any

// Dump is the whole database as text: one line per row with its columns that are not empty, sorted, with UUIDs replaced by
// "<table>:<identity>" of the row they mean. The engine's marks that follow from the rest (vendor, group UUIDs) are cut:
// "vendor" stays out when it is ours, and group records lose the UUID part. Status and counters of the server stay out.
func (s *Server) Dump(tb TB) string {
	tb.Helper()
	tables := s.content(tb)
	names := identities(tables)
	var out []string
	for table, rows := range tables {
		for _, r := range rows {
			out = append(out, line(table, r, names))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "\n") + "\n"
}

// volatile columns are written by servers and daemons.
var volatile = []string{"_uuid", "_version", "nb_cfg", "sb_cfg", "hv_cfg", "nb_cfg_timestamp", "sb_cfg_timestamp",
	"hv_cfg_timestamp", "up", "status", "statistics", "cur_cfg", "next_cfg"}

// content reads every table with one select each.
func (s *Server) content(tb TB) map[string][]raw {
	tb.Helper()
	var list []string
	for _, l := range strings.Split(run(tb, "ovsdb-client", "list-tables", s.Endpoint, string(s.DB)), "\n") {
		if name := strings.TrimSpace(l); name != "" && name != "Table" && !strings.HasPrefix(name, "-") {
			list = append(list, name)
		}
	}
	ops := make([]any, 0, len(list)+1)
	ops = append(ops, string(s.DB))
	for _, t := range list {
		ops = append(ops, map[string]any{"op": "select", "table": t, "where": []any{}})
	}
	text, err := json.Marshal(ops)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := exec.CommandContext(tb.Context(), "ovsdb-client", "transact", s.Endpoint, string(text)).Output()
	if err != nil {
		tb.Fatalf("select everything: %v", err)
	}
	var results []struct{ Rows []raw }
	if err := json.Unmarshal(answer, &results); err != nil {
		tb.Fatalf("select everything: %v in %s", err, answer)
	}
	out := map[string][]raw{}
	for i, t := range list {
		out[t] = results[i].Rows
	}
	return out
}

// identities names every row: by its name, else by the columns people know it by.
func identities(tables map[string][]raw) map[string]string {
	out := map[string]string{}
	for table, rows := range tables {
		for _, r := range rows {
			out[uuidOf(r)] = table + ":" + identityOf(r)
		}
	}
	return out
}

func identityOf(r raw) string {
	if name, ok := r["name"].(string); ok && name != "" {
		return name
	}
	ext := pairs(r["external_ids"])
	for _, key := range []string{"name", "port"} {
		if ext[key] != "" {
			return ext[key]
		}
	}
	var parts []string
	for _, col := range []string{"chassis_name", "type", "priority", "direction", "match", "route_table", "policy", "ip_prefix", "nexthop",
		"external_ip", "logical_ip", "logical_port", "dst_ip", "vip", "cidr", "target"} {
		if text := atom(r[col], nil); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ",")
}

func uuidOf(r raw) string {
	list, _ := r["_uuid"].([]any)
	if len(list) != 2 {
		return ""
	}
	text, _ := list[1].(string)
	return text
}

func line(table string, r raw, names map[string]string) string {
	cols := make([]string, 0, len(r))
	for col, v := range r {
		if slices.Contains(volatile, col) {
			continue
		}
		if text := show(col, v, names); text != "" {
			cols = append(cols, col+"="+text)
		}
	}
	sort.Strings(cols)
	return table + " " + identityOf(r) + ": " + strings.Join(cols, " ")
}

// show is the text of one column, "" when it has its default.
func show(col string, v any, names map[string]string) string {
	list, ok := v.([]any)
	if !ok {
		return atom(v, names)
	}
	members, _ := list[1].([]any)
	switch list[0] {
	case "set":
		items := make([]string, 0, len(members))
		for _, m := range members {
			items = append(items, member(m, names))
		}
		sort.Strings(items)
		if len(items) == 0 {
			return ""
		}
		return "[" + strings.Join(items, " ") + "]"
	case "map":
		return showMap(col, members, names)
	}
	return atom(v, names)
}

func showMap(col string, members []any, names map[string]string) string {
	var items []string
	for _, m := range members {
		pair, _ := m.([]any)
		key, val := member(pair[0], names), member(pair[1], names)
		if col == "external_ids" && key == "vendor" && val == "kube-ovn" {
			continue
		}
		if col == "external_ids" && key == "port_groups" {
			val = withoutMarks(val)
		}
		items = append(items, key+"="+val)
	}
	if len(items) == 0 {
		return ""
	}
	sort.Strings(items)
	return "{" + strings.Join(items, ", ") + "}"
}

// withoutMarks cuts the UUID part of "<group>:<mark>,...".
func withoutMarks(text string) string {
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i], _, _ = strings.Cut(item, ":")
	}
	return strings.Join(items, ",")
}

func pairs(v any) map[string]string {
	out := map[string]string{}
	list, _ := v.([]any)
	if len(list) != 2 {
		return out
	}
	members, _ := list[1].([]any)
	for _, m := range members {
		if pair, ok := m.([]any); ok && len(pair) == 2 {
			out[atom(pair[0], nil)] = atom(pair[1], nil)
		}
	}
	return out
}

// member is the text of an atom inside a set or map, where 0 and false mean something.
func member(v any, names map[string]string) string {
	switch v {
	case false:
		return "false"
	case 0.0:
		return "0"
	}
	return atom(v, names)
}

// atom is the text of a scalar; false, 0 and "" are the defaults and print as "".
func atom(v any, names map[string]string) string {
	switch a := v.(type) {
	case string:
		return a
	case bool:
		if a {
			return "true"
		}
	case float64:
		if a != 0 {
			return fmt.Sprintf("%.0f", a)
		}
	case []any:
		if len(a) == 2 && a[0] == "uuid" {
			text, _ := a[1].(string)
			if name, ok := names[text]; ok {
				return name
			}
			return text
		}
	}
	return ""
}

// UUIDs maps the UUID of every row to its "<table>:<identity>".
func (s *Server) UUIDs(tb TB) map[string]string {
	tb.Helper()
	return identities(s.content(tb))
}
