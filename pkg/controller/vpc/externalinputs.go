package vpc

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Indexes of the caches. Their names are this package's, because other controllers index the same caches.
const (
	externalIndex = "vpc/external" // Vpcs by the external networks their specs mean
	lrpIndex      = "vpc/lrp"      // OvnEips by the VPC whose router port they are for
	natIndex      = "vpc/nat"      // NAT rules by the VPC they are in effect in
	natEipIndex   = "vpc/nat-eip"  // NAT rules by their OvnEip
)

// ruleStore is the cache of one kind of NAT rules.
type ruleStore struct {
	use   string
	rules cache.Indexer
}

// indexers are the caches' indexes.
type indexers struct {
	vpcs, eips cache.Indexer
	nat        []ruleStore
}

func (c *controller) newIndexers(s Sources) (indexers, error) {
	x := indexers{vpcs: s.Vpcs.Informer().GetIndexer(), eips: s.Eips.Informer().GetIndexer(), nat: []ruleStore{
		{util.NatFip, s.Fips.Informer().GetIndexer()}, {util.NatSnat, s.Snats.Informer().GetIndexer()}, {util.NatDnat, s.Dnats.Informer().GetIndexer()},
	}}
	errs := []error{
		x.vpcs.AddIndexers(cache.Indexers{externalIndex: reconcile.IndexBy(c.externalsOf), peerIndex: reconcile.IndexBy(peersOf)}),
		x.eips.AddIndexers(cache.Indexers{lrpIndex: reconcile.IndexBy(c.vpcsOfEip)}),
	}
	for _, kind := range x.nat {
		errs = append(errs, kind.rules.AddIndexers(cache.Indexers{
			natIndex:    reconcile.IndexBy(func(rule metav1.Object) []string { vpc, _ := natOf(rule); return []string{vpc} }),
			natEipIndex: reconcile.IndexBy(func(rule metav1.Object) []string { _, eip := natOf(rule); return []string{eip} }),
		}))
	}
	return x, errors.Join(errs...)
}

// keys are the names of the objects that have value in an index.
func keys(store cache.Indexer, index, value string) []string {
	names, err := store.IndexKeys(index, value)
	if err != nil {
		return nil
	}
	slices.Sort(names)
	return names
}

// natOf is the VPC a NAT rule is in effect in, and its OvnEip.
func natOf(rule metav1.Object) (vpc, eip string) {
	switch r := rule.(type) {
	case *v1.OvnFip:
		vpc, eip = r.Status.Vpc, r.Spec.OvnEip
	case *v1.OvnSnatRule:
		vpc, eip = r.Status.Vpc, r.Spec.OvnEip
	case *v1.OvnDnatRule:
		vpc, eip = r.Status.Vpc, r.Spec.OvnEip
	}
	return vpc, cmp.Or(rule.GetAnnotations()[util.VpcEipAnnotation], eip)
}

// externalsOf are the external networks that a VPC may be connected to.
func (c *controller) externalsOf(vpc *v1.Vpc) []string {
	names := extras(vpc)
	if vpc.Spec.EnableExternal || vpc.Name == c.DefaultVpc {
		names = append(names, c.ExternalSwitch)
	}
	return unique(names)
}

// extras are the extra external subnets of a spec under both of the field's names (D-06), in the order given.
func extras(vpc *v1.Vpc) []string {
	return unique(append(slices.Clone(vpc.Spec.ExtraExternalSubnets), vpc.Spec.AddExternalSubnets...))
}

// onlyExtras: the VPC wants its extra external subnets instead of the default one, not besides it (D-06).
func onlyExtras(vpc *v1.Vpc) bool {
	return vpc.Annotations[util.OnlyExtraExternalAnnotation] == "true" && len(extras(vpc)) > 0
}

// unique drops what comes twice and keeps the order.
func unique(names []string) []string {
	var out []string
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// vpcsOfEip: an OvnEip for a router port says so in its name, and when we made it in an annotation.
func (c *controller) vpcsOfEip(eip *v1.OvnEip) []string {
	named, ok := strings.CutSuffix(eip.Name, util.RouterPortName("", c.networkOf(eip)))
	if !ok || eip.Spec.Type != util.EipTypeLRP {
		named = ""
	}
	return unique([]string{eip.Annotations[util.VpcRouterPortAnnotation], named})
}

func (c *controller) networkOf(eip *v1.OvnEip) string {
	return cmp.Or(eip.Spec.ExternalSubnet, c.ExternalSwitch)
}

// watchExternal wakes VPCs by what their external connection depends on.
func (c *controller) watchExternal(loop *reconcile.Loop, s Sources) {
	c.eips = reconcile.WatchFresh(loop, s.Eips, c.vpcsOfEip)
	inEffect := func(rule metav1.Object) []string { vpc, _ := natOf(rule); return []string{vpc} }
	moved := func(a, b metav1.Object) bool {
		vpcA, eipA := natOf(a)
		vpcB, eipB := natOf(b)
		return vpcA != vpcB || eipA != eipB
	}
	reconcile.Watch(loop, s.Fips, func(r *v1.OvnFip) []string { return inEffect(r) }, func(a, b *v1.OvnFip) bool { return moved(a, b) })
	reconcile.Watch(loop, s.Snats, func(r *v1.OvnSnatRule) []string { return inEffect(r) }, func(a, b *v1.OvnSnatRule) bool { return moved(a, b) })
	reconcile.Watch(loop, s.Dnats, func(r *v1.OvnDnatRule) []string { return inEffect(r) }, func(a, b *v1.OvnDnatRule) bool { return moved(a, b) })
	c.nodes = reconcile.Watch(loop, s.Nodes, func(*corev1.Node) []string {
		return append(keys(c.index.vpcs, externalIndex, c.ExternalSwitch), c.DefaultVpc)
	}, func(a, b *corev1.Node) bool {
		return isGateway(a) != isGateway(b) || a.Annotations[util.ChassisAnnotation] != b.Annotations[util.ChassisAnnotation] ||
			!maps.Equal(providersOf(a), providersOf(b))
	})
	c.vlans = reconcile.Watch(loop, s.Vlans, func(vlan *v1.Vlan) []string {
		var names []string
		for _, subnet := range vlan.Status.Subnets {
			names = append(names, keys(c.index.vpcs, externalIndex, subnet)...)
		}
		return names
	}, func(a, b *v1.Vlan) bool { return a.Spec.Provider != b.Spec.Provider })
	c.configMaps = reconcile.Watch(loop, s.ConfigMaps, func(config *corev1.ConfigMap) []string {
		if config.Name != util.ExternalGatewayConfig || config.Namespace != c.GatewayConfigNamespace {
			return nil
		}
		return []string{c.DefaultVpc}
	})
	c.NB.Observe("Logical_Switch", func(o ovs.Observation) {
		for _, name := range keys(c.index.vpcs, externalIndex, o.Name) {
			loop.Add(name)
		}
	})
}

// providersOf are the provider networks whose bridge a node has.
func providersOf(node *corev1.Node) map[string]bool {
	connected := map[string]bool{}
	for key, value := range node.Labels {
		if provider, suffix, ok := util.ParseProviderNetworkKey(key); ok && suffix == util.ProviderReady && value == "true" {
			connected[provider] = true
		}
	}
	return connected
}

func isGateway(node *corev1.Node) bool { return node.Labels[util.ExternalGWLabel] == "true" }

// gatherExternal adds what the external connection depends on.
func (c *controller) gatherExternal(in *inputs) error {
	in.defaultExternal = c.ExternalSwitch
	own := extras(in.vpc)
	known, err := c.subnet(c.ExternalSwitch)
	if err != nil {
		return err
	}
	if in.isDefault && len(own) == 0 {
		if err := c.gatherConfig(in, known != nil); err != nil {
			return err
		}
	}
	var wanted []string
	switch {
	case in.gateway.driven && in.gateway.on():
		wanted = []string{c.ExternalSwitch}
	case in.vpc.Spec.EnableExternal && !in.gateway.driven:
		if known != nil && isExternal(known) && !onlyExtras(in.vpc) {
			wanted = []string{c.ExternalSwitch}
		}
		wanted = unique(append(wanted, own...))
	}
	for _, name := range unique(append([]string{c.ExternalSwitch}, own...)) {
		s, err := c.subnet(name)
		if err != nil {
			return err
		}
		if s != nil && isExternal(s) {
			in.gateways = append(in.gateways, trimmed(s.Spec.Gateway)...)
		}
	}
	if in.networks, err = c.networks(in, wanted); err != nil {
		return err
	}
	in.chassis, err = c.chassis(in)
	return err
}

func (c *controller) gatherConfig(in *inputs, hasSubnet bool) error {
	object, err := c.configMaps.ConfigMaps(c.GatewayConfigNamespace).Get(util.ExternalGatewayConfig)
	if apierrors.IsNotFound(err) {
		object, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("configmap %s: %w", util.ExternalGatewayConfig, err)
	}
	in.gateway = decide(in.vpc, object, c.GatewayConfigNamespace+"/"+util.ExternalGatewayConfig, facts{
		hasNode: func(name string) bool { _, err := c.nodes.Get(name); return err == nil },
		subnet:  c.ExternalSwitch, hasSubnet: hasSubnet,
	})
	return nil
}

// subnet is nil when there is none of that name.
func (c *controller) subnet(name string) (*v1.Subnet, error) {
	s, err := c.subnets.Get(name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("subnet %s: %w", name, err)
	}
	return util.Effective(s), nil
}

// networks are those of names, and those in which the router has an address besides. A Subnet that is to go is not wanted
// any more, except by the ConfigMap.
func (c *controller) networks(in *inputs, wanted []string) ([]network, error) {
	names := slices.Clone(wanted)
	for _, name := range keys(c.index.eips, lrpIndex, in.vpc.Name) {
		if eip, ok := c.eips.Get(name); ok && name == util.RouterPortName(in.vpc.Name, c.networkOf(eip)) {
			names = append(names, c.networkOf(eip))
		}
	}
	var list []network
	for _, name := range unique(names) {
		n := network{name: name}
		var err error
		if n.subnet, err = c.subnet(name); err != nil {
			return nil, err
		}
		if n.provider, err = c.providerOf(n.subnet); err != nil {
			return nil, err
		}
		port := util.RouterPortName(in.vpc.Name, name)
		if eip, ok := c.eips.Get(port); ok {
			n.eip = eip
		}
		n.wanted = slices.Contains(wanted, name) && (in.gateway.driven || n.subnet == nil || !terminating(n.subnet))
		n.eipUsers = c.ruleTitles(natEipIndex, port, nil)
		if !n.wanted {
			n.users = c.natUsers(in.vpc.Name, name)
		}
		_, n.present = c.NB.UUID(ovs.LogicalSwitch{Name: name})
		_, n.connected = c.NB.UUID(ovs.LogicalRouterPort{Router: in.vpc.Name, Name: port})
		n.portMAC, _ = c.NB.RouterPortMAC(port)
		list = append(list, n)
	}
	return list, nil
}

// providerOf is the provider network of an external subnet, "" while its Vlan does not exist.
func (c *controller) providerOf(s *v1.Subnet) (string, error) {
	if s == nil || s.Spec.Vlan == "" {
		return "", nil
	}
	vlan, err := c.vlans.Get(s.Spec.Vlan)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("vlan %s: %w", s.Spec.Vlan, err)
	}
	return vlan.Spec.Provider, nil
}

// natUsers are the NAT rules of a VPC with addresses of an external network.
func (c *controller) natUsers(vpc, network string) []string {
	return c.ruleTitles(natIndex, vpc, func(rule metav1.Object) bool {
		_, name := natOf(rule)
		eip, ok := c.eips.Get(name)
		return ok && c.networkOf(eip) == network
	})
}

// ruleTitles are the NAT rules in an index for messages, "fip web".
func (c *controller) ruleTitles(index, value string, wanted func(metav1.Object) bool) []string {
	var titles []string
	for _, kind := range c.index.nat {
		for _, name := range keys(kind.rules, index, value) {
			object, exists, err := kind.rules.GetByKey(name)
			if rule, ok := object.(metav1.Object); err == nil && exists && ok && (wanted == nil || wanted(rule)) {
				titles = append(titles, kind.use+" "+name)
			}
		}
	}
	return titles
}

// chassis of the gateway nodes. The label alone makes a gateway of a custom VPC. Of the default VPC the listed nodes are, too:
// they come last, in the order of the list, whenever they got their label.
func (c *controller) chassis(in *inputs) ([]gatewayChassis, error) {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	listed := in.gateway.gateway.Nodes
	var names []string
	connected := map[string]map[string]bool{}
	add := func(node *corev1.Node) {
		name := node.Annotations[util.ChassisAnnotation]
		names, connected[name] = append(names, name), providersOf(node)
	}
	for _, node := range nodes {
		if isGateway(node) && !slices.Contains(listed, node.Name) {
			add(node)
		}
	}
	for _, name := range listed {
		if node, err := c.nodes.Get(name); err == nil {
			add(node)
		}
	}
	if names = unique(names); !in.gateway.driven {
		names = spread(in.vpc.Name, names)
	}
	var list []gatewayChassis
	for _, name := range names[:min(len(names), maxGatewayChassis)] {
		list = append(list, gatewayChassis{name, connected[name]})
	}
	return list, nil
}
