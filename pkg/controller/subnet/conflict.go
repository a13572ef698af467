package subnet

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// conflicts refuses a valid spec for what other objects say (northbound.md 4.2.2), and waits for the VPC.
func conflicts(in inputs) error {
	for _, check := range []func(inputs) error{vpcConflict, namespaceConflict, siblingConflict, nodeConflict} {
		if err := check(in); err != nil {
			return err
		}
	}
	return nil
}

func vpcConflict(in inputs) error {
	s := in.subnet
	for _, vpc := range in.vpcs {
		if vpc.Name == s.Name && !s.CreationTimestamp.Before(&vpc.CreationTimestamp) {
			return invalid("vpc and subnet cannot have the same name %s", s.Name)
		}
	}
	switch vpc := in.vpc(); {
	case s.Spec.Vpc == "":
		return nil
	case vpc == nil:
		return invalid("vpc %s does not exist", s.Spec.Vpc)
	case !vpc.Status.Standby:
		if c := v1.FindCondition(vpc.Status.Conditions, v1.ConditionReady); c != nil && c.Status == metav1.ConditionFalse {
			return invalid("vpc %s is not ready: %s", vpc.Name, c.Message)
		}
		return reconcile.Wait("vpc %s", vpc.Name) // a new one is ready in a moment
	}
	return nil
}

// namespaceConflict: the namespaces of a custom VPC's subnet are among the VPC's, if that names any (D-12); those of the
// default VPC's subnets belong to no custom VPC; and no namespace has subnets of two VPCs, or its pods would be in either.
func namespaceConflict(in inputs) error {
	spec := &in.subnet.Spec
	if spec.Vpc == "" {
		return nil
	}
	for _, other := range in.siblings {
		if ns := contested(other, in.subnet); ns != "" && precedes(other, in.subnet) {
			return invalid("namespace '%s' belongs to vpc %s by subnet %s", ns, other.Spec.Vpc, other.Name)
		}
	}
	if spec.Vpc != in.config.DefaultVpc {
		allowed := in.vpc().Spec.Namespaces
		for _, ns := range spec.Namespaces {
			if len(allowed) > 0 && !slices.Contains(allowed, ns) {
				return invalid("namespace '%s' is out of range to custom vpc %s", ns, spec.Vpc)
			}
		}
		return nil
	}
	for _, vpc := range in.vpcs {
		if vpc.Name == in.config.DefaultVpc {
			continue
		}
		for _, ns := range spec.Namespaces {
			if slices.Contains(vpc.Spec.Namespaces, ns) {
				return invalid("namespace '%s' belongs to vpc %s", ns, vpc.Name)
			}
		}
	}
	return nil
}

// contested is a namespace that subnets of two VPCs name for the first network of its pods, "" for none.
func contested(a, b *v1.Subnet) string {
	for _, s := range []*v1.Subnet{a, b} {
		if s.Spec.Vpc == "" || s.Spec.Provider != "" && s.Spec.Provider != util.OvnProvider || !s.DeletionTimestamp.IsZero() {
			return ""
		}
	}
	if a.Spec.Vpc == b.Spec.Vpc {
		return ""
	}
	i := slices.IndexFunc(b.Spec.Namespaces, func(ns string) bool { return slices.Contains(a.Spec.Namespaces, ns) })
	if i < 0 {
		return ""
	}
	return b.Spec.Namespaces[i]
}

// siblingConflict: no two subnets of one VPC and VLAN overlap, and none share a policy routing table.
func siblingConflict(in inputs) error {
	s := in.subnet
	for _, other := range in.siblings {
		if !precedes(other, s) {
			continue
		}
		if sameNetwork(s, other) && overlap(s, other) {
			return invalid("cidr %s is conflict with subnet %s cidr %s", s.Spec.CIDRBlock, other.Name, other.Spec.CIDRBlock)
		}
		if s.Spec.ExternalEgressGateway != "" && other.Spec.ExternalEgressGateway != "" &&
			s.Spec.PolicyRoutingTableID == other.Spec.PolicyRoutingTableID {
			return invalid("policyRoutingTableID %d is conflict with subnet %s", s.Spec.PolicyRoutingTableID, other.Name)
		}
	}
	return nil
}

// sameNetwork says whether equal addresses of two subnets could meet.
func sameNetwork(a, b *v1.Subnet) bool {
	if util.IsOvnProvider(a.Spec.Provider) != util.IsOvnProvider(b.Spec.Provider) {
		return false
	}
	if !util.IsOvnProvider(a.Spec.Provider) {
		return a.Spec.Provider == b.Spec.Provider
	}
	return a.Spec.Vpc == b.Spec.Vpc && a.Spec.Vlan == b.Spec.Vlan
}

func overlap(a, b *v1.Subnet) bool {
	p, err1 := util.ParseCIDRs(a.Spec.CIDRBlock)
	q, err2 := util.ParseCIDRs(b.Spec.CIDRBlock)
	return err1 == nil && err2 == nil && util.PrefixesOverlap(p, q)
}

// precedes says which of two subnets keeps what both want: the one whose present spec is accepted, then the one that had
// been accepted before its last change, then the older one. So an edit or a newcomer never takes from who is in place.
func precedes(a, b *v1.Subnet) bool {
	if x, y := standing(a), standing(b); x != y {
		return x > y
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// standing is 2 for a subnet whose present spec is in effect, 1 for one of which another spec is, 0 for one never accepted.
func standing(s *v1.Subnet) int {
	effective := util.InEffect(s)
	switch {
	case effective == nil:
		return 0
	case effective == s:
		return 2
	}
	return 1
}

// nodeConflict: a new prefix of the overlay of the default VPC must not hide a node. One that is in place is not refused for
// a node that comes later; that is told on the node.
func nodeConflict(in inputs) error {
	s := in.subnet
	if s.Spec.Vpc != in.config.DefaultVpc || s.Spec.Vlan != "" {
		return nil
	}
	if e := util.InEffect(s); e != nil && e.Spec.Vlan == "" && e.Spec.CIDRBlock == s.Spec.CIDRBlock {
		return nil
	}
	prefixes, err := util.ParseCIDRs(s.Spec.CIDRBlock)
	if err != nil {
		return invalid("%v", err)
	}
	for _, node := range in.nodes {
		for _, addr := range util.InternalIPs(node) {
			if util.ContainsAddr(prefixes, addr) {
				return invalid("cidr %s conflicts with address %s of node %s", s.Spec.CIDRBlock, addr, node.Name)
			}
		}
	}
	return nil
}
