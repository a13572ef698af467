package start

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// inNamespace marks the second run of the test binary.
const inNamespace = "KUBE_OVN_START_TEST_NETNS"

// TestMain moves the tests into a network namespace of their own: OVS makes devices, uninstalling removes rules, and both
// must never touch the machine. Without the right to do so the tests that need it are skipped.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) == "" {
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err == nil {
			err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), inNamespace+"=1"))
			fmt.Fprintln(os.Stderr, "cannot run the tests again:", err)
			os.Exit(1)
		}
		runtime.UnlockOSThread()
	} else if lo, err := netlink.LinkByName("lo"); err != nil || netlink.LinkSetUp(lo) != nil {
		fmt.Fprintln(os.Stderr, "cannot set up lo:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// needs skips the test on a machine without the programs or rights it is about.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("needs a network namespace (root)")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
}

// settings is an environment for one pod in a temporary directory.
type settings map[string]string

func newSettings(t *testing.T, more map[string]string) settings {
	dir := t.TempDir()
	s := settings{
		"OVS_RUNDIR": filepath.Join(dir, "run-ovs"), "OVS_LOGDIR": filepath.Join(dir, "log-ovs"), "OVS_DBDIR": filepath.Join(dir, "etc-ovs"),
		"OVN_RUNDIR": filepath.Join(dir, "run-ovn"), "OVN_LOGDIR": filepath.Join(dir, "log-ovn"), "OVN_DBDIR": filepath.Join(dir, "etc-ovn"),
		"OVN_TLS_DIR": filepath.Join(dir, "tls"), "OVN_LEADER_PROBE_INTERVAL": "1",
	}
	for k, v := range more {
		s[k] = v
	}
	return s
}

func (s settings) get(name string) string { return s[name] }

// with copies the settings.
func (s settings) with(key, value string) settings {
	out := settings{key: value}
	for k, v := range s {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// quick makes the supervisor fast enough for tests.
func quick(l *limits) { l.firstBackoff = 50 * time.Millisecond; l.stopTimeout = 5 * time.Second }

// running is a Run in the background.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
	over   bool
}

func background(t *testing.T, run func(context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- run(ctx) }()
	t.Cleanup(func() {
		if !r.over {
			cancel()
			<-r.ended
		}
	})
	return r
}

// stop tells the program to end, as SIGTERM does, and returns what it said.
func (r *running) stop() error {
	r.cancel()
	return r.result()
}

func (r *running) result() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.over = true
		return err
	case <-time.After(30 * time.Second):
		r.t.Fatal("the program did not end within 30 s")
		return nil
	}
}

// eventually waits for a condition; while it is not so, the program must not have ended.
func (r *running) eventually(what string, check func(ctx context.Context) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 40*time.Second)
	defer cancel()
	err := poll(ctx, 50*time.Millisecond, what, func(ctx context.Context) error {
		select {
		case err := <-r.ended:
			r.over = true
			cancel()
			return fmt.Errorf("program ended: %w", errors.Join(err))
		default:
		}
		return check(ctx)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// tool runs a program that must succeed.
func tool(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readPid reads a pid file, which is missing for a moment while its daemon starts.
func readPid(file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

func pidOf(t *testing.T, file string) int {
	t.Helper()
	pid, err := readPid(file)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// replaced says whether a daemon has another process than before.
func replaced(file string, before int) error {
	pid, err := readPid(file)
	if err == nil && pid == before {
		err = errors.New("the old pid file is still there")
	}
	return err
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func mustParseCIDR(t *testing.T, s string) *net.IPNet {
	t.Helper()
	ip, n, err := net.ParseCIDR(s)
	if err != nil {
		t.Fatal(err)
	}
	n.IP = ip
	return n
}
