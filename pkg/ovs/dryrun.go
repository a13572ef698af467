package ovs

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// dryRun remembers what would have been written, so that rows can refer to rows that were only printed, and so that an
// owner that asks again and again is printed once.
type dryRun struct {
	inserted map[target]pendingRow
	printed  map[string]string
}

// view is the cache and, in a dry run, what other owners would have inserted. Caller holds the lock.
func (c *Client) view(owner string) *view {
	v := newView(c.cache)
	for id, p := range c.dry.inserted {
		if p.owner == owner {
			v.planned[id] = p.uuid
		} else {
			v.inserted[id] = p
		}
	}
	return v
}

var uuidText = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// print writes one line per operation, with identities in the place of UUIDs.
func (d *dryRun) print(w io.Writer, c *cache, owner string, p *plan) error {
	if d.inserted == nil {
		d.inserted, d.printed = map[target]pendingRow{}, map[string]string{}
	}
	for id, u := range p.created {
		d.inserted[id] = pendingRow{uuid: u, owner: owner}
	}
	var b strings.Builder
	for _, op := range p.operations() {
		if !op.quiet {
			fmt.Fprintf(&b, "%s: %s\n", owner, uuidText.ReplaceAllStringFunc(op.text, func(u string) string { return d.nameOf(c, u) }))
		}
	}
	if d.printed[owner] == b.String() {
		return nil
	}
	d.printed[owner] = b.String()
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the difference: %w", err)
	}
	return nil
}

func (d *dryRun) nameOf(c *cache, u string) string {
	for id, p := range d.inserted {
		if p.uuid == u {
			return readable(id.key)
		}
	}
	for _, t := range c.tables {
		if r := t.rows[u]; r != nil {
			return r.name()
		}
	}
	return u
}
