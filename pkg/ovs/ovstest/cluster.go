package ovstest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// Cluster is a raft cluster of ovsdb-servers on loopback.
type Cluster struct {
	Servers []*Server
}

// StartCluster runs n servers of one clustered database until the test ends.
func StartCluster(tb TB, db ovs.Database, n int) *Cluster {
	tb.Helper()
	c := &Cluster{}
	var first string
	for i := range n {
		dir := shortDir(tb)
		raft, client := fmt.Sprintf("tcp:127.0.0.1:%d", freePort(tb)), freePort(tb)
		s := &Server{DB: db, Endpoint: fmt.Sprintf("tcp:127.0.0.1:%d", client), file: filepath.Join(dir, "db"),
			socket: filepath.Join(dir, "sock"), log: filepath.Join(dir, "log"),
			args: []string{fmt.Sprintf("--remote=ptcp:%d:127.0.0.1", client)}}
		if i == 0 {
			first = raft
			run(tb, "ovsdb-tool", "create-cluster", s.file, schemaFile(tb, dir, db), raft)
		} else {
			run(tb, "ovsdb-tool", "join-cluster", s.file, string(db), raft, first)
		}
		c.Servers = append(c.Servers, s)
		s.Restart(tb)
		tb.Cleanup(func() { s.Stop(tb) })
	}
	Eventually(tb, 30*time.Second, "the cluster has a leader and all members", func() bool {
		return c.Leader(tb) >= 0 && c.joined(tb)
	})
	return c
}

func freePort(tb TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Endpoints are those of all members.
func (c *Cluster) Endpoints() []string {
	out := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		out = append(out, s.Endpoint)
	}
	return out
}

// Leader is the index of the member that leads, or -1.
func (c *Cluster) Leader(tb TB) int {
	tb.Helper()
	for i, s := range c.Servers {
		if s.cmd != nil && strings.Contains(s.status(tb), "Role: leader") {
			return i
		}
	}
	return -1
}

func (c *Cluster) joined(tb TB) bool {
	for _, s := range c.Servers {
		if s.cmd != nil && !strings.Contains(s.status(tb), "Status: cluster member") {
			return false
		}
	}
	return true
}

func (s *Server) status(tb TB) string {
	if _, err := os.Stat(s.socket + ".ctl"); err != nil {
		return ""
	}
	return s.Appctl(tb, "cluster/status", string(s.DB))
}
