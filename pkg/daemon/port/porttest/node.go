package porttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/containernetworking/plugins/pkg/testutils"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Node is a running node: every daemon is real.
type Node struct {
	Vswitch *ovs.Client
	NB      *ovs.Client // what the test writes the cluster's logical network with

	tb   testing.TB
	dir  string
	stop func() // the database
}

// Chassis is the system-id of the node.
const Chassis = "node1"

// bound is how long anything here may take to come up.
const bound = 30 * time.Second

// NewNode starts a node with the userspace datapath.
func NewNode(tb testing.TB) *Node {
	tb.Helper()
	Root(tb)
	// Short: a unix socket's path has 107 bytes.
	dir, err := os.MkdirTemp("", "pt")
	check(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := &Node{tb: tb, dir: dir}
	for db, schema := range map[string]string{
		"conf": "/usr/share/openvswitch/vswitch.ovsschema",
		"nb":   "/usr/share/ovn/ovn-nb.ovsschema",
		"sb":   "/usr/share/ovn/ovn-sb.ovsschema",
	} {
		n.run("ovsdb-tool", "create", n.path(db+".db"), schema)
	}
	n.StartDatabase()
	n.run("ovs-vsctl", "--db="+n.remote(), "--no-wait", "init")
	n.start("ovs-vswitchd", n.remote(), "--unixctl="+n.path("vs.ctl"), "--disable-system")
	n.run("ovs-vsctl", "--db="+n.remote(), "--timeout=20", "set", "open", ".", "external_ids:system-id="+Chassis,
		"external_ids:ovn-remote="+n.remote(), "external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1",
		"external_ids:ovn-bridge-datapath-type=netdev",
		"--", "add-br", util.IntegrationBridge, "--", "set", "bridge", util.IntegrationBridge, "datapath_type=netdev", "fail_mode=secure")
	n.start("ovn-northd", "--ovnnb-db="+n.remote(), "--ovnsb-db="+n.remote(), "--unixctl="+n.path("northd.ctl"))
	// OVN 23.03 sometimes crashes in its first moments; its monitor, as everywhere, starts it again.
	n.start("ovn-controller", n.remote(), "--monitor", "--pidfile="+n.path("controller.pid"))
	n.Vswitch, n.NB = n.connect(ovs.OpenVSwitchDB), n.connect(ovs.Northbound)
	n.settle()
	return n
}

// StartDatabase starts the server of all three databases.
func (n *Node) StartDatabase() {
	n.tb.Helper()
	n.stop = n.start("ovsdb-server", n.path("conf.db"), n.path("nb.db"), n.path("sb.db"), "--remote=punix:"+n.path("db.sock"),
		"--no-chdir", "--unixctl="+n.path("db.ctl"))
	n.waitSocket("db.sock")
}

// StopDatabase ends that server at once.
func (n *Node) StopDatabase() {
	n.tb.Helper()
	n.stop()
	check(n.tb, os.Remove(n.path("db.sock")))
}

// settle waits until the whole chain works: a port is bound.
func (n *Node) settle() {
	n.tb.Helper()
	const name = "settle"
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	n.apply(name, ovs.LogicalSwitch{Name: name}, ovs.LogicalSwitchPort{Switch: name, Name: name})
	n.Vsctl("add-port", util.IntegrationBridge, name, "--", "set", "interface", name, "type=internal", "external_ids:iface-id="+name)
	check(n.tb, n.Vswitch.WaitFor(ctx, "Interface", name, func(o ovs.Observation) bool {
		return o.ExternalIDs[util.IfaceOvnInstalled] == "true"
	}))
	n.Vsctl("del-port", name)
	n.apply(name)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }
func (n *Node) remote() string          { return "unix:" + n.path("db.sock") }

func (n *Node) connect(db ovs.Database) *ovs.Client {
	n.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client, err := ovs.Connect(ctx, db, ovs.Config{Endpoints: []string{n.remote()}})
	check(n.tb, err)
	n.tb.Cleanup(func() { client.Close(); cancel() })
	return client
}

// start runs a daemon until it is stopped or the test ends.
func (n *Node) start(name string, args ...string) (stop func()) {
	n.tb.Helper()
	cmd := n.command(name, args...)
	log, err := os.Create(n.path(name + ".log"))
	check(n.tb, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(n.tb, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = log.Close()
	})
	n.tb.Cleanup(func() {
		stop()
		if n.tb.Failed() {
			text, _ := os.ReadFile(log.Name())
			n.tb.Logf("%s said:\n%s", name, tail(string(text)))
		}
	})
	return stop
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}

func (n *Node) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+n.dir, "OVN_RUNDIR="+n.dir, "OVS_LOGDIR="+n.dir, "OVN_LOGDIR="+n.dir, "OVS_DBDIR="+n.dir)
	return cmd
}

// run runs a command to its end and returns what it printed.
func (n *Node) run(name string, args ...string) string {
	n.tb.Helper()
	out, err := n.command(name, args...).CombinedOutput()
	if err != nil {
		n.tb.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Vsctl runs ovs-vsctl on the node.
func (n *Node) Vsctl(args ...string) string {
	n.tb.Helper()
	return n.run("ovs-vsctl", append([]string{"--db=" + n.remote(), "--timeout=20"}, args...)...)
}

// waitSocket waits until a server listens: the socket's file is there a moment earlier.
func (n *Node) waitSocket(name string) {
	n.tb.Helper()
	Eventually(n.tb, "socket "+name, func() error {
		conn, err := net.Dial("unix", n.path(name))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Switch makes a logical switch with a router port that answers for the gateways.
func (n *Node) Switch(name string, gateways ...string) {
	n.tb.Helper()
	n.apply(name, ovs.LogicalSwitch{Name: name}, ovs.LogicalRouter{Name: "vpc-" + name},
		ovs.LogicalRouterPort{Router: "vpc-" + name, Name: "vpc-" + name + "-" + name, MAC: "0a:00:00:00:00:01", Networks: gateways},
		ovs.LogicalSwitchPort{
			Switch: name, Name: name + "-vpc-" + name, Type: "router", Addresses: []string{"router"},
			Options: map[string]string{"router-port": "vpc-" + name + "-" + name},
		})
}

// Port makes a logical port with the address text of OVN, "<mac> <ip> ...".
func (n *Node) Port(sw, name, addresses string) {
	n.tb.Helper()
	n.Apply(ovs.LogicalSwitchPort{Switch: sw, Name: name, Addresses: []string{addresses}})
}

// Apply makes a logical port as it is given.
func (n *Node) Apply(port ovs.LogicalSwitchPort) {
	n.tb.Helper()
	n.apply(port.Name, port)
}

// Undeclare removes a logical port.
func (n *Node) Undeclare(name string) {
	n.tb.Helper()
	n.apply(name)
}

func (n *Node) apply(key string, rows ...ovs.Row) {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	_, err := n.NB.Apply(ctx, ovs.Owner{Kind: "test", Key: key}, rows)
	check(n.tb, err)
}

// NewNetns makes a network namespace as a runtime makes one for a pod, and returns its path.
func NewNetns(tb testing.TB) string {
	tb.Helper()
	Root(tb)
	netns, err := testutils.NewNS()
	check(tb, err)
	tb.Cleanup(func() {
		if err := errors.Join(netns.Close(), testutils.UnmountNS(netns)); err != nil {
			tb.Errorf("remove %s: %v", netns.Path(), err)
		}
	})
	check(tb, ns.WithNetNSPath(netns.Path(), func(ns.NetNS) error { return Exec("ip", "link", "set", "lo", "up") }))
	return netns.Path()
}

// In runs a command in a network namespace and returns what it printed.
func In(netns, name string, args ...string) (string, error) {
	var out []byte
	err := ns.WithNetNSPath(netns, func(ns.NetNS) (err error) {
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		err = fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return string(out), err
}

// Exec runs a command.
func Exec(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// Eventually repeats a look until it finds nothing wrong, and fails the test with the last complaint after 30 s.
func Eventually(tb testing.TB, what string, look func() error) {
	tb.Helper()
	deadline := time.Now().Add(bound)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
