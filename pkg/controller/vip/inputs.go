package vip

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// subnetIndex has the Vips of a subnet.
const subnetIndex = "vip/subnet"

// inputs are everything the rows and the status of one Vip depend on.
type inputs struct {
	vip    *v1.Vip
	subnet *v1.Subnet
	vpc    string
	// pods that may answer for the address, by name.
	pods []*corev1.Pod
	// lease is known after the claim.
	lease ipam.Lease
}

func (c *controller) gather(vip *v1.Vip) (inputs, error) {
	in := inputs{vip: vip}
	if vip.Spec.Subnet == "" {
		return in, invalid("subnet of a vip has to be set")
	}
	var err error
	in.subnet, err = c.subnets.Get(vip.Spec.Subnet)
	switch {
	case apierrors.IsNotFound(err):
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which does not exist", vip.Spec.Subnet)
	case err != nil:
		return in, fmt.Errorf("subnet %s of vip %s: %w", vip.Spec.Subnet, vip.Name, err)
	case !v1.IsConditionTrue(in.subnet.Status.Conditions, v1.ConditionValidated):
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which is not ready", in.subnet.Name)
	}
	in.vpc = in.subnet.Spec.Vpc
	if in.vpc == "" {
		in.vpc = c.DefaultVpc
	}
	selector, err := selectorOf(vip)
	if err != nil || !isVirtual(vip) {
		return in, err
	}
	pods, err := c.pods.Pods(vip.Spec.Namespace).List(selector)
	if err != nil {
		return in, fmt.Errorf("list pods of vip %s: %w", vip.Name, err)
	}
	for _, pod := range pods {
		if slices.Contains(keysForPod(pod), vip.Name) && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			in.pods = append(in.pods, pod)
		}
	}
	slices.SortFunc(in.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return in, nil
}

// selectorOf reads the "key: value" entries, all of which have to match.
func selectorOf(vip *v1.Vip) (labels.Selector, error) {
	set := labels.Set{}
	for _, entry := range vip.Spec.Selector {
		key, value, ok := strings.Cut(entry, ":")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, invalid("selector %q is not \"key: value\"", entry)
		}
		set[key] = strings.TrimSpace(value)
	}
	selector, err := set.AsValidatedSelector()
	if err != nil {
		return nil, invalid("selector: %v", err)
	}
	return selector, nil
}

// keysForPod are the Vips that a pod asks to answer for.
func keysForPod(pod *corev1.Pod) []string {
	text := pod.Annotations[util.AapsAnnotation]
	if text == "" {
		return nil
	}
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

func podMatters(before, after *corev1.Pod) bool {
	return before.Annotations[util.AapsAnnotation] != after.Annotations[util.AapsAnnotation] ||
		!labels.Equals(before.Labels, after.Labels) || before.Status.Phase != after.Status.Phase
}

func subnetMatters(before, after *v1.Subnet) bool {
	return before.Generation != after.Generation ||
		v1.IsConditionTrue(before.Status.Conditions, v1.ConditionValidated) != v1.IsConditionTrue(after.Status.Conditions, v1.ConditionValidated)
}

func bySubnet(object any) ([]string, error) {
	if vip, ok := object.(*v1.Vip); ok && vip.Spec.Subnet != "" {
		return []string{vip.Spec.Subnet}, nil
	}
	return nil, nil
}

// keysForVip: one that goes may leave its address to those that wait for one.
func (c *controller) keysForVip(vip *v1.Vip) []string {
	keys := []string{vip.Name}
	if vip.DeletionTimestamp.IsZero() {
		return keys
	}
	for _, name := range c.inSubnet(vip.Spec.Subnet) {
		if other, err := c.vips.Get(name); err == nil && !other.Status.Ready {
			keys = append(keys, name)
		}
	}
	return keys
}

func (c *controller) inSubnet(name string) []string {
	keys, err := c.index.IndexKeys(subnetIndex, name)
	if err != nil {
		return nil
	}
	return keys
}
