package ovs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// InUseError says that a row cannot go because rows of other owners would silently lose their reference to it: a static
// route without its BFD row turns into an unprotected one (northbound.md R3).
type InUseError struct{ Table, Name, By string }

func (e *InUseError) Error() string { return fmt.Sprintf("%s %q is used by %s", e.Table, e.Name, e.By) }

// remove takes away the owner's rows that are wanted no longer, and duplicates of those that are.
func (d *differ) remove() error {
	gone := make([]*row, 0)
	for _, r := range d.view.owners[d.owner] {
		if !d.kept[r.uuid] {
			gone = append(gone, r)
		}
	}
	for _, id := range d.order {
		for _, r := range d.view.tables[id.table].byKey[id.key] {
			if d.match[id] != nil && r.owner == "" && !d.kept[r.uuid] && d.holder(r) == "" {
				gone = append(gone, r)
			}
		}
	}
	old, err := d.earlierRoutes()
	if err != nil {
		return err
	}
	gone = append(gone, old...)
	slices.SortFunc(gone, func(a, b *row) int { return cmp.Compare(a.uuid, b.uuid) })
	leaving := map[string]bool{}
	for _, r := range gone {
		leaving[r.uuid] = true
	}
	explicit := d.explicit(gone, leaving)
	for _, r := range gone {
		if err := d.guarded(r, leaving); err != nil {
			return err
		}
		if err := d.removeRow(r, leaving, explicit[r.uuid]); err != nil {
			return err
		}
	}
	return nil
}

// earlierRoutes are the unmarked routes of wanted routers that an earlier release made (D-02) and nobody wants now.
func (d *differ) earlierRoutes() ([]*row, error) {
	var out []*row
	for _, id := range d.order {
		w := d.want[id]
		if len(w.gateways) == 0 {
			continue
		}
		for _, r := range d.view.tables[ovnnb.LogicalRouterStaticRouteTable].unmarked {
			if d.kept[r.uuid] || d.holder(r) != "" || !d.earlier(r, w) {
				continue
			}
			if r.parent == unknownParent {
				return nil, errLearn
			}
			if r.parent == id.table+"/"+id.key {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (d *differ) earlier(route *row, router *wanted) bool {
	if prefix := route.get("ip_prefix").scalar(); prefix == "0.0.0.0/0" || prefix == "::/0" {
		return slices.Contains(router.gateways, route.get("nexthop").scalar())
	}
	session := d.view.tables[ovnnb.BFDTable].rows[route.get("bfd").scalar()]
	if session == nil {
		return false
	}
	port := d.view.lookup(ovnnb.LogicalRouterPortTable, session.get("logical_port").scalar())
	return port != nil && port.parent == ovnnb.LogicalRouterTable+"/"+router.cols["name"].scalar()
}

// explicit are the children that must be deleted and not only detached: the server checks references before it collects,
// so a child must not hold a root row that leaves too, nor may its parent hold it then.
func (d *differ) explicit(gone []*row, leaving map[string]bool) map[string]bool {
	out := map[string]bool{}
	for _, r := range gone {
		for up := r; up != nil && leaving[up.uuid] && !up.table.spec.root && (up != r || d.holds(r, leaving)); {
			out[up.uuid] = true
			tableName, name, _ := strings.Cut(up.parent, "/")
			up = d.view.lookup(tableName, name)
		}
	}
	return out
}

// holds: the row refers to a root row that leaves.
func (d *differ) holds(r *row, leaving map[string]bool) bool {
	for _, cs := range r.table.spec.columns {
		if cs.mode != refs || !d.view.tables[cs.table].spec.root {
			continue
		}
		for _, u := range r.get(cs.name).set {
			if leaving[u] {
				return true
			}
		}
	}
	return false
}

// guarded refuses to remove a row that others would silently lose.
func (d *differ) guarded(r *row, leaving map[string]bool) error {
	spec := r.table.spec
	for _, guard := range spec.guards {
		name, col, _ := strings.Cut(guard, ".")
		for _, user := range d.view.tables[name].users[r.uuid] {
			if leaving[user.uuid] || d.view.deleted[user.uuid] || d.plan.drops(user.uuid, col) {
				continue
			}
			return &InUseError{Table: spec.name, Name: r.name(), By: name + " " + user.name()}
		}
	}
	return nil
}

func (d *differ) removeRow(r *row, leaving map[string]bool, explicit bool) error {
	spec := r.table.spec
	switch {
	case spec.byRef: // dies with the reference to it
		d.plan.dying(r)
	case spec.root:
		d.unhook(r, leaving)
		d.plan.delete(r)
	case r.parent == unknownParent:
		return errLearn
	default:
		tableName, name, _ := strings.Cut(r.parent, "/")
		p := d.view.lookup(tableName, name)
		if p == nil {
			return errLearn
		}
		d.plan.dying(r)
		if !leaving[p.uuid] && !d.view.deleted[p.uuid] {
			d.plan.detach(p.table, p.uuid, columnOfParent(spec, tableName), r.uuid)
		}
		if explicit {
			d.plan.delete(r)
		}
	}
	return nil
}

// unhook takes a row that goes out of the sets of those that it serves. The server would do so by itself, but leaves the UUID
// of the deleted row behind when the same transaction changes another column of the row that holds it (ovsdb-server 3.1).
func (d *differ) unhook(r *row, leaving map[string]bool) {
	if r.table.spec.name != ovnnb.LoadBalancerTable {
		return
	}
	for _, name := range []string{ovnnb.LogicalRouterTable, ovnnb.LogicalSwitchTable} {
		t := d.view.tables[name]
		for _, u := range slices.Sorted(maps.Keys(t.users[r.uuid])) {
			if !leaving[u] && !d.view.deleted[u] {
				d.plan.detach(t, u, "load_balancer", r.uuid)
			}
		}
	}
}

// freed is the plan that takes the owner's name off its rows.
func freed(v *view, owner string) *plan {
	p := newPlan()
	for _, u := range slices.Sorted(maps.Keys(v.owners[owner])) {
		if !v.deleted[u] {
			p.editMap(v.owners[owner][u].table, u, externalIDs, nil, []string{util.ExtOwner})
		}
	}
	return p
}
