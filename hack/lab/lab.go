package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/network"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// runDir holds what all labs of the machine share: locks, who owns a name, and the machine's settings from before.
const runDir = "/run/kube-ovn-lab"

// apiPort is the API server's on the bridge. What listens on loopback gets ports that differ from lab to lab, as the subnets do.
const apiPort = 6443

// lab is one cluster and how to change it.
type lab struct {
	plan     *plan.Lab
	control  cluster.Config
	outside  network.Switch
	nodes    []*node.Node
	cache    string
	progress *progress
	verb     string
}

func newLab(p *plan.Lab) (*lab, error) {
	dir, err := cache.Dir()
	if err != nil {
		return nil, err
	}
	programs, err := cache.ProgramsDir()
	if err != nil {
		programs = "" // not built yet: up and prepare do it
	}
	l := &lab{plan: p, outside: network.NewSwitch(p), cache: dir, progress: newProgress(os.Stdout)}
	l.configure(programs)
	return l, nil
}

// configure sets where Kubernetes' programs are.
func (l *lab) configure(programs string) {
	third := uint16(l.plan.Management.Addr().As4()[2])
	port := func(n uint16) uint16 { return 23000 + 10*third + n }
	l.control = cluster.Config{
		Dir: filepath.Join(l.plan.Dir(), "control"), Programs: programs, Address: l.plan.Host(), APIPort: apiPort,
		EtcdPorts: [2]uint16{port(0), port(1)}, Secure: [2]uint16{port(2), port(3)}, ServiceCIDR: l.plan.ServiceCIDR,
	}
	l.nodes = nil
	for _, n := range l.plan.Nodes {
		l.nodes = append(l.nodes, node.New(l.plan, n, l.control, l.cache))
	}
}

// controlPlane are the daemons beside the nodes, in start order.
func (l *lab) controlPlane() []daemon.Daemon {
	var all []daemon.Daemon
	for _, p := range []cluster.Program{l.control.Etcd(), l.control.APIServer(), l.control.ControllerManager(), l.control.Scheduler()} {
		all = append(all, daemon.Daemon{
			Name: p.Name, PIDFile: filepath.Join(l.plan.Dir(), "run", "host-"+p.Name+".pid"), LogFile: filepath.Join(l.plan.Dir(), "log", "host", p.Name+".log"),
			Cgroup: l.plan.HostCgroup(), Argv: append([]string{p.Path}, p.Args...),
		})
	}
	return all
}

func (l *lab) node(name string) (*node.Node, error) {
	n, err := l.plan.Node(name)
	if err != nil {
		return nil, err
	}
	return l.nodes[n.Index], nil
}

// eachNode does something on all nodes at the same time.
func (l *lab) eachNode(do func(*node.Node) error) error {
	errs := make([]error, len(l.nodes))
	var all sync.WaitGroup
	for i, n := range l.nodes {
		all.Go(func() { errs[i] = do(n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// lock keeps two programs from changing the same lab at a time.
func (l *lab) lock(ctx context.Context) (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the lab needs root: it makes namespaces, mounts and interfaces")
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(runDir, l.plan.Name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if !told {
			l.progress.step("waiting for another program that changes lab %s", l.plan.Name)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(time.Second):
		}
	}
}

// settings are what a lab was brought up with; later verbs must mean the same lab.
type settings struct {
	Nodes   int
	Tunnel  string
	Outside string
}

func settingsFile(dir string) string { return filepath.Join(dir, "lab.json") }

func readSettings(root, name string) (settings, error) {
	if name == "" {
		name = plan.DefaultName
	}
	var s settings
	data, err := os.ReadFile(settingsFile(filepath.Join(root, ".lab", name)))
	if errors.Is(err, fs.ErrNotExist) {
		return settings{Tunnel: os.Getenv("LAB_TUNNEL_NIC"), Outside: os.Getenv("LAB_OUTSIDE")}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}

func (s settings) getenv(name string) string {
	return map[string]string{"LAB_TUNNEL_NIC": s.Tunnel, "LAB_OUTSIDE": s.Outside}[name]
}

func (l *lab) writeSettings() error {
	s := settings{Nodes: len(l.plan.Nodes), Tunnel: l.plan.TunnelNIC, Outside: l.plan.OutsideList()}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.plan.Dir(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(settingsFile(l.plan.Dir()), data, 0o644)
}

// findCheckout is the checkout that holds this program, or the working directory.
func findCheckout() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	work, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for _, dir := range []string{filepath.Dir(self), work} {
		for ; dir != "/"; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "hack", "lab", "kubernetes", "go.mod")); err == nil {
				return dir, nil
			}
		}
	}
	return "", errors.New("neither this program nor the working directory is inside a checkout")
}

// kubectl runs kubectl as the administrator; its error carries what it printed.
func (l *lab) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.control.Programs, "kubectl"), append([]string{"--kubeconfig=" + l.control.Kubeconfig("admin")}, args...)...)
	return output(cmd, stdin)
}
