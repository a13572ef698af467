package ovs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// dispatcher runs callbacks in order on one goroutine, so that they never run under the client's lock.
type dispatcher struct {
	mu    sync.Mutex
	queue []func()
	wake  chan struct{}
}

func newDispatcher() *dispatcher { return &dispatcher{wake: make(chan struct{}, 1)} }

func (d *dispatcher) add(fns ...func()) {
	if len(fns) == 0 {
		return
	}
	d.mu.Lock()
	d.queue = append(d.queue, fns...)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *dispatcher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		d.mu.Lock()
		batch := d.queue
		d.queue = nil
		d.mu.Unlock()
		for _, fn := range batch {
			fn()
		}
	}
}

// OnDrift calls fn with the key when a row of that kind of owner was changed or removed by somebody else, and with every
// affected key after a reconnect that found the database different (emptied, restored). fn must only enqueue.
func (c *Client) OnDrift(kind string, fn func(key string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drift[kind] = append(c.drift[kind], fn)
}

// Observe calls fn for every row of a table now and whenever one of its status columns changes (BFD.status,
// Logical_Switch_Port.up, Chassis.hostname, Interface.external_ids, ...). fn must only enqueue.
func (c *Client) Observe(table string, fn func(Observation)) {
	c.watch(table, fn)
}

// watcher is one registered observer.
type watcher struct{ fn func(Observation) }

// watch registers fn and returns what removes it again.
func (c *Client) watch(table string, fn func(Observation)) func() {
	w := &watcher{fn: fn}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[table] = append(c.watchers[table], w)
	remove := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watchers[table] = slices.DeleteFunc(slices.Clone(c.watchers[table]), func(o *watcher) bool { return o == w })
	}
	t := c.cache.tables[table]
	if t == nil {
		return remove
	}
	fns := make([]func(), 0, len(t.rows))
	for _, r := range t.rows {
		o := observation(r, false)
		fns = append(fns, func() { fn(o) })
	}
	c.events.add(fns...)
	return remove
}

// Get returns the observed state of one row by identity; several identity columns are joined with a blank.
func (c *Client) Get(table, name string) (Observation, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.cache.tables[table] == nil {
		return Observation{}, false
	}
	r := c.cache.lookup(table, name)
	if r == nil {
		r = c.cache.lookup(table, strings.ReplaceAll(name, " ", keySep))
	}
	if r == nil {
		return Observation{}, false
	}
	return observation(r, false), true
}

// WaitFor blocks until an observed row satisfies ok, or ctx ends.
func (c *Client) WaitFor(ctx context.Context, table, name string, ok func(Observation) bool) error {
	changed := make(chan struct{}, 1)
	remove := c.watch(table, func(o Observation) {
		if o.Name != name {
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer remove()
	for {
		if o, found := c.Get(table, name); found && ok(o) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s %q: %w", table, name, ctx.Err())
		case <-changed:
		}
	}
}

// observation is the status part of a row. Columns holds string, int, bool, []string or map[string]string by the column's
// type; an optional column without value is absent.
func observation(r *row, deleted bool) Observation {
	o := Observation{Name: r.name(), UUID: r.uuid, Columns: make(map[string]any, len(r.table.spec.status)),
		ExternalIDs: maps.Clone(r.get(externalIDs).m), Deleted: deleted}
	for _, name := range r.table.spec.status {
		col, ok := r.table.column(name)
		if !ok || name == externalIDs {
			continue
		}
		if v := native(col, r.get(name)); v != nil {
			o.Columns[name] = v
		}
	}
	return o
}

func native(col column, v value) any {
	switch {
	case col.val != "":
		return maps.Clone(v.m)
	case col.multi:
		return slices.Clone(v.set)
	case len(v.set) == 0:
		return nil
	case col.key == ovsdb.TypeInteger:
		n, err := strconv.Atoi(v.scalar())
		if err != nil {
			return nil
		}
		return n
	case col.key == ovsdb.TypeBoolean:
		return v.scalar() == "true"
	}
	return v.scalar()
}

// statusChanged says whether observers care.
func statusChanged(ch change) bool {
	if ch.old == nil || ch.new == nil {
		return true
	}
	for _, name := range ch.new.table.spec.status {
		if !ch.old.get(name).equal(ch.new.get(name)) {
			return true
		}
	}
	return false
}

// drifted lists the owners that must look at a change that is not their own.
func (c *cache) drifted(ch change) []string {
	if g := ch.any(); g.table.spec.name == ovnnb.PortGroupTable && (ch.old == nil || ch.new == nil) {
		return append(c.strayMembers(g), ownersOf(ch)...)
	}
	if ch.old != nil && ch.new != nil && !managedChanged(ch) {
		return nil
	}
	return ownersOf(ch)
}

func ownersOf(ch change) []string {
	var out []string
	if ch.old != nil && ch.old.owner != "" {
		out = append(out, ch.old.owner)
	}
	if ch.new != nil && ch.new.owner != "" && !slices.Contains(out, ch.new.owner) {
		out = append(out, ch.new.owner)
	}
	return out
}

func managedChanged(ch change) bool {
	for _, cs := range ch.new.table.spec.columns {
		if !ch.old.get(cs.name).equal(ch.new.get(cs.name)) {
			return true
		}
	}
	return false
}

// strayMembers are the owners of ports that recorded a group which is not there any more, or is there anew without them.
func (c *cache) strayMembers(group *row) []string {
	var out []string
	now := c.lookup(ovnnb.PortGroupTable, group.key)
	for _, port := range c.members[group.key] {
		for _, m := range recordedGroups(port) {
			if m.name == group.key && (now == nil || m.mark != groupMark(now.uuid)) && !slices.Contains(out, port.owner) {
				out = append(out, port.owner)
			}
		}
	}
	return out
}

// publish hands changes to observers and, unless the owner's own transaction is under way, to the drift callbacks.
// Caller holds the lock.
func (c *Client) publish(changes []change) {
	var fns []func()
	told := map[string]bool{}
	for _, ch := range changes {
		if statusChanged(ch) {
			fns = append(fns, c.observers(ch)...)
		}
		owners := c.cache.drifted(ch)
		if ch.any().table.spec.single && (ch.old == nil || ch.new == nil || managedChanged(ch)) {
			owners = slices.Collect(maps.Keys(c.singles))
		}
		for _, owner := range owners {
			if c.inflight[owner] || told[owner] {
				continue
			}
			told[owner] = true
			kind, key, _ := strings.Cut(owner, "/")
			for _, fn := range c.drift[kind] {
				fns = append(fns, func() { fn(key) })
			}
		}
	}
	c.events.add(fns...)
}

func (c *Client) observers(ch change) []func() {
	watchers := c.watchers[ch.any().table.spec.name]
	if len(watchers) == 0 {
		return nil
	}
	o := observation(ch.any(), ch.new == nil)
	out := make([]func(), 0, len(watchers))
	for _, w := range watchers {
		out = append(out, func() { w.fn(o) })
	}
	return out
}
