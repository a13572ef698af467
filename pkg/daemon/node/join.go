package node

import (
	"net"
	"net/netip"
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/route"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// joinTxQLen is the queue length of ovn0 in packets.
const joinTxQLen = 1000

// join is ovn0 as the controller's annotations on the node ask for it; nil until they are complete.
func (v *view) join(t *Tunnel) *Join {
	get := func(suffix string) string { return v.annotation(util.Key(util.OvnProvider, suffix)) }
	if get(util.Allocated) != "true" || t == nil {
		return nil
	}
	ips, err1 := util.ParseAddrs(get(util.IPAddress))
	cidrs, err2 := util.ParseCIDRs(get(util.CIDR))
	gateways, err3 := util.ParseAddrs(get(util.Gateway))
	mac, err4 := net.ParseMAC(get(util.MACAddress))
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			v.problem("node %s: join annotations: %v", v.in.Name, err)
			return nil
		}
	}
	port := v.annotation(util.PortNameAnnotation)
	if port == "" {
		port = util.NodePortName(v.in.Name)
	}
	j := &Join{
		Port: ovs.VSwitchPort{
			Bridge:     util.IntegrationBridge,
			Name:       util.NodeNIC,
			Type:       "internal",
			MTURequest: t.PodMTU,
			ExternalIDs: map[string]string{
				util.IfaceID: port,
				util.IfaceIP: util.FormatAddrs(ips),
			},
		},
		Device:   link.Device{Name: util.NodeNIC, MAC: mac, TxQLen: joinTxQLen},
		Routes:   route.Device{Name: util.NodeNIC},
		Gateways: gateways,
	}
	for _, ip := range ips {
		i := slices.IndexFunc(cidrs, func(p netip.Prefix) bool { return p.Contains(ip) })
		if i < 0 {
			v.problem("node %s: join address %s is outside %s", v.in.Name, ip, util.FormatCIDRs(cidrs))
			return nil
		}
		j.Device.Addresses = append(j.Device.Addresses, netip.PrefixFrom(ip, cidrs[i].Bits()))
		r := route.Route{Dst: cidrs[i], Protocol: route.ProtoKernel}
		if ip.Is4() {
			r.Src = ip
		}
		j.Routes.Routes = append(j.Routes.Routes, r)
	}
	j.Routes.Routes = append(j.Routes.Routes, v.subnetRoutes(cidrs, gateways)...)
	return j
}

// subnetRoutes lead to the default VPC's subnets by the join gateway of their family, with the node's own address as source.
func (v *view) subnetRoutes(join []netip.Prefix, gateways []netip.Addr) []route.Route {
	var out []route.Route
	for _, s := range v.subnets {
		if !s.routed() || slices.ContainsFunc(v.ips, func(ip netip.Addr) bool { return util.ContainsAddr(s.cidrs, ip) }) {
			continue
		}
		for _, cidr := range s.cidrs {
			i := slices.IndexFunc(gateways, func(g netip.Addr) bool { return g.Is4() == cidr.Addr().Is4() })
			if i < 0 || slices.Contains(join, cidr) {
				continue
			}
			out = append(out, route.Route{Dst: cidr, Gateway: gateways[i], Src: v.source(cidr), Protocol: route.ProtoStatic})
		}
	}
	return out
}

// source is this node's InternalIP of a prefix's family, when a device has it; the kernel refuses any other source.
func (v *view) source(cidr netip.Prefix) netip.Addr {
	for _, ip := range v.ips {
		if ip.Is4() != cidr.Addr().Is4() {
			continue
		}
		for _, l := range v.in.Facts.Links {
			if slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == ip }) {
				return ip
			}
		}
	}
	return netip.Addr{}
}
