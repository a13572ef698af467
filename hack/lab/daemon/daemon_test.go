package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
)

// TestMain lets the test program be the lab program for the daemons that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildVerb {
		fmt.Fprintln(os.Stderr, Child(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func testDaemon(t *testing.T, argv ...string) Daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	d := Daemon{
		Name: argv[0], PIDFile: filepath.Join(dir, "run", "x.pid"), LogFile: filepath.Join(dir, "log", "x.log"),
		Cgroup: fmt.Sprintf("labtest-daemon-%d-%s", os.Getpid(), strings.ToLower(t.Name())), Argv: argv,
	}
	if err := cgroup.Create(d.Cgroup); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := cgroup.Remove(ctx, d.Cgroup); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestStartAndSignal(t *testing.T) {
	d := testDaemon(t, "sleep", "60")
	if d.PID() != 0 {
		t.Fatal("it runs before it was started")
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	pid := d.PID()
	if pid == 0 {
		t.Fatal("it does not run")
	}
	if err := d.Start(); err != nil || d.PID() != pid {
		t.Errorf("started again: process %d then %d, %v", pid, d.PID(), err)
	}
	waitFor(t, "the process in its group", func() bool {
		pids, err := cgroup.Processes(d.Cgroup)
		return err == nil && len(pids) == 1 && pids[0] == pid
	})
	if err := d.Signal(t.Context(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if d.PID() != 0 || unix.Kill(pid, 0) == nil && !zombie(pid) {
		t.Error("it still runs")
	}
	if err := d.Signal(t.Context(), unix.SIGTERM); err != nil {
		t.Errorf("signal to a daemon that does not run: %v", err)
	}
}

func TestSignalGivesUp(t *testing.T) {
	d := testDaemon(t, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the trap", func() bool { return strings.Contains(d.Log(), "ready") })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.Signal(ctx, unix.SIGTERM); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("got %v", err)
	}
	if err := d.Signal(t.Context(), unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestFailureIsInTheLog(t *testing.T) {
	d := testDaemon(t, "/no/such/program")
	if err := d.Start(); err != nil && !strings.Contains(err.Error(), "/no/such/program") {
		t.Fatalf("got %v, want the program's name", err)
	}
	waitFor(t, "its last words", func() bool { return strings.Contains(d.Log(), "/no/such/program") })
	waitFor(t, "its end", func() bool { return d.PID() == 0 })
}

func TestRecorded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pid")
	if Recorded(file) != 0 {
		t.Error("a missing file names a process")
	}
	if err := Record(file, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if got := Recorded(file); got != os.Getpid() {
		t.Errorf("got %d, want this process, %d", got, os.Getpid())
	}
	for _, content := range []string{"", "x y", "0 0", "-1 5", strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getpid()) + " 1"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Recorded(file); got != 0 {
			t.Errorf("%q: got %d; another process may have the id now", content, got)
		}
	}
}

func TestZombieIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it returns 0
	waitFor(t, "the zombie", func() bool { return zombie(cmd.Process.Pid) })
	if _, err := startTime(cmd.Process.Pid); err == nil {
		t.Error("a zombie counts as running")
	}
}

func TestChildNeedsArguments(t *testing.T) {
	if err := Child([]string{"group"}); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("got %v", err)
	}
}

func zombie(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(data), ") Z ")
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSeenWhileItBegins looks at daemons at the moment when they become their program: they are never taken for ended.
func TestSeenWhileItBegins(t *testing.T) {
	d := testDaemon(t, "sleep", "60")
	for range 50 {
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		pid := d.PID()
		for program := ""; filepath.Base(program) != "sleep"; program, _ = os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe")) {
			if d.PID() != pid {
				t.Fatalf("it seems to be gone; its log: %s", d.Log())
			}
		}
		if err := d.Signal(t.Context(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}
