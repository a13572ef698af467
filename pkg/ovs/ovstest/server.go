package ovstest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/schema"
)

const startDeadline = 10 * time.Second

// TB is the part of testing.TB used here; benchmark programs implement it too.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	TempDir() string
	Cleanup(func())
	Context() context.Context
}

// Server is one ovsdb-server process with one database.
type Server struct {
	DB       ovs.Database
	Endpoint string // "unix:<socket>", or "tcp:127.0.0.1:<port>" in a cluster
	file     string
	socket   string
	args     []string
	cmd      *exec.Cmd
	log      string
}

// schemaFile writes the schema the models are generated from into dir.
func schemaFile(tb TB, dir string, db ovs.Database) string {
	tb.Helper()
	name := map[ovs.Database]string{ovs.Northbound: "ovn-nb", ovs.Southbound: "ovn-sb", ovs.OpenVSwitchDB: "vswitch"}[db] + ".ovsschema"
	data, err := schema.Files.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// Start runs a server with an empty database of db until the test ends.
func Start(tb TB, db ovs.Database) *Server {
	tb.Helper()
	return StartSchema(tb, db, schemaFile(tb, tb.TempDir(), db))
}

// StartSchema is Start with the schema of another release.
func StartSchema(tb TB, db ovs.Database, file string) *Server {
	tb.Helper()
	dir := shortDir(tb)
	s := &Server{DB: db, file: filepath.Join(dir, "db"), socket: filepath.Join(dir, "sock"), log: filepath.Join(dir, "log")}
	s.Endpoint = "unix:" + s.socket
	run(tb, "ovsdb-tool", "create", s.file, file)
	s.Restart(tb)
	tb.Cleanup(func() { s.Stop(tb) })
	return s
}

// shortDir is a temporary directory whose path leaves room for a unix socket name (108 bytes).
func shortDir(tb TB) string {
	tb.Helper()
	if dir := tb.TempDir(); len(dir) < 80 {
		return dir
	}
	dir, err := os.MkdirTemp("", "ovs")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func run(tb TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Restart starts a stopped server again with the database it had.
func (s *Server) Restart(tb TB) {
	tb.Helper()
	_ = os.Remove(s.socket)
	_ = os.Remove(s.socket + ".ctl")
	args := append([]string{s.file, "--remote=punix:" + s.socket, "--no-chdir", "--log-file=" + s.log,
		"--unixctl=" + s.socket + ".ctl", "-vconsole:off"}, s.args...)
	s.cmd = exec.Command("ovsdb-server", args...)
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("start ovsdb-server: %v", err)
	}
	Eventually(tb, startDeadline, "ovsdb-server listens", func() bool {
		conn, err := net.Dial("unix", s.socket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// Stop kills the server and keeps its database.
func (s *Server) Stop(tb TB) {
	tb.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Empty stops the server, throws the database away and starts with a fresh one.
func (s *Server) Empty(tb TB) {
	tb.Helper()
	s.Stop(tb)
	if err := os.Remove(s.file); err != nil {
		tb.Fatal(err)
	}
	_ = os.Remove(filepath.Join(filepath.Dir(s.file), "."+filepath.Base(s.file)+".~lock~"))
	run(tb, "ovsdb-tool", "create", s.file, schemaFile(tb, filepath.Dir(s.file), s.DB))
	s.Restart(tb)
}

// Pid is the process of a running server.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Appctl asks the server for something through its control socket.
func (s *Server) Appctl(tb TB, args ...string) string {
	tb.Helper()
	return run(tb, "ovs-appctl", append([]string{"-t", s.socket + ".ctl"}, args...)...)
}

// Transact runs raw operations (RFC 7047 section 5.2, JSON text each) as a foreign writer would, and fails the test when
// the server refuses one.
func (s *Server) Transact(tb TB, operations ...string) string {
	tb.Helper()
	out := run(tb, "ovsdb-client", "transact", s.Endpoint, `["`+string(s.DB)+`",`+strings.Join(operations, ",")+`]`)
	if strings.Contains(out, `"error"`) {
		tb.Fatalf("transact %v: %s", operations, out)
	}
	return out
}

// Connect is a client of this server that lives as long as the test.
func (s *Server) Connect(tb TB, change ...func(*ovs.Config)) *ovs.Client {
	tb.Helper()
	cfg := ovs.Config{Endpoints: []string{s.Endpoint}}
	for _, f := range change {
		f(&cfg)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	c, err := ovs.Connect(ctx, s.DB, cfg)
	if err != nil {
		cancel()
		tb.Fatalf("connect to %s: %v", s.Endpoint, err)
	}
	tb.Cleanup(func() { c.Close(); cancel() })
	return c
}

// Eventually polls until ok, and fails the test with what when the deadline passes.
func Eventually(tb TB, deadline time.Duration, what string, ok func() bool) {
	tb.Helper()
	end := time.Now().Add(deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			tb.Fatalf("not within %s: %s", deadline, what)
		}
		<-tick.C
	}
}

// StartVSwitchd runs a real ovs-vswitchd on this database until the test ends, with the dummy datapath that needs neither
// kernel module nor device.
func (s *Server) StartVSwitchd(tb TB) {
	tb.Helper()
	cmd := exec.Command("ovs-vswitchd", s.Endpoint, "--enable-dummy=override", "--disable-system", "--disable-system-route",
		"--no-chdir", "--log-file="+s.log+".vswitchd", "--unixctl="+s.socket+".vswitchd.ctl", "--pidfile="+s.socket+".vswitchd.pid",
		"-vconsole:off")
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+filepath.Dir(s.socket))
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start ovs-vswitchd: %v", err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// ListenTLS makes the next Restart listen on loopback with TLS too and returns the endpoint; cert is its own authority.
func (s *Server) ListenTLS(tb TB, key, cert string) string {
	tb.Helper()
	port := freePort(tb)
	s.args = append(s.args, "--private-key="+key, "--certificate="+cert, "--ca-cert="+cert, fmt.Sprintf("--remote=pssl:%d:127.0.0.1", port))
	return fmt.Sprintf("ssl:127.0.0.1:%d", port)
}
