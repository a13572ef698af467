package ovs

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var uuidText = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// pretend prints what p would write for owner, one line per operation with identities in the place of UUIDs, and does to the
// cache what the server would do to the database, so that whoever comes next finds it done. Caller holds the lock.
func (c *Client) pretend(owner string, p *plan) error {
	var b strings.Builder
	for _, op := range p.operations() {
		if !op.quiet {
			fmt.Fprintf(&b, "%s: %s\n", owner, uuidText.ReplaceAllStringFunc(op.text, func(u string) string { return c.cache.nameOf(p, u) }))
		}
	}
	changes, err := c.cache.perform(p)
	if err != nil {
		return err
	}
	c.inflight[owner] = true // its own change is no drift
	c.publish(changes)
	if _, err := io.WriteString(c.cfg.DryRun, b.String()); err != nil {
		return fmt.Errorf("print the difference: %w", err)
	}
	return nil
}

// nameOf is what people call a row that is there or that p inserts.
func (c *cache) nameOf(p *plan, u string) string {
	if r := c.rowOf(u); r != nil {
		return r.name()
	}
	for id, created := range p.created {
		if created == u {
			return readable(id.key)
		}
	}
	return u
}

func (c *cache) rowOf(u string) *row {
	for _, t := range c.tables {
		if r := t.rows[u]; r != nil {
			return r
		}
	}
	return nil
}

// perform changes the cache as the server's update after the transaction would, and returns what changed.
func (c *cache) perform(p *plan) ([]change, error) {
	var changes []change
	put := func(t *table, u string, vals []value) {
		old, fresh := t.rows[u], &row{table: t, uuid: u, vals: vals}
		if old != nil {
			c.remove(old)
		}
		c.add(fresh)
		changes = append(changes, change{old, fresh})
	}
	for _, op := range p.inserts {
		t, u := c.tables[op.body["table"].(string)], op.body["uuid"].(string)
		vals, err := t.inserted(op.body["row"].(map[string]any))
		if err != nil {
			return nil, err
		}
		put(t, u, vals)
	}
	for u, content := range p.updated {
		if r := c.rowOf(u); r != nil {
			put(r.table, u, r.with(content))
		}
	}
	for _, u := range p.order {
		if r := p.edits[u].table.rows[u]; r != nil && !p.gone[u] {
			put(r.table, u, r.with(p.edits[u].result(r)))
		}
	}
	gone := make([]*row, 0, len(p.gone))
	for _, u := range slices.Sorted(maps.Keys(p.gone)) {
		if r := c.rowOf(u); r != nil {
			gone = append(gone, r)
		}
	}
	for len(gone) > 0 {
		for _, r := range gone {
			c.remove(r)
			delete(c.learned, r.uuid)
			delete(c.groups, r.uuid)
			changes = append(changes, change{old: r})
		}
		c.forget(gone, put)
		gone = c.orphans(gone)
	}
	return changes, nil
}

// with is the content of r after some of its columns were replaced.
func (r *row) with(content map[string]value) []value {
	vals := slices.Clone(r.vals)
	for name, v := range content {
		if i, ok := r.table.index[name]; ok {
			vals[i] = v
		}
	}
	return vals
}

// result is what the edited columns of r are afterwards. Lists of children are not in the cache.
func (e *edit) result(r *row) map[string]value {
	out := map[string]value{}
	for col := range union(e.pairs, e.stale) {
		m := maps.Clone(r.get(col).m)
		if m == nil {
			m = map[string]string{}
		}
		maps.DeleteFunc(m, func(k, _ string) bool { return e.stale[col][k] })
		maps.Copy(m, e.pairs[col])
		out[col] = mapOf(m)
	}
	for col := range union(e.add, e.del) {
		left := slices.DeleteFunc(slices.Clone(r.get(col).set), func(a string) bool { return e.del[col][a] })
		out[col] = setOf(slices.AppendSeq(left, maps.Keys(e.add[col]))...)
	}
	return out
}

// forget takes rows that went out of the columns that refer to them.
func (c *cache) forget(gone []*row, put func(*table, string, []value)) {
	for _, t := range c.tables {
		for _, cs := range t.spec.columns {
			left := map[string]bool{}
			for _, r := range gone {
				if cs.table == r.table.spec.name {
					left[r.uuid] = true
				}
			}
			if len(left) == 0 {
				continue
			}
			for _, r := range slices.Collect(maps.Values(t.rows)) {
				if had := r.get(cs.name).set; slices.ContainsFunc(had, func(u string) bool { return left[u] }) {
					had = slices.DeleteFunc(slices.Clone(had), func(u string) bool { return left[u] })
					put(t, r.uuid, r.with(map[string]value{cs.name: setOf(had...)}))
				}
			}
		}
	}
}

// orphans are the rows that the server collects because only those that went held them: their children and their parts.
func (c *cache) orphans(gone []*row) []*row {
	var out []*row
	for _, parent := range gone {
		name := parent.table.spec.name
		for _, t := range c.tables {
			if !slices.ContainsFunc(t.spec.parents, func(p parentSpec) bool { return p.table == name }) {
				continue
			}
			for _, r := range t.rows {
				if r.parent == name+"/"+parent.key {
					out = append(out, r)
				}
			}
		}
		for _, cs := range parent.table.spec.columns {
			if cs.mode != refs || !c.tables[cs.table].spec.byRef {
				continue
			}
			for _, u := range parent.get(cs.name).set {
				if r := c.tables[cs.table].rows[u]; r != nil {
					out = append(out, r)
				}
			}
		}
	}
	return out
}
