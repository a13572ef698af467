package ovs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-org/libovsdb/ovsdb"
)

// operation is one OVSDB operation with the text that dry run and errors print.
type operation struct {
	body  map[string]any
	count int // rows it must match; -1: any
	text  string
	quiet bool // not worth printing: it changes nothing
}

// edit collects the changes of one set or map column of one row, so that a transaction has one mutate per row.
type edit struct {
	table    *table
	uuid     string
	name     string                       // identity of the row
	add, del map[string]map[string]bool   // column -> members
	pairs    map[string]map[string]string // column -> pairs to set
	stale    map[string]map[string]bool   // column -> keys to remove first
}

// plan is a set of changes that go into one transaction. Plans of several owners merge. Once complete it reads nothing of
// the cache any more.
type plan struct {
	guards  []operation
	inserts []operation
	updates []operation
	deletes []operation
	edits   map[string]*edit // by row UUID
	order   []string

	created map[target]string // identity -> UUID of inserted rows
	gone    map[string]bool   // UUIDs of rows that this plan ends
	updated map[string]map[string]value
}

func newPlan() *plan {
	return &plan{edits: map[string]*edit{}, created: map[target]string{}, gone: map[string]bool{}, updated: map[string]map[string]value{}}
}

func (p *plan) size() int {
	return len(p.guards) + len(p.inserts) + len(p.updates) + len(p.deletes) + len(p.edits)
}

func whereUUID(u string) []any { return []any{[]any{uuidColumn, "==", []any{"uuid", u}}} }

// guard makes the transaction fail when a row of this identity appeared that the cache does not show yet.
func (p *plan) guard(t *table, w *wanted) {
	var where []any
	for _, id := range t.spec.identity {
		if key, ok := strings.CutPrefix(id, externalIDs+":"); ok {
			where = append(where, []any{externalIDs, "includes", []any{"map", []any{[]any{key, w.ext[key]}}}})
			continue
		}
		if col, ok := t.column(id); ok {
			where = append(where, []any{id, "==", col.encode(col.normal(w.cols[id]))})
		}
	}
	for _, ps := range t.spec.parents {
		if t.spec.scoped && ps.table == w.parent.table && ps.ext != "" {
			where = append(where, []any{externalIDs, "includes", []any{"map", []any{[]any{ps.ext, w.parent.key}}}})
		}
	}
	if where == nil {
		where = []any{}
	}
	p.guards = append(p.guards, operation{count: -1, quiet: true, text: "guard " + t.spec.name, body: map[string]any{"op": "wait", "table": t.spec.name,
		"timeout": 0, "where": where, "columns": []string{uuidColumn}, "until": "==", "rows": []any{}}})
}

func (p *plan) insert(t *table, u string, id target, content map[string]value) {
	p.created[id] = u
	p.inserts = append(p.inserts, operation{count: -1, text: "+ " + id.String() + " " + showContent(content),
		body: map[string]any{"op": "insert", "table": t.spec.name, "uuid": u, "row": encodeRow(t, content)}})
}

func (p *plan) update(r *row, content map[string]value) {
	p.updated[r.uuid] = content
	p.updates = append(p.updates, operation{count: 1, text: "~ " + r.table.spec.name + " " + r.name() + " " + showContent(content),
		body: map[string]any{"op": "update", "table": r.table.spec.name, "where": whereUUID(r.uuid), "row": encodeRow(r.table, content)}})
}

func (p *plan) delete(r *row) {
	p.gone[r.uuid] = true
	p.deletes = append(p.deletes, operation{count: 1, text: "- " + r.table.spec.name + " " + r.name(),
		body: map[string]any{"op": "delete", "table": r.table.spec.name, "where": whereUUID(r.uuid)}})
	for _, sibling := range r.table.spec.siblings {
		p.deletes = append(p.deletes, operation{count: -1, text: "- " + sibling + " " + r.name(),
			body: map[string]any{"op": "delete", "table": sibling, "where": []any{[]any{"name", "==", r.get("name").scalar()}}}})
	}
}

// dying notes a row that the server collects because its last reference goes.
func (p *plan) dying(r *row) { p.gone[r.uuid] = true }

// drops: the plan takes the references out of a column of a row.
func (p *plan) drops(u, col string) bool {
	_, ok := p.updated[u][col]
	return ok
}

func (p *plan) edit(t *table, u string) *edit {
	e := p.edits[u]
	if e == nil {
		name := u
		if r := t.rows[u]; r != nil {
			name = r.name()
		}
		e = &edit{table: t, uuid: u, name: name, add: map[string]map[string]bool{}, del: map[string]map[string]bool{},
			pairs: map[string]map[string]string{}, stale: map[string]map[string]bool{}}
		p.edits[u] = e
		p.order = append(p.order, u)
	}
	return e
}

func note(sets map[string]map[string]bool, col string, items ...string) {
	if sets[col] == nil {
		sets[col] = map[string]bool{}
	}
	for _, i := range items {
		sets[col][i] = true
	}
}

func (p *plan) attach(t *table, u, col, child string) { note(p.edit(t, u).add, col, child) }
func (p *plan) detach(t *table, u, col, child string) { note(p.edit(t, u).del, col, child) }

func (p *plan) editSet(t *table, u, col string, add, del []string) {
	if len(add) > 0 {
		note(p.edit(t, u).add, col, add...)
	}
	if len(del) > 0 {
		note(p.edit(t, u).del, col, del...)
	}
}

func (p *plan) editMap(t *table, u, col string, pairs map[string]string, stale []string) {
	if len(pairs) == 0 && len(stale) == 0 {
		return
	}
	e := p.edit(t, u)
	if len(stale) > 0 {
		note(e.stale, col, stale...)
	}
	if len(pairs) > 0 {
		if e.pairs[col] == nil {
			e.pairs[col] = map[string]string{}
		}
		maps.Copy(e.pairs[col], pairs)
	}
}

// merge adds the changes of another owner.
func (p *plan) merge(o *plan) {
	p.guards = append(p.guards, o.guards...)
	p.inserts = append(p.inserts, o.inserts...)
	p.updates = append(p.updates, o.updates...)
	p.deletes = append(p.deletes, o.deletes...)
	maps.Copy(p.created, o.created)
	maps.Copy(p.gone, o.gone)
	maps.Copy(p.updated, o.updated)
	for _, u := range o.order {
		from := o.edits[u]
		into := p.edit(from.table, u)
		for col, items := range from.add {
			note(into.add, col, slices.Collect(maps.Keys(items))...)
		}
		for col, items := range from.del {
			note(into.del, col, slices.Collect(maps.Keys(items))...)
		}
		for col := range union(from.pairs, from.stale) {
			p.editMap(from.table, u, col, from.pairs[col], slices.Collect(maps.Keys(from.stale[col])))
		}
	}
}

// operations is the transaction. Guards come first, so that they see the database without the inserts.
func (p *plan) operations() []operation {
	ops := make([]operation, 0, p.size())
	ops = append(ops, p.guards...)
	ops = append(ops, p.inserts...)
	ops = append(ops, p.updates...)
	for _, u := range p.order {
		if !p.gone[u] {
			ops = append(ops, p.edits[u].operation())
		}
	}
	return append(ops, p.deletes...)
}

func (e *edit) operation() operation {
	var mutations []any
	var text []string
	for _, col := range slices.Sorted(maps.Keys(e.stale)) {
		c, _ := e.table.column(col)
		k := slices.Sorted(maps.Keys(e.stale[col]))
		mutations = append(mutations, []any{col, "delete", encodeSet(c.key, k)})
		text = append(text, col+" -"+strings.Join(k, " -"))
	}
	for _, col := range slices.Sorted(maps.Keys(e.pairs)) {
		c, _ := e.table.column(col)
		mutations = append(mutations, []any{col, "insert", c.encodeMap(e.pairs[col])})
		text = append(text, col+" +"+showValue(mapOf(e.pairs[col])))
	}
	for _, col := range slices.Sorted(maps.Keys(e.del)) {
		k := slices.Sorted(maps.Keys(e.del[col]))
		mutations = append(mutations, []any{col, "delete", encodeSet(e.atoms(col), k)})
		text = append(text, col+" -"+strings.Join(k, " -"))
	}
	for _, col := range slices.Sorted(maps.Keys(e.add)) {
		k := slices.Sorted(maps.Keys(e.add[col]))
		mutations = append(mutations, []any{col, "insert", encodeSet(e.atoms(col), k)})
		text = append(text, col+" +"+strings.Join(k, " +"))
	}
	return operation{count: 1, text: fmt.Sprintf("~ %s %s %s", e.table.spec.name, e.name, strings.Join(text, ", ")),
		body: map[string]any{"op": "mutate", "table": e.table.spec.name, "where": whereUUID(e.uuid), "mutations": mutations}}
}

// atoms is the type of a set column's members; the columns that are not monitored hold children.
func (e *edit) atoms(col string) string {
	if c, ok := e.table.column(col); ok {
		return c.key
	}
	return ovsdb.TypeUUID
}

func encodeRow(t *table, content map[string]value) map[string]any {
	out := make(map[string]any, len(content))
	for name, v := range content {
		col, _ := t.column(name)
		out[name] = col.encode(v)
	}
	return out
}

func showContent(content map[string]value) string {
	parts := make([]string, 0, len(content))
	for _, name := range slices.Sorted(maps.Keys(content)) {
		parts = append(parts, name+"="+showValue(content[name]))
	}
	return strings.Join(parts, " ")
}
