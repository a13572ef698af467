package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// InitVerb is the hidden verb of the lab program that a node's process 1 starts as: `lab __init FILE`.
const InitVerb = "__init"

// spec is what process 1 needs to know; it is handed over as a JSON file.
type spec struct {
	Hostname string
	Cgroup   string
	Disk     string            // folder of the private folders
	Folders  map[string]string // path in the node -> folder below Disk
	Keep     []string          // paths that stay visible although a private folder covers them
	Pause    string            // program that process 1 becomes
}

// Init is the body of InitVerb. It runs as process 1 of the node's namespaces, makes the node's mounts and becomes pause. What goes wrong it says on
// file descriptor 3, which is closed when all is well.
func Init(file string) error {
	report := os.NewFile(3, "report")
	unix.CloseOnExec(3)
	err := initialize(file)
	if _, writeErr := io.WriteString(report, err.Error()); writeErr != nil {
		err = errors.Join(err, writeErr)
	}
	return err
}

func initialize(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s spec
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := cgroup.Join(s.Cgroup); err != nil {
		return err
	}
	if err := s.mount(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	return fmt.Errorf("%s: %w", s.Pause, unix.Exec(s.Pause, []string{"pause"}, nil))
}

// mount makes the node's view of the file system. The order matters: all is private while it is made, so that nothing reaches the machine, and
// shared at the end, so that pods may have mounts with propagation.
func (s spec) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := forgetNetns(); err != nil {
		return err
	}
	kept, err := s.keep()
	if err != nil {
		return err
	}
	groups, err := openTree("/sys/fs/cgroup")
	if err != nil {
		return err
	}
	if err := errors.Join(
		mount("sysfs", "/sys", "sysfs"), // shows the NICs of the node's network namespace
		moveTree(groups, "/sys/fs/cgroup"),
		mount("proc", "/proc", "proc"),
	); err != nil {
		return err
	}
	for target, folder := range s.Folders {
		if err := unix.Mount(filepath.Join(s.Disk, folder), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", target, err)
		}
	}
	for path, tree := range kept {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := moveTree(tree, path); err != nil {
			return err
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	return nil
}

// forgetNetns drops the names of network namespaces inherited from the machine: they would keep a namespace alive that its owner has removed.
func forgetNetns() error {
	paths, err := ns.MountsBelow(func(path string) bool { return path == ns.Dir || strings.HasPrefix(path, ns.Dir+"/") })
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
	return nil
}

// keep opens the paths that private folders would cover.
func (s spec) keep() (map[string]int, error) {
	trees := map[string]int{}
	for _, path := range s.Keep {
		for target := range s.Folders {
			if !strings.HasPrefix(path, target+"/") {
				continue
			}
			tree, err := openTree(path)
			if err != nil {
				return nil, err
			}
			trees[path] = tree
		}
	}
	return trees, nil
}

func openTree(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return 0, fmt.Errorf("open mounts of %s: %w", path, err)
	}
	return fd, nil
}

func moveTree(fd int, path string) error {
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return unix.Close(fd)
}

func mount(source, target, kind string) error {
	if err := unix.Mount(source, target, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}
