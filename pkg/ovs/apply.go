package ovs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/ovn-org/libovsdb/ovsdb"
)

const (
	maxGroup    = 256 // requests in one transaction
	maxAttempts = 4   // of one group against a database that keeps changing
)

// errChanging: the database did not keep what was written, several times in a row.
var errChanging = errors.New("the database keeps changing under the transaction")

// errConflict: the transaction went through but a row that it was to change had just gone.
var errConflict = errors.New("a row went away under the transaction")

// request is one Apply on its way through the commit loop.
type request struct {
	owner string
	rows  []Row
	free  bool // give the owner's rows up and leave them where they are
	ops   int
	done  chan error
}

func (r *request) diff(v *view) (*plan, error) {
	if r.free {
		return freed(v, r.owner), nil
	}
	return diff(v, r.owner, r.rows)
}

// Apply makes the database hold exactly rows for owner. Equal rows send nothing; the difference is one transaction, shared
// with other callers of the same few milliseconds. An empty set deletes everything of the owner. It returns after the
// cache has the new state. Errors: ErrDisconnected, *MissingError, *OwnedError, *ContradictionError, *InUseError,
// transaction errors.
func (c *Client) Apply(ctx context.Context, owner Owner, rows []Row) (Result, error) {
	return c.submit(ctx, owner, &request{owner: owner.String(), rows: rows, done: make(chan error, 1)})
}

// Release gives up all rows of owner without touching what they do: who wants the same rows next adopts them, so that they
// change hands in place. Errors are those of Apply.
func (c *Client) Release(ctx context.Context, owner Owner) error {
	_, err := c.submit(ctx, owner, &request{owner: owner.String(), free: true, done: make(chan error, 1)})
	return err
}

func (c *Client) submit(ctx context.Context, owner Owner, r *request) (Result, error) {
	c.remember(r)
	p, err := c.difference(r)
	if err == nil && p.size() == 0 {
		return Result{}, nil
	}
	if err != nil && !errors.Is(err, errLearn) {
		return Result{}, fmt.Errorf("apply %s: %w", owner, err)
	}
	select {
	case c.requests <- r:
	case <-c.ended:
		return Result{}, fmt.Errorf("apply %s: %w", owner, ErrDisconnected)
	case <-ctx.Done():
		return Result{}, fmt.Errorf("apply %s: %w", owner, ctx.Err())
	}
	select {
	case err := <-r.done:
		if err != nil {
			return Result{}, fmt.Errorf("apply %s: %w", owner, err)
		}
		return Result{Operations: r.ops}, nil
	case <-c.ended:
		return Result{}, fmt.Errorf("apply %s: %w", owner, ErrDisconnected)
	}
}

// difference is the plan of a single request against the cache as it is now.
func (c *Client) difference(r *request) (*plan, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.rpc == nil {
		return nil, ErrDisconnected
	}
	return r.diff(newView(c.cache))
}

// commitLoop gathers the requests of a few milliseconds into groups.
func (c *Client) commitLoop(ctx context.Context) {
	for {
		var group []*request
		select {
		case <-ctx.Done():
			return
		case r := <-c.requests:
			group = append(group, r)
		}
		group = c.gather(ctx, group)
		for len(group) > 0 {
			now, later := distinct(group)
			c.commit(ctx, now)
			group = later
		}
	}
}

func (c *Client) gather(ctx context.Context, group []*request) []*request {
	if c.cfg.GroupWindow < 0 {
		return group
	}
	timer := time.NewTimer(c.cfg.GroupWindow)
	defer timer.Stop()
	for len(group) < maxGroup {
		select {
		case r := <-c.requests:
			group = append(group, r)
		case <-timer.C:
			return group
		case <-ctx.Done():
			return group
		}
	}
	return group
}

// distinct keeps one request per owner; a second one of the same owner must see what the first did.
func distinct(group []*request) (now, later []*request) {
	seen := map[string]bool{}
	for _, r := range group {
		if seen[r.owner] {
			later = append(later, r)
			continue
		}
		seen[r.owner] = true
		now = append(now, r)
	}
	return now, later
}

// commit carries a group through: one transaction for all, then a look at the cache that all is as wanted. When the
// server refuses it, the halves are tried alone, so that one bad row does not fail its neighbours.
func (c *Client) commit(ctx context.Context, group []*request) {
	for attempt := 0; len(group) > 0; attempt++ {
		all, open, rpc, unknown := c.plan(group)
		if len(unknown) > 0 {
			if err := c.learn(ctx, rpc); err != nil || attempt == maxAttempts {
				c.release(group)
				finish(unknown, cmp.Or(err, errLearn))
				unknown = nil
			}
			group = append(open, unknown...)
			continue
		}
		if group = open; len(group) == 0 {
			return
		}
		if attempt == maxAttempts {
			c.release(group)
			finish(group, errChanging)
			return
		}
		err := c.transact(ctx, rpc, all.operations())
		var refused *TransactError
		switch {
		case err == nil, errors.Is(err, errConflict): // the next round looks whether all is as wanted
		case errors.As(err, &refused) && len(group) > 1:
			half := len(group) / 2
			c.commit(ctx, group[:half])
			c.commit(ctx, group[half:])
			return
		default:
			c.release(group)
			finish(group, err)
			return
		}
	}
}

func finish(group []*request, err error) {
	for _, r := range group {
		r.done <- err
	}
}

// plan merges the differences of a group. Requests that are satisfied or in error are answered and left out; unknown are
// those that need the parents of unmarked rows first.
func (c *Client) plan(group []*request) (all *plan, open []*request, rpc *rpcConn, unknown []*request) {
	all = newPlan()
	c.mu.Lock()
	defer c.mu.Unlock()
	rpc = c.rpc
	v := newView(c.cache)
	for _, r := range group {
		if rpc == nil {
			c.settle(r, ErrDisconnected)
			continue
		}
		p, err := r.diff(v)
		switch {
		case errors.Is(err, errLearn):
			unknown = append(unknown, r)
		case err != nil:
			c.settle(r, err)
		case p.size() == 0:
			c.settle(r, nil)
		case c.cfg.DryRun != nil:
			r.ops = p.size()
			c.settle(r, c.pretend(r.owner, p))
		default:
			r.ops = max(r.ops, p.size())
			v.include(p, r.owner)
			all.merge(p)
			c.inflight[r.owner] = true
			open = append(open, r)
		}
	}
	return all, open, rpc, unknown
}

// include makes the plan of an earlier member visible to the later ones.
func (v *view) include(p *plan, owner string) {
	for id, u := range p.created {
		v.inserted[id] = pendingRow{uuid: u, owner: owner}
	}
	for u := range p.gone {
		v.deleted[u] = true
	}
}

// settle answers a request. Caller holds the lock.
func (c *Client) settle(r *request, err error) {
	delete(c.inflight, r.owner)
	r.done <- err
}

func (c *Client) release(group []*request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range group {
		delete(c.inflight, r.owner)
	}
}

// remember notes owners of keys in single rows, which carry no mark.
func (c *Client) remember(r *request) {
	single := slices.ContainsFunc(r.rows, func(row Row) bool {
		switch row.(type) {
		case NBGlobal, OpenVSwitch:
			return true
		}
		return false
	})
	c.mu.RLock()
	known := c.singles[r.owner]
	c.mu.RUnlock()
	if single == known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if single {
		c.singles[r.owner] = true
	} else {
		delete(c.singles, r.owner)
	}
}

// transact sends one transaction and checks every result and row count.
func (c *Client) transact(ctx context.Context, rpc *rpcConn, ops []operation) error {
	params := make([]any, 0, len(ops)+1)
	params = append(params, string(c.db))
	for _, op := range ops {
		params = append(params, op.body)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.TransactTimeout)
	defer cancel()
	start := time.Now()
	var results []*opResult
	err := rpc.call(ctx, "transact", params, &results)
	if err == nil {
		err = checkResults(ops, results)
	}
	c.stats.count(c.db, start, len(ops), err)
	return err
}

type opResult struct {
	Count   int              `json:"count"`
	Error   string           `json:"error"`
	Details string           `json:"details"`
	Rows    []map[string]any `json:"rows"`
}

// TransactError is what the server said about one operation of a transaction.
type TransactError struct {
	Operation string // text of the operation, "" when the commit as a whole failed
	Reason    string // "constraint violation", "referential integrity violation", ... (RFC 7047 section 3.1)
	Details   string
}

func (e *TransactError) Error() string {
	text := e.Reason
	if e.Details != "" {
		text += ": " + e.Details
	}
	if e.Operation != "" {
		text += " (" + e.Operation + ")"
	}
	return text
}

func checkResults(ops []operation, results []*opResult) error {
	for i, r := range results {
		if r == nil || r.Error == "" {
			continue
		}
		e := &TransactError{Reason: r.Error, Details: r.Details}
		if i < len(ops) {
			e.Operation = ops[i].text
		}
		return e
	}
	if len(results) < len(ops) {
		return fmt.Errorf("%d operations sent, %d results received", len(ops), len(results))
	}
	for i, op := range ops {
		if op.count >= 0 && (results[i] == nil || results[i].Count != op.count) {
			return fmt.Errorf("%w: %s", errConflict, op.text)
		}
	}
	return nil
}

// install puts a freshly filled cache in place and tells observers and owners what is different from the old one.
func (c *Client) install(rpc *rpcConn, fresh *cache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.cache
	c.cache, c.rpc = fresh, rpc
	c.stats.sessions.Add(1)
	if old != nil {
		c.publish(compare(old, fresh))
	}
}

func compare(old, fresh *cache) []change {
	var out []change
	for name, t := range fresh.tables {
		before := old.tables[name]
		for u, r := range t.rows {
			was := before.rows[u]
			if was == nil || !slices.EqualFunc(was.vals, r.vals, value.equal) {
				out = append(out, change{was, r})
			}
		}
		for u, r := range before.rows {
			if t.rows[u] == nil {
				out = append(out, change{old: r})
			}
		}
	}
	return out
}

// updated applies what the server pushed; an error ends the session and so rebuilds the cache.
func (c *Client) updated(rpc *rpcConn, updates tableUpdates) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rpc != rpc || c.cfg.DryRun != nil { // what a dry run pretends starts from one state
		return nil
	}
	changes, err := c.cache.apply(updates)
	if err != nil {
		c.rpc, c.lost, c.lastErr = nil, time.Now(), err
		return err
	}
	c.publish(changes)
	return nil
}

// learnParents looks up what the lean cache does not have, for rows that do not say it themselves: one select per parent
// table, only when such rows exist (a database written by an earlier release or by hand).
func (s *session) learnParents(ctx context.Context, fresh *cache) error {
	if !fresh.hasUnknown() {
		return nil
	}
	parents, groups, err := askParents(ctx, s.rpc, s.client.db)
	if err != nil {
		return err
	}
	fresh.learn(parents, groups)
	return nil
}

func (c *cache) hasUnknown() bool {
	for _, t := range c.tables {
		if len(t.spec.parents) == 0 {
			continue
		}
		for _, r := range t.rows {
			if r.parent == unknownParent {
				return true
			}
		}
	}
	return false
}

func (c *Client) learn(ctx context.Context, rpc *rpcConn) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.TransactTimeout)
	defer cancel()
	parents, groups, err := askParents(ctx, rpc, c.db)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rpc == rpc {
		c.cache.learn(parents, groups)
	}
	return nil
}

// askParents selects the child columns of every parent table: child UUID -> "<table>/<name>", and port UUID -> groups.
func askParents(ctx context.Context, rpc *rpcConn, db Database) (map[string]string, map[string][]string, error) {
	columns := map[string][]string{}
	for _, spec := range tablesOf(db) {
		for _, p := range spec.parents {
			if p.ext != "" && !slices.Contains(columns[p.table], p.column) {
				columns[p.table] = append(columns[p.table], p.column)
			}
		}
	}
	if db == Northbound {
		columns[ovnnb.PortGroupTable] = append(columns[ovnnb.PortGroupTable], "ports")
	}
	params, tables := []any{string(db)}, []string{}
	for table, cols := range columns {
		params = append(params, map[string]any{"op": ovsdb.OperationSelect, "table": table, "where": []any{},
			"columns": append([]string{"name"}, cols...)})
		tables = append(tables, table)
	}
	var results []*opResult
	if err := rpc.call(ctx, "transact", params, &results); err != nil {
		return nil, nil, fmt.Errorf("look up parents: %w", err)
	}
	parents, groups := map[string]string{}, map[string][]string{}
	for i, table := range tables {
		if i >= len(results) || results[i] == nil || results[i].Error != "" {
			return nil, nil, fmt.Errorf("look up parents in %s failed", table)
		}
		for _, r := range results[i].Rows {
			name, _ := r["name"].(string)
			for _, col := range columns[table] {
				children, err := decode(r[col])
				if err != nil {
					return nil, nil, fmt.Errorf("look up parents in %s: %w", table, err)
				}
				for _, u := range children.set {
					if table == ovnnb.PortGroupTable && col == "ports" {
						groups[u] = append(groups[u], name)
						continue
					}
					parents[u] = table + "/" + name
				}
			}
		}
	}
	return parents, groups, nil
}
