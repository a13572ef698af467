package ovs

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func groupOf(owners ...string) []*request {
	out := make([]*request, 0, len(owners))
	for _, o := range owners {
		out = append(out, &request{owner: o, done: make(chan error, 1)})
	}
	return out
}

func ownersIn(group []*request) string {
	out := make([]string, 0, len(group))
	for _, r := range group {
		out = append(out, r.owner)
	}
	return strings.Join(out, " ")
}

func TestDistinct(t *testing.T) {
	tests := []struct{ in, now, later string }{
		{"", "", ""},
		{"a b c", "a b c", ""},
		{"a a", "a", "a"},
		{"a b a c b a", "a b c", "a b a"},
	}
	for _, tt := range tests {
		now, later := distinct(groupOf(strings.Fields(tt.in)...))
		if ownersIn(now) != tt.now || ownersIn(later) != tt.later {
			t.Errorf("%q: now %q, later %q", tt.in, ownersIn(now), ownersIn(later))
		}
	}
}

// TestGather: a group takes what arrives within its window, no more than its maximum, and nothing without a window.
func TestGather(t *testing.T) {
	tests := []struct {
		name    string
		window  time.Duration
		waiting int
		want    int
	}{
		{"no window", -1, 5, 1},
		{"company", 200 * time.Millisecond, 5, 6},
		{"alone", time.Millisecond, 0, 1},
		{"crowd", time.Minute, 2 * maxGroup, maxGroup},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{cfg: Config{GroupWindow: tt.window}, requests: make(chan *request, tt.waiting)}
			for range tt.waiting {
				c.requests <- &request{}
			}
			if got := len(c.gather(t.Context(), groupOf("first"))); got != tt.want {
				t.Errorf("group of %d, want %d", got, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &Client{cfg: Config{GroupWindow: time.Minute}}
	if got := len(c.gather(ctx, groupOf("first"))); got != 1 {
		t.Errorf("group of %d when the client ends", got)
	}
}

// TestMerge: plans of several owners that touch one parent become one mutate of it.
func TestMerge(t *testing.T) {
	c, err := newCache(Northbound, readSchema(t, "ovn-nb"))
	if err != nil {
		t.Fatal(err)
	}
	sw := c.tables["Logical_Switch"]
	ext := map[string]any{"name": "s", "external_ids": []any{"map", []any{[]any{"a", "1"}}}}
	if _, err := c.apply(tableUpdates{"Logical_Switch": {"s1": {Insert: ext}, "s2": {Insert: ext}}}); err != nil {
		t.Fatal(err)
	}
	all := newPlan()
	for _, child := range []string{"p1", "p2", "p3"} {
		p := newPlan()
		p.attach(sw, "s1", "ports", child)
		p.detach(sw, "s1", "ports", "old-"+child)
		p.editMap(sw, "s1", "other_config", map[string]string{child: "1"}, []string{"stale-" + child})
		p.attach(sw, "s2", "acls", child)
		all.merge(p)
	}
	last := newPlan()
	last.delete(sw.rows["s2"])
	all.merge(last)
	var got []string
	for _, op := range all.operations() {
		got = append(got, op.text)
	}
	want := []string{"~ Logical_Switch s other_config -stale-p1 -stale-p2 -stale-p3, other_config +{p1=1, p2=1, p3=1}, ports -old-p1 -old-p2 -old-p3, ports +p1 +p2 +p3",
		"- Logical_Switch s"}
	if !slices.Equal(got, want) {
		t.Errorf("operations\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckResults(t *testing.T) {
	ops := []operation{{count: -1, text: "insert"}, {count: 1, text: "mutate"}}
	tests := []struct {
		name    string
		results []*opResult
		want    string
	}{
		{"all well", []*opResult{{}, {Count: 1}}, ""},
		{"first refused", []*opResult{{Error: "constraint violation", Details: "because"}, nil}, "constraint violation: because (insert)"},
		{"commit refused", []*opResult{{}, {Count: 1}, {Error: "referential integrity violation"}}, "referential integrity violation"},
		{"row gone", []*opResult{{}, {}}, "a row went away under the transaction: mutate"},
		{"too few", []*opResult{{}}, "2 operations sent, 1 results received"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := checkResults(ops, tt.results); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	for wait := time.Duration(0); len(got) < 8; got = append(got, wait) {
		wait = longer(wait)
	}
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
		10 * time.Second, 10 * time.Second}
	if !slices.Equal(got, want) {
		t.Errorf("pauses %v, want %v", got, want)
	}
}

func TestMatchesKey(t *testing.T) {
	patterns := []string{"exact", "pre-*"}
	for key, want := range map[string]bool{"exact": true, "exactly": false, "pre-": true, "pre-x": true, "pre": false, "": false} {
		if got := matchesKey(patterns, key); got != want {
			t.Errorf("%q matches: %v", key, got)
		}
	}
	if !matchesKey([]string{"*"}, "anything") {
		t.Error("* does not match")
	}
}
