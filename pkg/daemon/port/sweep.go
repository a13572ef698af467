package port

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/vishvananda/netlink"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
)

// hostLinkPattern is what HostLink makes; nobody else's device has such a name.
var hostLinkPattern = regexp.MustCompile(`^[0-9a-f]{13}_h$`)

// Collect removes the interfaces of a CNI network that the runtime does not list any more (CNI GC).
func (m *Manager) Collect(ctx context.Context, network string, valid []ID) error {
	keep := map[ID]bool{}
	for _, id := range valid {
		keep[id] = true
	}
	return m.drop(ctx, func(p Port) bool { return p.Network == network && !keep[p.ID] })
}

// Sweep removes the interfaces of pods that are gone, of which gone must be sure, and devices that a daemon left when it
// died in the middle of an Add. The daemon calls it at start and from time to time.
func (m *Manager) Sweep(ctx context.Context, gone func(Port) bool) error {
	return errors.Join(m.drop(ctx, gone), m.sweepOrphans(ctx))
}

func (m *Manager) drop(ctx context.Context, unwanted func(Port) bool) error {
	var errs []error
	for _, p := range m.Ports() {
		if !unwanted(p) || m.making.has(p.HostLink()) {
			continue
		}
		klog.FromContext(ctx).Info("Removing the port of a container that is gone", "port", p.HostLink(),
			"container", p.Container, "pod", klog.KRef(p.Namespace, p.Pod))
		errs = append(errs, m.Remove(ctx, p.ID))
	}
	return errors.Join(errs...)
}

// sweepOrphans removes host ends without a port.
func (m *Manager) sweepOrphans(ctx context.Context) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	var names []string
	for _, link := range links {
		if link.Type() == "veth" {
			names = append(names, link.Attrs().Name)
		}
	}
	// In this order: an Add that was under way when the list was taken is either still under way, or has its port by now.
	busy := m.making.list()
	owned := map[string]bool{}
	for _, p := range m.Ports() {
		owned[p.HostLink()] = true
	}
	var errs []error
	for _, name := range names {
		if !hostLinkPattern.MatchString(name) || busy[name] || owned[name] {
			continue
		}
		klog.FromContext(ctx).Info("Removing what an interrupted ADD left", "device", name)
		errs = append(errs, deleteLink(name))
		if m.cfg.Userspace {
			errs = append(errs, ingress.Accept(name))
		}
	}
	return errors.Join(errs...)
}
