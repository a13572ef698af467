package namespace

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// annotate gives namespace, a copy, its annotations. The lists of subnets, CIDRs and excludes have one entry per subnet in
// the same order.
func annotate(namespace *corev1.Namespace, in inputs) error {
	subnets := subnetsOf(in)
	if len(subnets) == 0 {
		return reconcile.Wait("subnet %s", in.config.DefaultSubnet)
	}
	var names, cidrs, excludes []string
	for _, s := range subnets {
		names = append(names, s.Name)
		cidrs = append(cidrs, s.Spec.CIDRBlock)
		excludes = append(excludes, strings.Join(s.Spec.ExcludeIps, ","))
	}
	if namespace.Annotations == nil {
		namespace.Annotations = map[string]string{}
	}
	namespace.Annotations[util.NamespaceSubnetsAnnotation] = strings.Join(names, ",")
	namespace.Annotations[util.NamespaceCIDRAnnotation] = strings.Join(cidrs, ";")
	namespace.Annotations[util.NamespaceExcludeIPsAnnotation] = strings.Join(excludes, ";")
	if pools := poolsOf(in); len(pools) > 0 {
		namespace.Annotations[util.NamespaceIPPoolAnnotation] = strings.Join(pools, ",")
	} else {
		delete(namespace.Annotations, util.NamespaceIPPoolAnnotation)
	}
	return nil
}

// subnetsOf are the subnets that name or select the namespace, with the chosen default of its VPC before them; without
// any, the default subnet of its VPC, else the cluster's. It is empty only while that does not exist.
func subnetsOf(in inputs) []*v1.Subnet {
	vpc := vpcOf(in)
	var bound []*v1.Subnet
	for _, s := range in.subnets {
		if usable(s) && (slices.Contains(s.Spec.Namespaces, in.namespace.Name) || selects(s, in.namespace)) {
			bound = append(bound, s)
		}
	}
	chosen := vpc != nil && vpc.Spec.DefaultSubnet != "" && in.namespace.Name != metav1.NamespaceSystem
	if chosen || vpc != nil && len(bound) == 0 {
		if first := subnet(in, vpc.Status.DefaultLogicalSwitch); first != nil {
			bound = slices.DeleteFunc(bound, func(s *v1.Subnet) bool { return s == first })
			bound = slices.Insert(bound, 0, first)
		}
	}
	if len(bound) > 0 {
		return ofOneVpc(bound)
	}
	if s := subnet(in, in.config.DefaultSubnet); s != nil {
		return []*v1.Subnet{s}
	}
	return nil
}

// ofOneVpc leaves out the subnets of other VPCs than the first one in effect: a namespace is in one VPC, or its pods would be in
// whichever has an address. Selectors can match what nobody refuses on the Subnets.
func ofOneVpc(bound []*v1.Subnet) []*v1.Subnet {
	i := slices.IndexFunc(bound, func(s *v1.Subnet) bool { return util.InEffect(s) != nil })
	vpc := bound[max(i, 0)].Spec.Vpc
	return slices.DeleteFunc(bound, func(s *v1.Subnet) bool { return s.Spec.Vpc != vpc })
}

// vpcOf is the custom VPC that lists the namespace, of several the first by name; nil when none does.
func vpcOf(in inputs) *v1.Vpc {
	for _, vpc := range in.vpcs {
		if vpc.Name != in.config.DefaultVpc && slices.Contains(vpc.Spec.Namespaces, in.namespace.Name) {
			return vpc
		}
	}
	return nil
}

func subnet(in inputs, name string) *v1.Subnet {
	i := slices.IndexFunc(in.subnets, func(s *v1.Subnet) bool { return s.Name == name && usable(s) })
	if i < 0 {
		return nil
	}
	return in.subnets[i]
}

// usable: further networks of a pod are chosen by their attachment definitions, never by the namespace.
func usable(s *v1.Subnet) bool {
	return s.DeletionTimestamp.IsZero() && (s.Spec.Provider == "" || s.Spec.Provider == util.OvnProvider)
}

// selects says whether one of the subnet's selectors matches the namespace. A malformed selector matches nothing.
func selects(s *v1.Subnet, namespace *corev1.Namespace) bool {
	return slices.ContainsFunc(s.Spec.NamespaceSelectors, func(spec metav1.LabelSelector) bool {
		selector, err := metav1.LabelSelectorAsSelector(&spec)
		return err == nil && selector.Matches(labels.Set(namespace.Labels))
	})
}

func poolsOf(in inputs) []string {
	var names []string
	for _, pool := range in.pools {
		if pool.DeletionTimestamp.IsZero() && slices.Contains(pool.Spec.Namespaces, in.namespace.Name) {
			names = append(names, pool.Name)
		}
	}
	return names
}
