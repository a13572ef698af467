package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// hides is an InternalIP of the node that lies in a subnet of the default VPC's overlay: pods cannot reach what is there
// besides the node. No new subnet is accepted there, but a node may come later.
func (c *controller) hides(s *v1.Subnet, node *corev1.Node) netip.Addr {
	s = util.Effective(s)
	if s.Spec.Vpc != c.DefaultVpc || s.Spec.Vlan != "" {
		return netip.Addr{}
	}
	cidrs, err := util.ParseCIDRs(s.Spec.CIDRBlock)
	if err != nil {
		return netip.Addr{} // its own conditions tell
	}
	for _, a := range util.InternalIPs(node) {
		if util.ContainsAddr(cidrs, a) {
			return a
		}
	}
	return netip.Addr{}
}

// hiding tells, in words, the subnets that hide an address of the node.
func (c *controller) hiding(node *corev1.Node) ([]string, error) {
	subnets, err := c.subnets.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list subnets: %w", err)
	}
	var texts []string
	for _, s := range subnets {
		if a := c.hides(s, node); a.IsValid() {
			texts = append(texts, fmt.Sprintf("address %s is in cidr %s of subnet %s", a, util.Effective(s).Spec.CIDRBlock, s.Name))
		}
	}
	slices.Sort(texts)
	return texts, nil
}

// warn sends an event about hidden addresses, once as long as nothing changes.
func (c *controller) warn(in inputs) {
	text := strings.Join(in.hiding, "; ")
	if text != "" && text != c.told[in.name] {
		c.Events.Event(in.node, corev1.EventTypeWarning, util.EventNodeAddressConflict, text)
	}
	c.told[in.name] = text
}
