package start

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Central runs the OVN databases and ovn-northd of one ovn-central pod (node.md 8.6, 9.5).
type Central struct {
	layout layout
	tls    TLS
	nb, sb database
	self   netip.Addr
	nodes  []netip.Addr // members of the raft cluster; none or one: standalone
	listen []netip.Addr // none: all addresses

	probeMillis   int // inactivity probe of listeners
	northdMillis  int // inactivity probe of northd
	northdThreads int
	leaderEvery   time.Duration
	limits        limits
	hunts         map[string]ghostHunt // by database

	// Label sets labels of our own pod; nil outside of Kubernetes.
	Label func(ctx context.Context, labels map[string]string) error
}

// NewCentral reads the settings of ovn-central.
//
// NODE_IPS: with two addresses or more the databases form a raft cluster, founded by the first. POD_IP is this member.
func NewCentral(get Getenv) (*Central, error) {
	e := &env{get: get}
	l := e.layout()
	c := &Central{
		layout: l, tls: e.tls(),
		nb: northbound(l, e.number("KUBE_OVN_NB_PORT", util.NBPort), e.number("KUBE_OVN_NB_RAFT_PORT", util.NBRaftPort)),
		sb: southbound(l, e.number("KUBE_OVN_SB_PORT", util.SBPort), e.number("KUBE_OVN_SB_RAFT_PORT", util.SBRaftPort)),

		nodes:         e.addrs("NODE_IPS"),
		probeMillis:   e.number("PROBE_INTERVAL", 180000),
		northdMillis:  e.number("OVN_NORTHD_PROBE_INTERVAL", 5000),
		northdThreads: e.number("OVN_NORTHD_N_THREADS", 1),
		leaderEvery:   e.seconds("OVN_LEADER_PROBE_INTERVAL", 5),
		limits:        defaultLimits(),
		hunts:         map[string]ghostHunt{"OVN_Northbound": {}, "OVN_Southbound": {}},
	}
	podIPs := e.addrs("POD_IPS")
	if e.flag("ENABLE_BIND_LOCAL_IP", false) {
		c.listen = podIPs
	}
	if self := e.addrs("POD_IP"); len(self) > 0 {
		c.self = self[0]
	}
	if len(c.nodes) > 1 {
		// A pod of a dual-stack cluster is listed by either of its addresses.
		for _, a := range podIPs {
			if !slices.Contains(c.nodes, c.self) && slices.Contains(c.nodes, a) {
				c.self = a
			}
		}
		if !slices.Contains(c.nodes, c.self) {
			e.errs = append(e.errs, fmt.Errorf("POD_IP %s is not one of NODE_IPS %v", c.self, c.nodes))
		}
	}
	return c, e.err()
}

// Run serves until ctx ends or one of the daemons fails for good; the latter is an *ExitError.
func (c *Central) Run(ctx context.Context) error {
	if err := makeDirs(c.layout.OVNRun, c.layout.OVNLog, c.layout.OVNDB); err != nil {
		return err
	}
	s := newSupervisor(c.limits)
	defer s.stop()
	for _, db := range []database{c.nb, c.sb} {
		if err := c.serve(ctx, s, db); err != nil {
			return orNil(ctx, err)
		}
	}
	if err := s.start(ctx, c.northd()); err != nil {
		return orNil(ctx, err)
	}
	stop := alongside(ctx, c.lead, func(ctx context.Context) { rotateLogs(ctx, c.logs()) })
	defer stop()
	return s.wait(ctx)
}

func (c *Central) logs() []logFile {
	out := []logFile{{path: c.northdLog(), reopen: func(ctx context.Context) error {
		_, err := c.layout.appctl(ctx, "ovn-appctl", "ovn-northd", "vlog/reopen")
		return err
	}}}
	for _, db := range []database{c.nb, c.sb} {
		out = append(out, logFile{path: db.log, reopen: func(ctx context.Context) error {
			_, err := run(ctx, "ovs-appctl", "-T", "5", "-t", db.control, "vlog/reopen")
			return err
		}})
	}
	return out
}

// orNil drops an error that only says that we were told to stop.
func orNil(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func makeDirs(dirs ...string) error {
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (c *Central) serve(ctx context.Context, s *supervisor, db database) error {
	m := member{self: c.self, all: c.nodes, tls: c.tls, query: c.tls.queryConnected}
	if err := db.prepare(ctx, m); err != nil {
		return fmt.Errorf("prepare %s: %w", db.name, err)
	}
	targets := []string{c.tls.listener(netip.Addr{}, db.port)}
	if len(c.listen) > 0 {
		targets = targets[:0]
		for _, a := range c.listen {
			targets = append(targets, c.tls.listener(a, db.port))
		}
	}
	schema := filepath.Join(c.layout.OVSShare, "local-config.ovsschema")
	if err := db.listen(ctx, schema, targets, c.probeMillis); err != nil {
		return fmt.Errorf("listeners of %s: %w", db.name, err)
	}
	return s.start(ctx, db.server(c.layout, c.tls))
}

func (c *Central) northd() daemon {
	nb, sb := "unix:"+c.nb.socket, "unix:"+c.sb.socket
	if len(c.nodes) > 1 {
		nb, sb = c.tls.remotes(c.nodes, c.nb.port), c.tls.remotes(c.nodes, c.sb.port)
	}
	argv := []string{"ovn-northd", "-vconsole:info", "-vsyslog:off", "-vfile:info",
		"--log-file=" + c.northdLog(), "--no-chdir",
		"--pidfile=" + c.northdPid(), "--ovnnb-db=" + nb, "--ovnsb-db=" + sb,
		"--n-threads=" + strconv.Itoa(max(c.northdThreads, 1))}
	return daemon{
		name: "ovn-northd", argv: append(argv, c.tls.args()...), env: c.layout.environ(),
		ready: func(ctx context.Context) error {
			_, err := c.northdStatus(ctx)
			return err
		},
	}
}

func (c *Central) northdPid() string { return filepath.Join(c.layout.OVNRun, "ovn-northd.pid") }

func (c *Central) northdLog() string { return filepath.Join(c.layout.OVNLog, "ovn-northd.log") }

// northdStatus is "active", "standby" or "paused".
func (c *Central) northdStatus(ctx context.Context) (string, error) {
	out, err := c.layout.appctl(ctx, "ovn-appctl", "ovn-northd", "status")
	if err != nil {
		return "", err
	}
	_, status, ok := strings.Cut(out, "Status: ")
	if !ok {
		return "", fmt.Errorf("ovn-northd status is %q", out)
	}
	return strings.TrimSpace(status), nil
}

// appctl asks a daemon by the name of its pid file.
func (l layout) appctl(ctx context.Context, tool, target string, command ...string) (string, error) {
	pidDir, prefix := l.OVNRun, "OVN_RUNDIR="+l.OVNRun
	if tool == "ovs-appctl" {
		pidDir, prefix = l.OVSRun, "OVS_RUNDIR="+l.OVSRun
	}
	pid, err := os.ReadFile(filepath.Join(pidDir, target+".pid"))
	if err != nil {
		return "", fmt.Errorf("%s is not running (%s): %w", target, prefix, err)
	}
	socket := filepath.Join(pidDir, fmt.Sprintf("%s.%s.ctl", target, strings.TrimSpace(string(pid))))
	return run(ctx, append([]string{tool, "-T", "5", "-t", socket}, command...)...)
}

// roles of this member.
type roles struct{ nb, sb, northd bool }

func (r roles) labels() map[string]string {
	return map[string]string{
		util.NBLeaderLabel:     strconv.FormatBool(r.nb),
		util.SBLeaderLabel:     strconv.FormatBool(r.sb),
		util.NorthdLeaderLabel: strconv.FormatBool(r.northd),
	}
}

// lead follows the roles of this member: labels of the pod, and what only a leader does.
func (c *Central) lead(ctx context.Context) {
	var labelled *roles
	done := map[string]bool{}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for first := true; ; first = false {
		now := c.roles(ctx)
		if ctx.Err() != nil {
			return
		}
		if c.Label != nil && (labelled == nil || *labelled != now) {
			if err := c.Label(ctx, now.labels()); err != nil {
				klog.ErrorS(err, "Cannot label the own pod")
				labelled = nil
			} else {
				klog.InfoS("Labelled the own pod", "labels", now.labels())
				labelled = &now
			}
		}
		c.duties(ctx, now, done)
		if !first && now.nb && now.sb {
			ticker.Reset(max(c.leaderEvery, time.Second))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *Central) roles(ctx context.Context) roles {
	var r roles
	r.nb = c.leads(ctx, c.nb)
	r.sb = c.leads(ctx, c.sb)
	status, err := c.northdStatus(ctx)
	r.northd = err == nil && status == "active"
	return r
}

// leads says whether this member leads a database; as the leader it also keeps the list of members clean.
func (c *Central) leads(ctx context.Context, db database) bool {
	if len(c.nodes) < 2 {
		_, err := run(ctx, "ovs-appctl", "-T", "5", "-t", db.control, "version")
		return err == nil
	}
	status, err := db.clusterStatus(ctx)
	if err != nil || status.role != "leader" {
		return false
	}
	c.hunts[db.name].kick(ctx, db, status)
	return true
}

// duties are done once per leadership: the schema of a cluster, northd's probe interval. done remembers them.
func (c *Central) duties(ctx context.Context, r roles, done map[string]bool) {
	do := func(name string, leader bool, duty func(context.Context) error) {
		if !leader {
			delete(done, name)
			return
		}
		if done[name] {
			return
		}
		if err := duty(ctx); err != nil {
			klog.ErrorS(err, "Leader's duty failed and will be tried again", "duty", name)
			return
		}
		done[name] = true
	}
	if len(c.nodes) > 1 {
		do("schema of northbound", r.nb, c.nb.upgradeCluster)
		do("schema of southbound", r.sb, c.sb.upgradeCluster)
	}
	do("options of northbound", r.nb, c.setOptions)
}

// setOptions writes the one key of NB_Global that belongs to ovn-central; the controller owns the others.
func (c *Central) setOptions(ctx context.Context) error {
	want := strconv.Itoa(c.northdMillis)
	nbctl := []string{"ovn-nbctl", "--db=unix:" + c.nb.socket, "-t", "5"}
	have, err := run(ctx, append(nbctl, "--if-exists", "get", "NB_Global", ".", "options:northd_probe_interval")...)
	if err == nil && strings.Trim(have, `"`) == want {
		return nil
	}
	_, err = run(ctx, append(nbctl, "set", "NB_Global", ".", "options:northd_probe_interval="+want)...)
	return err
}
