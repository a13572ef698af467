package pod

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs is all that a pod's network is planned from.
type inputs struct {
	Config
	pod      *corev1.Pod
	set      *appsv1.StatefulSet // the pod's owner, nil when it has none
	networks []network
	vlans    map[string]*v1.Vlan // of the subnets, by name
	vip      *v1.Vip             // whose address is the pod's own, nil for none
	allowed  []*v1.Vip           // whose addresses the pod may use, too
	pools    []*v1.IPPool        // for the pod's namespace, by name
	nat      translation         // known after the claim
}

// network is one interface the pod asks for.
type network struct {
	// prefix of its annotations: "ovn", "<nad>.<ns>.ovn", or with ".<interface>" when one attachment is used more than once.
	prefix string
	// attachment is "<nad>.<namespace>", "" for the primary interface; ifname is the interface the user names, if any.
	attachment, ifname string
	// ips and mac are the wishes of the network selection itself; annotations come before them.
	ips []string
	mac string
	// subnets may serve it, the first one with free addresses does.
	subnets []*v1.Subnet
}

func (c *controller) gather(ctx context.Context, pod *corev1.Pod) (inputs, error) {
	in := inputs{Config: c.Config, pod: pod, pools: c.poolsOf(pod.Namespace)}
	var err error
	if in.set, err = c.setOf(pod); err != nil {
		return in, err
	}
	selections, err := selections(pod)
	if err != nil {
		return in, err
	}
	if !c.NonPrimary && pod.Annotations[util.DefaultNetworkAnnotation] == "" {
		primary := network{prefix: util.OvnProvider}
		if in.vip, err = c.vipOf(pod); err != nil {
			return in, err
		}
		if in.vip != nil {
			primary.subnets, err = c.named(in.vip.Spec.Subnet)
		} else {
			primary.subnets, err = c.primarySubnets(ctx, pod)
		}
		if err != nil {
			return in, err
		}
		in.networks = append(in.networks, primary)
	}
	if in.allowed, err = c.allowedVips(pod); err != nil {
		return in, err
	}
	for _, s := range selections {
		n, ours, err := c.attached(pod, s)
		if err != nil {
			return in, err
		}
		if ours {
			in.networks = append(in.networks, n)
		}
	}
	if err := c.reviewed(in); err != nil {
		return in, err
	}
	in.vlans, err = c.vlansOf(in.networks)
	return in, err
}

// reviewed makes a pod that has no address yet wait for the verdict on a subnet that was edited just now: it gets the
// addresses of one family for good when the other is about to come.
func (c *controller) reviewed(in inputs) error {
	for _, n := range in.networks {
		if in.pod.Annotations[util.Key(n.prefix, util.Allocated)] != "" {
			continue
		}
		for _, s := range n.subnets {
			if latest, err := c.subnets.Get(s.Name); err == nil && util.UnderReview(latest) {
				return reconcile.Wait("the verdict on an edit of subnet %s", s.Name)
			}
		}
	}
	return nil
}

// vlansOf are the Vlans of the subnets that may serve. The daemon has to know the provider network before it makes the
// interface, so a missing one holds the pod up.
func (c *controller) vlansOf(networks []network) (map[string]*v1.Vlan, error) {
	vlans := map[string]*v1.Vlan{}
	for _, n := range networks {
		for _, s := range n.subnets {
			name := s.Spec.Vlan
			if name == "" || vlans[name] != nil {
				continue
			}
			vlan, err := c.vlans.Get(name)
			if apierrors.IsNotFound(err) {
				return nil, reconcile.Wait("vlan %s of subnet %s", name, s.Name)
			}
			if err != nil {
				return nil, fmt.Errorf("vlan %s of subnet %s: %w", name, s.Name, err)
			}
			vlans[name] = vlan
		}
	}
	return vlans, nil
}

// setOf is the StatefulSet that controls the pod.
func (c *controller) setOf(pod *corev1.Pod) (*appsv1.StatefulSet, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "StatefulSet" || owner.APIVersion != appsv1.SchemeGroupVersion.String() {
		return nil, nil
	}
	set, err := c.sets.StatefulSets(pod.Namespace).Get(owner.Name)
	if apierrors.IsNotFound(err) {
		return nil, reconcile.Wait("StatefulSet %s/%s", pod.Namespace, owner.Name)
	}
	if err == nil && set.UID != owner.UID {
		return nil, nil
	}
	return set, err
}

// primarySubnets are the subnet the pod names, or those its namespace is bound to.
func (c *controller) primarySubnets(ctx context.Context, pod *corev1.Pod) ([]*v1.Subnet, error) {
	if name := pod.Annotations[util.Key(util.OvnProvider, util.LogicalSwitch)]; name != "" {
		return c.named(name)
	}
	if name, err := c.subnetOfPool(pod); err != nil || name != "" {
		if err != nil {
			return nil, err
		}
		return c.named(name)
	}
	namespace, err := c.namespaces.Get(pod.Namespace)
	if apierrors.IsNotFound(err) {
		return nil, reconcile.Wait("namespace %s", pod.Namespace)
	}
	if err != nil {
		return nil, err
	}
	bound := strings.Split(namespace.Annotations[util.NamespaceSubnetsAnnotation], ",")
	if bound[0] == "" {
		return nil, reconcile.Wait("the subnets of namespace %s", pod.Namespace)
	}
	claiming, err := c.claiming(namespace)
	if err != nil {
		return nil, err
	}
	if len(claiming) == 0 && pod.Annotations[util.Key(util.OvnProvider, util.Allocated)] == "" {
		if err := c.confirmUnclaimed(ctx, namespace); err != nil {
			return nil, err
		}
	}
	if len(claiming) > 0 && !slices.ContainsFunc(claiming, func(name string) bool { return slices.Contains(bound, name) }) {
		return nil, unavailable(claiming, "namespace %s is not yet bound to subnet %s", pod.Namespace, strings.Join(claiming, ", "))
	}
	return c.named(bound...)
}

// claiming are the subnets whose spec names the namespace. The namespace's annotation follows a moment later; a pod made in
// between must not get into the default VPC.
func (c *controller) claiming(namespace *corev1.Namespace) ([]string, error) {
	var names []string
	for _, key := range []string{namespace.Name, bySelector} {
		items, err := c.byNamespace.ByIndex(byNamespaceIndex, key)
		if err != nil {
			return nil, fmt.Errorf("subnets of namespace %s: %w", namespace.Name, err)
		}
		for _, item := range items {
			if s, ok := item.(*v1.Subnet); ok && claims(s, namespace) {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// claims says whether a subnet names the namespace or selects it by its labels.
func claims(s *v1.Subnet, namespace *corev1.Namespace) bool {
	inEffect := util.Effective(s)
	return s.DeletionTimestamp.IsZero() && (slices.Contains(inEffect.Spec.Namespaces, namespace.Name) || selects(inEffect, namespace))
}

// selects says whether one of a subnet's namespaceSelectors matches.
func selects(s *v1.Subnet, namespace *corev1.Namespace) bool {
	for i := range s.Spec.NamespaceSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&s.Spec.NamespaceSelectors[i])
		if err == nil && selector.Matches(labels.Set(namespace.Labels)) {
			return true
		}
	}
	return false
}

// named resolves subnets to what is in effect of them; those that are missing or were never accepted are left out as long as one remains.
func (c *controller) named(names ...string) ([]*v1.Subnet, error) {
	var (
		subnets []*v1.Subnet
		why     error
	)
	for _, name := range names {
		name = strings.TrimSpace(name)
		subnet, err := c.subnets.Get(name)
		switch {
		case name == c.JoinSubnet:
			why = reconcile.Invalid(util.EventValidatePodNetworkFailed, "subnet %s is the nodes' own, pods cannot use it", name)
		case apierrors.IsNotFound(err):
			why = unavailable([]string{name}, "subnet %s does not exist", name)
		case err != nil:
			return nil, err
		case util.InEffect(subnet) == nil:
			why = unavailable([]string{name}, "subnet %s is not ready", name)
		case !subnet.DeletionTimestamp.IsZero():
			why = unavailable([]string{name}, "subnet %s is being deleted", name)
		default:
			subnets = append(subnets, util.InEffect(subnet))
		}
	}
	if len(subnets) > 0 {
		return subnets, nil
	}
	return nil, why
}
