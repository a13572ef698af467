package start

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// kernelDatapath is the device of OVS's kernel datapath.
const kernelDatapath = "ovs-system"

// removeDevices gives the NICs that bridges took their addresses back and deletes every device of OVS and of pods.
func removeDevices(ctx context.Context, interfaces []vswitchInterface) error {
	var wrong []error
	for _, p := range takers(interfaces) {
		if err := giveBack(p[0], p[1]); err != nil {
			wrong = append(wrong, fmt.Errorf("give the addresses of %s back to %s: %w", p[0], p[1], err))
		}
	}
	if _, err := netlink.LinkByName(kernelDatapath); err == nil {
		if _, err := run(ctx, "ovs-dpctl", "del-dp", kernelDatapath); err != nil {
			wrong = append(wrong, err)
		}
	}
	for _, name := range doomed(interfaces) {
		if err := deleteLink(name); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(append(wrong, restoreNICs(interfaces))...)
}

// takers are devices of OVS with the devices whose addresses they took: bridges and their NIC, ports and their VLAN device.
func takers(interfaces []vswitchInterface) [][2]string {
	var out [][2]string
	for _, bridge := range bridges(interfaces) {
		if nic := uplink(interfaces, bridge); nic != "" && !renamedBack(interfaces, bridge, nic) {
			out = append(out, [2]string{bridge, nic})
		}
	}
	for _, i := range interfaces {
		if i.vlanDevice != "" {
			out = append(out, [2]string{i.name, i.vlanDevice})
		}
	}
	return out
}

// renamedBack says whether a NIC has its own name again since the node was restarted, so that no bridge can have it.
func renamedBack(interfaces []vswitchInterface, bridge, nic string) bool {
	if !slices.ContainsFunc(interfaces, func(i vswitchInterface) bool { return i.bridge == bridge && i.exchanged }) {
		return false
	}
	_, err := netlink.LinkByName(nic)
	return errors.As(err, &netlink.LinkNotFoundError{})
}

// restoreNICs gives NICs that exchanged names with their bridge the old ones, and deletes the VLAN devices that were made for
// provider networks (node.md 4.2, 4.3). The bridges are gone by then.
func restoreNICs(interfaces []vswitchInterface) error {
	former := map[string]string{}
	for _, bridge := range bridges(interfaces) {
		if i := slices.IndexFunc(interfaces, func(i vswitchInterface) bool { return i.bridge == bridge && i.exchanged }); i >= 0 {
			former[uplink(interfaces, bridge)] = bridge
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	var wrong []error
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() == "vlan" && strings.HasPrefix(l.Attrs().Alias, util.VlanAliasPrefix) {
			wrong = append(wrong, deleteLink(name))
			continue
		}
		old := former[name]
		for _, other := range l.Attrs().AltNames {
			if n, ok := strings.CutPrefix(other, util.FormerNamePrefix); ok {
				old = n
				wrong = append(wrong, netlink.LinkDelAltName(l, other))
			}
		}
		if old == "" || old == name {
			continue
		}
		if err := renameNIC(l, old); err != nil {
			wrong = append(wrong, fmt.Errorf("rename %s back to %s: %w", name, old, err))
		}
	}
	return errors.Join(wrong...)
}

// renameNIC sets a NIC down only for kernels before 6.2, which rename no other; its routes may be lost there.
func renameNIC(nic netlink.Link, name string) error {
	err := netlink.LinkSetName(nic, name)
	if !errors.Is(err, syscall.EBUSY) {
		return err
	}
	if err := netlink.LinkSetDown(nic); err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetName(nic, name), netlink.LinkSetUp(nic))
}

func bridges(interfaces []vswitchInterface) []string {
	var out []string
	for _, i := range interfaces {
		if !slices.Contains(out, i.bridge) {
			out = append(out, i.bridge)
		}
	}
	slices.Sort(out)
	return out
}

// uplink is the NIC of a bridge; br-int has none.
func uplink(interfaces []vswitchInterface, bridge string) string {
	if bridge == util.IntegrationBridge {
		return ""
	}
	for _, i := range interfaces {
		if i.bridge == bridge && !i.internal() && (i.kind == "" || i.kind == typeSystem) {
			return i.name
		}
	}
	return ""
}

// doomed are devices to delete: those OVS made, and the host ends of pods' veth pairs, which are the other devices of
// br-int. A NIC is on none of these lists.
func doomed(interfaces []vswitchInterface) []string {
	out := []string{util.NodeNIC, util.MirrorNIC, util.IntegrationBridge, "ovs-netdev", "genev_sys_6081", "vxlan_sys_4789"}
	for _, i := range interfaces {
		if i.exchanged && i.name == i.bridge && !madeByOVS(i.name) {
			continue // the NIC has its own name again
		}
		mine := i.internal() || i.bridge == util.IntegrationBridge && (i.kind == "" || i.kind == typeSystem)
		if mine && !slices.Contains(out, i.name) {
			out = append(out, i.name)
		}
	}
	return out
}

// madeByOVS says whether a device is one of the kernel datapath or a tap.
func madeByOVS(name string) bool {
	l, err := netlink.LinkByName(name)
	return err == nil && (l.Type() == "openvswitch" || l.Type() == "tuntap")
}

// deleteLink is content when the device is gone, or is of the kernel datapath and so went with it.
func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		return fmt.Errorf("device %s: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("delete device %s: %w", name, err)
	}
	klog.InfoS("Deleted device", "name", name)
	return nil
}

// giveBack moves addresses and routes of a bridge's own device to its NIC.
func giveBack(bridge, nic string) error {
	from, err := netlink.LinkByName(bridge)
	if err != nil {
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil // the node was restarted, the NIC has its addresses
		}
		return err
	}
	to, err := netlink.LinkByName(nic)
	if err != nil {
		return err
	}
	addresses, err := netlink.AddrList(from, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	routes, err := netlink.RouteList(from, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(to); err != nil {
		return err
	}
	for _, a := range addresses {
		if a.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := netlink.AddrDel(from, &a); err != nil {
			return err
		}
		moved := netlink.Addr{IPNet: a.IPNet, Flags: a.Flags &^ syscall.IFA_F_PERMANENT, Scope: a.Scope, Broadcast: a.Broadcast}
		if err := netlink.AddrReplace(to, &moved); err != nil {
			return fmt.Errorf("address %s: %w", a.IPNet, err)
		}
	}
	// Routes through a gateway come after the connected ones they depend on.
	slices.SortStableFunc(routes, func(a, b netlink.Route) int { return len(a.Gw) - len(b.Gw) })
	for _, r := range routes {
		if r.Dst != nil && r.Dst.IP.IsLinkLocalUnicast() || r.Protocol == syscall.RTPROT_KERNEL {
			continue
		}
		// Without the flags: they say how the route is (its device has no carrier), which one cannot ask for.
		moved := netlink.Route{LinkIndex: to.Attrs().Index, Dst: r.Dst, Gw: r.Gw, Src: r.Src, Scope: r.Scope, Table: r.Table,
			Protocol: r.Protocol, Priority: r.Priority, Type: r.Type, MTU: r.MTU, Tos: r.Tos}
		if err := netlink.RouteReplace(&moved); err != nil {
			return fmt.Errorf("route %s: %w", moved, err)
		}
	}
	klog.InfoS("Gave the addresses back", "bridge", bridge, "nic", nic, "addresses", len(addresses), "routes", len(routes))
	return nil
}

// removeIPSets destroys our sets (node.md 3.1). Rules that use them are gone by then.
func removeIPSets() error {
	sets, err := netlink.IpsetListAll()
	if err != nil {
		if errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EINVAL) {
			return nil // kernel without ip sets
		}
		return err
	}
	var wrong []error
	for _, s := range sets {
		if strings.HasPrefix(s.SetName, "ovn40") || strings.HasPrefix(s.SetName, "ovn60") {
			if err := netlink.IpsetDestroy(s.SetName); err != nil {
				wrong = append(wrong, fmt.Errorf("ip set %s: %w", s.SetName, err))
			}
		}
	}
	return errors.Join(wrong...)
}

// The table of TProxy (node.md 3.7).
const tproxyTable = 10001

func removeRoutingRules() error {
	var wrong []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := netlink.RuleList(family)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, r := range rules {
			if r.Table == tproxyTable {
				wrong = append(wrong, netlink.RuleDel(&r))
			}
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: tproxyTable}, netlink.RT_FILTER_TABLE)
		wrong = append(wrong, err)
		for _, r := range routes {
			wrong = append(wrong, netlink.RouteDel(&r))
		}
	}
	return errors.Join(wrong...)
}
