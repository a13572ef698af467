// Package ns enters and makes Linux namespaces.
//
// Key: a process id, or the name of a network namespace below /run/netns. A thread that has entered a namespace is given up afterwards, so that no
// other goroutine runs in it by accident.
package ns

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Dir holds the named network namespaces, as ip-netns(8) has it.
const Dir = "/run/netns"

// Path is the file of a named network namespace.
func Path(name string) string { return filepath.Join(Dir, name) }

// CreateNetns makes a named network namespace.
func CreateNetns(name string) error {
	return OnThread(func() error {
		if err := share(Dir); err != nil {
			return err
		}
		handle, err := netns.NewNamed(name)
		if err != nil {
			return fmt.Errorf("network namespace %s: %w", name, err)
		}
		return handle.Close()
	})
}

// share makes a directory a mount of its own that shares what is mounted below, as ip-netns(8) does and what its kind expects:
// they would put a mount on top that covers those of namespaces which are there already, for good.
func share(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", dir, "", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount yet
		if err = unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", dir, "", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("share the mounts below %s: %w", dir, err)
	}
	return nil
}

// DeleteNetns removes the name of a network namespace; the namespace ends with its last process. A missing one is fine.
func DeleteNetns(name string) error {
	path := Path(name)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // not mounted any more
			break
		}
		if err != nil {
			return fmt.Errorf("network namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("network namespace %s: %w", name, err)
	}
	return nil
}

// NetnsNames are the named network namespaces whose name begins with prefix.
func NetnsNames(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// NetnsProcesses are the ids of the processes in a named network namespace.
func NetnsProcesses(name string) ([]int, error) {
	var want unix.Stat_t
	if err := unix.Stat(Path(name), &want); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var have unix.Stat_t
		if unix.Stat(filepath.Join("/proc", e.Name(), "ns", "net"), &have) == nil && have.Ino == want.Ino && have.Dev == want.Dev {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// OnThread runs do on an operating system thread of its own, which ends afterwards.
func OnThread(do func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		result <- do()
	}()
	return <-result
}

// InNetns runs do on a thread in the named network namespace.
func InNetns(name string, do func() error) error {
	return OnThread(func() error {
		if err := enter(Path(name), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return do()
	})
}

// InProcess runs do on a thread in the network, mount, host name and, for the processes it starts, process id namespace of pid.
func InProcess(pid int, do func() error) error {
	return OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // a shared root and working directory would keep the mount namespace
			return fmt.Errorf("unshare: %w", err)
		}
		dir := filepath.Join("/proc", strconv.Itoa(pid), "ns")
		kinds := []struct {
			file string
			flag int
		}{{"net", unix.CLONE_NEWNET}, {"uts", unix.CLONE_NEWUTS}, {"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS}} // mnt last: it hides /proc
		for _, k := range kinds {
			if err := enter(filepath.Join(dir, k.file), k.flag); err != nil {
				return err
			}
		}
		return do()
	})
}

// OuterPID translates a process id inside the process id namespace of member to the id outside.
func OuterPID(member, inner int) (int, error) {
	space, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(member), "ns", "pid"))
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		own, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns", "pid"))
		if err != nil || own != space {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err == nil && innermostPID(string(status)) == inner {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("process %d beside process %d: %w", inner, member, fs.ErrNotExist)
}

// innermostPID reads the last id of the NSpid line of proc(5)'s status: the id that the process has for itself.
func innermostPID(status string) int {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			if len(fields) > 0 {
				pid, _ := strconv.Atoi(fields[len(fields)-1])
				return pid
			}
		}
	}
	return 0
}

func enter(path string, flag int) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("enter namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), flag); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}

// MountsBelow are the mount points of this process that match, last mounted first.
func MountsBelow(match func(path string) bool) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f, match)
}

func parseMounts(r io.Reader, match func(string) bool) ([]string, error) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var paths []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		if path := unescape.Replace(fields[4]); match(path) {
			paths = append([]string{path}, paths...)
		}
	}
	return paths, lines.Err()
}
