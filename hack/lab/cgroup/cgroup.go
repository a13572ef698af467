// Package cgroup makes, fills and empties the lab's control groups. A group is one name at the top of every mounted hierarchy, version 1 or 2.
//
// Key: the group's name. It reads /proc/self/mountinfo and writes below the hierarchies' mount points only in groups of the lab. What runs in a
// group is the lab's list of its own processes: that list survives the program that started them.
package cgroup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is one mounted tree of groups.
type hierarchy struct {
	path   string
	v2     bool
	cpuset bool // version 1: a group without CPUs and memory nodes holds no process
}

// hierarchies reads the mounted trees.
func hierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f)
}

// parseMounts picks the control group mounts out of proc(5)'s mountinfo.
func parseMounts(r io.Reader) ([]hierarchy, error) {
	var all []hierarchy
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		front, back := strings.Fields(before), strings.Fields(after)
		if !ok || len(front) < 5 || len(back) < 3 || front[3] != "/" {
			continue
		}
		h := hierarchy{path: front[4], v2: back[0] == "cgroup2", cpuset: slices.Contains(strings.Split(back[2], ","), "cpuset")}
		known := func(o hierarchy) bool { return o.path == h.path }
		if (h.v2 || back[0] == "cgroup") && !slices.ContainsFunc(all, known) {
			all = append(all, h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no control group hierarchy is mounted")
	}
	return all, nil
}

// System is the group below a node's group that holds the node's own daemons; pods get groups beside it from the kubelet.
const System = "system"

// Create makes the group and its System child in every hierarchy.
func Create(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	pure := len(all) == 1 && all[0].v2
	for _, h := range all {
		group := filepath.Join(h.path, name)
		for _, dir := range []string{group, filepath.Join(group, System)} {
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("control group %s: %w", name, err)
			}
			if h.cpuset && !h.v2 {
				if err := inheritCPUs(dir); err != nil {
					return fmt.Errorf("control group %s: %w", name, err)
				}
			}
		}
		if pure { // the kubelet needs the controllers in the group it makes its own in
			if err := errors.Join(delegate(h.path), delegate(group)); err != nil {
				return fmt.Errorf("control group %s: %w", name, err)
			}
		}
	}
	return nil
}

// inheritCPUs copies CPUs and memory nodes from the parent group.
func inheritCPUs(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), value, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// delegate gives all controllers of a version 2 group to its children.
func delegate(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(list)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the calling process, all its threads, into the System child of the group.
func Join(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := os.WriteFile(filepath.Join(h.path, name, System, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("join control group %s: %w", name, err)
		}
	}
	return nil
}

// Names are the groups whose name begins with prefix.
func Names(prefix string) ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range all {
		entries, err := os.ReadDir(h.path)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	return names, nil
}

// Processes are the ids of everything that runs in the group and below it, zombies left out.
func Processes(name string) ([]int, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, h := range all {
		err := filepath.WalkDir(filepath.Join(h.path, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return ignoreGone(err)
			}
			data, err := os.ReadFile(path)
			for _, field := range strings.Fields(string(data)) {
				if pid, convErr := strconv.Atoi(field); convErr == nil && pid > 0 && !zombie(pid) {
					seen[pid] = true
				}
			}
			return ignoreGone(err)
		})
		if err != nil {
			return nil, fmt.Errorf("processes of control group %s: %w", name, err)
		}
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

// ignoreGone is nil for what a process or a group says that ended while it was looked at.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

func zombie(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, rest, ok := bytes.Cut(data, []byte(") "))
	return ok && bytes.HasPrefix(rest, []byte("Z"))
}

// Remove kills everything in the group and removes it from every hierarchy. It returns when it is gone or ctx ends.
func Remove(ctx context.Context, name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		pids, err := Processes(name)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d of control group %s: %w", pid, name, err)
			}
		}
		err = nil
		for _, h := range all {
			err = errors.Join(err, removeTree(filepath.Join(h.path, name)))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove control group %s: %w: %w", name, context.Cause(ctx), err)
		case <-retry.C:
		}
	}
}

// removeTree removes a group bottom up; its files go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
