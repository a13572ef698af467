package ns

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseMounts(t *testing.T) {
	const text = `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:27 / /run/netns rw shared:1 - tmpfs tmpfs rw
31 30 0:4 net:[4026532] /run/netns/a rw - nsfs nsfs rw
32 22 0:28 / /with\040space rw - tmpfs tmpfs rw
short line
`
	tests := []struct {
		name  string
		match func(string) bool
		want  []string
	}{
		{"last mounted first", func(p string) bool { return strings.HasPrefix(p, "/run/netns") }, []string{"/run/netns/a", "/run/netns"}},
		{"escaped", func(p string) bool { return p == "/with space" }, []string{"/with space"}},
		{"none", func(string) bool { return false }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMounts(strings.NewReader(text), tt.match)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestInnermostPID(t *testing.T) {
	tests := []struct {
		name, status string
		want         int
	}{
		{"one namespace", "Name:\tx\nNSpid:\t42\nNSpgid:\t42\n", 42},
		{"nested", "NSpid:\t4200\t7\n", 7},
		{"none", "Name:\tx\n", 0},
		{"empty", "NSpid:\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := innermostPID(tt.status); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// testNetns makes a network namespace for the time of a test.
func testNetns(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	name := "labtest-ns-" + strconv.Itoa(os.Getpid())
	if err := CreateNetns(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := DeleteNetns(name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestNamedNetns(t *testing.T) {
	name := testNetns(t)
	outside, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	err = InNetns(name, func() error {
		inside, err := os.Readlink("/proc/thread-self/ns/net")
		if inside == outside {
			t.Error("the thread did not change its namespace")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = OnThread(func() error {
		now, err := os.Readlink("/proc/thread-self/ns/net")
		if now != outside {
			t.Error("a thread that changed its namespace is used again")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names, err := NetnsNames("labtest-ns-")
	if err != nil || !slices.Contains(names, name) {
		t.Errorf("names %v, %v", names, err)
	}
	if err := DeleteNetns(name); err != nil {
		t.Fatal(err)
	}
	if err := DeleteNetns(name); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if _, err := os.Stat(Path(name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
	if err := InNetns(name, func() error { return nil }); err == nil {
		t.Error("entered a namespace that is gone")
	}
}

func TestNetnsProcesses(t *testing.T) {
	name := testNetns(t)
	cmd := exec.Command("sleep", "60")
	if err := InNetns(name, cmd.Start); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill() //nolint:errcheck // the wait tells
		cmd.Wait()         //nolint:errcheck // it was killed
	}()
	pids, err := NetnsProcesses(name)
	if err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("got %v, %v; want %d", pids, err, cmd.Process.Pid)
	}
	if pids, err := NetnsProcesses(name + "-missing"); err != nil || pids != nil {
		t.Errorf("of a missing namespace: %v, %v", pids, err)
	}
}

// A process is found by the id that it has inside its own process id namespace.
func TestInProcessAndOuterPID(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	first := exec.Command("sleep", "60")
	first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	second := exec.Command("sleep", "60")
	defer func() {
		first.Process.Kill() //nolint:errcheck // ends both
		second.Wait()        //nolint:errcheck // killed with its process 1, which ends only when it is reaped
		first.Wait()         //nolint:errcheck // it was killed
	}()
	if err := InProcess(first.Process.Pid, second.Start); err != nil {
		t.Fatal(err)
	}
	for inner, want := range map[int]int{1: first.Process.Pid, 2: second.Process.Pid} {
		if got, err := OuterPID(first.Process.Pid, inner); err != nil || got != want {
			t.Errorf("process %d inside is %d, %v; want %d", inner, got, err, want)
		}
	}
	if _, err := OuterPID(first.Process.Pid, 99); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that does not exist: %v", err)
	}
}

// Programs that make namespaces themselves do not cover ours: what they do to the directory finds it done.
func TestNetnsBesideOtherPrograms(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	err := OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); !errors.Is(err, unix.EINVAL) {
			t.Errorf("before: %v, want that it is no mount", err)
		}
		for range 2 {
			if err := share(dir); err != nil {
				return err
			}
		}
		if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
			t.Errorf("after: %v", err)
		}
		// The mounts of this thread, not those of the process.
		f, err := os.Open("/proc/thread-self/mountinfo")
		if err != nil {
			return err
		}
		defer f.Close()
		if mounts, err := parseMounts(f, func(p string) bool { return p == dir }); err != nil || len(mounts) != 1 {
			t.Errorf("mounts %v, %v, want one", mounts, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
