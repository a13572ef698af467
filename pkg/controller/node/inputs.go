package node

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// inputs is all that one node's rows, annotations and IP object depend on, besides its lease.
type inputs struct {
	Config
	name    string
	node    *corev1.Node // nil when it is gone
	ip      *v1.IP       // nil when there is none
	join    *v1.Subnet
	held    []netip.Addr // join addresses the node had and may keep
	heldMAC string
	hiding  []string // subnets of the default VPC's overlay that hold an InternalIP, told in words
}

func (c *controller) gather(name string) (inputs, error) {
	in := inputs{Config: c.Config, name: name}
	in.ip, _ = c.ips.Get(util.NodePortName(name))
	var exists bool
	if in.node, exists = c.nodes.Get(name); !exists {
		return in, nil
	}
	join, err := c.subnets.Get(c.JoinSubnet)
	if err == nil {
		in.join = util.InEffect(join)
	}
	if apierrors.IsNotFound(err) || err == nil && in.join == nil {
		return in, reconcile.Wait("subnet %s", c.JoinSubnet)
	}
	if err != nil {
		return in, err
	}
	if in.hiding, err = c.hiding(in.node); err != nil {
		return in, err
	}
	in.held, in.heldMAC = held(in.node, in.ip, in.join)
	return in, nil
}

// held is the node's present address by its IP object, else by its annotations; addresses that left the join CIDR are not.
func held(node *corev1.Node, ip *v1.IP, join *v1.Subnet) (addrs []netip.Addr, mac string) {
	text, mac := node.Annotations[util.Key(util.OvnProvider, util.IPAddress)], node.Annotations[util.Key(util.OvnProvider, util.MACAddress)]
	if ip != nil && ip.Spec.IPAddress != "" {
		text, mac = ip.Spec.IPAddress, ip.Spec.MacAddress
	}
	all, err := util.ParseAddrs(text)
	if err != nil {
		return nil, ""
	}
	cidrs, err := util.ParseCIDRs(join.Spec.CIDRBlock)
	if err != nil {
		return nil, ""
	}
	addrs = slices.DeleteFunc(all, func(a netip.Addr) bool { return !util.ContainsAddr(cidrs, a) })
	return addrs, mac
}
