package pod

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

// vipOf is the Vip whose address and MAC the pod takes for its own, nil when it asks for none.
func (c *controller) vipOf(pod *corev1.Pod) (*v1.Vip, error) {
	name := strings.TrimSpace(pod.Annotations[util.VipAnnotation])
	if name == "" {
		return nil, nil
	}
	vip, err := c.vips.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, unavailable(nil, "vip %s does not exist", name)
	case err != nil:
		return nil, fmt.Errorf("vip %s: %w", name, err)
	case vip.Spec.Type == util.VipTypeSwitchLB:
		return nil, reconcile.Invalid(util.EventValidatePodNetworkFailed, "vip %s of type %s is the front of a load balancer", name, vip.Spec.Type)
	case vip.Status.V4ip == "" && vip.Status.V6ip == "":
		return nil, unavailable(nil, "vip %s has no address yet", name)
	case !vip.DeletionTimestamp.IsZero() && vip.Labels[util.IPReservedLabel] != util.PodPortName(pod.Name, pod.Namespace, util.OvnProvider):
		return nil, unavailable(nil, "vip %s is being deleted", name)
	}
	return vip, nil
}

// fromVip turns the request for the pod's own interface into one for what its Vip has, which the two then share.
func fromVip(vip *v1.Vip, r *ipam.Request) error {
	addrs, err := util.ParseAddrs(util.JoinDual(vip.Status.V4ip, vip.Status.V6ip))
	if err != nil {
		return reconcile.Invalid(util.EventValidatePodNetworkFailed, "vip %s: %v", vip.Name, err)
	}
	*r = ipam.Request{Addresses: addrs, MAC: vip.Status.Mac}
	if len(addrs) == 1 {
		r.Family = [2]ipam.Family{ipam.IPv4Only, ipam.IPv6Only}[familyOf(addrs[0])]
	}
	owner := util.VipLeaseOwner(vip.Name)
	r.ShareWith = func(l ipam.Lease) bool { return l.Owner == owner }
	return nil
}

// allowedVips are the Vips whose addresses the pod may use besides its own: those of annotation aaps that are shared by pods
// of its namespace and select it. What is not there yet wakes the pod when it comes.
func (c *controller) allowedVips(pod *corev1.Pod) ([]*v1.Vip, error) {
	var vips []*v1.Vip
	for _, name := range vipNames(pod.Annotations[util.AapsAnnotation]) {
		vip, err := c.vips.Get(name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("vip %s: %w", name, err)
		}
		selector, err := util.VipSelector(vip.Spec.Selector)
		if err != nil || vip.Spec.Type != "" || vip.Spec.Namespace != pod.Namespace || !vip.DeletionTimestamp.IsZero() ||
			!selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		vips = append(vips, vip)
	}
	return vips, nil
}

// allowedAddresses are the addresses of allowed Vips that the switch of a port carries.
func allowedAddresses(in inputs, p port) []string {
	var list []string
	for _, vip := range in.allowed {
		if vip.Spec.Subnet != p.subnet.Name {
			continue
		}
		for _, addr := range []string{vip.Status.V4ip, vip.Status.V6ip} {
			if addr != "" {
				list = append(list, addr)
			}
		}
	}
	return list
}

// vipNames reads a list of names.
func vipNames(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// vipsOf are the index keys of a pod: the Vips it names.
func vipsOf(pod *corev1.Pod) []string {
	own, allowed := pod.Annotations[util.VipAnnotation], pod.Annotations[util.AapsAnnotation]
	if pod.Spec.HostNetwork || own == "" && allowed == "" {
		return nil
	}
	return vipNames(own + "," + allowed)
}

func vipMatters(before, after *v1.Vip) bool {
	return before.Status.V4ip != after.Status.V4ip || before.Status.V6ip != after.Status.V6ip || before.Status.Mac != after.Status.Mac ||
		before.Spec.Subnet != after.Spec.Subnet || before.Spec.Namespace != after.Spec.Namespace || before.Spec.Type != after.Spec.Type ||
		!slices.Equal(before.Spec.Selector, after.Spec.Selector) || before.UID != after.UID ||
		!before.DeletionTimestamp.Equal(after.DeletionTimestamp)
}
