package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Driver edits the routes of the network namespace it is used in.
type Driver struct{}

// Sync makes the device's routes agree. A changed route is replaced in place. Errors name the route; all routes are tried.
func (Driver) Sync(want Device) error {
	link, err := netlink.LinkByName(want.Name)
	if err != nil {
		return fmt.Errorf("routes of %s: %w", want.Name, err)
	}
	index := link.Attrs().Index
	have, taken, err := list(index)
	if err != nil {
		return err
	}
	set, remove := diff(have, want.Routes, taken)
	var errs []error
	for _, r := range set {
		if err := netlink.RouteReplace(kernelRoute(index, r)); err != nil {
			errs = append(errs, fmt.Errorf("set route %s: %w", r.text(want.Name), err))
		}
	}
	for _, r := range remove {
		if err := netlink.RouteDel(kernelRoute(index, r)); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route %s: %w", r.text(want.Name), err))
		}
	}
	return errors.Join(errs...)
}

// list reads the main table: the routes of one device, and the destinations of all others.
func list(index int) ([]Route, map[netip.Prefix]bool, error) {
	var have []Route
	taken := map[netip.Prefix]bool{}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		filter := &netlink.Route{Table: unix.RT_TABLE_MAIN}
		routes, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE)
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return nil, nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			dst, ok := prefix(r.Dst)
			if !ok {
				continue
			}
			if r.LinkIndex != index {
				taken[dst] = true
				continue
			}
			have = append(have, Route{Dst: dst, Gateway: address(r.Gw), Src: address(r.Src), Protocol: int(r.Protocol)})
		}
	}
	return have, taken, nil
}

func kernelRoute(index int, r Route) *netlink.Route {
	out := &netlink.Route{
		LinkIndex: index,
		Table:     unix.RT_TABLE_MAIN,
		Dst:       &net.IPNet{IP: r.Dst.Addr().AsSlice(), Mask: net.CIDRMask(r.Dst.Bits(), r.Dst.Addr().BitLen())},
		Protocol:  netlink.RouteProtocol(r.Protocol),
	}
	if r.Gateway.IsValid() {
		out.Gw = r.Gateway.AsSlice()
	} else {
		out.Scope = netlink.SCOPE_LINK
		if r.Dst.Addr().Is6() {
			out.Priority = 256 // the kernel's own metric of a link route
		}
	}
	if r.Src.IsValid() {
		out.Src = r.Src.AsSlice()
	}
	return out
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	p := netip.PrefixFrom(address(n.IP), ones)
	return p, p.IsValid()
}
