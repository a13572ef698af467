package vip

import (
	"cmp"
	"fmt"
	"net/netip"
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

// Indexes of the caches. Their names are this package's, because other controllers index the same caches.
const (
	subnetIndex  = "vip/subnet"  // Vips by subnet
	addressIndex = "vip/address" // Vips by subnet and address, granted or asked for
	userIndex    = "vip/user"    // pods by the Vip whose address they take for their own
)

// inputs are everything the rows and the status of one Vip depend on.
type inputs struct {
	vip    *v1.Vip
	subnet *v1.Subnet
	// routerMAC is that of the router's port in the subnet.
	routerMAC string
	// pods that may answer for the address, by name.
	pods []*corev1.Pod
	// users are the pods, namespace/name, that ask to have the address for their own.
	users []string
	// lease is known after the claim, and so is user, the port that has the address for its own.
	lease ipam.Lease
	user  string
}

func (c *controller) gather(vip *v1.Vip) (inputs, error) {
	in := inputs{vip: vip}
	if vip.Spec.Subnet == "" {
		return in, invalid("subnet of a vip has to be set")
	}
	subnet, err := c.subnets.Get(vip.Spec.Subnet)
	switch {
	case apierrors.IsNotFound(err):
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which does not exist", vip.Spec.Subnet)
	case err != nil:
		return in, fmt.Errorf("subnet %s of vip %s: %w", vip.Spec.Subnet, vip.Name, err)
	}
	if in.subnet = util.InEffect(subnet); in.subnet == nil {
		return in, reconcile.Blocked(util.EventAcquireAddressFailed, "subnet %s, which is not ready", vip.Spec.Subnet)
	}
	vpc := cmp.Or(in.subnet.Spec.Vpc, c.DefaultVpc)
	mac, _ := c.NB.RouterPortMAC(util.RouterPortName(vpc, in.subnet.Name))
	in.routerMAC = cmp.Or(mac, util.NewRouterPortMAC(vpc, in.subnet))
	if in.users, err = c.byUser.IndexKeys(userIndex, vip.Name); err != nil {
		return in, fmt.Errorf("users of vip %s: %w", vip.Name, err)
	}
	selector, err := util.VipSelector(vip.Spec.Selector)
	if err != nil {
		return in, invalid("%v", err)
	}
	if !isVirtual(vip) {
		return in, nil
	}
	pods, err := c.pods.Pods(vip.Spec.Namespace).List(selector)
	if err != nil {
		return in, fmt.Errorf("list pods of vip %s: %w", vip.Name, err)
	}
	for _, pod := range pods {
		if slices.Contains(allowed(pod), vip.Name) && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			in.pods = append(in.pods, pod)
		}
	}
	slices.SortFunc(in.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return in, nil
}

// keysForPod are the Vips that a pod asks to answer for or to have.
func keysForPod(pod *corev1.Pod) []string { return append(allowed(pod), wanted(pod)...) }

// wanted is the Vip whose address a pod takes for its own, if any.
func wanted(pod *corev1.Pod) []string {
	name := strings.TrimSpace(pod.Annotations[util.VipAnnotation])
	if name == "" || pod.Spec.HostNetwork {
		return nil
	}
	return []string{name}
}

// allowed are the Vips that a pod asks to answer for.
func allowed(pod *corev1.Pod) []string {
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
	for _, key := range []string{util.AapsAnnotation, util.VipAnnotation, util.Key(util.OvnProvider, util.Allocated)} {
		if before.Annotations[key] != after.Annotations[key] {
			return true
		}
	}
	return before.Annotations[util.Key(util.OvnProvider, util.IPAddress)] != after.Annotations[util.Key(util.OvnProvider, util.IPAddress)] ||
		!labels.Equals(before.Labels, after.Labels) || before.Status.Phase != after.Status.Phase
}

func subnetMatters(before, after *v1.Subnet) bool { return util.InEffectChanged(before, after) }

func bySubnet(object any) ([]string, error) {
	if vip, ok := object.(*v1.Vip); ok && vip.Spec.Subnet != "" {
		return []string{vip.Spec.Subnet}, nil
	}
	return nil, nil
}

// byAddress are the places of a Vip in the address books, those it asks for and those it has.
func byAddress(object any) ([]string, error) {
	vip, ok := object.(*v1.Vip)
	if !ok {
		return nil, nil
	}
	var keys []string
	for _, address := range []string{vip.Spec.V4ip, vip.Spec.V6ip, vip.Status.V4ip, vip.Status.V6ip} {
		if addr, err := netip.ParseAddr(address); err == nil {
			keys = append(keys, vip.Spec.Subnet+"/"+addr.String())
		}
	}
	return keys, nil
}

func byUser(object any) ([]string, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		return wanted(pod), nil
	}
	return nil, nil
}

// released wakes the Vips that have or want an address that somebody else gave back.
func (c *controller) released(lease ipam.Lease) {
	for _, addr := range lease.Addresses() {
		keys, err := c.index.IndexKeys(addressIndex, lease.Subnet+"/"+addr.String())
		if err != nil {
			continue
		}
		for _, key := range keys {
			if lease.Owner != util.VipLeaseOwner(key) {
				c.loop.Add(key)
			}
		}
	}
}

// userOf is the port that has a Vip's address for its own, "" for none.
func (c *controller) userOf(vip string, lease ipam.Lease) string {
	for _, addr := range lease.Addresses() {
		for _, holder := range c.IPAM.Holders(lease.Subnet, addr) {
			if holder.Owner != util.VipLeaseOwner(vip) {
				return holder.NIC
			}
		}
	}
	return ""
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
