package bridge

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// move carries every address but the link-local ones, and every route, from one device to another. Addresses come first,
// because routes need them, and leave the old device last. A repeated call finishes what an interrupted one began.
func move(from, to netlink.Link) error {
	addresses, err := movable(from)
	if err != nil {
		return err
	}
	if len(addresses) == 0 {
		return moveRoutes(from, to)
	}
	for _, a := range addresses {
		if err := copyAddress(a, to); err != nil {
			return err
		}
	}
	if err := moveRoutes(from, to); err != nil {
		return err
	}
	for _, a := range addresses {
		if err := netlink.AddrDel(from, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s from %s: %w", a.IPNet, from.Attrs().Name, err)
		}
	}
	// Routes that named a deleted address as their source went with it; these are on the other device by now.
	return nil
}

// movable lists the addresses of a device that another device can have.
func movable(link netlink.Link) ([]netlink.Addr, error) {
	all, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
	}
	return slices.DeleteFunc(all, func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() }), nil
}

// copyAddress gives a device an address for ever, without duplicate detection: it is ours already.
func copyAddress(a netlink.Addr, to netlink.Link) error {
	c := netlink.Addr{IPNet: a.IPNet, Scope: a.Scope, Peer: a.Peer, Flags: a.Flags & unix.IFA_F_NOPREFIXROUTE}
	if a.IP.To4() == nil {
		c.Flags |= unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(to, &c); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add address %s to %s: %w", a.IPNet, to.Attrs().Name, err)
	}
	return nil
}

// setAddresses gives a device exactly these addresses besides its link-local ones.
func setAddresses(link netlink.Link, want []netlink.Addr) error {
	for _, a := range want {
		if err := copyAddress(a, link); err != nil {
			return err
		}
	}
	have, err := movable(link)
	if err != nil {
		return err
	}
	removed := false
	for _, a := range have {
		if slices.ContainsFunc(want, func(w netlink.Addr) bool { return prefixOf(w) == prefixOf(a) }) {
			continue
		}
		removed = true
		if err := netlink.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s from %s: %w", a.IPNet, link.Attrs().Name, err)
		}
	}
	if !removed {
		return nil
	}
	// The kernel removes later addresses of a network together with its first one.
	for _, a := range want {
		if err := copyAddress(a, link); err != nil {
			return err
		}
	}
	return nil
}

// prefixOf is an address with the length of its network.
func prefixOf(a netlink.Addr) netip.Prefix {
	ip, _ := netip.AddrFromSlice(a.IP)
	ones, _ := a.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones)
}

// moveRoutes points every route of one device to another, on-link routes before those with gateways.
func moveRoutes(from, to netlink.Link) error {
	have, err := routesOf(to)
	if err != nil {
		return err
	}
	routes, err := routesOf(from)
	if err != nil {
		return err
	}
	slices.SortStableFunc(routes, func(a, b netlink.Route) int { return int(b.Scope) - int(a.Scope) })
	for _, old := range routes {
		r := old
		r.LinkIndex = to.Attrs().Index
		r.ILinkIndex = 0
		r.Flags &= int(netlink.FLAG_ONLINK) // the others tell the state of the old device
		if !slices.ContainsFunc(have, func(h netlink.Route) bool { return sameRoute(h, r) }) {
			if err := netlink.RouteReplace(&r); err != nil {
				return fmt.Errorf("move route %s to %s: %w", old, to.Attrs().Name, err)
			}
		}
		// A replacement took the old route's place; where the new one was there before, the old one is still left.
		if old.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		if err := netlink.RouteDel(&old); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route %s from %s: %w", old, from.Attrs().Name, err)
		}
	}
	return nil
}

// routesOf lists the unicast routes of a device in all tables, without the kernel's link-local ones.
func routesOf(link netlink.Link) ([]netlink.Route, error) {
	var out []netlink.Route
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		filter := &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_UNSPEC, Type: unix.RTN_UNICAST}
		routes, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return nil, fmt.Errorf("list routes of %s: %w", link.Attrs().Name, err)
		}
		for _, r := range routes {
			if r.Dst == nil || !r.Dst.IP.IsLinkLocalUnicast() && !r.Dst.IP.IsMulticast() {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func sameRoute(a, b netlink.Route) bool {
	return a.Table == b.Table && a.Priority == b.Priority && a.Gw.Equal(b.Gw) && fmt.Sprint(a.Dst) == fmt.Sprint(b.Dst)
}
