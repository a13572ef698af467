package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

const schema = "/usr/share/openvswitch/vswitch.ovsschema"

// Switch is the Open vSwitch in the outside namespace that takes the VLAN tag off tagged networks: the kernel may know neither VLAN devices nor
// VLAN filtering.
type Switch struct {
	lab              *plan.Lab
	dir              string
	server, vswitchd daemon.Daemon
}

// NewSwitch describes the switch; StartTagged starts it.
func NewSwitch(l *plan.Lab) Switch {
	// Unix socket paths are short; a checkout's folder may be deep.
	dir := filepath.Join("/run", "kube-ovn-lab", l.Name, "ovs")
	s := Switch{lab: l, dir: dir}
	describe := func(name string, argv ...string) daemon.Daemon {
		return daemon.Daemon{
			Name: name, PIDFile: filepath.Join(l.Dir(), "run", "ext-"+name+".pid"), LogFile: filepath.Join(l.Dir(), "log", "ext", name+".log"),
			Cgroup: l.HostCgroup(), Netns: l.OutsideNetns(), Env: []string{"OVS_RUNDIR=" + dir}, Argv: argv,
		}
	}
	s.server = describe("ovsdb-server", "/usr/sbin/ovsdb-server", filepath.Join(dir, "conf.db"), "--remote=punix:"+s.socket(), "--unixctl="+filepath.Join(dir, "ovsdb.ctl"))
	s.vswitchd = describe("ovs-vswitchd", "/usr/sbin/ovs-vswitchd", "unix:"+s.socket(), "--unixctl="+filepath.Join(dir, "vswitchd.ctl"))
	return s
}

func (s Switch) socket() string { return filepath.Join(s.dir, "db.sock") }

// Daemons are the switch's processes, none when no network is tagged.
func (s Switch) Daemons() []daemon.Daemon {
	if !s.needed() {
		return nil
	}
	return []daemon.Daemon{s.server, s.vswitchd}
}

func (s Switch) needed() bool {
	for _, o := range s.lab.Outside {
		if o.Tag != 0 {
			return true
		}
	}
	return false
}

// Start runs the switch with one bridge per tagged network: a trunk port per node, and the router's interface with the tag.
func (s Switch) Start(ctx context.Context) error {
	if !s.needed() {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	db := filepath.Join(s.dir, "conf.db")
	if _, err := os.Stat(db); errors.Is(err, fs.ErrNotExist) {
		if err := command(ctx, "ovsdb-tool", "create", db, schema); err != nil {
			return err
		}
	}
	if err := s.server.Start(); err != nil {
		return err
	}
	if err := s.waitForSocket(ctx); err != nil {
		return err
	}
	if err := s.vsctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	if err := s.vswitchd.Start(); err != nil {
		return err
	}
	for _, o := range s.lab.Outside {
		if o.Tag == 0 {
			continue
		}
		if err := s.vsctl(ctx, s.bridge(o)...); err != nil {
			return err
		}
		err := ns.InNetns(s.lab.OutsideNetns(), func() error {
			if err := addAddress(router(o), netip.PrefixFrom(o.Gateway(), o.Prefix.Bits())); err != nil {
				return err
			}
			return checksumInSoftware(router(o))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bridge are the arguments that make a tagged network's bridge. Ports of nodes that are down join when they appear.
func (s Switch) bridge(o plan.Outside) []string {
	name := bridgeOf(o)
	args := []string{
		"--may-exist", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev",
		"--", "--may-exist", "add-port", name, router(o), "tag=" + strconv.Itoa(int(o.Tag)), "--", "set", "interface", router(o), "type=internal",
	}
	for _, n := range s.lab.Nodes {
		args = append(args, "--", "--may-exist", "add-port", name, port(o.NIC, n))
	}
	return args
}

// router is the interface that holds a tagged network's gateway address.
func router(o plan.Outside) string { return "gw-" + o.NIC }

// Stop ends the switch and removes its folder.
func (s Switch) Stop(ctx context.Context) error {
	err := errors.Join(s.vswitchd.Signal(ctx, unix.SIGKILL), s.server.Signal(ctx, unix.SIGKILL))
	return errors.Join(err, os.RemoveAll(filepath.Dir(s.dir)))
}

func (s Switch) waitForSocket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := net.Dial("unix", s.socket()) // the file alone may be one that a killed server left
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ovsdb-server of the outside does not answer: %w: %s", err, s.server.Log())
		case <-retry.C:
		}
	}
}

func (s Switch) vsctl(ctx context.Context, args ...string) error {
	return command(ctx, "ovs-vsctl", append([]string{"--timeout=10", "--db=unix:" + s.socket()}, args...)...)
}

func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
