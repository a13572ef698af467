package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// How a device that vswitchd must remove is watched.
const (
	goneDeadline = 10 * time.Second
	gonePoll     = 20 * time.Millisecond
)

// find returns the NIC of a bridge under the name it has now, and makes it when it is a VLAN device that must be made.
func (m *Manager) find(s Spec) (netlink.Link, error) {
	nic, err := netlink.LinkByName(s.NIC)
	if err == nil && (!s.Exchange || !isOVS(nic)) {
		return nic, nil
	}
	wanted := s.NIC
	if s.Exchange {
		wanted = s.Name
		nic, err = netlink.LinkByName(wanted)
		if err == nil && !isOVS(nic) {
			return nic, nil
		}
		if err == nil {
			return nil, fmt.Errorf("NIC %s of bridge %s is lost: the device of that name is the bridge", wanted, s.NIC)
		}
	}
	if errors.As(err, &netlink.LinkNotFoundError{}) && s.CreateVLAN != "" {
		return createVLAN(wanted, s.CreateVLAN)
	}
	return nil, fmt.Errorf("NIC %s of bridge %s: %w", wanted, s.Name, err)
}

// prepare gives the NIC the name that its bridge wants it to have.
func (m *Manager) prepare(ctx context.Context, s Spec, nic netlink.Link) (netlink.Link, error) {
	if !s.Exchange || nic.Attrs().Name == s.NIC {
		return nic, nil
	}
	// A bridge of that name may have been removed a moment ago.
	if err := waitGone(ctx, s.NIC); err != nil {
		return nil, err
	}
	// Before the name changes: a daemon that dies in between finds the way back.
	err := netlink.LinkAddAltName(nic, util.FormerNamePrefix+s.Name)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		// Kernels before 5.5 have no alternative names.
		klog.FromContext(ctx).V(3).Info("The former name of the NIC is not kept", "nic", s.Name, "err", err)
	}
	if err := rename(nic, s.NIC); err != nil {
		return nil, fmt.Errorf("rename NIC %s to %s: %w", s.Name, s.NIC, err)
	}
	renamed, err := netlink.LinkByIndex(nic.Attrs().Index)
	if err != nil {
		return nil, fmt.Errorf("find NIC %s again, which was %s: %w", s.NIC, s.Name, err)
	}
	// udev keeps the old name as an alternative one, and the bridge could not have it.
	if slices.Contains(renamed.Attrs().AltNames, s.Name) {
		if err := netlink.LinkDelAltName(renamed, s.Name); err != nil {
			return nil, fmt.Errorf("remove the alternative name %s of NIC %s: %w", s.Name, s.NIC, err)
		}
	}
	return renamed, nil
}

// rename changes the name of a device. Since Linux 6.2 that works while it is up and nothing is lost. Before, it must be down
// for a moment; what the kernel forgets then is put back.
func rename(nic netlink.Link, name string) error {
	err := netlink.LinkSetName(nic, name)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	addresses, err := movable(nic)
	if err != nil {
		return err
	}
	routes, err := routesOf(nic)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetDown(nic); err != nil {
		return fmt.Errorf("set down: %w", err)
	}
	errName := netlink.LinkSetName(nic, name)
	if err := netlink.LinkSetUp(nic); err != nil {
		return errors.Join(errName, fmt.Errorf("set up: %w", err))
	}
	return errors.Join(errName, restore(nic, addresses, routes))
}

// restore gives a device the addresses and routes it had.
func restore(nic netlink.Link, addresses []netlink.Addr, routes []netlink.Route) error {
	for _, a := range addresses {
		if err := copyAddress(a, nic); err != nil {
			return err
		}
	}
	slices.SortStableFunc(routes, func(a, b netlink.Route) int { return int(b.Scope) - int(a.Scope) })
	for _, r := range routes {
		r.Flags &= int(netlink.FLAG_ONLINK)
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("put route %s back: %w", r, err)
		}
	}
	return nil
}

// FormerName is the name that a NIC had before its bridge got it, or "".
func FormerName(nic netlink.Link) string {
	for _, name := range nic.Attrs().AltNames {
		if former, ok := strings.CutPrefix(name, util.FormerNamePrefix); ok {
			return former
		}
	}
	return ""
}

// RestoreNames gives NICs back their names which no bridge has any more, as a daemon leaves them that died while it removed
// the bridge. exchanged are the NICs, by the name they have in their bridge, that stay as they are.
func (m *Manager) RestoreNames(ctx context.Context, exchanged []string) error {
	links, err := link.All()
	if err != nil {
		return err
	}
	bridges, err := m.Bridges()
	if err != nil {
		return err
	}
	var wrong []error
	for _, l := range links {
		name := l.Attrs().Name
		if FormerName(l) != "" && bridges[name] == "" && !slices.Contains(exchanged, name) {
			wrong = append(wrong, restoreName(ctx, l))
		}
	}
	return errors.Join(wrong...)
}

// restoreName waits for vswitchd to let go of the NIC's former name and gives it back.
func restoreName(ctx context.Context, nic netlink.Link) error {
	name := nic.Attrs().Name
	former := FormerName(nic)
	if former == "" {
		return nil
	}
	if former != name {
		if err := waitGone(ctx, former); err != nil {
			return err
		}
		if err := rename(nic, former); err != nil {
			return fmt.Errorf("rename NIC %s back to %s: %w", name, former, err)
		}
	}
	if err := netlink.LinkDelAltName(nic, util.FormerNamePrefix+former); err != nil {
		return fmt.Errorf("NIC %s: forget the former name: %w", former, err)
	}
	return nil
}

// waitGone waits until vswitchd has removed a device of its own that is in the database no more. A device of somebody else
// is an error.
func waitGone(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, goneDeadline)
	defer cancel()
	tick := time.NewTicker(gonePoll)
	defer tick.Stop()
	for {
		l, err := netlink.LinkByName(name)
		if errors.As(err, &netlink.LinkNotFoundError{}) || err == nil && l.Attrs().Name != name {
			return nil // an alternative name is no device
		}
		if err == nil && !isOVS(l) {
			return fmt.Errorf("the name %s belongs to another device", name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("vswitchd has not removed its device %s: %w", name, ctx.Err())
		case <-tick.C:
		}
	}
}

// isOVS says whether Open vSwitch made a device: the userspace datapath makes taps, the other one a type of its own.
func isOVS(l netlink.Link) bool { return l.Type() == "openvswitch" || l.Type() == "tuntap" }
