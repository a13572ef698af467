package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/network"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// PauseImage is the image of every pod's sandbox.
const PauseImage = "registry.k8s.io/pause:3.10"

// bootTime bounds each step of a node's start.
const bootTime = time.Minute

// Node is one node of a lab.
type Node struct {
	plan.Node
	lab     *plan.Lab
	control cluster.Config
	cache   string // kept visible inside the node

	// Seed is a folder made by SaveStore that a new node's containerd starts with; empty or missing: with nothing.
	Seed string
}

// New describes a node; nothing is made yet.
func New(l *plan.Lab, n plan.Node, control cluster.Config, cache string) *Node {
	return &Node{Node: n, lab: l, control: control, cache: cache}
}

// PID is the node's process 1 as the machine counts, 0 when the node is down.
func (n *Node) PID() int { return daemon.Recorded(n.initFile()) }

func (n *Node) initFile() string { return filepath.Join(n.lab.Dir(), "run", n.Name+"-init.pid") }

// Daemons are containerd, kubelet and kube-proxy, in start order.
func (n *Node) Daemons() []daemon.Daemon {
	kubelet := []string{
		"--config=/etc/kubernetes/kubelet.yaml",
		"--kubeconfig=" + n.control.Kubeconfig(n.kubeletUser()),
		"--hostname-override=" + n.Name,
		"--node-ip=" + n.Management.String(),
	}
	return []daemon.Daemon{
		n.daemon("containerd", "/usr/bin/containerd", "--config=/etc/containerd/config.toml"),
		n.daemon("kubelet", filepath.Join(n.control.Programs, "kubelet"), kubelet...),
		n.daemon("kube-proxy", filepath.Join(n.control.Programs, "kube-proxy"), kubeProxyArgs(n.lab, n.Name, n.control.Kubeconfig("kube-proxy"))...),
	}
}

func (n *Node) daemon(name, program string, args ...string) daemon.Daemon {
	return daemon.Daemon{
		Name:    name,
		PIDFile: filepath.Join(n.lab.Dir(), "run", n.Name+"-"+name+".pid"),
		LogFile: filepath.Join(n.lab.Dir(), "log", n.Name, name+".log"),
		Cgroup:  n.lab.NodeCgroup(n.Node),
		Argv:    append([]string{program}, args...),
		Node:    n.PID(),
	}
}

func (n *Node) kubeletUser() string { return "kubelet-" + n.Name }

// Prepare writes the node's certificates.
func (n *Node) Prepare() error {
	pki, err := n.control.PKI()
	if err != nil {
		return err
	}
	id := cluster.Identity{User: "system:node:" + n.Name, Groups: []string{"system:nodes"}}
	err = errors.Join(
		n.control.AddUser(cluster.User{Name: n.kubeletUser(), Identity: id}),
		n.control.AddUser(cluster.User{Name: "kube-proxy", Identity: cluster.Identity{User: "system:kube-proxy"}}),
	)
	id.Names, id.Addresses = []string{n.Name}, []netip.Addr{n.Management}
	return errors.Join(err, pki.Issue("ca", n.kubeletUser()+"-server", id))
}

// Boot makes the node's namespaces and starts containerd. A node that is up stays as it is.
func (n *Node) Boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTime, fmt.Errorf("node %s did not boot within %s", n.Name, bootTime))
	defer cancel()
	if n.PID() == 0 {
		if err := n.powerOn(ctx); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	containerd := n.Daemons()[0]
	if err := containerd.Start(); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return n.waitForContainerd(ctx, containerd)
}

func (n *Node) powerOn(ctx context.Context) error {
	if err := n.clear(ctx); err != nil { // what an earlier life left
		return err
	}
	if err := errors.Join(n.makeDisk(ctx), n.clearRun(), cgroup.Create(n.lab.NodeCgroup(n.Node))); err != nil {
		return err
	}
	if err := network.AttachNode(n.lab, n.Node); err != nil {
		return err
	}
	disk := n.lab.NodeDir(n.Node)
	data, err := json.Marshal(spec{
		Hostname: n.Name, Cgroup: n.lab.NodeCgroup(n.Node), Disk: disk, Folders: folders(),
		Keep: []string{n.lab.Root, n.cache}, Pause: filepath.Join(n.control.Programs, "pause"),
	})
	if err != nil {
		return err
	}
	file := filepath.Join(disk, "init.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	return n.startInit(file)
}

// startInit starts process 1 and returns when its mounts are made.
func (n *Node) startInit(file string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd := exec.Command(self, InitVerb, file)
	cmd.Dir, cmd.ExtraFiles = "/", []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS}
	err = ns.InNetns(n.lab.NodeNetns(n.Node), cmd.Start)
	write.Close()
	if err != nil {
		return fmt.Errorf("start process 1: %w", err)
	}
	said, err := io.ReadAll(read)
	if err == nil && len(said) > 0 {
		err = errors.New(string(said))
	}
	if err != nil {
		return fmt.Errorf("process 1: %w", errors.Join(err, cmd.Wait()))
	}
	if err := os.MkdirAll(filepath.Dir(n.initFile()), 0o755); err != nil {
		return err
	}
	if err := daemon.Record(n.initFile(), cmd.Process.Pid); err != nil {
		return fmt.Errorf("process 1: %w", errors.Join(err, cmd.Process.Kill()))
	}
	go cmd.Wait() //nolint:errcheck // reaps it should the node be stopped before we end
	return nil
}

func (n *Node) waitForContainerd(ctx context.Context, d daemon.Daemon) error {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := n.Run(ctx, nil, "ctr", "version")
		if err == nil {
			return nil
		}
		if d.PID() == 0 {
			return fmt.Errorf("node %s: containerd ended: %s", n.Name, d.Log())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-retry.C:
		}
	}
}

// Join starts kubelet and kube-proxy.
func (n *Node) Join() error {
	for _, d := range n.Daemons()[1:] {
		if err := d.Start(); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

// Stop shuts the node down: the daemons are asked first, then everything ends at once. Kill leaves the asking out, as a power failure does.
func (n *Node) Stop(ctx context.Context) error {
	var err error
	daemons := n.Daemons()
	for i := len(daemons) - 1; i >= 0; i-- {
		asked, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = errors.Join(err, daemons[i].Signal(asked, unix.SIGTERM))
		cancel()
	}
	return errors.Join(err, n.Kill(ctx))
}

// Kill ends the node as a power failure does; its disk stays.
func (n *Node) Kill(ctx context.Context) error {
	if pid := n.PID(); pid != 0 {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill node %s: %w", n.Name, err)
		}
	}
	return n.clear(ctx)
}

// clear ends what runs and removes groups and NICs. It returns when process 1 is gone, which is after all others of the node.
func (n *Node) clear(ctx context.Context) error {
	err := cgroup.Remove(ctx, n.lab.NodeCgroup(n.Node))
	first := daemon.Daemon{Name: "process 1 of " + n.Name, PIDFile: n.initFile()}
	return errors.Join(err, first.Signal(ctx, unix.SIGKILL), network.DetachNode(n.lab, n.Node))
}

// Streams are what a command inside a node reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs a program in the node's namespaces. Without streams its output becomes part of the error.
func (n *Node) Run(ctx context.Context, s *Streams, argv ...string) error {
	pid := n.PID()
	if pid == 0 {
		return fmt.Errorf("node %s is down", n.Name)
	}
	return ns.InProcess(pid, func() error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = "/"
		if s != nil {
			cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
			return cmd.Run()
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("node %s: %s: %w: %s", n.Name, strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// Find are the ids, as the machine counts, of the node's processes with the given program name.
func (n *Node) Find(program string) ([]int, error) {
	pids, err := cgroup.Processes(n.lab.NodeCgroup(n.Node))
	if err != nil {
		return nil, err
	}
	var found []int
	for _, pid := range pids {
		comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		exe, exeErr := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
		argv, argvErr := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		first, _, _ := strings.Cut(string(argv), "\x00")
		if err == nil && strings.TrimSpace(string(comm)) == program || exeErr == nil && filepath.Base(exe) == program || argvErr == nil && filepath.Base(first) == program {
			found = append(found, pid)
		}
	}
	return found, nil
}

// Answers reports whether the node's kubelet accepts connections.
func (n *Node) Answers() bool {
	conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(n.Management, 10250).String(), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
