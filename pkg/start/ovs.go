package start

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Datapaths of OVS by the name the user gives and by the name OVS gives.
const (
	datapathKernel = "kernel"
	datapathNetdev = "netdev"
	typeSystem     = "system"
)

// OVS runs the vswitch database, ovs-vswitchd and ovn-controller of one node (node.md 1.4, 9.5, 11).
type OVS struct {
	layout   layout
	tls      TLS
	node     string
	remote   string // SB databases, "ssl:[10.0.0.1]:6642,..."
	datapath string // kernel or netdev
	tunnel   string // geneve, vxlan, stt

	remoteProbeMillis    int
	openflowProbeSeconds int
	hwOffload            bool
	cpus                 int
	watchEvery           time.Duration
	limits               limits
	kernel               func() error // tests turn the kernel datapath into a dummy one
	vswitchdArgs         []string
}

// NewOVS reads the settings of an ovs-ovn pod.
func NewOVS(get Getenv) (*OVS, error) {
	e := &env{get: get}
	o := &OVS{
		layout: e.layout(), tls: e.tls(), node: e.text("NODE_NAME", ""),
		datapath:             e.oneOf("DATAPATH", datapathKernel, datapathKernel, datapathNetdev),
		tunnel:               e.oneOf("TUNNEL_TYPE", "geneve", "geneve", "vxlan", "stt"),
		remoteProbeMillis:    e.number("OVN_REMOTE_PROBE_INTERVAL", 10000),
		openflowProbeSeconds: e.number("OVN_REMOTE_OPENFLOW_INTERVAL", 180),
		hwOffload:            e.flag("HW_OFFLOAD", false),
		cpus:                 runtime.NumCPU(),
		watchEvery:           5 * time.Second,
		limits:               defaultLimits(),
		kernel:               kernelHasOVS,
	}
	o.remote = dbAddress(e, o.tls, "SB", e.number("KUBE_OVN_SB_PORT", util.SBPort))
	if o.node == "" {
		e.errs = append(e.errs, errors.New("NODE_NAME is not set"))
	}
	return o, e.err()
}

// dbAddress is the OVSDB method of a central database: OVN_NB_ADDR (OVN_SB_ADDR) as it is, else the members in
// OVN_DB_IPS, else the Service's address.
func dbAddress(e *env, t TLS, which string, port int) string {
	if addr := e.text("OVN_"+which+"_ADDR", ""); addr != "" {
		return addr
	}
	if ips := e.addrs("OVN_DB_IPS"); len(ips) > 0 {
		return t.remotes(ips, port)
	}
	host, hostErr := netip.ParseAddr(strings.Trim(e.text("OVN_"+which+"_SERVICE_HOST", ""), "[]"))
	if hostErr != nil {
		e.errs = append(e.errs, fmt.Errorf("none of OVN_%[1]s_ADDR, OVN_DB_IPS and OVN_%[1]s_SERVICE_HOST is set", which))
		return ""
	}
	return t.remote(host, e.number("OVN_"+which+"_SERVICE_PORT", port))
}

// Run serves until ctx ends or one of the daemons fails for good; the latter is an *ExitError. Bridges, ports and, on the
// kernel datapath, installed flows stay when it ends, so that pods keep their traffic while the pod is replaced.
func (o *OVS) Run(ctx context.Context) error {
	if err := makeDirs(o.layout.OVSRun, o.layout.OVSLog, o.layout.OVSDB, o.layout.OVNRun, o.layout.OVNLog); err != nil {
		return err
	}
	if o.datapath == datapathKernel {
		if err := o.kernel(); err != nil {
			return err
		}
	}
	systemID, err := o.systemID()
	if err != nil {
		return err
	}
	if err := o.prepareDatabase(ctx); err != nil {
		return fmt.Errorf("prepare the vswitch database: %w", err)
	}
	s := newSupervisor(o.limits)
	defer s.stop()
	if err := s.start(ctx, o.ovsdb()); err != nil {
		return orNil(ctx, err)
	}
	restore, err := o.configure(ctx, systemID)
	if err != nil {
		return orNil(ctx, fmt.Errorf("configure the vswitch: %w", err))
	}
	if err := s.start(ctx, o.vswitchd()); err != nil {
		return orNil(ctx, err)
	}
	if err := s.start(ctx, o.controller()); err != nil {
		return orNil(ctx, err)
	}
	stop := alongside(ctx, o.watchSouthbound, func(ctx context.Context) { rotateLogs(ctx, o.logs()) },
		func(ctx context.Context) {
			if restore {
				o.endRestore(ctx)
			}
		})
	defer stop()
	return s.wait(ctx)
}

func (o *OVS) logs() []logFile {
	reopen := func(tool, daemon string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := o.layout.appctl(ctx, tool, daemon, "vlog/reopen")
			return err
		}
	}
	return []logFile{
		{path: filepath.Join(o.layout.OVSLog, "ovsdb-server.log"), reopen: reopen("ovs-appctl", "ovsdb-server")},
		{path: filepath.Join(o.layout.OVSLog, "ovs-vswitchd.log"), reopen: reopen("ovs-appctl", "ovs-vswitchd")},
		{path: filepath.Join(o.layout.OVNLog, "ovn-controller.log"), reopen: reopen("ovn-appctl", "ovn-controller")},
	}
}

// systemID is the chassis name of the node: a random UUID that is made once and kept on the node.
func (o *OVS) systemID() (string, error) {
	file := o.layout.systemIDFile()
	data, err := os.ReadFile(file)
	if id := strings.TrimSpace(string(data)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := newUUID()
	temp := file + ".new"
	if err := os.WriteFile(temp, []byte(id+"\n"), 0o644); err != nil {
		return "", err
	}
	return id, os.Rename(temp, file)
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (o *OVS) file() string { return filepath.Join(o.layout.OVSDB, "conf.db") }

func (o *OVS) prepareDatabase(ctx context.Context) error {
	schema := filepath.Join(o.layout.OVSShare, "vswitch.ovsschema")
	if _, err := os.Stat(o.file()); errors.Is(err, fs.ErrNotExist) {
		_, err := run(ctx, "ovsdb-tool", "create", o.file(), schema)
		return err
	} else if err != nil {
		return err
	}
	return convert(ctx, o.file(), schema)
}

func (o *OVS) ovsdb() daemon {
	return daemon{
		name: "ovsdb-server", env: o.layout.environ(),
		argv: []string{"ovsdb-server", "-vconsole:info", "-vsyslog:off", "-vfile:info",
			"--log-file=" + filepath.Join(o.layout.OVSLog, "ovsdb-server.log"), "--no-chdir",
			"--pidfile=" + filepath.Join(o.layout.OVSRun, "ovsdb-server.pid"),
			"--remote=punix:" + o.layout.ovsSocket(), o.file()},
		ready: func(ctx context.Context) error {
			_, err := o.vsctl(ctx, "--no-wait", "show")
			return err
		},
	}
}

func (o *OVS) vswitchd() daemon {
	argv := []string{"ovs-vswitchd", "-vconsole:info", "-vsyslog:off", "-vfile:info",
		"--log-file=" + filepath.Join(o.layout.OVSLog, "ovs-vswitchd.log"), "--no-chdir",
		"--pidfile=" + filepath.Join(o.layout.OVSRun, "ovs-vswitchd.pid")}
	argv = append(argv, o.vswitchdArgs...)
	return daemon{
		name: "ovs-vswitchd", argv: append(argv, "unix:"+o.layout.ovsSocket()), env: o.layout.environ(),
		ready: func(ctx context.Context) error {
			_, err := o.layout.appctl(ctx, "ovs-appctl", "ovs-vswitchd", "version")
			return err
		},
	}
}

func (o *OVS) controller() daemon {
	argv := []string{"ovn-controller", "-vconsole:info", "-vsyslog:off", "-vfile:info",
		"--log-file=" + filepath.Join(o.layout.OVNLog, "ovn-controller.log"), "--no-chdir",
		"--pidfile=" + filepath.Join(o.layout.OVNRun, "ovn-controller.pid")}
	argv = append(argv, o.tls.args()...)
	return daemon{
		name: "ovn-controller", argv: append(argv, "unix:"+o.layout.ovsSocket()), env: o.layout.environ(),
		ready: func(ctx context.Context) error {
			_, err := o.layout.appctl(ctx, "ovn-appctl", "ovn-controller", "version")
			return err
		},
	}
}

func (o *OVS) vsctl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, append([]string{"ovs-vsctl", "-t", "9", "--db=unix:" + o.layout.ovsSocket()}, args...)...)
}

// configure writes the keys of node.md 1.4 that belong to us, in one transaction and before vswitchd sees the database.
// It says whether vswitchd will start with flow-restore-wait.
func (o *OVS) configure(ctx context.Context, systemID string) (restore bool, err error) {
	bridges, err := o.vsctl(ctx, "--no-wait", "--", "init", "--", "list-br")
	if err != nil {
		return false, err
	}
	exists := false
	for line := range strings.Lines(bridges) {
		exists = exists || strings.TrimSpace(line) == util.IntegrationBridge
	}
	// The kernel datapath keeps forwarding with the flows it has until vswitchd may touch them; on the userspace
	// datapath they died with the process.
	restore = exists && o.datapath == datapathKernel
	_, err = o.vsctl(ctx, append([]string{"--no-wait"}, o.settings(systemID, exists, restore)...)...)
	return restore, err
}

// settings is the command line of ovs-vsctl for the root row and br-int.
func (o *OVS) settings(systemID string, bridgeExists, restore bool) []string {
	out := []string{"--", "set", "Open_vSwitch", ".",
		"external_ids:system-id=" + quote(systemID),
		"external_ids:hostname=" + quote(o.node),
		"external_ids:rundir=" + quote(o.layout.OVSRun),
		"external_ids:ovn-remote=" + quote(o.remote),
		"external_ids:ovn-remote-probe-interval=" + strconv.Itoa(o.remoteProbeMillis),
		"external_ids:ovn-openflow-probe-interval=" + strconv.Itoa(o.openflowProbeSeconds),
		"external_ids:ovn-match-northd-version=true",
		"external_ids:ovn-encap-type=" + o.tunnel,
		"other_config:hw-offload=" + strconv.FormatBool(o.hwOffload && o.datapath == datapathKernel),
	}
	if o.cpus > 12 {
		out = append(out, "other_config:n-handler-threads=10", "other_config:n-revalidator-threads=4")
	}
	if restore {
		out = append(out, "other_config:flow-restore-wait=true")
	} else {
		out = append(out, "--", "remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
	}
	if o.datapath == datapathNetdev {
		out = append(out, "--", "set", "Open_vSwitch", ".", "external_ids:ovn-bridge-datapath-type="+datapathNetdev,
			"--", "--may-exist", "add-br", util.IntegrationBridge,
			"--", "set", "Bridge", util.IntegrationBridge, "datapath_type="+datapathNetdev,
			"fail_mode=secure", "other_config:disable-in-band=true")
		return out
	}
	out = append(out, "--", "remove", "Open_vSwitch", ".", "external_ids", "ovn-bridge-datapath-type")
	if bridgeExists {
		out = append(out, "--", "set", "Bridge", util.IntegrationBridge, "datapath_type="+typeSystem)
	}
	return out
}

// quote makes a string atom of ovs-vsctl: colons, commas and brackets would be taken for its own syntax.
func quote(s string) string { return strconv.Quote(s) }

// kernelHasOVS fails early, with advice, when this kernel has no Open vSwitch. Asking for its netlink family makes the
// kernel load the module if it has it, which needs no capability.
func kernelHasOVS() error {
	if _, err := netlink.GenlFamilyGet("ovs_datapath"); err != nil {
		return &ExitError{Name: "ovs-vswitchd", Code: 1,
			Err: fmt.Errorf("this kernel has no Open vSwitch: load the module openvswitch or install with DATAPATH=netdev: %w", err)}
	}
	return nil
}

// endRestore gives the datapath back to vswitchd once ovn-controller has put its flows into br-int: the number of flows
// is not zero and stands still. After half a minute it does so anyway, since new pods need it.
func (o *OVS) endRestore(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	last := ""
	err := poll(limited, 500*time.Millisecond, "flows of br-int", func(ctx context.Context) error {
		out, err := run(ctx, "ovs-ofctl", "-t", "5", "dump-aggregate", "unix:"+filepath.Join(o.layout.OVSRun, util.IntegrationBridge+".mgmt"))
		if err != nil {
			return err
		}
		_, count, _ := strings.Cut(out, "flow_count=")
		previous := last
		last = count
		if count == "" || count == "0" || count != previous {
			return fmt.Errorf("flow count went from %q to %q", previous, count)
		}
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		klog.ErrorS(err, "Flows are not complete, the datapath is released all the same")
	}
	if _, err := o.vsctl(ctx, "remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait"); err != nil {
		klog.ErrorS(err, "Cannot release the datapath")
		return
	}
	klog.InfoS("Flows are restored", "flows", last)
}

// watchSouthbound helps ovn-controller over a rebuilt cluster: it refuses a database that is older than what it has seen
// until its memory is reset, which is harmless at any time.
func (o *OVS) watchSouthbound(ctx context.Context) {
	ticker := time.NewTicker(o.watchEvery)
	defer ticker.Stop()
	away := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		status, err := o.layout.appctl(ctx, "ovn-appctl", "ovn-controller", "connection-status")
		if err != nil || status == "connected" {
			away = 0
			continue
		}
		if away++; away%6 != 0 {
			continue
		}
		klog.InfoS("Southbound database is away, forgetting its state", "status", status, "for", o.watchEvery*time.Duration(away))
		if _, err := o.layout.appctl(ctx, "ovn-appctl", "ovn-controller", "sb-cluster-state-reset"); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot reset ovn-controller's state of the southbound database")
		}
	}
}
