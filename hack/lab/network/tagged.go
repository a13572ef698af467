package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

const schema = "/usr/share/openvswitch/vswitch.ovsschema"

// Switch is the Open vSwitch in the outside namespace that takes the VLAN tag off tagged networks: the kernel may know neither VLAN devices nor
// VLAN filtering. It serves all networks of a NIC when one of them is tagged.
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

func (s Switch) needed() bool { return slices.ContainsFunc(s.lab.Uplinks(), plan.Uplink.Tagged) }

// Start runs the switch with one bridge per NIC: a trunk port per node, and an interface of the router per network.
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
	for _, u := range s.lab.Uplinks() {
		if !u.Tagged() {
			continue
		}
		if err := s.forget(ctx, u); err != nil {
			return err
		}
		if err := s.vsctl(ctx, s.bridge(u)...); err != nil {
			return err
		}
		err := ns.InNetns(s.lab.OutsideNetns(), func() error {
			var err error
			for _, o := range u.Networks {
				err = errors.Join(err, addRouter(router(o), o), checksumInSoftware(router(o)))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget takes the ports out whose interface was made anew since they joined, because a node was down. vswitchd does not see that: it would go on
// reading the socket of the old one. The interfaces that it has are promiscuous.
func (s Switch) forget(ctx context.Context, u plan.Uplink) error {
	for _, n := range s.lab.Nodes {
		name, fresh := port(u.NIC, n), false
		err := ns.InNetns(s.lab.OutsideNetns(), func() error {
			link, err := netlink.LinkByName(name)
			var missing netlink.LinkNotFoundError
			if errors.As(err, &missing) {
				return nil
			}
			fresh = err == nil && link.Attrs().RawFlags&unix.IFF_PROMISC == 0
			return err
		})
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		if fresh {
			if err := s.vsctl(ctx, "--if-exists", "del-port", bridgeOf(u.NIC), name); err != nil {
				return err
			}
		}
	}
	return nil
}

// bridge are the arguments that make a NIC's bridge. Ports of nodes that are down join at the next Start.
func (s Switch) bridge(u plan.Uplink) []string {
	name := bridgeOf(u.NIC)
	args := []string{"--may-exist", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"}
	for _, o := range u.Networks {
		frames := "trunks=0" // of VLAN 0, that is without a tag
		if o.Tag != 0 {
			frames = "tag=" + strconv.Itoa(int(o.Tag))
		}
		args = append(args, "--", "--may-exist", "add-port", name, router(o), frames, "--", "set", "interface", router(o), "type=internal")
	}
	for _, n := range s.lab.Nodes {
		args = append(args, "--", "--may-exist", "add-port", name, port(u.NIC, n))
	}
	return args
}

// router is the router's interface in a network of a NIC that has tagged ones, named as VLAN devices are: vlan.204, and vlan.0 without a tag.
func router(o plan.Outside) string { return o.NIC + "." + strconv.Itoa(int(o.Tag)) }

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
