package port

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Check compares an interface with what its Add answered (CNI CHECK): the port in the vswitch database, both ends of the veth
// pair, MAC, addresses and routes. It reports everything that is wrong. Without want only the existence is checked.
func (m *Manager) Check(id ID, netnsPath string, want *api.Expected) error {
	p, ok := m.port(id)
	if !ok {
		return fmt.Errorf("container %s, interface %s: the vswitch database has no port %s", id.Container, id.IfName, id.HostLink())
	}
	var errs []error
	if p.ids[util.IfaceOvnInstalled] != "true" {
		errs = append(errs, fmt.Errorf("logical port %s is not bound", p.IfaceID))
	}
	netns, err := openNetns(netnsPath)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer netns.Close()
	pair, err := findVeth(id, netns)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, end := range []netlink.Link{pair.host, pair.pod} {
		if end.Attrs().Flags&net.FlagUp == 0 {
			errs = append(errs, fmt.Errorf("interface %s is down", end.Attrs().Name))
		}
	}
	if want != nil {
		errs = append(errs, pair.check(want)...)
	}
	return errors.Join(errs...)
}

func (v *veth) check(want *api.Expected) (errs []error) {
	name := v.pod.Attrs().Name
	if want.MAC != "" {
		mac, err := net.ParseMAC(want.MAC)
		if err != nil || !bytes.Equal(mac, v.pod.Attrs().HardwareAddr) {
			errs = append(errs, fmt.Errorf("interface %s has MAC %s instead of %s", name, v.pod.Attrs().HardwareAddr, want.MAC))
		}
	}
	addrs, err := v.ns.link.AddrList(v.pod, netlink.FAMILY_ALL)
	if err != nil {
		return append(errs, fmt.Errorf("list the addresses of %s: %w", name, err))
	}
	for _, text := range want.Addresses {
		prefix, err := netip.ParsePrefix(text)
		has := slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IPNet.String() == prefix.String() })
		if err != nil || !has {
			errs = append(errs, fmt.Errorf("interface %s has no address %s", name, text))
		}
	}
	routes, err := v.ns.link.RouteList(v.pod, netlink.FAMILY_ALL)
	if err != nil {
		return append(errs, fmt.Errorf("list the routes of %s: %w", name, err))
	}
	for _, r := range want.Routes {
		route, err := parseRoute(r)
		if err != nil || !slices.ContainsFunc(routes, func(have netlink.Route) bool { return sameRoute(have, route) }) {
			errs = append(errs, fmt.Errorf("interface %s has no route to %s via %s", name, r.Destination, r.Gateway))
		}
	}
	return errs
}

// sameRoute compares destination and gateway; the kernel may leave out the destination of a default route.
func sameRoute(have netlink.Route, want Route) bool {
	gateway, _ := netip.AddrFromSlice(have.Gw)
	if gateway.Unmap() != want.Gateway {
		return false
	}
	if have.Dst == nil {
		return want.Destination.Bits() == 0
	}
	return have.Dst.String() == want.Destination.String()
}
