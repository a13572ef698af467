package ovs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-org/libovsdb/ovsdb"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := unmarshalNumbers([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestValueNotation: decode and encode are inverse for every notation of RFC 7047 section 5.1.
func TestValueNotation(t *testing.T) {
	const u = "00000000-0000-4000-8000-000000000001"
	text := column{key: ovsdb.TypeString}
	tests := []struct {
		name string
		col  column
		json string
		want value
		back string // when different
	}{
		{name: "string", col: text, json: `"x"`, want: required("x")},
		{name: "empty string", col: text, json: `""`, want: required("")},
		{name: "large integer", col: column{key: ovsdb.TypeInteger}, json: `9223372036854775807`, want: required("9223372036854775807")},
		{name: "boolean", col: column{key: ovsdb.TypeBoolean}, json: `true`, want: boolean(true)},
		{name: "uuid", col: column{key: ovsdb.TypeUUID}, json: `["uuid","` + u + `"]`, want: required(u)},
		{name: "empty set", col: text, json: `["set",[]]`, want: value{}},
		{name: "set of one", col: text, json: `["set",["a"]]`, want: setOf("a"), back: `"a"`},
		{name: "set", col: text, json: `["set",["b","a"]]`, want: setOf("a", "b"), back: `["set",["a","b"]]`},
		{name: "set of uuids", col: column{key: ovsdb.TypeUUID}, json: `["set",[["uuid","a"],["uuid","b"]]]`, want: setOf("a", "b")},
		{name: "map", col: column{key: ovsdb.TypeString, val: ovsdb.TypeString}, json: `["map",[["a","1"],["b",""]]]`,
			want: mapOf(map[string]string{"a": "1", "b": ""})},
		{name: "empty map", col: column{key: ovsdb.TypeString, val: ovsdb.TypeString}, json: `["map",[]]`, want: value{}},
		{name: "map of references", col: column{key: ovsdb.TypeInteger, val: ovsdb.TypeUUID}, json: `["map",[[0,["uuid","a"]]]]`,
			want: mapOf(map[string]string{"0": "a"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(parse(t, tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if !got.equal(tt.want) {
				t.Errorf("decoded %v, want %v", got, tt.want)
			}
			out, err := json.Marshal(tt.col.encode(got))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.back
			if want == "" {
				want = tt.json
			}
			if !bytes.Equal(out, []byte(want)) {
				t.Errorf("encoded %s, want %s", out, want)
			}
		})
	}
}

func TestMalformedValues(t *testing.T) {
	for _, text := range []string{`null`, `{}`, `[]`, `["set"]`, `["uuid",7]`, `["bag",[]]`, `["map",["a"]]`, `["map",[["a"]]]`,
		`["set",[["set",[]]]]`, `["map",[[{},"a"]]]`, `["map",[["a",null]]]`} {
		if v, err := decode(parse(t, text)); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s decoded to %v, error %v", text, v, err)
		}
	}
}

// TestPatch: differences of update2 (ovsdb-server(7) section 4.1.14).
func TestPatch(t *testing.T) {
	set, optional, dict := column{key: ovsdb.TypeString, multi: true}, column{key: ovsdb.TypeString}, column{key: ovsdb.TypeString, val: ovsdb.TypeString, multi: true}
	m := func(pairs ...string) value {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return mapOf(out)
	}
	tests := []struct {
		name            string
		col             column
		old, diff, want value
	}{
		{"scalar replaced", optional, setOf("a"), setOf("b"), setOf("b")},
		{"optional cleared", optional, setOf("a"), value{}, value{}},
		{"members in and out", set, setOf("a", "b"), setOf("b", "c"), setOf("a", "c")},
		{"first member", set, value{}, setOf("a"), setOf("a")},
		{"last member", set, setOf("a"), setOf("a"), value{}},
		{"pair new, changed and removed", dict, m("k1", "1", "k2", "2"), m("k1", "1", "k2", "3", "k3", "4"), m("k2", "3", "k3", "4")},
		{"last pair", dict, m("k", "1"), m("k", "1"), value{}},
		{"first pair", dict, value{}, m("k", "1"), m("k", "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old := showValue(tt.old)
			if got := tt.col.patch(tt.old, tt.diff); !got.equal(tt.want) {
				t.Errorf("got %s, want %s", showValue(got), showValue(tt.want))
			}
			if d := cmp.Diff(old, showValue(tt.old)); d != "" {
				t.Errorf("the old value changed: %s", d)
			}
		})
	}
}

// TestCacheRefusesWhatDoesNotFit: an update that does not fit means that the cache is not the database any more.
func TestCacheRefusesWhatDoesNotFit(t *testing.T) {
	row := map[string]any{"name": "x"}
	tests := []struct {
		name   string
		update rowUpdate
		there  bool
	}{
		{"modified before inserted", rowUpdate{Modify: row}, false},
		{"deleted before inserted", rowUpdate{Delete: json.RawMessage("null")}, false},
		{"inserted twice", rowUpdate{Insert: row}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := newCache(Northbound, readSchema(t, "ovn-nb"))
			if err != nil {
				t.Fatal(err)
			}
			update := func(u rowUpdate) error {
				_, err := c.apply(tableUpdates{"Port_Group": {"u1": u}})
				return err
			}
			if tt.there {
				if err := update(rowUpdate{Insert: row}); err != nil {
					t.Fatal(err)
				}
			}
			if err := update(tt.update); err == nil || !strings.Contains(err.Error(), tt.name) {
				t.Errorf("error %v", err)
			}
		})
	}
}
