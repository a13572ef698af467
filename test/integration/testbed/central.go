package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// Central is what ovn-central runs: the two databases and, once started, ovn-northd.
type Central struct {
	NB, SB *ovstest.Server

	tb     ovstest.TB
	dir    string
	northd *exec.Cmd
}

// StartCentral starts two empty databases that live as long as tb.
func StartCentral(tb ovstest.TB) *Central {
	tb.Helper()
	c := &Central{NB: ovstest.Start(tb, ovs.Northbound), SB: ovstest.Start(tb, ovs.Southbound), tb: tb, dir: tb.TempDir()}
	tb.Cleanup(c.StopNorthd)
	return c
}

// StartNorthd starts ovn-northd, which renders Northbound rows into logical flows.
func (c *Central) StartNorthd() {
	c.tb.Helper()
	// The control socket's path has to fit into 108 bytes.
	c.northd = exec.Command("ovn-northd", "--ovnnb-db="+c.NB.Endpoint, "--ovnsb-db="+c.SB.Endpoint, "--no-chdir",
		"--log-file="+c.northdLog(), "--unixctl="+strings.TrimPrefix(c.SB.Endpoint, "unix:")+".northd", "-vconsole:off")
	if err := c.northd.Start(); err != nil {
		c.tb.Fatalf("start ovn-northd: %v", err)
	}
}

// StopNorthd kills ovn-northd.
func (c *Central) StopNorthd() {
	if c.northd == nil {
		return
	}
	_ = c.northd.Process.Kill()
	_ = c.northd.Wait()
	c.northd = nil
}

func (c *Central) northdLog() string { return filepath.Join(c.dir, "northd.log") }

// Nbctl runs ovn-nbctl and returns what it prints.
func (c *Central) Nbctl(args ...string) string {
	c.tb.Helper()
	return c.tool("ovn-nbctl", append([]string{"--db=" + c.NB.Endpoint, "--no-leader-only"}, args...)...)
}

// Sbctl runs ovn-sbctl and returns what it prints.
func (c *Central) Sbctl(args ...string) string {
	c.tb.Helper()
	return c.tool("ovn-sbctl", append([]string{"--db=" + c.SB.Endpoint, "--no-leader-only"}, args...)...)
}

func (c *Central) tool(name string, args ...string) string {
	c.tb.Helper()
	out, err := exec.CommandContext(c.tb.Context(), name, args...).CombinedOutput()
	if err != nil {
		c.tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Sync waits until ovn-northd has rendered everything that is in the Northbound database now.
func (c *Central) Sync() {
	c.tb.Helper()
	c.Nbctl("--timeout=30", "--wait=sb", "sync")
}

// NorthdComplaints are the warnings and errors that ovn-northd logged about rows; those about its connections are left out.
func (c *Central) NorthdComplaints() []string {
	c.tb.Helper()
	text, err := os.ReadFile(c.northdLog())
	if err != nil {
		c.tb.Fatal(err)
	}
	var complaints []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(line, "|", 5) // time, number, module, level, message
		if len(fields) < 5 || fields[3] != "WARN" && fields[3] != "ERR" && fields[3] != "EMER" {
			continue
		}
		switch fields[2] {
		case "reconnect", "stream_unix", "jsonrpc", "poll_loop", "timeval", "ovsdb_cs":
			continue
		}
		complaints = append(complaints, strings.TrimSpace(line))
	}
	return complaints
}

// Versions is the identity and version of every row of the Northbound database but NB_Global, which ovn-northd writes. The
// server gives a row a new version with every write, so equal texts mean that nothing was written.
func (c *Central) Versions() string {
	c.tb.Helper()
	tables := []string{"Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port", "Logical_Router_Policy",
		"Logical_Router_Static_Route", "Port_Group", "Address_Set", "ACL", "NAT", "DHCP_Options", "Load_Balancer", "BFD", "Gateway_Chassis"}
	ops := make([]string, 0, len(tables))
	for _, table := range tables {
		ops = append(ops, `{"op":"select","table":"`+table+`","where":[],"columns":["_uuid","_version"]}`)
	}
	return c.NB.Transact(c.tb, ops...)
}
