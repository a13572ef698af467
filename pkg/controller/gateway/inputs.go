package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs is all that the rows of one subnet depend on.
type inputs struct {
	router string
	// services are the prefixes of ClusterIPs.
	services []netip.Prefix
	subnet   *v1.Subnet
	cidrs    []netip.Prefix
	nodes    []gatewayNode // all nodes, by name
	chosen   []string      // names of gatewayNode or gatewayNodeSelectors, in order of preference
}

// gatewayNode is a node as a gateway.
type gatewayNode struct {
	name  string
	join  []netip.Addr // at most one per family
	ready bool
}

// gather returns no subnet when there is none that needs a gateway.
func (c *controller) gather(key string) (inputs, error) {
	subnet, err := c.subnets.Get(key)
	if apierrors.IsNotFound(err) {
		return inputs{}, nil
	}
	if err != nil {
		return inputs{}, err
	}
	effective := util.InEffect(subnet)
	if !c.applies(cmp.Or(effective, subnet)) {
		return inputs{}, nil
	}
	if effective == nil {
		return inputs{}, reconcile.Wait("subnet %s to be accepted", key)
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return inputs{}, err
	}
	in, err := newInputs(c.DefaultVpc, effective, nodes)
	if err != nil {
		return inputs{}, err
	}
	in.services, err = util.ParseCIDRs(c.ServiceCIDR)
	return in, err
}

func newInputs(router string, subnet *v1.Subnet, nodes []*corev1.Node) (inputs, error) {
	cidrs, err := util.ParseCIDRs(subnet.Spec.CIDRBlock)
	if err != nil {
		return inputs{}, reconcile.Wait("a valid CIDR of subnet %s: %v", subnet.Name, err)
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	in := inputs{router: router, subnet: subnet, cidrs: cidrs}
	for _, n := range nodes {
		if !n.DeletionTimestamp.IsZero() {
			continue
		}
		join, err := util.ParseAddrs(joinAddresses(n))
		if err != nil {
			return inputs{}, fmt.Errorf("join addresses of node %s: %w", n.Name, err)
		}
		in.nodes = append(in.nodes, gatewayNode{name: n.Name, join: join, ready: ready(n)})
	}
	in.chosen, err = chosenNodes(subnet, nodes)
	return in, err
}

// chosenNodes are the gateway nodes a centralized subnet names, in its order, or those its selectors match, by name. Any
// other subnet has none, whatever its spec says.
func chosenNodes(subnet *v1.Subnet, nodes []*corev1.Node) ([]string, error) {
	if subnet.Spec.GatewayType != util.GatewayCentralized {
		return nil, nil
	}
	var names []string
	for entry := range strings.SplitSeq(subnet.Spec.GatewayNode, ",") {
		name, _, _ := strings.Cut(entry, ":") // the rest is an egress address, which the daemon reads
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	for i := range subnet.Spec.GatewayNodeSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&subnet.Spec.GatewayNodeSelectors[i])
		if err != nil {
			return nil, reconcile.Invalid(util.ReasonNoReadyGateway, "gatewayNodeSelectors[%d] of subnet %s: %v", i, subnet.Name, err)
		}
		for _, n := range nodes {
			if selector.Matches(labels.Set(n.Labels)) && !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
		}
	}
	return names, nil
}

// joinAddresses is the node's address list on the join network, "" before the node controller gave one.
func joinAddresses(n *corev1.Node) string {
	if n.Annotations[util.Key(util.OvnProvider, util.Allocated)] != "true" {
		return ""
	}
	return n.Annotations[util.Key(util.OvnProvider, util.IPAddress)]
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
