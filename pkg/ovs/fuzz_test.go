package ovs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ovn-org/libovsdb/ovsdb"
)

// FuzzUpdate: whatever a server sends, an update is applied or refused, and never taken apart wrongly: the indexes agree
// with the rows afterwards.
func FuzzUpdate(f *testing.F) {
	for _, seed := range []string{
		`{"Port_Group":{"u1":{"insert":{"name":"g","external_ids":["map",[["vendor","kube-ovn"],["owner","a/b"]]]}}}}`,
		`{"Logical_Switch_Port":{"u1":{"initial":{"name":"p","external_ids":["map",[["vendor","kube-ovn"],["owner","a/b"],["port_groups","g:12345678,h:1"]]]}}}}`,
		`{"Logical_Switch_Port":{"u1":{"modify":{"addresses":["set",["a","b"]],"up":true}}}}`,
		`{"Logical_Router_Static_Route":{"u2":{"insert":{"bfd":["uuid","u9"],"policy":["set",[]]}}}}`,
		`{"Logical_Router":{"u3":{"insert":{"load_balancer":["set",[["uuid","a"],["uuid","b"]]]}}}}`,
		`{"NB_Global":{"u4":{"insert":{"nb_cfg":9223372036854775807}}}}`,
		`{"Unknown":{"u":{"delete":null}}}`, `{"ACL":{"u":{}}}`, `{"BFD":null}`, `7`,
	} {
		f.Add([]byte(seed), []byte(seed))
	}
	data, err := os.ReadFile(filepath.Join("schema", "ovn-nb.ovsschema"))
	if err != nil {
		f.Fatal(err)
	}
	var schema ovsdb.DatabaseSchema
	if err := json.Unmarshal(data, &schema); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, err := newCache(Northbound, schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{first, second} {
			var updates tableUpdates
			if unmarshalNumbers(text, &updates) != nil {
				return
			}
			if _, err := c.apply(updates); err != nil {
				return
			}
			checkIndexes(t, c)
		}
	})
}

// checkIndexes compares every index with the rows it is made of.
func checkIndexes(t *testing.T, c *cache) {
	t.Helper()
	owned, recorded := 0, 0
	for name, table := range c.tables {
		indexed := 0
		for key, rows := range table.byKey {
			for _, r := range rows {
				if table.rows[r.uuid] != r || r.key != key {
					t.Errorf("%s: %s is indexed under %q", name, r.uuid, key)
				}
				indexed++
			}
		}
		if indexed != len(table.rows) {
			t.Errorf("%s: %d rows, %d indexed", name, len(table.rows), indexed)
		}
		for _, r := range table.rows {
			if r.owner != "" {
				owned++
				if c.owners[r.owner][r.uuid] != r {
					t.Errorf("%s: %s is not indexed under its owner %q", name, r.uuid, r.owner)
				}
			}
			for _, m := range recordedGroups(r) {
				recorded++
				if c.members[m.name][r.uuid] != r {
					t.Errorf("%s is not indexed as a member of %q", r.uuid, m.name)
				}
			}
		}
	}
	for _, rows := range c.owners {
		owned -= len(rows)
	}
	if owned != 0 {
		t.Errorf("the owner index has %d rows too few", owned)
	}
}
