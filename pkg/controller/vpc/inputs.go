package vpc

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs are everything the rows and the status of one VPC depend on.
type inputs struct {
	// vpc is nil when the object is gone.
	vpc *v1.Vpc
	// isDefault: the VPC of the cluster's own network.
	isDefault bool
	// subnets of the VPC that have switches, terminating ones included, sorted by name.
	subnets []*v1.Subnet
	// join is the join subnet, for the default VPC only; nil when it does not exist (yet) or is leaving.
	join *v1.Subnet
	// joined: the join subnet has its port on the router. A default route before it leads nowhere.
	joined bool
	// wantedDefault is the subnet that spec.defaultSubnet names, wherever it is; nil when it does not exist.
	wantedDefault *v1.Subnet
	// namesake is a Subnet of the VPC's own name.
	namesake *v1.Subnet
	// peers are the VPCs that the spec peers with, as far as they exist.
	peers []*v1.Vpc

	// gateway is the external gateway's ConfigMap, for the default VPC only.
	gateway gatewayConfig
	// defaultExternal is the name of the default external network.
	defaultExternal string
	// networks are the external ones: the wanted ones first, the default one first of them, then those to be left.
	networks []network
	// chassis of the gateway nodes, the preferred one first.
	chassis []gatewayChassis
	// gateways are the next hops to the external networks that the spec may mean.
	gateways []string
	// external is what the networks come to.
	external external
}

func (c *controller) gather(name string) (inputs, error) {
	vpc, ok := c.own.Get(name)
	if !ok {
		return inputs{}, nil
	}
	in := inputs{vpc: vpc, isDefault: name == c.DefaultVpc}
	subnets, err := c.subnets.List(labels.Everything())
	if err != nil {
		return inputs{}, fmt.Errorf("list subnets: %w", err)
	}
	for _, s := range subnets {
		s = util.Effective(s)
		if c.vpcOf(s) == name {
			in.subnets = append(in.subnets, s)
		}
		if s.Name == c.JoinSubnet && in.isDefault && !terminating(s) {
			in.join = s
			_, in.joined = c.NB.UUID(ovs.LogicalRouterPort{Router: name, Name: util.RouterPortName(name, s.Name)})
		}
		if s.Name == vpc.Spec.DefaultSubnet {
			in.wantedDefault = s
		}
		if s.Name == name {
			in.namesake = s
		}
	}
	slices.SortFunc(in.subnets, func(a, b *v1.Subnet) int { return strings.Compare(a.Name, b.Name) })
	if err := c.gatherPeers(&in); err != nil {
		return inputs{}, err
	}
	if err := c.gatherExternal(&in); err != nil {
		return inputs{}, err
	}
	in.external = connect(in)
	return in, nil
}

// vpcOf is the VPC a subnet has its router port in; "" for subnets without a switch.
func (c *controller) vpcOf(s *v1.Subnet) string {
	switch {
	case !util.IsOvnProvider(s.Spec.Provider):
		return ""
	case s.Spec.Vpc == "":
		return c.DefaultVpc
	}
	return s.Spec.Vpc
}

// keysForSubnet: a subnet is listed by its VPC, may be named like one, may be asked for as default by any, and may be the
// external network of any.
func (c *controller) keysForSubnet(s *v1.Subnet) []string {
	names := append(keys(c.index.vpcs, externalIndex, s.Name), c.vpcOf(util.Effective(s)), s.Name)
	vpcs, err := c.vpcs.List(labels.Everything())
	if err != nil {
		return names
	}
	for _, vpc := range vpcs {
		if vpc.Spec.DefaultSubnet == s.Name {
			names = append(names, vpc.Name)
		}
	}
	return names
}

// subnetMatters tells whether a changed subnet can change a VPC; counters do not.
func subnetMatters(before, after *v1.Subnet) bool {
	a, b := util.Effective(before).Spec, util.Effective(after).Spec
	return before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() || subnetReady(before) != subnetReady(after) ||
		a.Vpc != b.Vpc || a.Provider != b.Provider || a.Default != b.Default || a.Gateway != b.Gateway ||
		a.Vlan != b.Vlan || a.U2OInterconnection != b.U2OInterconnection || a.LogicalGateway != b.LogicalGateway ||
		a.CIDRBlock != b.CIDRBlock || a.RouteTable != b.RouteTable || a.EnableEcmp != b.EnableEcmp ||
		before.Status.U2OInterconnectionVPC != after.Status.U2OInterconnectionVPC ||
		before.Status.U2OInterconnectionIP != after.Status.U2OInterconnectionIP
}

// subnetReady wakes the default VPC when the join subnet has its router port.
func subnetReady(s *v1.Subnet) bool {
	return v1.IsConditionTrue(s.Status.Conditions, v1.ConditionReady)
}

func names(subnets []*v1.Subnet) []string {
	var list []string // null in JSON when there is none
	for _, s := range subnets {
		list = append(list, s.Name)
	}
	return list
}
