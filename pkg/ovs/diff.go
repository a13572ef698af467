package ovs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// errLearn asks the caller to look up the parents of rows without our mark and to try again.
var errLearn = errors.New("parents of unmarked rows are not known yet")

// pendingRow is a row that an earlier member of the same transaction inserts.
type pendingRow struct{ uuid, owner string }

// view is the cache plus what the earlier members of the same transaction are about to change.
type view struct {
	*cache
	inserted map[target]pendingRow
	deleted  map[string]bool
}

func newView(c *cache) *view {
	return &view{cache: c, inserted: map[target]pendingRow{}, deleted: map[string]bool{}}
}

// differ computes the difference of one owner. It only reads the view; plan is its only result.
type differ struct {
	view  *view
	owner string
	plan  *plan
	want  map[target]*wanted
	order []target
	match map[target]*row   // existing row of a wanted one
	uuids map[target]string // of every wanted row, also new ones
	kept  map[string]bool   // UUIDs of matched rows
}

// diff is the operations that make the database hold exactly rows for owner. Errors: *ContradictionError, *OwnedError,
// *MissingError, *InUseError, errLearn.
func diff(v *view, owner string, rows []Row) (*plan, error) {
	d := &differ{view: v, owner: owner, plan: newPlan(), want: map[target]*wanted{}, match: map[target]*row{},
		uuids: map[target]string{}, kept: map[string]bool{}}
	for _, step := range []func() error{func() error { return d.collect(rows) }, d.resolve, d.write, d.remove} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d.plan, nil
}

// collect makes one wanted row per identity.
func (d *differ) collect(rows []Row) error {
	for _, r := range rows {
		generic := r.row()
		for i := range generic {
			w := &generic[i]
			t := d.view.tables[w.table]
			if t == nil {
				return fmt.Errorf("table %s is not part of this database", w.table)
			}
			id := target{w.table, identity(t, w.parentText(), w.get)}
			if other, ok := d.want[id]; ok {
				if err := contradiction(readable(id.key), other, w); err != nil {
					return err
				}
				continue
			}
			d.want[id] = w
			d.order = append(d.order, id)
		}
	}
	return nil
}

// resolve finds the existing row of every wanted one, or a UUID for the new row. The server accepts UUIDs chosen by the
// client (ovsdb-server(7), "insert"), so references need no names that live for one transaction only.
func (d *differ) resolve() error {
	for _, id := range d.order {
		r, err := d.existing(id)
		if err != nil {
			return err
		}
		if r != nil {
			d.match[id], d.uuids[id], d.kept[r.uuid] = r, r.uuid, true
			continue
		}
		if d.view.tables[id.table].spec.adopt {
			return &MissingError{Table: id.table, Name: readable(id.key)}
		}
		d.uuids[id] = uuid.NewString()
	}
	return nil
}

func (d *differ) existing(id target) (*row, error) {
	t := d.view.tables[id.table]
	if t.spec.single {
		for _, r := range t.rows {
			return r, nil
		}
		return nil, nil
	}
	if p, ok := d.view.inserted[id]; ok {
		return nil, &OwnedError{Table: id.table, Name: readable(id.key), Owner: p.owner}
	}
	if t.spec.scoped && d.ambiguous(t, id) {
		return nil, errLearn
	}
	var best *row
	for _, r := range t.byKey[id.key] {
		if d.view.deleted[r.uuid] {
			continue
		}
		if holder := d.holder(r); holder != "" {
			return nil, &OwnedError{Table: id.table, Name: readable(id.key), Owner: holder}
		}
		if best == nil || better(r, best) {
			best = r
		}
	}
	if best != nil && best.parent == unknownParent {
		return nil, errLearn
	}
	return best, nil
}

// better prefers marked rows, then the lowest UUID (northbound.md R5).
func better(a, b *row) bool {
	if (a.owner != "") != (b.owner != "") {
		return a.owner != ""
	}
	return a.uuid < b.uuid
}

// ambiguous: a row without mark has this identity but for the parent, which is not known.
func (d *differ) ambiguous(t *table, id target) bool {
	_, rest, _ := strings.Cut(id.key, keySep)
	for _, r := range t.byKey[unknownParent+keySep+rest] {
		if d.holder(r) == "" {
			return true
		}
	}
	return false
}

// holder names who owns a row, when that is somebody else.
func (d *differ) holder(r *row) string {
	if r.owner != "" {
		if r.owner == d.owner {
			return ""
		}
		return r.owner
	}
	ext := r.get(externalIDs).m
	if v := ext[util.ExtVendor]; v != "" && v != util.Vendor {
		return v
	}
	for _, key := range []string{"ic-learned-route", "origin"} { // D-02: routes of interconnection and of users
		if v := ext[key]; v != "" && r.table.spec.name == ovnnb.LogicalRouterStaticRouteTable {
			return key + "=" + v
		}
	}
	return ""
}

// find returns the UUID of a row this one refers to.
func (d *differ) find(id target) (string, error) {
	if u, ok := d.uuids[id]; ok {
		return u, nil
	}
	if p, ok := d.view.inserted[id]; ok {
		return p.uuid, nil
	}
	r := d.view.lookup(id.table, id.key)
	if r == nil && d.view.tables[id.table].spec.single {
		for _, r = range d.view.tables[id.table].rows {
			break
		}
	}
	if r == nil || d.view.deleted[r.uuid] || r.owner == d.owner { // our own rows that are not wanted are about to go
		return "", &MissingError{Table: id.table, Name: readable(id.key)}
	}
	return r.uuid, nil
}

func (d *differ) write() error {
	for _, id := range d.order {
		w, r := d.want[id], d.match[id]
		cols, err := d.columns(id, w, r)
		if err != nil {
			return err
		}
		if r == nil {
			d.insert(id, w, cols)
		} else {
			d.update(r, cols)
		}
		if err := d.attach(id, w, r); err != nil {
			return err
		}
		if err := d.share(id, w); err != nil {
			return err
		}
	}
	return nil
}

// columns is the wanted value of every managed column the server has.
func (d *differ) columns(id target, w *wanted, r *row) (map[string]value, error) {
	t := d.view.tables[id.table]
	out := make(map[string]value, len(t.spec.columns))
	for _, cs := range t.spec.columns {
		col, ok := t.column(cs.name)
		if !ok {
			continue
		}
		switch cs.mode {
		case refs, shared:
			v, err := d.references(w.refs[cs.name])
			if err != nil {
				return nil, err
			}
			if cs.mode == shared {
				v = d.withForeign(v, cs, r)
			}
			out[cs.name] = v
		case marks:
			ext, err := d.marked(t, w)
			if err != nil {
				return nil, err
			}
			out[cs.name] = mapOf(ext)
		case keys:
			out[cs.name] = mapOf(maps.Clone(w.get(cs.name).m))
		case sticky:
			out[cs.name] = kept(cs, w, r, col.normal(w.cols[cs.name]))
		default:
			out[cs.name] = col.normal(w.cols[cs.name])
		}
	}
	return out, nil
}

// kept is what a sticky column is to hold: a default gives way to a usable value of the row.
func kept(cs columnSpec, w *wanted, r *row, want value) value {
	if r == nil || !slices.Contains(w.defaults, cs.name) {
		return want
	}
	if have := r.get(cs.name); cs.usable(have.scalar()) {
		return have
	}
	return want
}

func (d *differ) references(list []ref) (value, error) {
	atoms := make([]string, 0, len(list))
	pairs := map[string]string{}
	for _, rf := range list {
		u, err := d.find(rf.target)
		if err != nil {
			return value{}, err
		}
		if rf.index != "" {
			pairs[rf.index] = u
		}
		atoms = append(atoms, u)
	}
	if len(pairs) > 0 {
		return mapOf(pairs), nil
	}
	return setOf(atoms...), nil
}

// withForeign keeps the members of a shared column whose rows are not ours.
func (d *differ) withForeign(v value, cs columnSpec, r *row) value {
	if r == nil {
		return v
	}
	atoms := slices.Clone(v.set)
	for _, u := range r.get(cs.name).set {
		if m := d.view.tables[cs.table].rows[u]; m == nil || m.ext(util.ExtVendor) != util.Vendor {
			atoms = append(atoms, u)
		}
	}
	return setOf(atoms...)
}

// marked is the external_ids of a wanted row: its own, the mark, its parent and its groups.
func (d *differ) marked(t *table, w *wanted) (map[string]string, error) {
	ext := make(map[string]string, len(w.ext)+4)
	maps.Copy(ext, w.ext)
	ext[util.ExtVendor], ext[util.ExtOwner] = util.Vendor, d.owner
	for _, p := range t.spec.parents {
		if p.table == w.parent.table && p.ext != "" {
			ext[p.ext] = w.parent.key
		}
	}
	if len(w.groups) == 0 {
		return ext, nil
	}
	items := make([]string, 0, len(w.groups))
	for _, g := range w.groups {
		u, err := d.find(byName(ovnnb.PortGroupTable, g))
		if err != nil {
			return nil, err
		}
		items = append(items, g+":"+groupMark(u))
	}
	ext[util.ExtPortGroups] = strings.Join(items, ",")
	return ext, nil
}

func (d *differ) insert(id target, w *wanted, cols map[string]value) {
	t := d.view.tables[id.table]
	content := make(map[string]value, len(cols))
	for name, v := range cols {
		if t.spec.single {
			maps.DeleteFunc(v.m, func(_, text string) bool { return text == "" })
		}
		if col, _ := t.column(name); !v.equal(col.zero()) {
			content[name] = v
		}
	}
	if !t.spec.unique {
		d.plan.guard(t, w)
	}
	d.plan.insert(t, d.uuids[id], id, content)
}

func (d *differ) update(r *row, cols map[string]value) {
	content := map[string]value{}
	for _, cs := range r.table.spec.columns {
		want, ok := cols[cs.name]
		if !ok {
			continue
		}
		have := r.get(cs.name)
		switch cs.mode {
		case members, shared:
			d.plan.editSet(r.table, r.uuid, cs.name, minus(want, have), minus(have, want))
		case keys, marks:
			d.plan.editMap(r.table, r.uuid, cs.name, changedPairs(r, have.m, want.m), staleKeys(r, cs, have.m, want.m))
		default:
			if !have.equal(want) {
				content[cs.name] = want
			}
		}
	}
	if len(content) > 0 {
		d.plan.update(r, content)
	}
}

func minus(a, b value) []string {
	var out []string
	for _, x := range a.set {
		if !b.has(x) {
			out = append(out, x)
		}
	}
	return out
}

func changedPairs(r *row, have, want map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range want {
		if old, ok := have[k]; (!ok || old != v) && !(r.table.spec.single && v == "") {
			out[k] = v
		}
	}
	return out
}

// staleKeys are the keys to take out first: those we own and want no longer, and those with another value, because a
// map insert does not replace. In a single row, which everybody shares, "" is the wish to remove a key.
func staleKeys(r *row, cs columnSpec, have, want map[string]string) []string {
	var out []string
	for k, old := range have {
		v, wanted := want[k]
		switch {
		case wanted && v == old && !(r.table.spec.single && v == ""):
		case wanted:
			out = append(out, k)
		case cs.mode == marks && !matchesKey(cs.foreign, k), cs.mode == keys && matchesKey(cs.owned, k):
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// attach makes the wanted parent, and only it, hold the row, and the same for port groups.
func (d *differ) attach(id target, w *wanted, r *row) error {
	t := d.view.tables[id.table]
	if len(t.spec.parents) > 0 && (r == nil || r.parent != w.parentText()) {
		parent, err := d.find(w.parent)
		if err != nil {
			return err
		}
		d.plan.attach(d.view.tables[w.parent.table], parent, columnOfParent(t.spec, w.parent.table), d.uuids[id])
		if r != nil {
			d.detach(r)
		}
	}
	return d.join(id, w, r)
}

func columnOfParent(s *tableSpec, table string) string {
	for _, p := range s.parents {
		if p.table == table {
			return p.column
		}
	}
	return ""
}

func (d *differ) detach(r *row) {
	tableName, name, _ := strings.Cut(r.parent, "/")
	if p := d.view.lookup(tableName, name); p != nil && !d.view.deleted[p.uuid] {
		d.plan.detach(p.table, p.uuid, columnOfParent(r.table.spec, tableName), r.uuid)
	}
}

// join edits the port groups of a switch port.
func (d *differ) join(id target, w *wanted, r *row) error {
	have := d.memberships(r)
	groups := d.view.tables[ovnnb.PortGroupTable]
	for _, g := range w.groups {
		u, err := d.find(byName(ovnnb.PortGroupTable, g))
		if err != nil {
			return err
		}
		if have[u] {
			delete(have, u)
			continue
		}
		d.plan.attach(groups, u, "ports", d.uuids[id])
	}
	for _, u := range slices.Sorted(maps.Keys(have)) {
		if !d.view.deleted[u] {
			d.plan.detach(groups, u, "ports", r.uuid)
		}
	}
	return nil
}

// memberships are the UUIDs of the groups that hold a port; a record of a group that was made anew does not count.
func (d *differ) memberships(r *row) map[string]bool {
	out := map[string]bool{}
	if r == nil {
		return out
	}
	for _, m := range recordedGroups(r) {
		if g := d.view.lookup(ovnnb.PortGroupTable, m.name); g != nil && groupMark(g.uuid) == m.mark {
			out[g.uuid] = true
		}
	}
	if r.owner == "" {
		for _, name := range d.view.groups[r.uuid] {
			if g := d.view.lookup(ovnnb.PortGroupTable, name); g != nil {
				out[g.uuid] = true
			}
		}
	}
	return out
}

// share edits the routers that carry a load balancer.
func (d *differ) share(id target, w *wanted) error {
	if w.table != ovnnb.LoadBalancerTable {
		return nil
	}
	routers := d.view.tables[ovnnb.LogicalRouterTable]
	have := maps.Clone(routers.users[d.uuids[id]])
	for _, rf := range w.users {
		u, err := d.find(rf.target)
		if err != nil {
			return err
		}
		if have[u] == nil {
			d.plan.attach(routers, u, "load_balancer", d.uuids[id])
		}
		delete(have, u)
	}
	for _, u := range slices.Sorted(maps.Keys(have)) {
		d.plan.detach(routers, u, "load_balancer", d.uuids[id])
	}
	return nil
}
