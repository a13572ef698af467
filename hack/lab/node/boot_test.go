package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/network"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// TestMain lets the test program be the lab program for the processes that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		hidden := map[string]func() error{
			InitVerb:         func() error { return Init(os.Args[2]) },
			daemon.SpawnVerb: func() error { return daemon.Spawn(os.Args[2:]) },
			daemon.ChildVerb: func() error { return daemon.Child(os.Args[2:]) },
		}
		if verb, ok := hidden[os.Args[1]]; ok {
			if err := verb(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// bootable is a node whose machine is a network namespace, so that the real machine's interfaces are left alone.
func bootable(t *testing.T) (n *Node, onMachine func(func() error)) {
	t.Helper()
	programs, err := cache.ProgramsDir()
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and Kubernetes' programs (bin/lab prepare)")
	}
	l, err := plan.New("labtest-boot", t.TempDir(), 1, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	control := cluster.Config{
		Dir: filepath.Join(l.Dir(), "control"), Programs: programs, Address: l.Host(), APIPort: 6443, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/12"),
	}
	n = New(l, l.Nodes[0], control, filepath.Dir(programs))
	machine := "machine-" + l.Name
	if err := ns.CreateNetns(machine); err != nil {
		t.Fatal(err)
	}
	onMachine = func(do func() error) {
		t.Helper()
		if err := ns.InNetns(machine, do); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		onMachine(func() error { return errors.Join(n.Kill(ctx), network.Clear(l)) })
		if err := ns.DeleteNetns(machine); err != nil {
			t.Error(err)
		}
	})
	onMachine(func() error { return errors.Join(network.Host(l), network.Outside(l), control.Prepare(), n.Prepare()) })
	return n, onMachine
}

// said runs a program in the node and returns what it printed.
func said(t *testing.T, n *Node, argv ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := n.Run(t.Context(), &Streams{Out: &out, Err: &out}, argv...); err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// A node is a machine of its own: it boots, keeps to itself, loses its power, and comes back with its disk and nothing else.
func TestNodeLife(t *testing.T) {
	n, onMachine := bootable(t)
	mountsBefore, err := ns.MountsBelow(func(path string) bool { return !strings.HasPrefix(path, ns.Dir) })
	if err != nil {
		t.Fatal(err)
	}
	onMachine(func() error { return n.Boot(t.Context()) })

	pid := n.PID()
	if pid == 0 {
		t.Fatal("it has no process 1")
	}
	onMachine(func() error { return n.Boot(t.Context()) })
	if n.PID() != pid {
		t.Error("a node that is up was booted again")
	}
	for what, got := range map[string]string{
		"host name":       said(t, n, "hostname"),
		"/etc/hostname":   said(t, n, "cat", "/etc/hostname"),
		"name of a shell": said(t, n, "sh", "-c", "cat /proc/sys/kernel/hostname"),
	} {
		if got != n.Name {
			t.Errorf("%s: %q, want %q", what, got, n.Name)
		}
	}
	if got := said(t, n, "cat", "/proc/1/comm"); got != "pause" {
		t.Errorf("process 1 is %q", got)
	}
	if got := said(t, n, "ls", "/sys/class/net"); !strings.Contains(got, "eth0") || !strings.Contains(got, "eth2") || strings.Contains(got, "-br") {
		t.Errorf("/sys shows the NICs %q, want the node's", got)
	}
	if got := said(t, n, "ctr", "version"); !strings.Contains(got, "Server:") {
		t.Errorf("containerd says %q", got)
	}
	if pids, err := n.Find("containerd"); err != nil || len(pids) != 1 || pids[0] != n.Daemons()[0].PID() {
		t.Errorf("containerd is %v, %v; want %d", pids, err, n.Daemons()[0].PID())
	}

	// What a node writes into its own folders no one else sees.
	for folder := range folders() {
		file := filepath.Join(folder, "labtest-node-life")
		said(t, n, "touch", file)
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s is on the machine: %v", file, err)
		}
	}
	mountsAfter, err := ns.MountsBelow(func(path string) bool { return !strings.HasPrefix(path, ns.Dir) })
	if err != nil || len(mountsAfter) != len(mountsBefore) {
		t.Errorf("mounts of the machine before %d, after %d, %v", len(mountsBefore), len(mountsAfter), err)
	}

	onMachine(func() error { return n.Kill(t.Context()) })
	if n.PID() != 0 || n.Daemons()[0].PID() != 0 || unix.Kill(pid, 0) == nil && !isZombie(pid) {
		t.Error("something runs after the power is gone")
	}
	if groups, err := cgroup.Names(n.lab.NodeCgroup(n.Node)); err != nil || len(groups) != 0 {
		t.Errorf("control groups %v, %v", groups, err)
	}
	if _, err := os.Stat(ns.Path(n.lab.NodeNetns(n.Node))); !os.IsNotExist(err) {
		t.Errorf("network namespace: %v", err)
	}

	onMachine(func() error { return n.Boot(t.Context()) })
	said(t, n, "test", "-e", "/etc/labtest-node-life")
	said(t, n, "test", "!", "-e", "/run/labtest-node-life")
	onMachine(func() error { return n.Stop(t.Context()) })
	if n.PID() != 0 {
		t.Error("it runs after it was stopped")
	}
}

// What process 1 cannot do it says to whoever starts it.
func TestInitExplainsItself(t *testing.T) {
	n, onMachine := bootable(t)
	n.control.Programs = "/no/such/folder"
	var err error
	onMachine(func() error {
		err = n.Boot(t.Context())
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), n.Name) || !strings.Contains(err.Error(), "/no/such/folder/pause") {
		t.Errorf("got %v, want the node and the program", err)
	}
}

func isZombie(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(data), ") Z ")
}
