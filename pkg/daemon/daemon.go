package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/daemon/server"
)

// How often things happen.
const (
	passInterval   = 200 * time.Millisecond // least time between two passes
	resync         = 30 * time.Second       // against edits from outside
	firstRetry     = time.Second            // after a pass that failed; doubles up to resync
	collectEvery   = time.Minute            // stale ports
	datapathPoll   = time.Second
	discoverPoll   = 2 * time.Second
	collectTimeout = 30 * time.Second
)

// Daemon is the agent of one node.
type Daemon struct {
	cfg     Config
	deps    Deps
	bridges *bridge.Manager
	watches *watches

	userspace bool // the datapath, fixed when Run has seen it
	ports     *port.Manager
	pings     pingTiming
	dirty     bell     // the node is not as it must be
	moved     bell     // an address may have another place outside
	tunnelled chan int // gets the MTU of pods when the tunnel NIC is in place for the first time
	once      sync.Once

	state    atomic.Pointer[node.State] // of the last pass
	networks networkTeller

	health health
	cni    gate
}

// New returns a daemon; it does nothing before Run.
func New(cfg Config, deps Deps) *Daemon {
	d := &Daemon{
		cfg: cfg, deps: deps, bridges: bridge.New(deps.VSwitch), pings: defaultPings(),
		dirty: newBell(), moved: newBell(), tunnelled: make(chan int, 1),
	}
	d.cni.why = d.health.ready
	return d
}

// Run works until ctx ends. Errors: a socket that cannot be bound, or caches that do not fill.
func (d *Daemon) Run(ctx context.Context) error {
	// Everything is bound before an address moves: a daemon that cannot listen must not touch the node.
	socket, err := server.Listen(ctx, d.cfg.Socket)
	if err != nil {
		return err
	}
	defer socket.Close()
	web, err := d.listen(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range web {
		group.Go(func() error { return serveHTTP(ctx, l, d.handler(ctx), healthGrace) })
	}
	group.Go(func() error { return serveHTTP(ctx, socket, &d.cni, cniGrace) })
	group.Go(func() error { return d.rise(ctx, group) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// rise starts one part after the other, each as soon as what it needs is there.
func (d *Daemon) rise(ctx context.Context, group *errgroup.Group) error {
	if err := d.awaitDatapath(ctx); err != nil {
		return err
	}
	d.ports = port.NewManager(d.deps.VSwitch, port.Config{Userspace: d.userspace, SysctlDir: d.cfg.SysctlDir, Background: ctx})
	d.watches = d.newWatches()
	recorder := d.recorder(ctx)
	d.networks.recorder = recorder
	early, err := server.New(d.serverConfig(recorder, 0))
	if err != nil {
		return fmt.Errorf("CNI server: %w", err)
	}
	// To remove an interface takes neither the API nor a tunnel.
	d.cni.open(early.Handler(), false)
	if err := d.fill(ctx); err != nil {
		return err
	}
	group.Go(func() error { d.reconcile(ctx); return nil })
	var mtu int
	select {
	case mtu = <-d.tunnelled:
	case <-ctx.Done():
		return nil
	}
	srv, err := server.New(d.serverConfig(recorder, mtu))
	if err != nil {
		return fmt.Errorf("CNI server: %w", err)
	}
	d.cni.open(srv.Handler(), true)
	group.Go(func() error { d.collect(ctx); return nil })
	group.Go(func() error { return d.followQoS(ctx, recorder) })
	group.Go(func() error { d.watchJoin(ctx); return nil })
	group.Go(func() error { d.announceOutside(ctx); return nil })
	return nil
}

func (d *Daemon) serverConfig(recorder record.EventRecorder, mtu int) server.Config {
	return server.Config{
		NodeName: d.cfg.NodeName,
		Pods:     d.watches.pods, Subnets: d.watches.subnets, Nodes: d.watches.nodes,
		LookupPod: d.lookupPod,
		Ready:     d.health.ready,
		Ports:     d.ports,
		Recorder:  recorder,
		Defaults: port.Defaults{
			MTU:             mtu,
			DetectConflicts: d.cfg.DetectConflicts,
			Underlay:        announce.RFC5227(),
			Overlay:         announce.Local(),
		},
	}
}

func (d *Daemon) recorder(ctx context.Context) record.EventRecorder {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: d.deps.Kube.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: d.cfg.NodeName, Host: d.cfg.NodeName})
}

// awaitDatapath waits until Open vSwitch shows which datapath it runs; br-int is made by ovn-controller.
func (d *Daemon) awaitDatapath(ctx context.Context) error {
	tick := time.NewTicker(datapathPoll)
	defer tick.Stop()
	for said := false; ; said = true {
		userspace, known := d.datapath()
		if known {
			d.userspace = userspace
			klog.FromContext(ctx).Info("Found the datapath", "userspace", userspace)
			return nil
		}
		if !said {
			klog.FromContext(ctx).Info("Waiting for Open vSwitch to have an integration bridge")
		}
		d.health.waiting("Open vSwitch has no integration bridge yet")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// bell wakes one loop; rung twice before that loop looks, it is heard once.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// mark asks for a pass soon.
func (d *Daemon) mark() { d.dirty.ring() }

// reconcile makes passes until ctx ends: when something changed, when the last one failed, and now and then.
func (d *Daemon) reconcile(ctx context.Context) {
	log := klog.FromContext(ctx)
	d.mark()
	timer := time.NewTimer(resync)
	defer timer.Stop()
	retry := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.dirty:
		case <-timer.C:
		}
		next := resync
		if err := d.pass(ctx); err != nil && ctx.Err() == nil {
			log.Error(err, "The node's network is not as it must be", "retry", retry)
			d.health.failed(err)
			next, retry = retry, min(2*retry, resync)
		} else {
			d.health.passed()
			retry = firstRetry
		}
		timer.Reset(next)
		pause := time.NewTimer(passInterval)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}
