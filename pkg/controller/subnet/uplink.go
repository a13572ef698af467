package subnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Indexes of the caches. Their names are this package's, because other controllers index the same caches.
const (
	vlanIndex = "subnet/vlan" // Subnets by Vlan
	ipIndex   = "subnet/ip"   // IPs by subnet
)

func addIndexes(sources Sources) error {
	return errors.Join(
		sources.Subnets.Informer().AddIndexers(cache.Indexers{vlanIndex: func(object any) ([]string, error) {
			if s, ok := object.(*v1.Subnet); ok && s.Spec.Vlan != "" {
				return []string{s.Spec.Vlan}, nil
			}
			return nil, nil
		}}),
		sources.IPs.Informer().AddIndexers(cache.Indexers{ipIndex: func(object any) ([]string, error) {
			if ip, ok := object.(*v1.IP); ok && ip.Spec.Subnet != "" {
				return []string{ip.Spec.Subnet}, nil
			}
			return nil, nil
		}}),
	)
}

// onVlan are the subnets that use a Vlan.
func (c *controller) onVlan(name string) []string {
	keys, err := c.index.IndexKeys(vlanIndex, name)
	if err != nil {
		return nil
	}
	return keys
}

func vlanMatters(before, after *v1.Vlan) bool {
	x, y := v1.FindCondition(before.Status.Conditions, v1.ConditionReady), v1.FindCondition(after.Status.Conditions, v1.ConditionReady)
	same := x == nil && y == nil || x != nil && y != nil && x.Status == y.Status && x.Message == y.Message && x.ObservedGeneration == y.ObservedGeneration
	return before.Generation != after.Generation || !same
}

// keysForProvider: the list of a provider network's Vlans is what their subnets wait for.
func (c *controller) keysForProvider(pn *v1.ProviderNetwork) []string {
	var keys []string
	for _, vlan := range pn.Status.Vlans {
		keys = append(keys, c.onVlan(vlan)...)
	}
	return keys
}

func providerMatters(before, after *v1.ProviderNetwork) bool {
	return !slices.Equal(before.Status.Vlans, after.Status.Vlans)
}

// uplink is the way of an underlay subnet to the physical network; a part that does not exist is nil.
type uplink struct {
	vlan     *v1.Vlan
	provider *v1.ProviderNetwork
}

func (c *controller) uplinkOf(s *v1.Subnet) (uplink, error) {
	var up uplink
	if s.Spec.Vlan == "" {
		return up, nil
	}
	vlan, err := c.vlans.Get(s.Spec.Vlan)
	if apierrors.IsNotFound(err) {
		return up, nil
	}
	if err != nil {
		return up, fmt.Errorf("vlan %s of subnet %s: %w", s.Spec.Vlan, s.Name, err)
	}
	up.vlan = vlan
	provider, err := c.providers.Get(vlan.Spec.Provider)
	if apierrors.IsNotFound(err) {
		return up, nil
	}
	if err != nil {
		return up, fmt.Errorf("provider network %s of subnet %s: %w", vlan.Spec.Provider, s.Name, err)
	}
	up.provider = provider
	return up, nil
}

// attached says why an underlay subnet cannot be connected to its VLAN yet. One that is connected stays as it is meanwhile.
func attached(in inputs) error {
	name, vlan := in.subnet.Spec.Vlan, in.uplink.vlan
	if name == "" || !in.hasSwitch() {
		return nil
	}
	blocked := func(format string, args ...any) error {
		return reconcile.Blocked(util.ReasonSubnetVlanInvalid, format, args...)
	}
	if vlan == nil {
		return blocked("vlan %s, which does not exist", name)
	}
	ready := v1.FindCondition(vlan.Status.Conditions, v1.ConditionReady)
	switch {
	case ready == nil || ready.ObservedGeneration != vlan.Generation:
		return reconcile.Wait("vlan %s to be checked", name)
	case vlan.Status.Conflict:
		return blocked("vlan %s, which is in conflict: %s", name, ready.Message)
	case ready.Status != metav1.ConditionTrue && ready.Reason != util.ReasonVlanInUse:
		return blocked("vlan %s, which is not ready: %s", name, ready.Message)
	case in.uplink.provider == nil:
		return blocked("provider network %s of vlan %s, which does not exist", vlan.Spec.Provider, name)
	case !slices.Contains(in.uplink.provider.Status.Vlans, name):
		return reconcile.Wait("provider network %s to list vlan %s", vlan.Spec.Provider, name)
	}
	return nil
}

// localnet is the switch's port to the physical network.
func localnet(in inputs, prefixes []netip.Prefix) []ovs.Row {
	if in.uplink.vlan == nil {
		return nil // it is not attached, and nothing is written
	}
	port := ovs.LogicalSwitchPort{
		Switch:      in.subnet.Name,
		Name:        util.LocalnetPortName(in.subnet.Name),
		Type:        "localnet",
		Addresses:   []string{"unknown"},
		Tag:         in.uplink.vlan.Spec.ID,
		Options:     map[string]string{"network_name": in.uplink.vlan.Spec.Provider},
		ExternalIDs: map[string]string{},
	}
	for _, prefix := range prefixes {
		key := util.ExtIPv4Network
		if prefix.Addr().Is6() {
			key = util.ExtIPv6Network
		}
		port.ExternalIDs[key] = prefix.String()
	}
	return []ovs.Row{port}
}
