package ovnnat

import (
	"strconv"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// fips is one outside address for one inside address, both ways (northbound.md 4.15).
func fips(w *world) kind[*v1.OvnFip] {
	return kind[*v1.OvnFip]{
		name:       FipName,
		rules:      w.index.fips,
		resolve:    w.resolveFip,
		rows:       func(fip *v1.OvnFip, b *binding) []ovs.Row { return fipRows(b, w.distributed(fip)) },
		kin:        w.kinOfFip,
		conditions: func(fip *v1.OvnFip) *[]v1.Condition { return &fip.Status.Conditions },
		fill:       func(fip *v1.OvnFip, b *binding) { fillFip(fip, b, w.distributed(fip)) },
		status:     func(fip *v1.OvnFip) any { return fip.Status },
	}
}

func (w *world) resolveFip(fip *v1.OvnFip) (*binding, error) {
	t, err := w.targetOfFip(fip)
	if err != nil {
		return nil, err
	}
	b, err := w.bind(fip, fip.Spec.OvnEip, t)
	if err != nil {
		return nil, err
	}
	first, found := holder(fip, w.fipsOf(w.index.keys(w.index.fips, eipIndex, b.eip), func(other *v1.OvnFip) bool {
		return other.Spec.OvnEip == b.eip
	}))
	if found {
		return nil, conflict("ovn eip "+b.eip, first)
	}
	for _, inside := range []string{b.v4, b.v6} {
		first, found := holder(fip, w.fipsOf(w.index.contenders(w.index.fips, inside), func(other *v1.OvnFip) bool {
			its, err := w.targetOfFip(other)
			return err == nil && its.vpc == b.vpc && (its.v4 == inside || its.v6 == inside)
		}))
		if found {
			return nil, conflict(inside+" of vpc "+b.vpc, first)
		}
	}
	if err := w.lead(b, func(inside string) (route, bool, error) { return ofHost(inside), true, nil }); err != nil {
		return nil, err
	}
	return b, nil
}

// fipHas says whether a FIP translates an address of a VPC, and so has its route.
func (w *world) fipHas(vpc, address string) bool {
	return len(w.fipsOf(w.index.contenders(w.index.fips, address), func(fip *v1.OvnFip) bool {
		if !fip.DeletionTimestamp.IsZero() {
			return false
		}
		b, err := w.resolveFip(fip)
		return err == nil && b.vpc == vpc && (b.v4 == address || b.v6 == address)
	})) > 0
}

func (w *world) targetOfFip(fip *v1.OvnFip) (target, error) {
	return w.inside(fip.Spec.IPType, fip.Spec.IPName, fip.Spec.Vpc, fip.Spec.V4Ip, fip.Spec.V6Ip)
}

func (w *world) fipsOf(names []string, wanted func(*v1.OvnFip) bool) []*v1.OvnFip {
	return objects(w.index.fips, names, wanted)
}

// kinOfFip are those that want the same OvnEip or the same inside address.
func (w *world) kinOfFip(fip *v1.OvnFip) []string {
	names := w.index.keys(w.index.fips, eipIndex, fip.Spec.OvnEip)
	t, _ := w.targetOfFip(fip) // what cannot be resolved holds nothing
	for _, inside := range []string{t.v4, t.v6, fip.Status.V4Ip, fip.Status.V6Ip} {
		names = append(names, w.index.contenders(w.index.fips, inside)...)
	}
	return unique(names)
}

// distributed says whether a FIP is translated on the pod's node, by its own type or the cluster's.
func (w *world) distributed(fip *v1.OvnFip) bool {
	if fip.Spec.Type != "" {
		return fip.Spec.Type == util.NatDistributed
	}
	return w.gateway().Distributed
}

// fipRows: port and MAC make OVN translate on the port's node. Without them the row runs on the gateway (D-09), and so does
// that of a vip, which has no port of its own.
func fipRows(b *binding, distributed bool) []ovs.Row {
	var rows []ovs.Row
	for _, pair := range b.pairs() {
		nat := ovs.NAT{
			Router: b.vpc, Type: "dnat_and_snat", ExternalIP: pair[0], LogicalIP: pair[1],
			Options: map[string]string{"stateless": strconv.FormatBool(distributed)},
		}
		if distributed && b.port != "" && b.mac != "" {
			nat.LogicalPort, nat.ExternalMAC = b.port, b.mac
		}
		rows = append(rows, nat)
	}
	return rows
}

func fillFip(fip *v1.OvnFip, b *binding, distributed bool) {
	s := &fip.Status
	s.Ready = b.ready()
	if b == nil {
		b = &binding{}
	}
	s.Vpc, s.V4Eip, s.V6Eip, s.V4Ip, s.V6Ip, s.MacAddress = b.vpc, b.v4Eip, b.v6Eip, b.v4, b.v6, ""
	if distributed && b.port != "" {
		s.MacAddress = b.mac
	}
}
