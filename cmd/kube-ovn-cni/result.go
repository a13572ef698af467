package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// ipConfig gives an address the mask of its subnet.
func ipConfig(ip api.IP) (*current.IPConfig, error) {
	addr, err := netip.ParseAddr(ip.IP)
	if err != nil {
		return nil, fmt.Errorf("address %q of the daemon: %w", ip.IP, err)
	}
	cidr, err := netip.ParsePrefix(ip.CIDR)
	if err != nil {
		return nil, fmt.Errorf("CIDR %q of the daemon: %w", ip.CIDR, err)
	}
	c := &current.IPConfig{Address: ipNet(netip.PrefixFrom(addr, cidr.Bits()))}
	if ip.Gateway != "" {
		gw, err := netip.ParseAddr(ip.Gateway)
		if err != nil {
			return nil, fmt.Errorf("gateway %q of the daemon: %w", ip.Gateway, err)
		}
		c.Gateway = gw.AsSlice()
	}
	return c, nil
}

func parseRoute(r api.Route) (*types.Route, error) {
	route := &types.Route{}
	if r.Gateway != "" {
		gw, err := netip.ParseAddr(r.Gateway)
		if err != nil {
			return nil, fmt.Errorf("route gateway %q: %w", r.Gateway, err)
		}
		route.GW = gw.AsSlice()
	}
	if r.Destination == "" {
		route.Dst = defaultRoute(route.GW)
		return route, nil
	}
	dst, err := netip.ParsePrefix(r.Destination)
	if err != nil {
		return nil, fmt.Errorf("route destination %q: %w", r.Destination, err)
	}
	route.Dst = ipNet(dst)
	return route, nil
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// defaultRoute is the destination "everything" of a gateway's family.
func defaultRoute(gw net.IP) net.IPNet {
	if gw == nil || gw.To4() != nil {
		return net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	}
	return net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
}
