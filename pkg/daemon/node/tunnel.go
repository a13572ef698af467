package node

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Bytes that a tunnel adds to a packet (node.md 1.5).
var encapOverhead = map[string]int{"geneve": 100, "vlan": 100, "vxlan": 50, "stt": 72}

// ipv6Overhead is what an IPv6 outer header adds to that.
const ipv6Overhead = 20

// tunnel chooses the NIC, its address and the pods' MTU.
func (v *view) tunnel() *Tunnel {
	l, ok := v.tunnelLink()
	if !ok {
		v.problem("no tunnel NIC: annotation %s %q, --iface %q, addresses %s", util.TunnelInterfaceAnnotation,
			v.annotation(util.TunnelInterfaceAnnotation), v.in.Config.Iface, util.FormatAddrs(append(slices.Clone(v.in.Config.PodIPs), v.ips...)))
		return nil
	}
	address, _ := v.encapAddress(l)
	t := &Tunnel{NIC: l.Name, EncapIPs: append([]netip.Addr{address}, v.nodeNetworks(address)...)}
	userspace := v.label(util.OvsDPTypeLabel) == util.OvsDPUserspace
	// A NIC in a provider bridge, and such a bridge itself, do for a tunnel as they are.
	provided := l.Bridge != "" && l.Bridge != util.TunnelBridge ||
		slices.ContainsFunc(v.in.Facts.Links, func(port Link) bool { return port.Bridge == l.Name })
	if v.in.Facts.Netdev && !userspace && l.Name != util.TunnelBridge && !provided {
		t.Bridge = util.TunnelBridge
	}
	t.PodMTU = v.podMTU(l, address)
	ips := make([]string, 0, len(t.EncapIPs))
	for _, ip := range t.EncapIPs {
		ips = append(ips, ip.String())
	}
	t.Settings = ovs.OpenVSwitch{ExternalIDs: map[string]string{
		util.OvnEncapIP:        strings.Join(ips, ","),
		util.OvnEncapIPDefault: address.String(),
		util.OvnEncapCsum:      strconv.FormatBool(v.in.Config.EncapChecksum),
		util.OvnIsInterconn:    strconv.FormatBool(v.label(util.ICGatewayLabel) == "true"),
	}}
	return t
}

func (v *view) podMTU(l Link, address netip.Addr) int {
	if v.in.Config.MTU > 0 {
		return v.in.Config.MTU
	}
	mtu := l.MTU - encapOverhead["geneve"]
	if n, ok := encapOverhead[v.in.Config.NetworkType]; ok {
		mtu = l.MTU - n
	}
	if address.Is6() {
		mtu -= ipv6Overhead
	}
	return mtu
}

// tunnelLink follows the order of node.md 1.5: annotation, label, flag, owner of the pod's or the node's address. A NIC
// without a usable address is passed over.
func (v *view) tunnelLink() (Link, bool) {
	if name := v.annotation(util.TunnelInterfaceAnnotation); name != "" {
		return v.named(name)
	}
	if v.label(util.OvsDPTypeLabel) == util.OvsDPUserspace {
		return v.named(v.in.Config.DPDKIface)
	}
	if v.in.Config.Iface != "" {
		return v.named(v.in.Config.Iface)
	}
	for _, ip := range append(slices.Clone(v.in.Config.PodIPs), v.ips...) {
		for _, l := range v.in.Facts.Links {
			if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == ip }) {
				return v.behind(l), true
			}
		}
	}
	return Link{}, false
}

// named finds a NIC by a comma list of names and regular expressions. Text without special characters is a name and never
// part of one: "eth1" must not take "eth10".
func (v *view) named(list string) (Link, bool) {
	for pattern := range strings.SplitSeq(list, ",") {
		pattern = strings.TrimSpace(pattern)
		fits := func(name string) bool { return name == pattern }
		if regexp.QuoteMeta(pattern) != pattern && !v.hasLink(pattern) {
			expression, err := regexp.Compile(pattern)
			if err != nil {
				v.problem("tunnel NIC pattern %q: %v", pattern, err)
				continue
			}
			fits = expression.MatchString
		}
		for _, l := range v.in.Facts.Links {
			if _, usable := v.encapAddress(l); usable && fits(l.Name) {
				return l, true
			}
		}
	}
	return Link{}, false
}

// hasLink says whether a text with special characters, such as "eth0.10", names a device.
func (v *view) hasLink(name string) bool {
	return slices.ContainsFunc(v.in.Facts.Links, func(l Link) bool { return l.Name == name })
}

// behind returns the NIC whose addresses a bridge of ours has taken, or the link itself.
func (v *view) behind(l Link) Link {
	for _, port := range v.in.Facts.Links {
		if port.Bridge == l.Name {
			return port
		}
	}
	return l
}

// encapAddress is the tunnel source of a NIC: its own addresses or those of the bridge that has it. The family of the
// pod's or node's first address is preferred.
func (v *view) encapAddress(l Link) (netip.Addr, bool) {
	addresses := l.Addresses
	if i := slices.IndexFunc(v.in.Facts.Links, func(b Link) bool { return l.Bridge != "" && b.Name == l.Bridge }); i >= 0 {
		addresses = append(slices.Clone(v.in.Facts.Links[i].Addresses), addresses...)
	}
	preferV6 := false
	if first := append(slices.Clone(v.in.Config.PodIPs), v.ips...); len(first) > 0 {
		preferV6 = first[0].Is6()
	}
	var found netip.Addr
	for _, p := range addresses {
		ip := p.Addr()
		host := p.IsSingleIP() || l.Loopback
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() || host && !v.in.Config.HostTunnelSrc {
			continue
		}
		if ip.Is6() == preferV6 {
			return ip, true
		}
		if !found.IsValid() {
			found = ip
		}
	}
	return found, found.IsValid()
}

// nodeNetworks are further tunnel sources of this node, sorted, without the default one.
func (v *view) nodeNetworks(except netip.Addr) []netip.Addr {
	text := v.annotation(util.NodeNetworksAnnotation)
	if text == "" {
		return nil
	}
	var named map[string]string
	if err := json.Unmarshal([]byte(text), &named); err != nil {
		v.problem("node %s: annotation %s: %v", v.in.Name, util.NodeNetworksAnnotation, err)
		return nil
	}
	var out []netip.Addr
	for name, address := range named {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			v.problem("node %s: annotation %s: network %s: %v", v.in.Name, util.NodeNetworksAnnotation, name, err)
			continue
		}
		if ip != except && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
