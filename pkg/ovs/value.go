package ovs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/ovn-org/libovsdb/ovsdb"
)

// value is the canonical form of every OVSDB column: atoms as text (integers decimal, booleans "true"/"false", UUIDs
// plain). A scalar is a set of one, an absent optional an empty set. Sets are sorted and have no duplicates.
type value struct {
	set []string
	m   map[string]string
}

func (v value) empty() bool { return len(v.set) == 0 && len(v.m) == 0 }

func (v value) equal(w value) bool { return slices.Equal(v.set, w.set) && maps.Equal(v.m, w.m) }

// scalar is the only atom, or "".
func (v value) scalar() string {
	if len(v.set) == 0 {
		return ""
	}
	return v.set[0]
}

func (v value) has(atom string) bool {
	_, found := slices.BinarySearch(v.set, atom)
	return found
}

func setOf(atoms ...string) value {
	if len(atoms) == 0 {
		return value{}
	}
	s := slices.Clone(atoms)
	slices.Sort(s)
	return value{set: slices.Compact(s)}
}

// optional is a set of one, empty when text is "".
func optional(text string) value {
	if text == "" {
		return value{}
	}
	return value{set: []string{text}}
}

// required is a set of one, also when text is "".
func required(text string) value { return value{set: []string{text}} }

func integer(n int) value { return required(strconv.Itoa(n)) }

// optionalInt is empty when n is 0.
func optionalInt(n int) value {
	if n == 0 {
		return value{}
	}
	return integer(n)
}

func boolean(b bool) value { return required(strconv.FormatBool(b)) }

func mapOf(m map[string]string) value {
	if len(m) == 0 {
		return value{}
	}
	return value{m: m}
}

// column is a column as the server's schema has it.
type column struct {
	name  string
	key   string // atomic type of ovsdb.Type*
	val   string // atomic type of a map's values, "" when the column is no map
	multi bool   // more than one element allowed: update2 sends differences
	min   int
}

func newColumn(name string, s *ovsdb.ColumnSchema) column {
	c := column{name: name, key: s.TypeObj.Key.Type, multi: s.TypeObj.Max() != 1, min: s.TypeObj.Min()}
	if s.TypeObj.Value != nil {
		c.val = s.TypeObj.Value.Type
	}
	return c
}

// zero is what the server stores when an insert leaves the column out.
func (c column) zero() value {
	if c.min == 0 || c.val != "" {
		return value{}
	}
	switch c.key {
	case ovsdb.TypeString:
		return required("")
	case ovsdb.TypeBoolean:
		return required("false")
	case ovsdb.TypeInteger, ovsdb.TypeReal:
		return required("0")
	}
	return value{}
}

// normal replaces an empty wanted value of a column that cannot be empty by the column's default.
func (c column) normal(v value) value {
	if v.empty() {
		return c.zero()
	}
	return v
}

// encode is the value in the notation of RFC 7047 section 5.1.
func (c column) encode(v value) any {
	if c.val != "" {
		return c.encodeMap(v.m)
	}
	if len(v.set) == 1 {
		return encodeAtom(c.key, v.set[0])
	}
	return encodeSet(c.key, v.set)
}

func (c column) encodeMap(m map[string]string) any {
	pairs := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, []any{encodeAtom(c.key, k), encodeAtom(c.val, m[k])})
	}
	return []any{"map", pairs}
}

func encodeSet(atomType string, atoms []string) any {
	out := make([]any, 0, len(atoms))
	for _, a := range atoms {
		out = append(out, encodeAtom(atomType, a))
	}
	return []any{"set", out}
}

func encodeAtom(atomType, text string) any {
	switch atomType {
	case ovsdb.TypeUUID:
		return []any{"uuid", text}
	case ovsdb.TypeInteger, ovsdb.TypeReal:
		return json.Number(text)
	case ovsdb.TypeBoolean:
		return text == "true"
	}
	return text
}

// decode reads a value in RFC 7047 notation; raw comes from a decoder with UseNumber.
func decode(raw any) (value, error) {
	list, ok := raw.([]any)
	if !ok {
		a, err := decodeAtom(raw)
		return value{set: []string{a}}, err
	}
	if len(list) != 2 {
		return value{}, fmt.Errorf("malformed value %v", raw)
	}
	members, _ := list[1].([]any)
	switch list[0] {
	case "uuid":
		a, err := decodeAtom(raw)
		return value{set: []string{a}}, err
	case "set":
		return decodeSet(members)
	case "map":
		return decodeMap(members)
	}
	return value{}, fmt.Errorf("malformed value %v", raw)
}

func decodeSet(members []any) (value, error) {
	if len(members) == 0 {
		return value{}, nil
	}
	set := make([]string, 0, len(members))
	for _, m := range members {
		a, err := decodeAtom(m)
		if err != nil {
			return value{}, err
		}
		set = append(set, a)
	}
	slices.Sort(set)
	return value{set: set}, nil
}

func decodeMap(members []any) (value, error) {
	if len(members) == 0 {
		return value{}, nil
	}
	out := make(map[string]string, len(members))
	for _, m := range members {
		pair, ok := m.([]any)
		if !ok || len(pair) != 2 {
			return value{}, fmt.Errorf("malformed pair %v", m)
		}
		k, err := decodeAtom(pair[0])
		if err != nil {
			return value{}, err
		}
		if out[k], err = decodeAtom(pair[1]); err != nil {
			return value{}, err
		}
	}
	return value{m: out}, nil
}

func decodeAtom(raw any) (string, error) {
	switch a := raw.(type) {
	case string:
		return a, nil
	case json.Number:
		return a.String(), nil
	case bool:
		return strconv.FormatBool(a), nil
	case []any:
		if len(a) == 2 && a[0] == "uuid" {
			if text, ok := a[1].(string); ok {
				return text, nil
			}
		}
	}
	return "", fmt.Errorf("malformed atom %v", raw)
}

// patch applies the difference that update2 sends for a column (ovsdb-server(7) section 4.1.14): sets carry the members
// that changed side, maps the pairs that are new, changed or, when equal to the old pair, removed.
func (c column) patch(old, diff value) value {
	if !c.multi {
		return diff
	}
	if c.val != "" {
		m := maps.Clone(old.m)
		if m == nil {
			m = make(map[string]string, len(diff.m))
		}
		for k, v := range diff.m {
			if cur, ok := m[k]; ok && cur == v {
				delete(m, k)
			} else {
				m[k] = v
			}
		}
		return mapOf(m)
	}
	out := make([]string, 0, len(old.set)+len(diff.set))
	for _, a := range old.set {
		if !diff.has(a) {
			out = append(out, a)
		}
	}
	for _, a := range diff.set {
		if !old.has(a) {
			out = append(out, a)
		}
	}
	return setOf(out...)
}
