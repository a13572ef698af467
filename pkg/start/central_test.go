package start

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// labels remembers what a member wrote on its pod.
type labels struct {
	mu  sync.Mutex
	now map[string]string
}

func (l *labels) set(_ context.Context, set map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = maps.Clone(set)
	return nil
}

func (l *labels) get() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func startCentral(t *testing.T, s settings) (*running, *labels) {
	t.Helper()
	c, err := NewCentral(s.get)
	if err != nil {
		t.Fatal(err)
	}
	quick(&c.limits)
	l := &labels{}
	c.Label = l.set
	return background(t, c.Run), l
}

func nbctl(s settings, args ...string) []string {
	return append([]string{"ovn-nbctl", "-t", "5", "--db=unix:" + filepath.Join(s["OVN_RUNDIR"], "ovnnb_db.sock")}, args...)
}

func healthy(s settings) func(context.Context) error {
	return func(ctx context.Context) error { return HealthCentral(ctx, s.get, false) }
}

var allLeader = map[string]string{"ovn-nb-leader": "true", "ovn-sb-leader": "true", "ovn-northd-leader": "true"}

func leads(l *labels, want map[string]string) func(context.Context) error {
	return func(context.Context) error {
		if diff := cmp.Diff(want, l.get()); diff != "" {
			return errors.New("labels (-want +got):\n" + diff)
		}
		return nil
	}
}

func TestStandaloneCentral(t *testing.T) {
	needs(t, "ovsdb-server", "ovn-northd", "ovn-nbctl")
	s := newSettings(t, map[string]string{"NODE_IPS": "127.0.0.1", "POD_IP": "127.0.0.1", "POD_IPS": "127.0.0.1", "ENABLE_BIND_LOCAL_IP": "true"})
	r, l := startCentral(t, s)
	r.eventually("health", healthy(s))
	r.eventually("labels", leads(l, allLeader))
	tool(t, nbctl(s, "ls-add", "kept")...)
	r.eventually("northd to translate", func(ctx context.Context) error {
		out, err := run(ctx, "ovn-sbctl", "-t", "5", "--db=tcp:127.0.0.1:6642", "--bare", "--columns=external_ids", "list", "Datapath_Binding")
		if err == nil && !strings.Contains(out, "kept") {
			err = fmt.Errorf("southbound has %q", out)
		}
		return err
	})
	r.eventually("probe interval", func(ctx context.Context) error {
		out, err := run(ctx, nbctl(s, "get", "NB_Global", ".", "options:northd_probe_interval")...)
		if err == nil && out != `"5000"` {
			err = errors.New(out)
		}
		return err
	})

	// A dead northd is replaced while the databases live on.
	nb := pidOf(t, filepath.Join(s["OVN_RUNDIR"], "ovnnb_db.pid"))
	northd := pidOf(t, filepath.Join(s["OVN_RUNDIR"], "ovn-northd.pid"))
	if err := syscall.Kill(northd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.eventually("a new northd", func(ctx context.Context) error {
		if err := HealthCentral(ctx, s.get, true); err != nil {
			return err
		}
		return replaced(filepath.Join(s["OVN_RUNDIR"], "ovn-northd.pid"), northd)
	})
	if !alive(nb) {
		t.Error("the northbound database was restarted too")
	}

	if err := r.stop(); err != nil {
		t.Fatalf("stopping is no failure, got %v", err)
	}
	if alive(nb) {
		t.Error("the northbound database lives on")
	}
	if err := HealthCentral(t.Context(), s.get, true); err == nil {
		t.Error("nothing runs and health is good")
	}

	r, _ = startCentral(t, s)
	r.eventually("health after the restart", healthy(s))
	if out := tool(t, nbctl(s, "ls-list")...); !strings.Contains(out, "kept") {
		t.Errorf("switches after the restart: %q", out)
	}
}

func TestDatabaseFilesAreNeverLost(t *testing.T) {
	needs(t, "ovsdb-tool")
	schemas := layout{OVNShare: "/usr/share/ovn"}
	for _, test := range []struct {
		name    string
		make    func(t *testing.T, db database)
		cluster bool
		wantErr string
		aside   string // part of the name of the file that was put aside
	}{
		{name: "missing is created"},
		{name: "good is kept", make: func(t *testing.T, db database) { tool(t, "ovsdb-tool", "create", db.file, db.schema) }},
		{name: "another database", aside: "name-OVN_Southbound", make: func(t *testing.T, db database) {
			tool(t, "ovsdb-tool", "create", db.file, "/usr/share/ovn/ovn-sb.ovsschema")
		}},
		{name: "the only member of a cluster", aside: "clustered", make: func(t *testing.T, db database) {
			tool(t, "ovsdb-tool", "create-cluster", db.file, db.schema, "tcp:127.0.0.1:6643")
		}},
		{name: "garbage", wantErr: "unreadable database", make: func(t *testing.T, db database) {
			if err := os.WriteFile(db.file, []byte("not a database"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "old schema is converted, with a copy", aside: "backup-0.0.1", make: func(t *testing.T, db database) {
			old := filepath.Join(t.TempDir(), "old.ovsschema")
			schema := `{"name":"OVN_Northbound","version":"0.0.1","tables":{"NB_Global":{"columns":{"nb_cfg":{"type":"integer"}},"isRoot":true}}}`
			if err := os.WriteFile(old, []byte(schema), 0o600); err != nil {
				t.Fatal(err)
			}
			tool(t, "ovsdb-tool", "create", db.file, old)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := schemas
			l.OVNDB, l.OVNRun = t.TempDir(), t.TempDir()
			db := northbound(l, 6641, 6643)
			if test.make != nil {
				test.make(t, db)
			}
			err := db.prepare(t.Context(), member{})
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tool(t, "ovsdb-tool", "needs-conversion", db.file, db.schema); got != "no" {
				t.Error("the file has another schema")
			}
			files, _ := filepath.Glob(db.file + ".*" + test.aside + "*")
			if test.aside != "" && len(files) != 1 {
				t.Errorf("files put aside: %v", files)
			}
		})
	}
}

func TestNewerSchemaIsKept(t *testing.T) {
	needs(t, "ovsdb-tool")
	dir := t.TempDir()
	newer, file := filepath.Join(dir, "newer"), filepath.Join(dir, "db")
	schema := `{"name":"OVN_Northbound","version":"99.0.0","tables":{"NB_Global":{"columns":{"future":{"type":"integer"}},"isRoot":true}}}`
	if err := os.WriteFile(newer, []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "ovsdb-tool", "create", file, newer)
	if err := convert(t.Context(), file, "/usr/share/ovn/ovn-nb.ovsschema"); err != nil {
		t.Fatal(err)
	}
	if got := tool(t, "ovsdb-tool", "db-version", file); got != "99.0.0" {
		t.Errorf("schema went back to %s", got)
	}
}

// members are settings of a cluster on addresses of lo.
func members(t *testing.T, n int) []settings {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("127.0.0.%d", i+1)
	}
	out := make([]settings, n)
	for i := range out {
		out[i] = newSettings(t, map[string]string{"NODE_IPS": strings.Join(all, ","), "POD_IP": all[i], "POD_IPS": all[i], "ENABLE_BIND_LOCAL_IP": "true"})
	}
	return out
}

func TestOneReplicaGrowsToACluster(t *testing.T) {
	needs(t, "ovsdb-server", "ovn-northd", "ovn-nbctl")
	all := members(t, 3)

	// One replica with some content.
	r, _ := startCentral(t, all[0].with("NODE_IPS", ""))
	r.eventually("health", healthy(all[0].with("NODE_IPS", "")))
	tool(t, nbctl(all[0], "ls-add", "kept")...)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// The same node and two more, started at once.
	var running [3]*running
	var label [3]*labels
	for i, s := range all {
		running[i], label[i] = startCentral(t, s)
	}
	for i, s := range all {
		running[i].eventually("health", healthy(s))
		running[i].eventually("content", func(ctx context.Context) error {
			out, err := run(ctx, nbctl(s, "--no-leader-only", "ls-list")...)
			if err == nil && !strings.Contains(out, "kept") {
				err = fmt.Errorf("switches are %q", out)
			}
			return err
		})
	}
	leader := func() int {
		found := -1
		running[0].eventually("one leader of each kind", func(context.Context) error {
			counts := map[string]int{}
			for i := range label {
				for k, v := range label[i].get() {
					if v == "true" {
						counts[k]++
						if k == "ovn-nb-leader" {
							found = i
						}
					}
				}
			}
			for k := range allLeader {
				if counts[k] != 1 {
					return fmt.Errorf("counts are %v", counts)
				}
			}
			return nil
		})
		return found
	}
	first := leader()

	// A leader that is stopped hands over: sooner than the election timer of 5 s would have it.
	if err := running[first].stop(); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	label[first] = &labels{}
	second := (first + 1) % 3
	running[second].eventually("another leader", func(context.Context) error {
		for i := range label {
			if label[i].get()["ovn-nb-leader"] == "true" {
				return nil
			}
		}
		return errors.New("no leader")
	})
	if took := time.Since(stopped); took > 4*time.Second {
		t.Errorf("another leader after %s", took)
	}
	running[first], label[first] = startCentral(t, all[first])
	running[first].eventually("health after the return", healthy(all[first]))
	first = leader()

	// The cluster goes on without any one member, and takes it back.
	victim := (first + 1) % 3
	if err := running[victim].stop(); err != nil {
		t.Fatal(err)
	}
	tool(t, "ovn-nbctl", "-t", "10", "--db=tcp:127.0.0.1:6641,tcp:127.0.0.2:6641,tcp:127.0.0.3:6641", "ls-add", "meanwhile")
	// It returns with an empty disk.
	for _, file := range []string{"ovnnb_db.db", "ovnsb_db.db"} {
		if err := os.Remove(filepath.Join(all[victim]["OVN_DBDIR"], file)); err != nil {
			t.Fatal(err)
		}
	}
	running[victim], label[victim] = startCentral(t, all[victim])
	running[victim].eventually("content after the return", func(ctx context.Context) error {
		out, err := run(ctx, nbctl(all[victim], "--no-leader-only", "ls-list")...)
		if err == nil && (!strings.Contains(out, "kept") || !strings.Contains(out, "meanwhile")) {
			err = fmt.Errorf("switches are %q", out)
		}
		return err
	})
	running[0].eventually("the former self to be gone", func(ctx context.Context) error {
		for _, file := range []string{"ovnnb_db.ctl", "ovnsb_db.ctl"} {
			name := map[string]string{"ovnnb_db.ctl": "OVN_Northbound", "ovnsb_db.ctl": "OVN_Southbound"}[file]
			status, err := (database{name: name, control: filepath.Join(all[victim]["OVN_RUNDIR"], file)}).clusterStatus(ctx)
			if err == nil && len(status.servers) != 3 {
				err = fmt.Errorf("%s has the servers %+v", name, status.servers)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})

	// One of three members is not taken for the whole.
	if err := running[victim].stop(); err != nil {
		t.Fatal(err)
	}
	l := layout{OVNDB: all[victim]["OVN_DBDIR"], OVNRun: all[victim]["OVN_RUNDIR"], OVNShare: "/usr/share/ovn"}
	if err := northbound(l, 6641, 6643).prepare(t.Context(), member{}); err == nil || !strings.Contains(err.Error(), "one of 3 members") {
		t.Errorf("a member as standalone database: %v", err)
	}
}

// TestOnlyMemberOfAClusterKeepsItsContent follows a cluster of one, which others install, to a standalone database.
func TestOnlyMemberOfAClusterKeepsItsContent(t *testing.T) {
	needs(t, "ovsdb-server", "ovn-northd", "ovn-nbctl")
	s := newSettings(t, map[string]string{"POD_IP": "127.0.0.1"})
	if err := os.MkdirAll(s["OVN_DBDIR"], 0o755); err != nil {
		t.Fatal(err)
	}
	content := filepath.Join(t.TempDir(), "content")
	tool(t, "ovsdb-tool", "create", content, "/usr/share/ovn/ovn-nb.ovsschema")
	tool(t, "ovsdb-tool", "transact", content, `["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"kept"}}]`)
	tool(t, "ovsdb-tool", "create-cluster", filepath.Join(s["OVN_DBDIR"], "ovnnb_db.db"), content, "tcp:127.0.0.1:6643")
	r, _ := startCentral(t, s)
	r.eventually("health", healthy(s))
	if out := tool(t, nbctl(s, "ls-list")...); !strings.Contains(out, "kept") {
		t.Errorf("switches: %q", out)
	}
}
