package port

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
)

// netns is an open network namespace and a netlink socket in it.
type netns struct {
	ns.NetNS
	link *netlink.Handle
}

func openNetns(path string) (*netns, error) {
	n, err := ns.GetNS(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	link, err := netlink.NewHandleAt(vns.NsHandle(n.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in %s: %w", path, err), n.Close())
	}
	return &netns{NetNS: n, link: link}, nil
}

// Close ends the netlink socket and releases the namespace.
func (n *netns) Close() error {
	n.link.Close()
	return n.NetNS.Close()
}

// veth is a pair: one end on the node, one in the pod.
type veth struct {
	host netlink.Link
	pod  netlink.Link
	ns   *netns
}

// addVeth makes the pair with the pod's end where it belongs and under its name at once, so that there is nothing to move or
// rename that somebody on the node could see in between.
func addVeth(s Spec, netns *netns) (*veth, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.TxQLen = s.HostLink(), s.MTU, txQueueLen
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: s.IfName, PeerHardwareAddr: s.MAC, PeerMTU: uint32(s.MTU), PeerTxQLen: txQueueLen,
		PeerNamespace: netlink.NsFd(netns.Fd()),
	})
	if errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("the namespace already has an interface %s", s.IfName)
	}
	if err != nil {
		return nil, fmt.Errorf("create veth %s: %w", s.HostLink(), err)
	}
	pair, err := findVeth(s.ID, netns)
	if err != nil {
		return nil, err
	}
	if err := netns.link.LinkSetAlias(pair.pod, s.PodLink()); err != nil {
		return nil, fmt.Errorf("name %s in the pod: %w", s.IfName, err)
	}
	return pair, nil
}

const txQueueLen = 1000 // packets

// findVeth finds both ends of a pair that exists.
func findVeth(id ID, netns *netns) (*veth, error) {
	host, err := netlink.LinkByName(id.HostLink())
	if err != nil {
		return nil, fmt.Errorf("host end %s: %w", id.HostLink(), err)
	}
	pod, err := netns.link.LinkByName(id.IfName)
	if err != nil {
		return nil, fmt.Errorf("interface %s in the pod: %w", id.IfName, err)
	}
	return &veth{host: host, pod: pod, ns: netns}, nil
}

// up starts both ends. The host end belongs to Open vSwitch: the node's own stack gets no address on it and answers no ARP.
func (v *veth) up() error {
	const addrGenModeNone = 1 // IN6_ADDR_GEN_MODE_NONE of linux/if_link.h
	err := netlink.LinkSetIP6AddrGenMode(v.host, addrGenModeNone)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("keep IPv6 off %s: %w", v.host.Attrs().Name, err)
	}
	if err := netlink.LinkSetARPOff(v.host); err != nil {
		return fmt.Errorf("keep ARP off %s: %w", v.host.Attrs().Name, err)
	}
	if err := netlink.LinkSetUp(v.host); err != nil {
		return fmt.Errorf("start %s: %w", v.host.Attrs().Name, err)
	}
	if err := v.ns.link.LinkSetUp(v.pod); err != nil {
		return fmt.Errorf("start %s in the pod: %w", v.pod.Attrs().Name, err)
	}
	return nil
}

// disableOffloads makes both ends hand over complete frames: the userspace datapath neither computes checksums nor splits
// segments that a sender left to the hardware (node.md 11, R5).
func (v *veth) disableOffloads() error {
	// Segmentation first: it depends on checksums.
	offloads := []link.Offload{link.TSO, link.GSO, link.GRO, link.TxChecksum}
	if err := link.DisableOffloads(v.host.Attrs().Name, offloads...); err != nil {
		return err
	}
	return v.ns.Do(func(ns.NetNS) error { return link.DisableOffloads(v.pod.Attrs().Name, offloads...) })
}

// deleteLink removes an interface of the node; a missing one is no error.
func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	var missing netlink.LinkNotFoundError
	if err == nil || errors.As(err, &missing) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", name, err)
}

// addAddress gives the pod's end an address. IPv6: the kernel probes for it unless nodad.
func (v *veth) addAddress(p netip.Prefix, nodad bool) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if nodad && p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := v.ns.link.AddrReplace(v.pod, addr); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	return nil
}

// addRoute adds a route through the pod's end. A gateway outside the subnet is taken to be on the link.
func (v *veth) addRoute(r Route, addresses []netip.Prefix) error {
	route := &netlink.Route{LinkIndex: v.pod.Attrs().Index, Dst: ipNet(r.Destination), Scope: netlink.SCOPE_LINK}
	if r.Gateway.IsValid() {
		route.Gw, route.Scope = r.Gateway.AsSlice(), netlink.SCOPE_UNIVERSE
		route.Flags = int(netlink.FLAG_ONLINK)
		for _, a := range addresses {
			if a.Contains(r.Gateway) {
				route.Flags = 0
			}
		}
	}
	if err := v.ns.link.RouteReplace(route); err != nil {
		return fmt.Errorf("add route %s via %s: %w", r.Destination, r.Gateway, err)
	}
	return nil
}

// dropDefaultRoutes removes the pod's default routes of each family that the new interface brings one of.
func dropDefaultRoutes(s Spec) error {
	for _, r := range s.Routes {
		if r.Destination.Bits() != 0 {
			continue
		}
		netns, err := openNetns(s.Netns)
		if err != nil {
			return err
		}
		err = errors.Join(netns.dropDefaultRoute(r.Destination.Addr().Is4()), netns.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *netns) dropDefaultRoute(ipv4 bool) error {
	family := netlink.FAMILY_V6
	if ipv4 {
		family = netlink.FAMILY_V4
	}
	routes, err := n.link.RouteList(nil, family)
	if err != nil {
		return fmt.Errorf("list the pod's routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst != nil && !isEverything(r.Dst) {
			continue
		}
		if err := n.link.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("delete the pod's default route %s: %w", r, err)
		}
	}
	return nil
}

func isEverything(n *net.IPNet) bool {
	ones, _ := n.Mask.Size()
	return ones == 0
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
