package vpc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// maxGatewayChassis bounds the chassis of a router port: the last has the lowest priority that is still above 0.
const maxGatewayChassis = 100

// network is an external network that the router is or is to be connected to.
type network struct {
	name string // of the switch, and of the Subnet that manages it
	// wanted by the spec or the ConfigMap. One that is not is there because the router still has an address in it.
	wanted bool
	subnet *v1.Subnet // nil: the switch is bare, or there is none
	// provider is the Subnet's provider network, "" for none.
	provider string
	eip      *v1.OvnEip // the router port's address; nil when there is none
	// users are the NAT rules of the VPC with addresses of the network, for one that is not wanted; eipUsers are those with
	// the router port's own.
	users, eipUsers []string
	// present: the network has its switch. connected: the router has its port. Neither can be made without the other's help.
	present, connected bool
	// portMAC is the MAC that the router's port has in the database; "" when there is none.
	portMAC string
}

// gatewayChassis is the chassis of a gateway node.
type gatewayChassis struct {
	name string
	// connected are the provider networks whose bridge the node has.
	connected map[string]bool
}

// link is the router's port in a network, with all it needs.
type link struct {
	network  string
	provider string
	// mac is given by the ConfigMap or the OvnEip. Without one a new port has defaultMAC, and one that is there keeps its own.
	mac, defaultMAC string
	networks        []string
	gateways        []netip.Addr
}

// external is what the networks come to.
type external struct {
	links []link
	// create and retire are the OvnEips to make and, when the rows are gone, to delete.
	create, retire []*v1.OvnEip
	// problems are what keeps the router from networks it is to be in, or in networks it is to leave.
	problems []error
}

// err is nil when nothing is in the way.
func (e external) err() error {
	var reason string
	var texts []string
	for _, problem := range e.problems {
		var wait *reconcile.WaitError
		if errors.As(problem, &wait) && wait.Reason != "" {
			reason, texts = cmp.Or(reason, wait.Reason), append(texts, wait.What)
		}
	}
	switch {
	case len(texts) > 0:
		return reconcile.Blocked(reason, "%s", strings.Join(texts, "; "))
	case len(e.problems) > 0:
		return e.problems[0]
	}
	return nil
}

// connect decides what becomes of each network.
func connect(in inputs) external {
	var out external
	if in.gateway.problem != nil {
		out.problems = append(out.problems, in.gateway.problem)
	}
	for _, n := range in.networks {
		out.add(in, n)
	}
	if in.vpc.Spec.EnableExternal && !in.gateway.driven && !slices.ContainsFunc(in.networks, isWanted) {
		out.problems = append(out.problems, reconcile.Blocked(util.ReasonExternalSubnetNotReady,
			"an external subnet: %s is none, and extraExternalSubnets names none", in.defaultExternal))
	}
	if len(in.chassis) == 0 && (len(out.links) > 0 || slices.ContainsFunc(in.networks, isWanted)) {
		out.links = nil // without a chassis the port would be on every node, and so one address many times in the network
		out.problems = append(out.problems, reconcile.Blocked(util.ReasonExternalNoGatewayNode,
			"a node with label %s=true and annotation %s", util.ExternalGWLabel, util.ChassisAnnotation))
	}
	return out
}

func isWanted(n network) bool { return n.wanted }

func (e *external) add(in inputs, n network) {
	l, err := e.address(in, n)
	if err != nil {
		e.problems = append(e.problems, err)
	}
	switch {
	case l == nil:
	case !n.present:
		e.problems = append(e.problems, reconcile.Blocked(util.ReasonExternalSubnetNotReady, "switch %s", n.name))
	default:
		l.provider = n.provider
		e.links = append(e.links, *l)
	}
}

// order puts the chassis of nodes without the link's network behind the others: they are as good as dead for it.
func (l link) order(chassis []gatewayChassis) []gatewayChassis {
	if l.provider == "" {
		return chassis
	}
	first := func(c gatewayChassis) int {
		if c.connected[l.provider] {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(chassis), func(a, b gatewayChassis) int { return first(a) - first(b) })
}

// address is where the router is to be in a network, nil for nowhere (yet), and what is wrong. A network with users is not
// left, except by the default VPC when the ConfigMap says so.
func (e *external) address(in inputs, n network) (*link, error) {
	static := in.gateway.gateway.RouterPort
	switch {
	case !n.wanted && (in.gateway.driven || len(n.users) == 0 || !n.connected && !in.made(n.eip)):
		e.leave(in, n)
		return nil, nil
	case !n.wanted:
		l, err := e.ofEip(in, n)
		return l, errors.Join(reconcile.Blocked(util.ReasonExternalInUse, "the removal of %s, still using external subnet %s",
			strings.Join(n.users, ", "), n.name), err)
	case in.gateway.driven && len(static) > 0 && (n.subnet == nil || terminating(n.subnet)):
		return e.bare(in, n)
	case n.subnet == nil:
		return nil, reconcile.Blocked(util.ReasonExternalSubnetNotReady, "subnet %s, which does not exist", n.name)
	case !isExternal(n.subnet):
		return nil, reconcile.Blocked(util.ReasonExternalSubnetNotReady, "subnet %s with a vlan and without logicalGateway", n.name)
	}
	return e.ofEip(in, n)
}

// bare is the port in a switch without a Subnet, whose address the ConfigMap gives. An OvnEip of before goes first: it
// holds an address of the Subnet.
func (e *external) bare(in inputs, n network) (*link, error) {
	switch {
	case n.eip == nil:
		return in.staticLink(n), nil
	case len(n.eipUsers) > 0:
		return e.ofEip(in, n)
	}
	e.leave(in, n)
	return nil, reconcile.Wait("the removal of ovn eip %s", n.eip.Name)
}

// ofEip is the port with the address of its OvnEip.
func (e *external) ofEip(in inputs, n network) (*link, error) {
	switch eip := n.eip; {
	case eip == nil && n.wanted:
		e.create = append(e.create, in.newEip(n))
		return in.handover(n), reconcile.Wait("the address of ovn eip %s", in.portOf(n))
	case eip == nil:
		return nil, nil
	case eip.Spec.Type != util.EipTypeLRP:
		return nil, reconcile.Blocked(util.ReasonExternalEipNotReady, "ovn eip %s of type %s, its type is %s", eip.Name,
			util.EipTypeLRP, cmp.Or(eip.Spec.Type, util.EipTypeNAT))
	case eip.Spec.ExternalSubnet != n.name && eip.Spec.ExternalSubnet != "":
		return nil, reconcile.Blocked(util.ReasonExternalEipNotReady, "ovn eip %s of subnet %s, it is of subnet %s", eip.Name,
			n.name, eip.Spec.ExternalSubnet)
	case !eip.DeletionTimestamp.IsZero() && !n.connected:
		return nil, reconcile.Wait("the removal of ovn eip %s", eip.Name)
	case eip.Status.V4Ip == "" && eip.Status.V6Ip == "" || eip.Status.MacAddress == "":
		return in.handover(n), noAddress(eip)
	}
	return e.granted(in, n)
}

// noAddress says why an OvnEip has none. One that nobody has looked at yet is not worth telling.
func noAddress(eip *v1.OvnEip) error {
	ready := v1.FindCondition(eip.Status.Conditions, v1.ConditionReady)
	if ready == nil {
		return reconcile.Wait("the address of ovn eip %s", eip.Name)
	}
	return reconcile.Blocked(util.ReasonExternalEipNotReady, "the address of ovn eip %s: %s", eip.Name, ready.Message)
}

// granted is the port of an OvnEip with its address. The address that the ConfigMap gives needs an OvnEip that has it: ours
// is made anew when nobody uses it.
func (e *external) granted(in inputs, n network) (*link, error) {
	l, err := in.eipLink(n)
	if err != nil || !in.gateway.differs(n.eip) {
		return l, err
	}
	switch {
	case !in.made(n.eip):
		err = reconcile.Blocked(util.ReasonGatewayConfigInvalid, "%s and %s of %s to be those of ovn eip %s, which you made",
			util.ExternalGatewayConfigNICIP, util.ExternalGatewayConfigNICMAC, in.gateway.where, n.eip.Name)
	case len(n.eipUsers) > 0:
		err = reconcile.Blocked(util.ReasonExternalInUse, "the removal of %s, still using ovn eip %s with an address other than %s",
			strings.Join(n.eipUsers, ", "), n.eip.Name, util.ExternalGatewayConfigNICIP)
	default:
		e.leave(in, n)
		return nil, reconcile.Wait("the removal of ovn eip %s", n.eip.Name)
	}
	return l, err
}

// leave gives up the address in a network. What the user made, and what rules use, stays.
func (e *external) leave(in inputs, n network) {
	if in.made(n.eip) && len(n.eipUsers) == 0 && n.eip.DeletionTimestamp.IsZero() {
		e.retire = append(e.retire, n.eip)
	}
}

// made says whether this VPC's controller made an OvnEip.
func (in inputs) made(eip *v1.OvnEip) bool {
	return eip != nil && eip.Annotations[util.VpcRouterPortAnnotation] == in.vpc.Name
}

func (in inputs) portOf(n network) string { return util.RouterPortName(in.vpc.Name, n.name) }

// newEip asks for the address of the router port.
func (in inputs) newEip(n network) *v1.OvnEip {
	eip := &v1.OvnEip{
		ObjectMeta: metav1.ObjectMeta{
			Name: in.portOf(n), Annotations: map[string]string{util.VpcRouterPortAnnotation: in.vpc.Name},
		},
		Spec: v1.OvnEipSpec{ExternalSubnet: n.name, Type: util.EipTypeLRP},
	}
	if in.gateway.driven {
		for _, address := range in.gateway.gateway.RouterPort {
			if address.Addr().Is4() {
				eip.Spec.V4Ip = address.Addr().String()
			} else {
				eip.Spec.V6Ip = address.Addr().String()
			}
		}
		eip.Spec.MacAddress = in.gateway.gateway.PortMAC(eip.Name, n.portMAC)
	}
	return eip
}

// staticLink is the port with the address of the ConfigMap.
func (in inputs) staticLink(n network) *link {
	g := in.gateway.gateway
	l := &link{network: n.name, mac: g.RouterMAC, defaultMAC: g.PortMAC(in.portOf(n), n.portMAC)}
	for _, address := range g.RouterPort {
		l.networks = append(l.networks, address.String())
	}
	return l
}

// handover keeps a port of the ConfigMap's address until the new Subnet's OvnEip has it.
func (in inputs) handover(n network) *link {
	if in.gateway.driven && n.connected && len(in.gateway.gateway.RouterPort) > 0 {
		return in.staticLink(n)
	}
	return nil
}

// eipLink is the port with the granted address and the prefix length of the network.
func (in inputs) eipLink(n network) (*link, error) {
	if in.gateway.driven && len(in.gateway.gateway.RouterPort) > 0 && !in.gateway.differs(n.eip) {
		l := in.staticLink(n)
		l.mac = cmp.Or(in.gateway.gateway.RouterMAC, n.eip.Status.MacAddress)
		return l, nil
	}
	if n.subnet == nil {
		return nil, reconcile.Blocked(util.ReasonExternalSubnetNotReady, "subnet %s, which does not exist", n.name)
	}
	prefixes, err := util.ParseCIDRs(n.subnet.Spec.CIDRBlock)
	if err != nil {
		return nil, reconcile.Blocked(util.ReasonExternalSubnetNotReady, "a correction of subnet %s: %v", n.name, err)
	}
	addresses, err := util.ParseAddrs(util.JoinDual(n.eip.Status.V4Ip, n.eip.Status.V6Ip))
	if err != nil {
		return nil, reconcile.Blocked(util.ReasonExternalEipNotReady, "a correction of ovn eip %s: %v", n.eip.Name, err)
	}
	gateways, _ := util.ParseAddrs(n.subnet.Spec.Gateway) // the subnet's own conditions tell the mistake
	l := &link{network: n.name, mac: n.eip.Status.MacAddress}
	for _, address := range addresses {
		for _, prefix := range prefixes {
			if prefix.Contains(address) {
				l.networks = append(l.networks, netip.PrefixFrom(address, prefix.Bits()).String())
			}
		}
		for _, gateway := range gateways {
			if gateway.Is4() == address.Is4() {
				l.gateways = append(l.gateways, gateway)
			}
		}
	}
	if len(l.networks) == 0 {
		return nil, reconcile.Blocked(util.ReasonExternalEipNotReady, "an address of subnet %s for ovn eip %s", n.name, n.eip.Name)
	}
	return l, nil
}

// isExternal says whether a subnet leads out of the cluster: its gateway is a physical one.
func isExternal(s *v1.Subnet) bool {
	return s.Spec.Vlan != "" && !s.Spec.LogicalGateway && util.IsOvnProvider(s.Spec.Provider)
}

// externalPorts are both sides of each link, with the chassis that can have the router's side.
func externalPorts(in inputs) ([]ovs.Row, error) {
	var want []ovs.Row
	for _, l := range in.external.links {
		port := ovs.LogicalRouterPort{
			Router: in.vpc.Name, Name: util.RouterPortName(in.vpc.Name, l.network), MAC: l.mac, DefaultMAC: l.defaultMAC,
			Networks: l.networks,
		}
		for i, chassis := range l.order(in.chassis) {
			port.GatewayChassis = append(port.GatewayChassis, ovs.GatewayChassis{Chassis: chassis.name, Priority: util.GatewayChassisPriority(i)})
		}
		want = append(want, port, ovs.LogicalSwitchPort{
			Switch: l.network, Name: util.SwitchRouterPortName(l.network, in.vpc.Name), Type: "router", Addresses: []string{"router"},
			// With nat-addresses the chassis that takes over announces the NAT addresses, load balancers' included, by
			// gratuitous ARP (ovn-nb(5)). Of IPv6 addresses OVN announces none: the MAC stays then and is announced by RARP, and by
			// that the switches outside learn the way (TestIPv6Failover). Daemons tell when the MAC is another one (OvnEip outsideMac).
			Options: map[string]string{"router-port": port.Name, "nat-addresses": "router"},
		})
	}
	return want, nil
}

// externalDefaults lead from a custom VPC to the outside (northbound.md D-01): over the first network of the spec, which is
// the default one where it exists. A route that the spec names itself is left to it.
func externalDefaults(in inputs, named []ovs.Row) []ovs.Row {
	if in.isDefault || len(in.networks) == 0 {
		return nil
	}
	i := slices.IndexFunc(in.external.links, func(l link) bool { return l.network == in.networks[0].name })
	if i < 0 {
		return nil
	}
	var want []ovs.Row
	for _, gateway := range in.external.links[i].gateways {
		route := defaultRoute(in.vpc.Name, "", gateway)
		if !slices.ContainsFunc(named, func(row ovs.Row) bool { return sameRoute(row, route) }) {
			want = append(want, route)
		}
	}
	return want
}

// sameRoute says whether a row is the route, whatever its options.
func sameRoute(row ovs.Row, route ovs.StaticRoute) bool {
	other, ok := row.(ovs.StaticRoute)
	return ok && other.Table == route.Table && other.Policy == route.Policy && other.Prefix == route.Prefix && other.Nexthop == route.Nexthop
}

// spread orders chassis by a hash with the VPC's name, so that the first ones of many VPCs are not all the same.
func spread(vpc string, chassis []string) []string {
	sum := func(name string) []byte {
		s := sha256.Sum256([]byte(vpc + name))
		return s[:]
	}
	return slices.SortedFunc(slices.Values(chassis), func(a, b string) int { return bytes.Compare(sum(a), sum(b)) })
}
