package controller

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/controller/externalgw"
	"github.com/kubeovn/kube-ovn/pkg/controller/ippool"
	"github.com/kubeovn/kube-ovn/pkg/controller/ovnnat"
	"github.com/kubeovn/kube-ovn/pkg/controller/pod"
	"github.com/kubeovn/kube-ovn/pkg/controller/subnet"
	"github.com/kubeovn/kube-ovn/pkg/controller/vip"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// rebuild fills the address books with what is held, before any loop claims (northbound.md 2.6). Of several sources that
// name one address the first wins: the durable claims, then what pods, nodes, Vips and OvnEips were told, then live NAT rows
// of pods and live switch ports. What cannot be restored is logged; the holder claims anew.
func (p *process) rebuild(ctx context.Context) error {
	logger := klog.FromContext(ctx)
	kinds := p.kubeovn.Kubeovn().V1()
	subnets, err := kinds.Subnets().Lister().List(labels.Everything())
	if err != nil {
		return err
	}
	for _, s := range subnets {
		// The holders have their addresses by what is in effect. Without any, status was lost and the spec is all there is.
		if err := p.book.SetSubnet(subnet.Book(util.Effective(s), p.nb)); err != nil {
			logger.Info("Subnet has no address book yet", "subnet", s.Name, "reason", err.Error())
		}
	}
	known := map[string]bool{}
	for _, s := range subnets {
		known[s.Name] = true
	}
	external, err := p.bareExternal(known)
	if err != nil {
		return err
	}
	pools, err := kinds.IPPools().Lister().List(labels.Everything())
	if err != nil {
		return err
	}
	for _, pool := range ippool.InOrder(pools) {
		if err := p.book.SetPool(pool.Spec.Subnet, pool.Name, pool.Spec.IPs); err != nil {
			logger.Info("Pool is not set apart", "ippool", pool.Name, "reason", err.Error())
		}
	}
	held, err := p.holdings()
	if err != nil {
		return err
	}
	held = append(external, held...)
	// Switches of others and objects that say nothing are not worth a message.
	held = slices.DeleteFunc(held, func(h ipam.Holding) bool { return !known[h.Subnet] || len(h.Addresses()) == 0 && h.MAC == "" })
	failures := p.book.Rebuild(held)
	for _, failure := range failures {
		logger.Info("Address is not restored", "reason", failure.Error())
	}
	logger.Info("Address books are rebuilt", "subnets", len(subnets), "holdings", len(held), "failures", len(failures))
	return nil
}

// bareExternal opens the book of the external switch where no Subnet of known manages it, and returns what the router holds
// in it.
func (p *process) bareExternal(known map[string]bool) ([]ipam.Holding, error) {
	vpc, err := p.kubeovn.Kubeovn().V1().Vpcs().Lister().Get(p.DefaultVpc)
	if err != nil {
		return nil, err
	}
	spec, ok := externalgw.Book(vpc, p.ExternalSwitch)
	if !ok || known[spec.Name] {
		return nil, nil
	}
	if err := p.book.SetSubnet(spec); err != nil {
		return nil, fmt.Errorf("addresses of switch %s: %w", spec.Name, err)
	}
	known[spec.Name] = true
	mac, _ := p.nb.RouterPortMAC(util.RouterPortName(vpc.Name, p.ExternalSwitch))
	held, _ := externalgw.Holding(vpc, p.ExternalSwitch, mac)
	return []ipam.Holding{held}, nil
}

// holdings are all sources in their order.
func (p *process) holdings() ([]ipam.Holding, error) {
	ips, err := p.kubeovn.Kubeovn().V1().IPs().Lister().List(labels.Everything())
	if err != nil {
		return nil, err
	}
	pods, err := p.kube.Core().V1().Pods().Lister().List(labels.Everything())
	if err != nil {
		return nil, err
	}
	nodes, err := p.kube.Core().V1().Nodes().Lister().List(labels.Everything())
	if err != nil {
		return nil, err
	}
	held := heldByIPs(ips)
	held = append(held, heldByPods(pods)...)
	held = append(held, heldByNodes(nodes, p.JoinSubnet)...)
	vips, err := p.kubeovn.Kubeovn().V1().Vips().Lister().List(labels.Everything())
	if err != nil {
		return nil, err
	}
	eips, err := p.kubeovn.Kubeovn().V1().OvnEips().Lister().List(labels.Everything())
	if err != nil {
		return nil, err
	}
	held = append(append(held, vip.Holdings(vips)...), ovnnat.Holdings(eips)...)
	held = append(held, pod.NatHoldings(p.nb.LiveNATs(), p.ExternalSwitch)...)
	return append(held, heldByPorts(p.nb.LivePorts())...), nil
}
