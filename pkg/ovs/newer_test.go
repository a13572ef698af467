package ovs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// newerSchema is the oldest schema with what later releases added: columns we use, columns and tables we have never
// heard of.
func newerSchema(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("schema/ovn-nb.ovsschema")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	tables := schema["tables"].(map[string]any)
	add := func(table, column, definition string) {
		var col any
		if err := json.Unmarshal([]byte(definition), &col); err != nil {
			t.Fatal(err)
		}
		tables[table].(map[string]any)["columns"].(map[string]any)[column] = col
	}
	add("ACL", "tier", `{"type":{"key":{"type":"integer","minInteger":0,"maxInteger":3}}}`)
	add("ACL", "sample_new", `{"type":{"key":"string","min":0,"max":"unlimited"}}`)
	add("Logical_Router_Policy", "bfd_sessions", `{"type":{"key":{"type":"uuid","refTable":"BFD","refType":"weak"},"min":0,"max":"unlimited"}}`)
	add("Logical_Router_Policy", "output_port", `{"type":"string"}`)
	add("Logical_Switch_Port", "peer", `{"type":{"key":"string","min":0,"max":1}}`)
	tables["Sampling_App"] = map[string]any{"isRoot": true, "columns": map[string]any{"type": map[string]any{"type": "string"}}}
	delete(schema, "cksum")
	schema["version"] = "7.11.0"
	out, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "newer.ovsschema")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSchemas: columns of newer releases are used where the server has them and left out where it has not.
func TestSchemas(t *testing.T) {
	acl := ovs.ACL{PortGroup: "net1.node1", Direction: "to-lport", Priority: 1001, Match: "ip4", Action: "allow-related", Tier: 2,
		Name: strings.Repeat("x", 64)}
	policy := ovs.RouterPolicy{Router: "vpc1", Priority: 29100, Match: "ip4", Action: "reroute", Nexthops: []string{"10.0.1.9"},
		BFD: []ovs.BFDRef{{LogicalPort: "vpc1-net1", DstIP: "10.0.1.9"}}}
	bfd := ovs.BFD{LogicalPort: "vpc1-net1", DstIP: "10.0.1.9"}
	for _, tt := range []struct {
		name  string
		start func() *ovstest.Server
		newer bool
	}{
		{"oldest", func() *ovstest.Server { return ovstest.Start(t, ovs.Northbound) }, false},
		{"newer", func() *ovstest.Server { return ovstest.StartSchema(t, ovs.Northbound, newerSchema(t)) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start()
			c := s.Connect(t)
			small(t, c)
			if got := c.HasColumn("ACL", "tier"); got != tt.newer {
				t.Errorf("HasColumn(ACL, tier) is %v", got)
			}
			apply(t, c, "netpol/p", acl, bfd, policy)
			if n := apply(t, c, "netpol/p", acl, bfd, policy); n != 0 {
				t.Errorf("%d operations for equal rows", n)
			}
			dump := s.Dump(t)
			for want, in := range map[string]bool{"tier=2": tt.newer, "bfd_sessions=BFD:vpc1-net1,10.0.1.9": tt.newer,
				"name=" + strings.Repeat("x", 60) + "... ": true} {
				if strings.Contains(dump, want) != in {
					t.Errorf("%q in the database is %v, want %v:\n%s", want, !in, in, dump)
				}
			}
			apply(t, c, "netpol/p")
			same(t, s, smallDump)
		})
	}
}
