package ovs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// target names a row by table and identity.
type target struct{ table, key string }

func (t target) String() string { return t.table + " " + readable(t.key) }

func byName(table, name string) target { return target{table, name} }

func byNames(table string, names []string) []ref {
	out := make([]ref, 0, len(names))
	for _, n := range names {
		out = append(out, ref{target: byName(table, n)})
	}
	return out
}

func optionalRef(table, name string) []ref {
	if name == "" {
		return nil
	}
	return []ref{{target: byName(table, name)}}
}

// ref is one reference of a wanted row; index is its key in a map column and "" in a set.
type ref struct {
	index  string
	target target
}

// wanted is the generic form of a row. Managed columns that are in none of cols and refs are wanted empty.
type wanted struct {
	table  string
	parent target // the row that holds this child, zero for root tables
	cols   map[string]value
	refs   map[string][]ref
	// defaults are the sticky columns whose value in cols is only for a row that has none
	defaults []string
	groups   []string          // port groups of a switch port
	ext      map[string]string // external_ids without the engine's marks
	users    []ref             // rows whose shared column must hold this row: routers of a load balancer
	// gateways of a router: next hops of unmarked default routes that are ours too
	gateways []string
}

func (w *wanted) parentText() string {
	if w.parent.table == "" {
		return ""
	}
	return w.parent.table + "/" + w.parent.key
}

// get reads a column as identity needs it.
func (w *wanted) get(col string) value {
	if col == externalIDs {
		return mapOf(w.ext)
	}
	return w.cols[col]
}

// ContradictionError says that one set of rows wants the same row twice with different content.
type ContradictionError struct {
	Table, Name string
	// First and Second are the two sources: the column they disagree on, what each wants, and its external_ids.
	First, Second string
}

func (e *ContradictionError) Error() string {
	return fmt.Sprintf("%s %q is wanted twice: %s, and %s", e.Table, e.Name, e.First, e.Second)
}

// contradiction explains the first difference of two wanted rows of one identity, or returns nil when they are equal.
func contradiction(name string, a, b *wanted) error {
	col, av, bv := "", "", ""
	for _, c := range slices.Sorted(maps.Keys(union(a.cols, b.cols))) {
		if !a.cols[c].equal(b.cols[c]) {
			col, av, bv = c, showValue(a.cols[c]), showValue(b.cols[c])
			break
		}
	}
	for _, c := range slices.Sorted(maps.Keys(union(a.refs, b.refs))) {
		if col == "" && !slices.Equal(a.refs[c], b.refs[c]) {
			col, av, bv = c, fmt.Sprint(a.refs[c]), fmt.Sprint(b.refs[c])
		}
	}
	if col == "" && !slices.Equal(a.defaults, b.defaults) {
		col, av, bv = "defaults", fmt.Sprint(a.defaults), fmt.Sprint(b.defaults)
	}
	if col == "" && !maps.Equal(a.ext, b.ext) {
		col, av, bv = externalIDs, showValue(mapOf(a.ext)), showValue(mapOf(b.ext))
	}
	if col == "" && a.parent != b.parent {
		col, av, bv = "parent", a.parent.String(), b.parent.String()
	}
	if col == "" && !slices.Equal(a.groups, b.groups) {
		col, av, bv = util.ExtPortGroups, fmt.Sprint(a.groups), fmt.Sprint(b.groups)
	}
	if col == "" {
		return nil
	}
	source := func(w *wanted, v string) string { return fmt.Sprintf("%s=%s by %s", col, v, showValue(mapOf(w.ext))) }
	return &ContradictionError{Table: a.table, Name: name, First: source(a, av), Second: source(b, bv)}
}

func union[V, W any](a map[string]V, b map[string]W) map[string]bool {
	out := make(map[string]bool, len(a)+len(b))
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// showValue is the text of a value in dumps and messages.
func showValue(v value) string {
	if v.m == nil {
		if len(v.set) == 1 {
			return v.set[0]
		}
		return "[" + strings.Join(v.set, " ") + "]"
	}
	parts := make([]string, 0, len(v.m))
	for _, k := range slices.Sorted(maps.Keys(v.m)) {
		parts = append(parts, k+"="+v.m[k])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// with returns ext and one more pair, without changing ext.
func with(ext map[string]string, key, val string) map[string]string {
	out := make(map[string]string, len(ext)+1)
	maps.Copy(out, ext)
	out[key] = val
	return out
}
