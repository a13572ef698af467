package ovs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// errInconsistent: an update does not fit the cache, which must then be rebuilt.
var errInconsistent = errors.New("cache is inconsistent")

const (
	unknownParent = "?" // parent of a child row that does not carry our mark and was not looked up yet
	keySep        = "\x00"
)

// row is one cached row. Rows are never changed: an update replaces them, so they may be read without the lock.
type row struct {
	table  *table
	uuid   string
	vals   []value // by table.cols
	owner  string  // "" when the row does not carry our mark
	parent string  // "<table>/<name>", unknownParent, or "" for tables without parents
	key    string  // identity, with the parent in front for scoped tables
}

func (r *row) get(col string) value {
	if i, ok := r.table.index[col]; ok {
		return r.vals[i]
	}
	return value{}
}

func (r *row) ext(key string) string { return r.get(externalIDs).m[key] }

// name is the identity as people read it.
func (r *row) name() string { return readable(r.key) }

func readable(key string) string { return strings.ReplaceAll(key, keySep, " ") }

// table is the cached part of one OVSDB table.
type table struct {
	spec  *tableSpec
	cols  []column
	index map[string]int
	rows  map[string]*row   // by UUID
	byKey map[string][]*row // by identity
	// unmarked are the rows without our mark, of tables whose rows belong to a parent
	unmarked map[string]*row
	// users finds the rows that refer to a UUID through the columns named in used.
	used  []int
	users map[string]map[string]*row
}

func (t *table) column(name string) (column, bool) {
	i, ok := t.index[name]
	if !ok {
		return column{}, false
	}
	return t.cols[i], true
}

// cache is the lean copy of a database. It is a value of its own, without lock and connection.
type cache struct {
	tables map[string]*table
	owners map[string]map[string]*row // owner -> UUID -> row
	// learned is the parent, and groups the port groups, of rows that do not say so themselves.
	learned map[string]string
	groups  map[string][]string
	members map[string]map[string]*row // port group name -> UUID -> switch ports that record it
}

// newCache makes an empty cache of the tables and columns that both sides know.
func newCache(db Database, schema ovsdb.DatabaseSchema) (*cache, error) {
	c := &cache{tables: map[string]*table{}, owners: map[string]map[string]*row{}, learned: map[string]string{},
		groups: map[string][]string{}, members: map[string]map[string]*row{}}
	for _, spec := range tablesOf(db) {
		ts := schema.Table(spec.name)
		if ts == nil {
			return nil, fmt.Errorf("the server's %s schema %s has no table %s", db, schema.Version, spec.name)
		}
		c.tables[spec.name] = newTable(spec, ts)
	}
	for _, t := range c.tables {
		for _, guard := range t.spec.guards {
			name, col, _ := strings.Cut(guard, ".")
			user := c.tables[name]
			if i, ok := user.index[col]; ok {
				user.used = append(user.used, i)
			}
		}
	}
	for _, name := range []string{ovnnb.LogicalRouterTable, ovnnb.LogicalSwitchTable} {
		if t := c.tables[name]; t != nil {
			t.used = append(t.used, t.index["load_balancer"])
		}
	}
	return c, nil
}

func newTable(spec *tableSpec, ts *ovsdb.TableSchema) *table {
	t := &table{spec: spec, index: map[string]int{}, rows: map[string]*row{}, byKey: map[string][]*row{}, unmarked: map[string]*row{},
		users: map[string]map[string]*row{}}
	add := func(name string) {
		if _, ok := t.index[name]; ok {
			return
		}
		if s := ts.Column(name); s != nil {
			t.index[name] = len(t.cols)
			t.cols = append(t.cols, newColumn(name, s))
		}
	}
	for _, id := range spec.identity {
		if !strings.HasPrefix(id, externalIDs) {
			add(id)
		}
	}
	for _, c := range spec.columns {
		add(c.name)
	}
	for _, s := range spec.status {
		add(s)
	}
	return t
}

// monitorRequests asks for the columns of the cache and nothing else.
func (c *cache) monitorRequests() map[string]ovsdb.MonitorRequest {
	out := make(map[string]ovsdb.MonitorRequest, len(c.tables))
	for name, t := range c.tables {
		cols := make([]string, 0, len(t.cols))
		for _, col := range t.cols {
			cols = append(cols, col.name)
		}
		out[name] = ovsdb.MonitorRequest{Columns: cols}
	}
	return out
}

// change is one row before and after an update; nil means absent.
type change struct{ old, new *row }

func (ch change) any() *row {
	if ch.new != nil {
		return ch.new
	}
	return ch.old
}

// tableUpdates is <table-updates2> of ovsdb-server(7) section 4.1.14.
type tableUpdates map[string]map[string]rowUpdate

type rowUpdate struct {
	Initial map[string]any  `json:"initial"`
	Insert  map[string]any  `json:"insert"`
	Modify  map[string]any  `json:"modify"`
	Delete  json.RawMessage `json:"delete"`
}

// apply changes the cache as the server says and returns what changed. After an error the cache is unusable.
func (c *cache) apply(updates tableUpdates) ([]change, error) {
	var changes []change
	for name, rows := range updates {
		t := c.tables[name]
		if t == nil {
			continue
		}
		for uuid, u := range rows {
			ch, err := c.applyRow(t, uuid, u)
			if err != nil {
				return changes, fmt.Errorf("%s %s: %w", name, uuid, err)
			}
			changes = append(changes, ch)
		}
	}
	return changes, nil
}

func (c *cache) applyRow(t *table, uuid string, u rowUpdate) (change, error) {
	old := t.rows[uuid]
	var vals []value
	var err error
	switch {
	case u.Initial != nil || u.Insert != nil:
		if old != nil {
			return change{}, fmt.Errorf("%w: inserted twice", errInconsistent)
		}
		content := u.Insert
		if u.Initial != nil {
			content = u.Initial
		}
		vals, err = t.inserted(content)
	case u.Modify != nil:
		if old == nil {
			return change{}, fmt.Errorf("%w: modified before inserted", errInconsistent)
		}
		vals, err = t.modified(old.vals, u.Modify)
	default:
		if old == nil {
			return change{}, fmt.Errorf("%w: deleted before inserted", errInconsistent)
		}
		c.remove(old)
		delete(c.learned, uuid)
		delete(c.groups, uuid)
		return change{old: old}, nil
	}
	if err != nil {
		return change{}, err
	}
	if old != nil {
		c.remove(old)
	}
	r := &row{table: t, uuid: uuid, vals: vals}
	c.add(r)
	return change{old: old, new: r}, nil
}

func (t *table) inserted(content map[string]any) ([]value, error) {
	vals := make([]value, len(t.cols))
	for i, col := range t.cols {
		vals[i] = col.zero()
	}
	for name, raw := range content {
		i, ok := t.index[name]
		if !ok {
			continue
		}
		v, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		vals[i] = v
	}
	return vals, nil
}

func (t *table) modified(old []value, content map[string]any) ([]value, error) {
	vals := slices.Clone(old)
	for name, raw := range content {
		i, ok := t.index[name]
		if !ok {
			continue
		}
		diff, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		vals[i] = t.cols[i].patch(old[i], diff)
	}
	return vals, nil
}

// add derives the mark, the parent and the identity of r and indexes it.
func (c *cache) add(r *row) {
	t := r.table
	if ext := r.get(externalIDs).m; ext[util.ExtVendor] == util.Vendor && !t.spec.single {
		r.owner = ext[util.ExtOwner]
	}
	r.parent = c.parentOf(r)
	r.key = identity(t, r.parent, r.get)
	t.rows[r.uuid] = r
	t.byKey[r.key] = append(t.byKey[r.key], r)
	if r.owner != "" {
		link(c.owners, r.owner, r)
	} else if t.spec.scoped {
		t.unmarked[r.uuid] = r
	}
	for _, i := range t.used {
		for _, target := range r.vals[i].set {
			link(t.users, target, r)
		}
	}
	for _, m := range recordedGroups(r) {
		link(c.members, m.name, r)
	}
}

func (c *cache) remove(r *row) {
	t := r.table
	delete(t.rows, r.uuid)
	delete(t.unmarked, r.uuid)
	same := slices.DeleteFunc(slices.Clone(t.byKey[r.key]), func(o *row) bool { return o.uuid == r.uuid })
	if len(same) == 0 {
		delete(t.byKey, r.key)
	} else {
		t.byKey[r.key] = same
	}
	if r.owner != "" {
		unlink(c.owners, r.owner, r)
	}
	for _, i := range t.used {
		for _, target := range r.vals[i].set {
			unlink(t.users, target, r)
		}
	}
	for _, m := range recordedGroups(r) {
		unlink(c.members, m.name, r)
	}
}

func link(index map[string]map[string]*row, key string, r *row) {
	rows := index[key]
	if rows == nil {
		rows = map[string]*row{}
		index[key] = rows
	}
	rows[r.uuid] = r
}

func unlink(index map[string]map[string]*row, key string, r *row) {
	delete(index[key], r.uuid)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// parentOf believes what a row says about its parent only when the row carries our mark.
func (c *cache) parentOf(r *row) string {
	parents := r.table.spec.parents
	if len(parents) == 0 {
		return ""
	}
	if parents[0].ext == "" {
		return parents[0].table + "/"
	}
	if r.owner != "" {
		for _, p := range parents {
			if name := r.ext(p.ext); name != "" {
				delete(c.learned, r.uuid) // from now on the row says it itself
				delete(c.groups, r.uuid)
				return p.table + "/" + name
			}
		}
	}
	if p, ok := c.learned[r.uuid]; ok {
		return p
	}
	return unknownParent
}

// identity is the key of a row, or of a wanted row, in its table.
func identity(t *table, parent string, get func(string) value) string {
	parts := make([]string, 0, len(t.spec.identity)+1)
	if t.spec.scoped {
		parts = append(parts, parent)
	}
	for _, id := range t.spec.identity {
		if key, ok := strings.CutPrefix(id, externalIDs+":"); ok {
			parts = append(parts, identityExt(t, key, get(externalIDs).m))
			continue
		}
		if _, ok := t.index[id]; !ok {
			continue
		}
		text := get(id).scalar()
		if id == "policy" && text == "" {
			text = ovnnb.LogicalRouterStaticRoutePolicyDstIP
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, keySep)
}

// identityExt reads an identity kept in external_ids. DHCP options made by earlier releases have no name there; theirs
// follows from switch, protocol and port (northbound.md 3).
func identityExt(t *table, key string, ext map[string]string) string {
	if name := ext[key]; name != "" || t.spec.name != ovnnb.DHCPOptionsTable {
		return name
	}
	name := ext[util.ExtSwitch] + "/" + ext[util.ExtProtocol]
	if port := ext[util.ExtPort]; port != "" {
		name += "/" + port
	}
	return name
}

// membership is one recorded port group: its name and the beginning of its UUID, which tells a group that was deleted
// and made again, and has lost its members, from the one the port joined.
type membership struct{ name, mark string }

func recordedGroups(r *row) []membership {
	if r.owner == "" || r.table.spec.name != ovnnb.LogicalSwitchPortTable {
		return nil
	}
	text := r.ext(util.ExtPortGroups)
	if text == "" {
		return nil
	}
	var out []membership
	for _, item := range strings.Split(text, ",") {
		if name, mark, ok := strings.Cut(item, ":"); ok {
			out = append(out, membership{name, mark})
		}
	}
	return out
}

func groupMark(uuid string) string { return uuid[:min(8, len(uuid))] }

// lookup returns the row of an identity: ours before others', then the lowest UUID.
func (c *cache) lookup(tableName, key string) *row {
	t := c.tables[tableName]
	if t == nil {
		return nil
	}
	var best *row
	for _, r := range t.byKey[key] {
		if best == nil || better(r, best) {
			best = r
		}
	}
	return best
}

// learn notes the true parents and groups of rows and re-indexes them.
func (c *cache) learn(parents map[string]string, groups map[string][]string) {
	for _, t := range c.tables {
		if len(t.spec.parents) == 0 || t.spec.parents[0].ext == "" {
			continue
		}
		for uuid, r := range t.rows {
			parent, ok := parents[uuid]
			if !ok || r.owner != "" && r.parent != unknownParent {
				continue
			}
			c.learned[uuid] = parent
			c.groups[uuid] = groups[uuid]
			c.remove(r)
			c.add(&row{table: t, uuid: uuid, vals: r.vals})
		}
	}
}
