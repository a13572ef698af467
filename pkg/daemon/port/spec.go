package port

import (
	"net"
	"net/netip"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
)

// Route is one route of the pod's namespace through the interface.
type Route struct {
	Destination netip.Prefix
	Gateway     netip.Addr // invalid: the destination is on the link
}

// Spec is everything that one interface must be. Plan makes it, Manager.Add makes it true.
type Spec struct {
	ID
	Netns     string // path
	Namespace string
	Pod       string // the pod's name, or the virtual machine's
	PodUID    string
	Network   string // name of the CNI network configuration
	Provider  string // prefix of the annotations
	Subnet    string

	// IPAMOnly: another plugin makes the interface, we only name its addresses.
	IPAMOnly bool

	IfaceID   string // name of the logical switch port
	EncapIP   netip.Addr
	MAC       net.HardwareAddr
	MTU       int            // bytes
	Addresses []netip.Prefix // own addresses with the subnet's length, IPv4 first; none: the interface has only its MAC
	CIDRs     []netip.Prefix // of the subnet, one for each of Addresses
	// Gateways are those of the subnet, by family as Addresses; invalid where the family has none.
	Gateways     []netip.Addr
	DefaultRoute bool
	// Routes in order: the default routes, those of the configuration, those of the pod's annotation.
	Routes []Route

	// CheckGateways must answer before the pod starts; empty: no check.
	CheckGateways []netip.Addr
	// Conflict is how the addresses are probed for; the zero value: not at all.
	Conflict announce.Timing
	// FastDAD: the kernel's IPv6 probes follow Conflict, none with none, instead of its own constants.
	FastDAD bool
	// Migrating: the address is in use by the machine that moves here, so nothing is probed and nothing fails for it.
	Migrating bool
	// PatchPort must exist on the node before an underlay port works; "": none.
	PatchPort string

	QoS QoS
}

// Response is the answer to an Add.
func (s Spec) Response(req api.Request) api.Response {
	r := api.Response{MTU: s.MTU, NicName: s.IfName, DNS: req.DNS, Routes: []api.Route{}}
	if len(s.MAC) != 0 {
		r.MACAddress = s.MAC.String()
	}
	for i, a := range s.Addresses {
		ip := api.IP{Protocol: api.ProtocolIPv4, IP: a.Addr().String(), CIDR: s.CIDRs[i].String()}
		if a.Addr().Is6() {
			ip.Protocol = api.ProtocolIPv6
		}
		if s.DefaultRoute && s.Gateways[i].IsValid() {
			ip.Gateway = s.Gateways[i].String()
		}
		r.IPs = append(r.IPs, ip)
	}
	for _, route := range s.Routes {
		out := api.Route{Destination: route.Destination.String()}
		if route.Gateway.IsValid() {
			out.Gateway = route.Gateway.String()
		}
		r.Routes = append(r.Routes, out)
	}
	return r
}
