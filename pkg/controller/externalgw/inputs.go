package externalgw

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs are everything that the rows and the labels depend on.
type inputs struct {
	Config
	vpc     *v1.Vpc // the default VPC, nil when it does not exist (yet)
	gateway util.ExternalGateway
	subnet  *v1.Subnet // of the switch's name, nil when there is none
	nodes   []*corev1.Node
	// owned: the bare switch is there and ours. other: it has a localnet port under its other name.
	owned, other bool
	// portMAC is the MAC that the VPC's port in the switch has in the database; "" when there is none.
	portMAC string
}

func (c *controller) gather() (inputs, error) {
	in := inputs{Config: c.Config}
	var err error
	if in.vpc, err = c.vpcs.Get(c.DefaultVpc); apierrors.IsNotFound(err) {
		in.vpc = nil
		return in, nil
	}
	if err != nil {
		return in, fmt.Errorf("vpc %s: %w", c.DefaultVpc, err)
	}
	in.gateway, _ = util.DecodeExternalGateway(in.vpc.Annotations)
	in.subnet, err = c.subnets.Get(c.ExternalSwitch)
	switch {
	case apierrors.IsNotFound(err):
		in.subnet = nil
	case err != nil:
		return in, fmt.Errorf("subnet %s: %w", c.ExternalSwitch, err)
	}
	all, err := c.lister.List(labels.Everything())
	if err != nil {
		return in, fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range all {
		if fresh, ok := c.nodes.Get(node.Name); ok {
			in.nodes = append(in.nodes, fresh)
		}
	}
	slices.SortFunc(in.nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	in.owned = c.owns()
	in.portMAC, _ = c.NB.RouterPortMAC(util.RouterPortName(in.vpc.Name, c.ExternalSwitch))
	_, other := c.portNames()
	_, in.other = c.NB.UUID(ovs.LogicalSwitchPort{Switch: c.ExternalSwitch, Name: other})
	return in, nil
}

// driven says whether the ConfigMap decides about the default VPC: with extra subnets the VPC's own spec does.
func driven(vpc *v1.Vpc) bool {
	return len(vpc.Spec.ExtraExternalSubnets) == 0 && len(vpc.Spec.AddExternalSubnets) == 0
}
