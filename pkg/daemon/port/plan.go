package port

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Defaults are the settings of the daemon that shape an interface.
type Defaults struct {
	MTU int // bytes; of a subnet that does not say
	// DetectConflicts is the flag enable-arp-detect-ip-conflict.
	DetectConflicts bool
	// Underlay and Overlay are the timings of that detection on a physical segment and on a logical switch.
	Underlay, Overlay announce.Timing
}

// Inputs of Plan. Subnet is nil while it is not known; Node too.
type Inputs struct {
	Request  api.Request
	Pod      *corev1.Pod
	Subnet   *kubeovnv1.Subnet
	Node     *corev1.Node
	Defaults Defaults
}

// WaitError says what the controller has not done yet. For counts the time by metric: an address, or a route.
type WaitError struct {
	For  WaitFor
	What string
}

// WaitFor is a stage of the controller's work.
type WaitFor string

// What an Add can wait for.
const (
	ForAddress WaitFor = "address"
	ForRoute   WaitFor = "route"
)

func (e *WaitError) Error() string { return e.What }

// InvalidError is a user's mistake that waiting cannot cure.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// AnnotationPrefix is the provider form that the annotations of this interface have: the provider, or the provider and the
// interface name when one attachment is used more than once (api.md 3.1).
func AnnotationPrefix(req api.Request, annotations map[string]string) string {
	provider := req.Provider
	if provider == "" {
		provider = util.OvnProvider
	}
	named := provider + "." + req.IfName
	for _, suffix := range []string{util.IPAddress, util.Allocated} {
		if annotations[util.Key(named, suffix)] != "" {
			return named
		}
	}
	return provider
}

// SubnetName is the subnet that the annotations name for this interface, or "".
func SubnetName(req api.Request, annotations map[string]string) string {
	return annotations[util.Key(AnnotationPrefix(req, annotations), util.LogicalSwitch)]
}

// Plan says what the interface must be. Errors: *WaitError while the controller has work to do, *InvalidError for good.
func Plan(in Inputs) (Spec, error) {
	p := planner{Inputs: in, prefix: AnnotationPrefix(in.Request, in.Pod.Annotations)}
	steps := []func() error{p.kind, p.identity, p.addresses, p.defaultRoute, p.subnet, p.gateways, p.routes, p.qos}
	for _, step := range steps {
		if err := step(); err != nil {
			return Spec{}, err
		}
	}
	return p.spec, nil
}

type planner struct {
	Inputs
	prefix string
	spec   Spec
}

// get is the value of an annotation of this interface.
func (p *planner) get(suffix string) string { return p.Pod.Annotations[util.Key(p.prefix, suffix)] }

// flag is the value of an annotation that is true, false or missing.
func (p *planner) flag(suffix string, missing bool) (bool, error) {
	text := p.get(suffix)
	if text == "" {
		return missing, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalid("annotation %s: %q is neither true nor false", util.Key(p.prefix, suffix), text)
	}
	return value, nil
}

// kind refuses what is not built: only veth pairs are.
func (p *planner) kind() error {
	if kind := p.get(util.PodNicType); kind != "" && kind != util.PodNicVeth {
		return invalid("annotation %s: %q is not supported, only %s is", util.Key(p.prefix, util.PodNicType), kind, util.PodNicVeth)
	}
	if p.Request.DeviceID != "" || p.Request.VhostUserSocketVolumeName != "" {
		return invalid("network %q asks for SR-IOV or vhost-user, only %s is supported", p.Request.Network, util.PodNicVeth)
	}
	return nil
}

func (p *planner) identity() error {
	req := p.Request
	p.spec.ID = ID{Container: req.ContainerID, IfName: req.IfName}
	p.spec.Netns, p.spec.Network, p.spec.Provider = req.NetNS, req.Network, p.prefix
	p.spec.Namespace, p.spec.Pod, p.spec.PodUID = p.Pod.Namespace, p.Pod.Name, string(p.Pod.UID)
	if vm := p.get(util.VMName); vm != "" {
		p.spec.Pod = vm
	}
	p.spec.IfaceID = util.PodPortName(p.spec.Pod, p.spec.Namespace, p.prefix)
	p.spec.IPAMOnly = !util.IsOvnProvider(req.Provider) && req.CNIType != api.PluginType
	p.spec.Migrating = p.Pod.Annotations[util.MigrationJobAnnotation] != ""
	return nil
}

// addresses reads what the controller has allocated.
func (p *planner) addresses() error {
	s := &p.spec
	allocated := p.get(util.Allocated) == "true"
	ips, mac, cidr := p.get(util.IPAddress), p.get(util.MACAddress), p.get(util.CIDR)
	macOnly := ips == "" && cidr == "" && mac != ""
	if !allocated || ips == "" && !macOnly {
		return &WaitError{For: ForAddress, What: fmt.Sprintf("no address allocated to pod %s/%s provider %s, see the events of the pod and the log of kube-ovn-controller",
			p.Pod.Namespace, p.Pod.Name, p.prefix)}
	}
	var err error
	if mac != "" || !s.IPAMOnly {
		if s.MAC, err = net.ParseMAC(mac); err != nil || len(s.MAC) != 6 {
			return invalid("annotation %s: %q is not an Ethernet address", util.Key(p.prefix, util.MACAddress), mac)
		}
	}
	if macOnly {
		return nil
	}
	cidrs, err := p.prefixes(util.CIDR, cidr)
	if err != nil {
		return err
	}
	for _, text := range fields(ips) {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			return invalid("annotation %s: %q is not an IP address", util.Key(p.prefix, util.IPAddress), text)
		}
		own, ok := cidrs[addr.Is4()]
		if !ok {
			return invalid("annotation %s: %q has no prefix for address %s", util.Key(p.prefix, util.CIDR), cidr, addr)
		}
		delete(cidrs, addr.Is4())
		s.Addresses = append(s.Addresses, netip.PrefixFrom(addr, own.Bits()))
		s.CIDRs = append(s.CIDRs, own.Masked())
	}
	return nil
}

// prefixes reads a list with at most one prefix of each family; the key is true for IPv4.
func (p *planner) prefixes(suffix, text string) (map[bool]netip.Prefix, error) {
	out := map[bool]netip.Prefix{}
	for _, f := range fields(text) {
		prefix, err := netip.ParsePrefix(f)
		if err != nil {
			return nil, invalid("annotation %s: %q is not a CIDR", util.Key(p.prefix, suffix), f)
		}
		if _, twice := out[prefix.Addr().Is4()]; twice {
			return nil, invalid("annotation %s: %q has two prefixes of one family", util.Key(p.prefix, suffix), text)
		}
		out[prefix.Addr().Is4()] = prefix
	}
	return out, nil
}

// defaultRoute decides who carries the default route, and waits for the routes of the VPC when it is us.
func (p *planner) defaultRoute() error {
	const primary = "eth0"
	carries, err := p.flag(util.DefaultRoute, p.Request.IfName == primary)
	if err != nil {
		return err
	}
	p.spec.DefaultRoute = carries
	if carries && len(p.spec.Addresses) != 0 && util.IsOvnProvider(p.Request.Provider) && p.get(util.Routed) != "true" {
		return &WaitError{For: ForRoute, What: fmt.Sprintf("route is not ready for pod %s/%s provider %s, see the events of the pod and the log of kube-ovn-controller",
			p.Pod.Namespace, p.Pod.Name, p.prefix)}
	}
	return nil
}

// subnet reads what the subnet and the node decide: MTU, tunnel source, patch port, detection of conflicts.
func (p *planner) subnet() error {
	s := &p.spec
	s.Subnet = p.get(util.LogicalSwitch)
	if p.Subnet == nil {
		return &WaitError{For: ForAddress, What: fmt.Sprintf("subnet %q of pod %s/%s is not known", s.Subnet, p.Pod.Namespace, p.Pod.Name)}
	}
	// Also with a logical gateway: OVN tunnels nothing of a switch with a localnet port, so without the bridge a pod reaches
	// its router and nobody else (node.md 2.2 excepts those subnets).
	if p.Subnet.Spec.Vlan != "" && !s.IPAMOnly {
		s.PatchPort = util.LocalnetPatchName(p.Subnet.Name)
	}
	underlay := p.Subnet.Spec.Vlan != "" && !p.Subnet.Spec.LogicalGateway
	if !s.Migrating && p.Defaults.DetectConflicts {
		s.Conflict = p.Defaults.Overlay
		if underlay {
			s.Conflict = p.Defaults.Underlay
		}
	}
	s.FastDAD = !underlay
	if err := p.mtu(underlay); err != nil {
		return err
	}
	return p.encapIP()
}

func (p *planner) mtu(underlay bool) error {
	p.spec.MTU = p.Defaults.MTU
	if mtu := p.Subnet.Spec.Mtu; mtu != 0 {
		p.spec.MTU = int(mtu)
		return nil
	}
	pn := p.get(util.ProviderNet)
	if pn == "" || !underlay || p.Subnet.Spec.U2OInterconnection || p.Node == nil {
		return nil
	}
	label := util.ProviderNetworkKey(pn, util.ProviderMTU)
	text := p.Node.Labels[label]
	if text == "" {
		return nil
	}
	mtu, err := strconv.Atoi(text)
	if err != nil || mtu < 68 || mtu > 65535 {
		return invalid("node %s, label %s: %q is not an MTU", p.Node.Name, label, text)
	}
	p.spec.MTU = mtu
	return nil
}

// encapIP is the node's address in the subnet's tunnel network.
func (p *planner) encapIP() error {
	network := p.Subnet.Spec.NodeNetwork
	if network == "" || p.Node == nil {
		return nil
	}
	networks := map[string]string{}
	if text := p.Node.Annotations[util.NodeNetworksAnnotation]; text != "" {
		if err := json.Unmarshal([]byte(text), &networks); err != nil {
			return invalid("node %s, annotation %s is not a JSON map of names to addresses: %v", p.Node.Name, util.NodeNetworksAnnotation, err)
		}
	}
	addr, err := netip.ParseAddr(networks[network])
	if err != nil {
		return invalid("node %s has no address in the network %q that subnet %s asks for", p.Node.Name, network, p.Subnet.Name)
	}
	p.spec.EncapIP = addr
	return nil
}

// gateways chooses where the default routes go and who must answer.
func (p *planner) gateways() error {
	s := &p.spec
	byFamily := func(what, text string) (map[bool]netip.Addr, error) {
		out := map[bool]netip.Addr{}
		for _, f := range fields(text) {
			addr, err := netip.ParseAddr(f)
			if err != nil {
				return nil, invalid("%s: %q is not an IP address", what, f)
			}
			out[addr.Is4()] = addr
		}
		return out, nil
	}
	physical, err := byFamily("annotation "+util.Key(p.prefix, util.Gateway), p.get(util.Gateway))
	if err != nil {
		return err
	}
	router := map[bool]netip.Addr{}
	interconnected := p.Subnet.Spec.U2OInterconnection && p.Subnet.Spec.Vlan != ""
	if interconnected {
		if router, err = byFamily("status of subnet "+p.Subnet.Name, p.Subnet.Status.U2OInterconnectionIP); err != nil {
			return err
		}
	}
	check := !s.Migrating && !s.IPAMOnly && p.get(util.ActivationStrategy) == "" && !p.Subnet.Spec.DisableGatewayCheck
	for _, a := range s.Addresses {
		gateway := physical[a.Addr().Is4()]
		for _, g := range []netip.Addr{gateway, router[a.Addr().Is4()]} {
			if check && g.IsValid() && g != a.Addr() {
				s.CheckGateways = append(s.CheckGateways, g)
			}
		}
		via := router[a.Addr().Is4()]
		switch {
		case via.IsValid():
			gateway = via
		case interconnected: // the news of the pod may come before that of its subnet
			return &WaitError{For: ForRoute, What: fmt.Sprintf("the router has no address for %s in the status of subnet %s yet", a.Addr(), p.Subnet.Name)}
		}
		s.Gateways = append(s.Gateways, gateway)
	}
	return nil
}

// routes lists the default routes, then those of the configuration, then those of the annotation.
func (p *planner) routes() error {
	s := &p.spec
	for _, g := range s.Gateways {
		if s.DefaultRoute && g.IsValid() {
			s.Routes = append(s.Routes, Route{Destination: everything(g), Gateway: g})
		}
	}
	if err := p.addRoutes("network configuration", p.Request.Routes); err != nil {
		return err
	}
	text := p.get(util.Routes)
	if text == "" {
		return nil
	}
	key := util.Key(p.prefix, util.Routes)
	var own []api.Route
	if err := json.Unmarshal([]byte(text), &own); err != nil {
		return invalid("annotation %s is not a JSON list of routes: %v", key, err)
	}
	return p.addRoutes("annotation "+key, own)
}

func (p *planner) addRoutes(where string, routes []api.Route) error {
	for _, r := range routes {
		route, err := parseRoute(r)
		if err != nil {
			return invalid("%s: route %+v: %v", where, r, err)
		}
		p.spec.Routes = append(p.spec.Routes, route)
	}
	return nil
}

func parseRoute(r api.Route) (Route, error) {
	var route Route
	var err error
	if r.Gateway != "" {
		if route.Gateway, err = netip.ParseAddr(r.Gateway); err != nil {
			return route, err
		}
	}
	switch {
	case r.Destination == "" && !route.Gateway.IsValid():
		return route, fmt.Errorf("neither dst nor gw is set")
	case r.Destination == "":
		route.Destination = everything(route.Gateway)
	case strings.Contains(r.Destination, "/"):
		if route.Destination, err = netip.ParsePrefix(r.Destination); err != nil {
			return route, err
		}
		route.Destination = route.Destination.Masked()
	default:
		addr, err := netip.ParseAddr(r.Destination)
		if err != nil {
			return route, err
		}
		route.Destination = netip.PrefixFrom(addr.WithZone(""), addr.BitLen())
	}
	if route.Gateway.IsValid() && route.Gateway.Is4() != route.Destination.Addr().Is4() {
		return route, fmt.Errorf("dst and gw are of different families")
	}
	return route, nil
}

// everything is the default route's destination in the family of a gateway.
func everything(gateway netip.Addr) netip.Prefix {
	if gateway.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// fields splits a comma list and drops blanks.
func fields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
