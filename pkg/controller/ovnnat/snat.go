package ovnnat

import (
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// snats let an address or a prefix out by an outside address (northbound.md 4.16).
func snats(w *world) kind[*v1.OvnSnatRule] {
	return kind[*v1.OvnSnatRule]{
		name:       SnatName,
		rules:      w.index.snats,
		resolve:    w.resolveSnat,
		rows:       func(_ *v1.OvnSnatRule, b *binding) []ovs.Row { return snatRows(b) },
		kin:        w.kinOfSnat,
		conditions: func(snat *v1.OvnSnatRule) *[]v1.Condition { return &snat.Status.Conditions },
		fill:       fillSnat,
		status:     func(snat *v1.OvnSnatRule) any { return snat.Status },
	}
}

func (w *world) resolveSnat(snat *v1.OvnSnatRule) (*binding, error) {
	t, err := w.targetOfSnat(snat)
	if err != nil {
		return nil, err
	}
	b, err := w.bind(snat, snat.Spec.OvnEip, t)
	if err != nil {
		return nil, err
	}
	for _, inside := range []string{b.v4, b.v6} {
		rivals := objects(w.index.snats, w.index.contenders(w.index.snats, inside), func(other *v1.OvnSnatRule) bool {
			its, err := w.targetOfSnat(other)
			return err == nil && its.vpc == b.vpc && (its.v4 == inside || its.v6 == inside)
		})
		if first, found := holder(snat, rivals); found {
			return nil, conflict(inside+" of vpc "+b.vpc, first)
		}
	}
	// A FIP translates before a snat and has the route of its address; the snat takes it over when the FIP goes.
	err = w.lead(b, func(inside string) (route, bool, error) { return ofInside(inside), !w.fipHas(b.vpc, inside), nil })
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (w *world) targetOfSnat(snat *v1.OvnSnatRule) (target, error) {
	spec := &snat.Spec
	switch {
	case spec.V4IpCidr != "" || spec.V6IpCidr != "":
		for name, text := range map[string]string{"v4IpCidr": spec.V4IpCidr, "v6IpCidr": spec.V6IpCidr} {
			if text != "" && (normal(text) == "" || strings.Contains(text, ":") != (name == "v6IpCidr")) {
				return target{}, invalid("%s %s is not a CIDR or address of that family", name, text)
			}
		}
		return w.direct(spec.Vpc, spec.V4IpCidr, spec.V6IpCidr)
	case spec.VpcSubnet != "":
		s, vpc, err := w.subnet(spec.VpcSubnet)
		if err != nil {
			return target{}, err
		}
		v4, v6 := util.SplitDual(s.Spec.CIDRBlock)
		return target{vpc: vpc, v4: normal(v4), v6: normal(v6)}, nil
	case spec.IPName != "":
		return w.ofIP(spec.IPName)
	}
	return target{}, invalid("should set spec vpcSubnet, ipName, or vpc with v4IpCidr or v6IpCidr")
}

// kinOfSnat are those that want the same inside.
func (w *world) kinOfSnat(snat *v1.OvnSnatRule) []string {
	var names []string
	t, _ := w.targetOfSnat(snat) // what cannot be resolved holds nothing
	for _, inside := range []string{t.v4, t.v6, snat.Status.V4IpCidr, snat.Status.V6IpCidr} {
		names = append(names, w.index.contenders(w.index.snats, inside)...)
	}
	return unique(names)
}

func snatRows(b *binding) []ovs.Row {
	var rows []ovs.Row
	for _, pair := range b.pairs() {
		rows = append(rows, ovs.NAT{Router: b.vpc, Type: "snat", ExternalIP: pair[0], LogicalIP: pair[1]})
	}
	return rows
}

func fillSnat(snat *v1.OvnSnatRule, b *binding) {
	s := &snat.Status
	s.Ready = b.ready()
	if b == nil {
		b = &binding{}
	}
	s.Vpc, s.V4Eip, s.V6Eip, s.V4IpCidr, s.V6IpCidr = b.vpc, b.v4Eip, b.v6Eip, b.v4, b.v6
}
