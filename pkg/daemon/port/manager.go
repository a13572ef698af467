package port

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Config of a Manager. Zero durations mean the defaults.
type Config struct {
	// Userspace is true when br-int has datapath_type=netdev (node.md 11).
	Userspace bool
	// InstallTimeout bounds the wait for ovn-controller to install the port's flows; default 30 s.
	InstallTimeout time.Duration
	// GatewayTimeout bounds the wait for the gateways to answer; default 30 s.
	GatewayTimeout time.Duration
	// SysctlDir is where /proc/sys/net of the calling namespace can be written; default /proc/sys/net, which is read-only in
	// a container.
	SysctlDir string
	// Background ends what outlives an Add: the second announcement of an address.
	Background context.Context //nolint:containedctx // the daemon's life, as in net/http.Server.BaseContext
}

const (
	defaultSysctlDir = "/proc/sys/net"

	defaultTimeout = 30 * time.Second
	// undoTimeout bounds the removal of what a failed Add made, whose own context may be at its end.
	undoTimeout = 10 * time.Second
)

// Manager makes and removes the interfaces of this node's containers.
type Manager struct {
	vswitch *ovs.Client
	cfg     Config
	making  *nameSet // host links of the Adds under way
}

// nameSet is a set of names that several goroutines use.
type nameSet struct {
	mu    sync.Mutex
	names map[string]bool
}

func (s *nameSet) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = true
}

func (s *nameSet) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
}

func (s *nameSet) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name]
}

func (s *nameSet) list() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.names)
}

// NewManager returns a manager that writes to the vswitch database of this node.
func NewManager(vswitch *ovs.Client, cfg Config) *Manager {
	if cfg.InstallTimeout == 0 {
		cfg.InstallTimeout = defaultTimeout
	}
	if cfg.GatewayTimeout == 0 {
		cfg.GatewayTimeout = defaultTimeout
	}
	if cfg.SysctlDir == "" {
		cfg.SysctlDir = defaultSysctlDir
	}
	return &Manager{vswitch: vswitch, cfg: cfg, making: &nameSet{names: map[string]bool{}}}
}

// undo is the stack of what a failed Add has to take back.
type undo []step

type step struct {
	what string
	do   func(context.Context) error
}

func (u *undo) push(what string, do func(context.Context) error) { *u = append(*u, step{what, do}) }

// run takes everything back, newest first, also when the Add failed because its context ended.
func (u undo) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var errs []error
	for i := len(u) - 1; i >= 0; i-- {
		if err := u[i].do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("undo %s: %w", u[i].what, err))
		}
	}
	return errors.Join(errs...)
}

// Add makes an interface be what its Spec says. When it fails, nothing that it made is left. For an IPAM-only Spec it only
// makes room for the default route of the plugin that makes the interface. Waited is how much of the time went into waiting for
// ovn-controller and the gateways.
func (m *Manager) Add(ctx context.Context, s Spec) (waited time.Duration, err error) {
	if s.IPAMOnly {
		return 0, dropDefaultRoutes(s)
	}
	m.making.add(s.HostLink())
	defer m.making.remove(s.HostLink())
	if err := m.clear(ctx, s); err != nil {
		return 0, err
	}
	var back undo
	defer func() {
		if err != nil {
			err = errors.Join(err, back.run(ctx))
		}
	}()
	netns, err := openNetns(s.Netns)
	if err != nil {
		return 0, err
	}
	defer netns.Close()
	waited, err = m.build(ctx, s, netns, &back)
	if err != nil {
		return waited, fmt.Errorf("interface %s of pod %s/%s: %w", s.IfName, s.Namespace, s.Pod, err)
	}
	return waited, nil
}

func (m *Manager) build(ctx context.Context, s Spec, netns *netns, back *undo) (waited time.Duration, err error) {
	if err := m.plug(ctx, s, netns, back); err != nil {
		return 0, err
	}
	start := time.Now()
	err = m.waitInstalled(ctx, s)
	waited = time.Since(start)
	if err != nil || len(s.Addresses) == 0 {
		return waited, err
	}
	more, err := m.connect(ctx, s, netns)
	return waited + more, err
}

// clear removes what an interrupted Add of the same interface left, and the ports of dead containers that still name the same
// logical port: ovn-controller would bind either.
func (m *Manager) clear(ctx context.Context, s Spec) error {
	for _, p := range m.Ports() {
		if p.IfaceID == s.IfaceID && p.Container == s.Container && p.ID != s.ID {
			return invalid("interface %s of the pod already uses logical port %s: a network that is attached twice needs the annotations of each interface, %s",
				p.IfName, s.IfaceID, util.Key(s.Provider+"."+s.IfName, util.IPAddress))
		}
		if p.ID == s.ID || p.IfaceID == s.IfaceID {
			klog.FromContext(ctx).Info("Removing a stale port", "port", p.HostLink(), "container", p.Container, "ifaceID", p.IfaceID)
			if err := m.Remove(ctx, p.ID); err != nil {
				return fmt.Errorf("stale port of %s: %w", s.IfaceID, err)
			}
		}
	}
	return deleteLink(s.HostLink())
}

// plug makes the veth pair and its port.
func (m *Manager) plug(ctx context.Context, s Spec, netns *netns, back *undo) error {
	back.push("veth pair", func(context.Context) error { return deleteLink(s.HostLink()) })
	pair, err := addVeth(s, netns)
	if err != nil {
		return err
	}
	if m.cfg.Userspace {
		// Before the link is up: not one frame of the pod may reach the host's own stack.
		back.push("drop rule", func(context.Context) error { return ingress.Accept(s.HostLink()) })
		if err := ingress.Drop(s.HostLink()); err != nil {
			return err
		}
		if err := pair.disableOffloads(); err != nil {
			return err
		}
	}
	if err := pair.up(); err != nil {
		return err
	}
	back.push("port", func(ctx context.Context) error {
		_, err := m.vswitch.Apply(ctx, s.owner(), nil)
		return err
	})
	if _, err := m.vswitch.Apply(ctx, s.owner(), []ovs.Row{s.row()}); err != nil {
		return fmt.Errorf("add port %s: %w", s.HostLink(), err)
	}
	if m.cfg.Userspace {
		return pair.shapeEgress(s.QoS)
	}
	return nil
}

// waitInstalled waits for ovn-controller, and for the patch port of an underlay subnet.
func (m *Manager) waitInstalled(ctx context.Context, s Spec) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.InstallTimeout)
	defer cancel()
	err := m.vswitch.WaitFor(ctx, interfaceTable, s.HostLink(), func(o ovs.Observation) bool {
		return o.ExternalIDs[util.IfaceOvnInstalled] == "true"
	})
	if err != nil {
		detail := ""
		o, _ := m.vswitch.Get(interfaceTable, s.HostLink())
		if text := o.Columns["error"]; text != nil && text != "" {
			detail = fmt.Sprintf(" (error of Open vSwitch: %v)", text)
		}
		return fmt.Errorf("ovn-controller has not bound logical port %s%s: %w", s.IfaceID, detail, err)
	}
	if s.PatchPort == "" {
		return nil
	}
	err = m.vswitch.WaitFor(ctx, interfaceTable, s.PatchPort, func(o ovs.Observation) bool { return !o.Deleted })
	if err != nil {
		return fmt.Errorf("patch port %s of subnet %s is missing, see the provider network: %w", s.PatchPort, s.Subnet, err)
	}
	return nil
}

// removeOld takes away an interface that the node's former plugin made under its own name and without an owner.
func (m *Manager) removeOld(ctx context.Context, id ID) error {
	name, ok := id.oldHostLink()
	if !ok {
		return nil
	}
	o, ok := m.vswitch.Get(interfaceTable, name)
	if !ok || o.ExternalIDs[util.ExtOwner] != "" || o.ExternalIDs[util.ExtVendor] != util.Vendor {
		return nil
	}
	// Taken over, so that the removal of all our rows removes it too.
	port := ovs.VSwitchPort{Bridge: util.IntegrationBridge, Name: name, ExternalIDs: ownIDs(o.ExternalIDs)}
	if _, err := m.vswitch.Apply(ctx, id.owner(), []ovs.Row{port}); err != nil {
		return fmt.Errorf("take over port %s: %w", name, err)
	}
	return deleteLink(name)
}

const interfaceTable = "Interface"

// row is the port as the vswitch database must have it.
func (s Spec) row() ovs.VSwitchPort {
	ids := map[string]string{
		util.IfaceID:           s.IfaceID,
		util.IfacePodName:      s.Pod,
		util.IfacePodNamespace: s.Namespace,
		util.IfacePodNetns:     s.Netns,
		util.IfaceContainerID:  s.Container,
		util.IfacePodUID:       s.PodUID,
		util.IfaceNetwork:      s.Network,
		util.IfaceProvider:     s.Provider,
		util.IfaceIP:           joinAddrs(s.Addresses),
	}
	if s.EncapIP.IsValid() {
		ids[util.IfaceEncapIP] = s.EncapIP.String()
	}
	for key, value := range ids {
		if value == "" {
			delete(ids, key)
		}
	}
	return portRow(s.HostLink(), ids, s.QoS)
}

// portRow completes a port's external_ids with what the QoS asks for.
func portRow(name string, ids map[string]string, q QoS) ovs.VSwitchPort {
	rate, burst := q.policing()
	return ovs.VSwitchPort{
		Bridge:        util.IntegrationBridge,
		Name:          name,
		PolicingRate:  rate,
		PolicingBurst: burst,
		ExternalIDs:   ids,
		QoS:           q.row(ids[util.IfaceID], ids[util.IfacePodNamespace], ids[util.IfacePodName]),
	}
}

// Remove takes an interface away. It needs neither the pod nor its namespace; what is missing already is no error.
func (m *Manager) Remove(ctx context.Context, id ID) error {
	errs := []error{m.removeOld(ctx, id)}
	// The port first: vswitchd complains about a port whose device is gone.
	if _, err := m.vswitch.Apply(ctx, id.owner(), nil); err != nil {
		errs = append(errs, fmt.Errorf("remove port %s: %w", id.HostLink(), err))
	}
	errs = append(errs, deleteLink(id.HostLink()))
	if m.cfg.Userspace {
		errs = append(errs, ingress.Accept(id.HostLink()))
	}
	return errors.Join(errs...)
}
