package porttest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const insideEnv = "PORTTEST_INSIDE"

// Main runs the tests of a package in fresh network, mount and process namespaces, and without them when not root. Call it
// from TestMain.
func Main(m *testing.M) {
	switch {
	case os.Getenv(insideEnv) != "":
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the namespaces of the test:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	case os.Getuid() != 0 || fuzzing():
		os.Exit(m.Run())
	default:
		os.Exit(again())
	}
}

// fuzzing: the processes of a fuzz run talk over inherited descriptors, and fuzz targets touch no kernel.
func fuzzing() bool {
	for _, arg := range os.Args[1:] {
		if strings.HasPrefix(arg, "-test.fuzz=") || strings.HasPrefix(arg, "-test.fuzzworker") {
			return true
		}
	}
	return false
}

// again runs this binary a second time, inside.
func again() int {
	// The signal is sent when the thread that started the child ends.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "run the tests in namespaces:", err)
		return 1
	}
}

// prepare gives the namespaces their own /proc, /sys and /run/netns, and starts the loopback device.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	for _, m := range []struct{ kind, path string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run/netns"}} {
		if err := unix.Mount(m.kind, m.path, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// Root skips a test that needs the namespaces.
func Root(tb testing.TB) {
	tb.Helper()
	if os.Getenv(insideEnv) == "" {
		tb.Skip("needs root")
	}
}
