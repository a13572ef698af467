package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// vswitchRow is the name under which the single row of Open_vSwitch is observed.
const (
	vswitchTable = "Open_vSwitch"
	vswitchRow   = ""
)

// links lists the node's devices without those of pods. A bridge of ours that lost its addresses has those that its row
// remembers, and a NIC whose bridge is gone those that it brought: they must come back.
func links(bridges *bridge.Manager) ([]node.Link, error) {
	all, err := link.All()
	if err != nil {
		return nil, err
	}
	ports, err := bridges.Bridges()
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, b := range ports {
		ours[b] = true
	}
	var out []node.Link
	for _, l := range all {
		a := l.Attrs()
		if strings.HasSuffix(a.Name, util.HostLinkSuffix) {
			continue
		}
		addresses, err := link.Addresses(l)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", a.Name, err)
		}
		switch {
		case len(routable(addresses)) > 0:
		case ours[a.Name]:
			addresses = bridges.Remembered(a.Name)
		case ports[a.Name] == "":
			addresses = append(addresses, bridges.Lost(a.Name)...)
		}
		out = append(out, node.Link{
			Name: a.Name, MTU: a.MTU, Loopback: a.Flags&net.FlagLoopback != 0, Bridge: ports[a.Name], Former: bridge.FormerName(l), Addresses: addresses,
		})
	}
	return out, nil
}

// routable leaves link-local addresses out.
func routable(addresses []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(addresses), func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
}

// datapath tells whether Open vSwitch runs the userspace datapath: what ovn-controller was told to make br-int with, or
// what br-int is. known is false until either can be seen.
func (d *Daemon) datapath() (userspace, known bool) {
	o, ok := d.deps.VSwitch.Get(vswitchTable, vswitchRow)
	if ok && o.ExternalIDs[util.OvnBridgeDatapathType] != "" {
		return o.ExternalIDs[util.OvnBridgeDatapathType] == util.DatapathNetdev, true
	}
	br, err := netlink.LinkByName(util.IntegrationBridge)
	if err != nil {
		return false, false
	}
	return br.Type() != "openvswitch", true
}
