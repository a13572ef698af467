package ovs_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// TestLeaderChange: with several endpoints the client works with the raft leader, follows it when it moves and when it dies.
func TestLeaderChange(t *testing.T) {
	cluster := ovstest.StartCluster(t, ovs.Northbound, 3)
	first := cluster.Servers[0]
	c := first.Connect(t, func(cfg *ovs.Config) { cfg.Endpoints = cluster.Endpoints() })
	small(t, c)

	sessions := c.Stats().Sessions
	for _, step := range []struct {
		name string
		act  func(leader *ovstest.Server)
	}{
		{"transferred", func(s *ovstest.Server) { s.Appctl(t, "cluster/failure-test", "transfer-leadership") }},
		{"killed", func(s *ovstest.Server) { s.Stop(t) }},
	} {
		old := cluster.Leader(t)
		step.act(cluster.Servers[old])
		ovstest.Eventually(t, time.Minute, "another leader", func() bool { l := cluster.Leader(t); return l >= 0 && l != old })
		ovstest.Eventually(t, time.Minute, "the client follows", func() bool { return c.Stats().Sessions > sessions })
		sessions = c.Stats().Sessions
		write(t, c, step.name)
	}
	dump := cluster.Servers[cluster.Leader(t)].Dump(t)
	for _, want := range []string{"Port_Group transferred:", "Port_Group killed:", "Logical_Switch_Port a.default:"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q on the new leader:\n%s", want, dump)
		}
	}
}

// write adds a port group as soon as the client is able to.
func write(t *testing.T, c *ovs.Client, name string) {
	t.Helper()
	var last error
	defer func() {
		if t.Failed() {
			t.Logf("last error: %v", last)
		}
	}()
	ovstest.Eventually(t, time.Minute, "write "+name, func() bool {
		_, last = tryApply(t, c, "group/"+name, ovs.PortGroup{Name: name})
		return last == nil
	})
}

// TestSilentServer: a server that stops answering without closing is noticed, livez fails after the bound, and the
// client comes back with it.
func TestSilentServer(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t, func(cfg *ovs.Config) {
		cfg.Inactivity, cfg.ConnectTimeout, cfg.TransactTimeout = 100*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond
		cfg.UnhealthyAfter = 300 * time.Millisecond
	})
	small(t, c)
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ovstest.Eventually(t, deadline, "Healthy fails", func() bool { return c.Healthy() != nil })
	if err := syscall.Kill(s.Pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ovstest.Eventually(t, deadline, "Healthy again", func() bool { return c.Healthy() == nil })
	write(t, c, "after")
	apply(t, c, "group/after")
	same(t, s, smallDump)
}

// TestIdleServer: a server that has nothing to say is not silent; it answers echoes.
func TestIdleServer(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.Inactivity, cfg.UnhealthyAfter = 20*time.Millisecond, time.Millisecond })
	end := time.Now().Add(300 * time.Millisecond)
	ovstest.Eventually(t, deadline, "time passes", func() bool {
		if err := c.Healthy(); err != nil {
			t.Fatal(err)
		}
		return time.Now().After(end)
	})
}

func TestConnectFails(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	tests := []struct {
		name, endpoint string
		db             ovs.Database
		want           string
	}{
		{"no server", "unix:/nonexistent/sock", ovs.Northbound, "no such file"},
		{"malformed", "nonsense", ovs.Northbound, "malformed endpoint"},
		{"unknown method", "udp:1.1.1.1:1", ovs.Northbound, "unknown connection method"},
		{"other database", s.Endpoint, ovs.Southbound, "has no database OVN_Southbound"},
		{"unknown database", s.Endpoint, "Nothing", "unknown database"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ovs.Connect(t.Context(), tt.db, ovs.Config{Endpoints: []string{tt.endpoint}, MaxRetry: 1})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("ends with its context", func(t *testing.T) {
		c := s.Connect(t)
		c.Close()
		if _, err := tryApply(t, c, "group/x", ovs.PortGroup{Name: "x"}); err == nil {
			t.Fatal("Apply works on a closed client")
		}
	})
}
