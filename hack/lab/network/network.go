package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// Names inside the outside namespace.
const (
	managementNIC = "mgmt"
	tunnelSwitch  = "tunnel"
)

// Host makes the management bridge and the machine's address on it.
func Host(l *plan.Lab) error {
	if err := free(l); err != nil {
		return err
	}
	if err := addBridge(l.Bridge()); err != nil {
		return err
	}
	return addAddress(l.Bridge(), netip.PrefixFrom(l.Host(), l.Management.Bits()))
}

// free refuses a subnet that this machine uses for something else.
func free(l *plan.Lab) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, link := range links {
		if link.Attrs().Name == l.Bridge() {
			continue
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
		}
		for _, a := range addresses {
			if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && l.Management.Contains(ip) {
				return fmt.Errorf("interface %s has %s, which the lab wants for itself: choose another LAB name", link.Attrs().Name, ip)
			}
		}
	}
	return nil
}

// Outside makes the namespace of the outside networks with their switches and routers. A NIC with tagged networks gets its switch from Switch.Start.
func Outside(l *plan.Lab) error {
	name := l.OutsideNetns()
	if err := ns.CreateNetns(name); err != nil {
		return err
	}
	if err := addVeth(veth{name: l.HostOutsideVeth(), peer: managementNIC, peerNetns: name}); err != nil {
		return err
	}
	if err := enslave(l.HostOutsideVeth(), l.Bridge()); err != nil {
		return err
	}
	return ns.InNetns(name, func() error {
		err := errors.Join(
			sysctl("ipv4/ip_forward", "1"),
			sysctl("ipv4/conf/all/rp_filter", "0"),  // a reply may leave another way than the request came
			sysctl("ipv4/conf/all/arp_ignore", "1"), // each network knows its own gateway only
			sysctl("ipv6/conf/all/forwarding", "1"),
			sysctl("ipv6/conf/default/disable_ipv6", "1"), // the router's interfaces have it, the switches' ports do not
			enableIPv6("lo"),
			addAddress("lo", netip.MustParsePrefix(plan.Internet+"/32")),
			addAddress("lo", netip.MustParsePrefix(plan.Internet6+"/128")),
			addAddress(managementNIC, netip.PrefixFrom(l.Router(), l.Management.Bits())),
			addBridge(tunnelSwitch),
		)
		for _, u := range l.Uplinks() {
			if u.Tagged() {
				continue
			}
			err = errors.Join(err, addBridge(bridgeOf(u.NIC)), addRouter(bridgeOf(u.NIC), u.Networks[0]))
		}
		return err
	})
}

// addRouter gives an interface of the outside the router's addresses in a network.
func addRouter(name string, o plan.Outside) error {
	err := enableIPv6(name)
	for _, address := range o.Routers() {
		err = errors.Join(err, addAddress(name, address))
	}
	return err
}

func enableIPv6(name string) error { return sysctl("ipv6/conf/"+name+"/disable_ipv6", "0") }

// bridgeOf is the switch behind a NIC.
func bridgeOf(nic string) string { return "br-" + nic }

// AttachNode makes a node's network namespace and its NICs.
func AttachNode(l *plan.Lab, n plan.Node) error {
	name, ext := l.NodeNetns(n), l.OutsideNetns()
	if err := ns.CreateNetns(name); err != nil {
		return err
	}
	if err := addVeth(veth{name: l.HostVeth(n), peer: plan.ManagementNIC, peerNetns: name}); err != nil {
		return err
	}
	if err := enslave(l.HostVeth(n), l.Bridge()); err != nil {
		return err
	}
	err := ns.InNetns(ext, func() error {
		far := port(tunnelSwitch, n)
		if err := addVeth(veth{name: far, peer: l.TunnelNIC, peerNetns: name}); err != nil {
			return err
		}
		if err := enslave(far, tunnelSwitch); err != nil {
			return err
		}
		for _, u := range l.Uplinks() {
			far := port(u.NIC, n)
			if err := addVeth(veth{name: far, peer: u.NIC, peerNetns: name}); err != nil {
				return err
			}
			if u.Tagged() { // enslaved by its own switch, which remembers the port by name
				continue
			}
			if err := enslave(far, bridgeOf(u.NIC)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ns.InNetns(name, func() error { return configureNode(l, n) })
}

// port is the far end of a node's NIC on the switch behind it.
func port(network string, n plan.Node) string { return network + "-" + strconv.Itoa(n.Index) }

func configureNode(l *plan.Lab, n plan.Node) error {
	err := errors.Join(
		sysctl("ipv4/ip_forward", "1"),
		sysctl("ipv6/conf/all/forwarding", "1"),
		setUp("lo"),
		addAddress(plan.ManagementNIC, netip.PrefixFrom(n.Management, l.Management.Bits())),
		addAddress(l.TunnelNIC, netip.PrefixFrom(n.Tunnel, l.Tunnel.Bits())),
	)
	for _, u := range l.Uplinks() {
		err = errors.Join(err, setUp(u.NIC))
	}
	if err != nil {
		return err
	}
	route := &netlink.Route{Gw: l.Router().AsSlice()}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("default route via %s: %w", l.Router(), err)
	}
	return nil
}

// DetachNode removes a node's NICs and its network namespace. What is missing is fine.
func DetachNode(l *plan.Lab, n plan.Node) error {
	err := removeLink(l.HostVeth(n))
	if _, statErr := os.Stat(ns.Path(l.OutsideNetns())); statErr == nil {
		err = errors.Join(err, ns.InNetns(l.OutsideNetns(), func() error {
			err := removeLink(port(tunnelSwitch, n))
			for _, u := range l.Uplinks() {
				err = errors.Join(err, removeLink(port(u.NIC, n)))
			}
			return err
		}))
	}
	return errors.Join(err, ns.DeleteNetns(l.NodeNetns(n)))
}

// Clear removes every interface and every network namespace of the lab.
func Clear(l *plan.Lab) error {
	var err error
	for _, name := range l.HostInterfaces() {
		err = errors.Join(err, removeLink(name))
	}
	names, listErr := ns.NetnsNames(l.Prefix())
	err = errors.Join(err, listErr)
	for _, name := range names {
		err = errors.Join(err, ns.DeleteNetns(name))
	}
	return err
}

// Interfaces are the lab's interfaces beside the machine's own.
func Interfaces(l *plan.Lab) ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	wanted := map[string]bool{}
	for _, name := range l.HostInterfaces() {
		wanted[name] = true
	}
	var found []string
	for _, link := range links {
		if wanted[link.Attrs().Name] {
			found = append(found, link.Attrs().Name)
		}
	}
	return found, nil
}

// veth is a pair whose peer stands in another, named network namespace.
type veth struct{ name, peer, peerNetns string }

// addVeth makes the pair, up on this side. Checksums are computed on both sides: a userspace switch reads frames as they are.
func addVeth(v veth) error {
	handle, err := netns.GetFromPath(ns.Path(v.peerNetns))
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", v.peerNetns, err)
	}
	defer handle.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = v.name
	link := &netlink.Veth{LinkAttrs: attrs, PeerName: v.peer, PeerNamespace: netlink.NsFd(int(handle))}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("interface %s: %w", v.name, err)
	}
	if err := checksumInSoftware(v.name); err != nil {
		return err
	}
	if err := ns.InNetns(v.peerNetns, func() error { return checksumInSoftware(v.peer) }); err != nil {
		return err
	}
	return setUp(v.name)
}

func checksumInSoftware(name string) error {
	out, err := exec.Command("ethtool", "-K", name, "tx", "off").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ethtool -K %s tx off: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func addBridge(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	return setUp(name)
}

func enslave(name, bridge string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	if err := netlink.LinkSetMaster(link, master); err != nil {
		return fmt.Errorf("interface %s into bridge %s: %w", name, bridge, err)
	}
	return nil
}

func addAddress(name string, p netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() { // usable at once: nobody else has it
		address.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(link, address); err != nil {
		return fmt.Errorf("address %s of %s: %w", p, name, err)
	}
	return setUp(name)
}

func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}

func sysctl(name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0o644)
}
