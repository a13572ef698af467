package start

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/klog/v2"
)

// database is one OVSDB database of ovn-central and where its server keeps things (api.md 5.3, paths).
type database struct {
	name     string // OVN_Northbound
	schema   string // schema file of the installed version
	file     string
	local    string // Local_Config database that lists the listeners
	socket   string
	control  string
	pid, log string
	port     int
	raftPort int
}

func northbound(l layout, port, raftPort int) database {
	return l.database("OVN_Northbound", "nb", port, raftPort)
}

func southbound(l layout, port, raftPort int) database {
	return l.database("OVN_Southbound", "sb", port, raftPort)
}

func (l layout) database(name, short string, port, raftPort int) database {
	return database{
		name:     name,
		schema:   filepath.Join(l.OVNShare, "ovn-"+short+".ovsschema"),
		file:     filepath.Join(l.OVNDB, "ovn"+short+"_db.db"),
		local:    filepath.Join(l.OVNRun, "ovn"+short+"_local_config.db"),
		socket:   filepath.Join(l.OVNRun, "ovn"+short+"_db.sock"),
		control:  filepath.Join(l.OVNRun, "ovn"+short+"_db.ctl"),
		pid:      filepath.Join(l.OVNRun, "ovn"+short+"_db.pid"),
		log:      filepath.Join(l.OVNLog, "ovsdb-server-"+short+".log"),
		port:     port,
		raftPort: raftPort,
	}
}

// member is what a database needs to know of its cluster; the zero value is a standalone server.
type member struct {
	self  netip.Addr
	all   []netip.Addr // first one founds the cluster
	tls   TLS
	query func(ctx context.Context, remote, db string) (connected bool, err error)
}

func (m member) clustered() bool { return len(m.all) > 1 }

// prepare makes the database's file ready to be served: created, joined to its cluster, or brought to the installed
// schema. A file that cannot be used is put aside, never removed.
func (d database) prepare(ctx context.Context, m member) error {
	state, err := d.state(ctx)
	if err != nil {
		return err
	}
	if m.clustered() {
		return d.prepareMember(ctx, m, state)
	}
	switch state {
	case fileMissing:
		_, err := run(ctx, "ovsdb-tool", "create", d.file, d.schema)
		return err
	case fileClustered:
		if err := d.leaveCluster(ctx); err != nil {
			return err
		}
	}
	return convert(ctx, d.file, d.schema)
}

// leaveCluster makes a standalone file of the only member of a cluster, as an installation by others may have left it.
func (d database) leaveCluster(ctx context.Context) error {
	members, err := d.clusterSize(ctx)
	if err != nil {
		return err
	}
	if members != 1 {
		return fmt.Errorf("%s: %s is one of %d members of a raft cluster, others may know more: list the members in NODE_IPS, "+
			"or put its content into a standalone file with 'ovsdb-tool cluster-to-standalone'", d.name, d.file, members)
	}
	standalone := d.file + ".standalone"
	if _, err := run(ctx, "ovsdb-tool", "cluster-to-standalone", standalone, d.file); err != nil {
		return err
	}
	if err := d.putAside("clustered"); err != nil {
		return err
	}
	klog.InfoS("The only member of a cluster became a standalone database", "database", d.name)
	return os.Rename(standalone, d.file)
}

// clusterSize reads from the file's log how many members its cluster had last.
func (d database) clusterSize(ctx context.Context) (int, error) {
	log, err := run(ctx, "ovsdb-tool", "show-log", d.file)
	if err != nil {
		return 0, err
	}
	size := 0
	for line := range strings.Lines(log) {
		key, servers, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if key == "servers" || key == "prev_servers" {
			size = strings.Count(servers, "(")
		}
	}
	return size, nil
}

type fileState int

const (
	fileMissing fileState = iota
	fileStandalone
	fileClustered
)

func (d database) state(ctx context.Context) (fileState, error) {
	if _, err := os.Stat(d.file); errors.Is(err, fs.ErrNotExist) {
		return fileMissing, nil
	} else if err != nil {
		return fileMissing, err
	}
	name, err := run(ctx, "ovsdb-tool", "db-name", d.file)
	if err != nil {
		return fileMissing, fmt.Errorf("%s: unreadable database, restore a backup or move it away: %w", d.file, err)
	}
	if name != d.name {
		klog.InfoS("Database has another name and is put aside", "file", d.file, "name", name, "want", d.name)
		return fileMissing, d.putAside("name-" + name)
	}
	if _, err := run(ctx, "ovsdb-tool", "db-is-clustered", d.file); err == nil {
		return fileClustered, nil
	}
	return fileStandalone, nil
}

func (d database) putAside(why string) error {
	return os.Rename(d.file, fmt.Sprintf("%s.%s.%s", d.file, why, time.Now().UTC().Format("20060102T150405")))
}

// prepareMember founds the cluster, joins it, or continues in it.
func (d database) prepareMember(ctx context.Context, m member, state fileState) error {
	local := m.tls.remote(m.self, d.raftPort)
	if state == fileClustered {
		got, err := run(ctx, "ovsdb-tool", "db-local-address", d.file)
		if err != nil {
			return err
		}
		if got != local {
			return fmt.Errorf("%s: file belongs to the member %s, this node is %s", d.name, got, local)
		}
		return nil
	}
	var others []string
	exists := false
	for _, a := range m.all {
		if a == m.self {
			continue
		}
		others = append(others, m.tls.remote(a, d.raftPort))
		connected, err := m.query(ctx, m.tls.remote(a, d.port), d.name)
		if err != nil {
			klog.V(2).InfoS("Member does not answer", "database", d.name, "member", a, "err", err)
		}
		exists = exists || connected
	}
	if !exists && m.all[0] == m.self {
		return d.found(ctx, local, state)
	}
	if state == fileStandalone {
		if err := d.putAside("standalone"); err != nil {
			return err
		}
	}
	klog.InfoS("Joining the cluster", "database", d.name, "self", local, "members", others)
	_, err := run(ctx, append([]string{"ovsdb-tool", "join-cluster", d.file, d.name, local}, others...)...)
	return err
}

// found makes the first member; a standalone database becomes its content, which is how one replica grows to three.
func (d database) found(ctx context.Context, local string, state fileState) error {
	content := d.schema
	if state == fileStandalone {
		if err := convert(ctx, d.file, d.schema); err != nil {
			return err
		}
		content = d.file + ".standalone"
		if err := os.Rename(d.file, content); err != nil {
			return err
		}
	}
	klog.InfoS("Founding the cluster", "database", d.name, "self", local, "content", content)
	_, err := run(ctx, "ovsdb-tool", "--election-timer=5000", "create-cluster", d.file, content, local)
	return err
}

// convert brings a standalone file to a schema, keeping a copy. A file of a newer schema stays: going back a version must
// not drop columns.
func convert(ctx context.Context, file, schema string) error {
	answer, err := run(ctx, "ovsdb-tool", "needs-conversion", file, schema)
	if err != nil || answer != "yes" {
		return err
	}
	have, err := run(ctx, "ovsdb-tool", "db-version", file)
	if err != nil {
		return err
	}
	want, err := run(ctx, "ovsdb-tool", "schema-version", schema)
	if err != nil {
		return err
	}
	if _, err := run(ctx, "ovsdb-tool", "compare-versions", have, ">", want); err == nil {
		klog.InfoS("Database has a newer schema than the installed one and is kept", "file", file, "have", have, "installed", want)
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".backup-"+have, data, 0o600); err != nil {
		return err
	}
	klog.InfoS("Converting database", "file", file, "from", have, "to", want)
	_, err = run(ctx, "ovsdb-tool", "convert", file, schema)
	return err
}

// listen writes the Local_Config database. Listeners live there and not in the database itself because they differ by
// member, and not on the command line because only rows carry an inactivity probe.
func (d database) listen(ctx context.Context, schema string, targets []string, probeMillis int) error {
	if err := os.Remove(d.local); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := run(ctx, "ovsdb-tool", "create", d.local, schema); err != nil {
		return err
	}
	operations := []any{"Local_Config"}
	names := make([]any, len(targets))
	for i, target := range targets {
		name := fmt.Sprintf("c%d", i)
		names[i] = []string{"named-uuid", name}
		operations = append(operations, map[string]any{"op": "insert", "table": "Connection", "uuid-name": name,
			"row": map[string]any{"target": target, "inactivity_probe": probeMillis}})
	}
	operations = append(operations, map[string]any{"op": "insert", "table": "Config",
		"row": map[string]any{"connections": []any{"set", names}}})
	transaction, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	out, err := run(ctx, "ovsdb-tool", "transact", d.local, string(transaction))
	if err == nil && strings.Contains(out, `"error"`) {
		err = fmt.Errorf("%s: %s", d.local, out)
	}
	return err
}

// server is the ovsdb-server of the database.
func (d database) server(l layout, t TLS) daemon {
	argv := []string{"ovsdb-server", "-vconsole:info", "-vsyslog:off", "-vfile:info", "--log-file=" + d.log,
		"--no-chdir", "--pidfile=" + d.pid, "--unixctl=" + d.control, "--remote=punix:" + d.socket,
		"--remote=db:Local_Config,Config,connections"}
	argv = append(argv, t.args()...)
	return daemon{
		name: "ovsdb-server-" + strings.ToLower(d.name), argv: append(argv, d.local, d.file), env: l.environ(),
		ready: func(ctx context.Context) error {
			_, err := run(ctx, "ovs-appctl", "-T", "5", "-t", d.control, "version")
			return err
		},
		// A leader that is asked to exit hands its leadership over first; one that gets a signal leaves the others to find
		// out, which takes an election timer.
		leave: func(ctx context.Context) error {
			_, err := run(ctx, "ovs-appctl", "-T", "5", "-t", d.control, "exit")
			return err
		},
	}
}

// upgradeCluster converts a served clustered database to the installed schema; only the leader does it.
func (d database) upgradeCluster(ctx context.Context) error {
	server := "unix:" + d.socket
	answer, err := run(ctx, "ovsdb-client", "-t", "5", "needs-conversion", server, d.schema)
	if err != nil || answer != "yes" {
		return err
	}
	have, err := run(ctx, "ovsdb-client", "-t", "5", "get-schema-version", server, d.name)
	if err != nil {
		return err
	}
	want, err := run(ctx, "ovsdb-tool", "schema-version", d.schema)
	if err != nil {
		return err
	}
	if _, err := run(ctx, "ovsdb-tool", "compare-versions", have, ">", want); err == nil {
		return nil
	}
	klog.InfoS("Converting clustered database", "database", d.name, "from", have, "to", want)
	_, err = run(ctx, "ovsdb-client", "-t", "9", "convert", server, d.schema)
	return err
}

// queryConnected asks a server whether its clustered database has a leader.
func (t TLS) queryConnected(ctx context.Context, remote, db string) (bool, error) {
	transaction := fmt.Sprintf(`["_Server",{"op":"select","table":"Database","where":[["name","==",%q]],"columns":["model","connected"]}]`, db)
	argv := append([]string{"ovsdb-client", "-t", "3"}, t.args()...)
	out, err := run(ctx, append(argv, "transact", remote, transaction)...)
	if err != nil {
		return false, err
	}
	var results []struct {
		Rows []struct {
			Model     string
			Connected bool
		}
	}
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		return false, fmt.Errorf("%s answered %q: %w", remote, out, err)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			if row.Model == "clustered" && row.Connected {
				return true, nil
			}
		}
	}
	return false, nil
}
