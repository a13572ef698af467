package ovs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ovn-org/libovsdb/ovsdb"
)

func readSchema(t *testing.T, name string) ovsdb.DatabaseSchema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("schema", name+".ovsschema"))
	if err != nil {
		t.Fatal(err)
	}
	var s ovsdb.DatabaseSchema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// newer are columns that the oldest schema does not have (northbound.md R8).
var newer = map[string]bool{"ACL.tier": true, "Logical_Router_Policy.bfd_sessions": true}

// longLists are the columns that must never be monitored (design: lean monitor).
var longLists = map[string]bool{"Logical_Switch.ports": true, "Logical_Switch.acls": true, "Port_Group.ports": true, "Port_Group.acls": true,
	"Logical_Router.ports": true, "Logical_Router.policies": true, "Logical_Router.static_routes": true, "Logical_Router.nat": true}

// TestSchemaTable: every column of the schema table exists in the oldest schema or is known to be newer, roots, unique
// indexes and reference columns are as the schema says, and the long lists are not monitored.
func TestSchemaTable(t *testing.T) {
	for db, file := range map[Database]string{Northbound: "ovn-nb", Southbound: "ovn-sb", OpenVSwitchDB: "vswitch"} {
		schema := readSchema(t, file)
		c, err := newCache(db, schema)
		if err != nil {
			t.Fatal(err)
		}
		for name, request := range c.monitorRequests() {
			for _, col := range request.Columns {
				if longLists[name+"."+col] {
					t.Errorf("%s.%s is monitored", name, col)
				}
			}
		}
		for _, spec := range tablesOf(db) {
			checkTable(t, schema, spec)
		}
	}
}

func checkTable(t *testing.T, schema ovsdb.DatabaseSchema, spec *tableSpec) {
	t.Helper()
	ts := schema.Table(spec.name)
	if root, _ := schema.IsRoot(spec.name); root != spec.root {
		t.Errorf("%s: root is %v in the schema", spec.name, root)
	}
	unique := false
	for _, index := range ts.Indexes {
		unique = unique || strings.Join(index, ",") == strings.Join(spec.identity, ",")
	}
	if unique != spec.unique {
		t.Errorf("%s: a unique index on %v is %v in the schema", spec.name, spec.identity, unique)
	}
	for _, cs := range spec.columns {
		col := ts.Column(cs.name)
		if col == nil {
			if !newer[spec.name+"."+cs.name] {
				t.Errorf("%s.%s is not in the schema", spec.name, cs.name)
			}
			continue
		}
		target := ""
		if k := col.TypeObj.Key; k.Type == ovsdb.TypeUUID {
			target, _ = k.RefTable()
		} else if v := col.TypeObj.Value; v != nil && v.Type == ovsdb.TypeUUID {
			target, _ = v.RefTable()
		}
		if target != cs.table {
			t.Errorf("%s.%s refers to %q, the schema says %q", spec.name, cs.name, cs.table, target)
		}
		if isMap := col.Type == ovsdb.TypeMap; (cs.mode == keys || cs.mode == marks) && !isMap {
			t.Errorf("%s.%s is no map", spec.name, cs.name)
		}
	}
	for _, p := range spec.parents {
		col := schema.Table(p.table).Column(p.column)
		if col == nil {
			t.Errorf("%s: parent column %s.%s is not in the schema", spec.name, p.table, p.column)
			continue
		}
		if target, _ := col.TypeObj.Key.RefTable(); target != spec.name {
			t.Errorf("%s: parent column %s.%s holds %s", spec.name, p.table, p.column, target)
		}
	}
}

// TestTableMissing: a server without one of our tables is refused with a sentence.
func TestTableMissing(t *testing.T) {
	schema := readSchema(t, "ovn-nb")
	delete(schema.Tables, "ACL")
	if _, err := newCache(Northbound, schema); err == nil || !strings.Contains(err.Error(), "has no table ACL") {
		t.Fatalf("error %v", err)
	}
}
