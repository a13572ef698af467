package ovnnat

import (
	"net"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// dnats lead one port of an outside address to a port inside (northbound.md 4.17).
func dnats(w *world) kind[*v1.OvnDnatRule] {
	return kind[*v1.OvnDnatRule]{
		name:       DnatName,
		rules:      w.index.dnats,
		resolve:    w.resolveDnat,
		rows:       dnatRows,
		kin:        func(dnat *v1.OvnDnatRule) []string { return w.index.keys(w.index.dnats, portIndex, portKey(dnat)) },
		conditions: func(dnat *v1.OvnDnatRule) *[]v1.Condition { return &dnat.Status.Conditions },
		fill:       fillDnat,
		status:     func(dnat *v1.OvnDnatRule) any { return dnat.Status },
	}
}

// portKey is what only one dnat rule can have.
func portKey(dnat *v1.OvnDnatRule) string {
	return dnat.Spec.OvnEip + "/" + strings.ToLower(dnat.Spec.Protocol) + "/" + dnat.Spec.ExternalPort
}

func (w *world) resolveDnat(dnat *v1.OvnDnatRule) (*binding, error) {
	spec := &dnat.Spec
	if protocol := strings.ToLower(spec.Protocol); protocol != "tcp" && protocol != "udp" {
		return nil, invalid("invalid dnat protocol %s, it is neither tcp nor udp", spec.Protocol)
	}
	for name, text := range map[string]string{"internalPort": spec.InternalPort, "externalPort": spec.ExternalPort} {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 || strconv.FormatUint(port, 10) != text {
			return nil, invalid("%s %q is not a port from 1 to 65535", name, text)
		}
	}
	t, err := w.inside(spec.IPType, spec.IPName, spec.Vpc, spec.V4Ip, spec.V6Ip)
	if err != nil {
		return nil, err
	}
	b, err := w.bind(spec.OvnEip, t)
	if err != nil {
		return nil, err
	}
	every := func(*v1.OvnDnatRule) bool { return true }
	rivals := objects(w.index.dnats, w.index.keys(w.index.dnats, portIndex, portKey(dnat)), every)
	if first, found := holder(dnat, rivals); found {
		return nil, conflict("ovn eip "+b.eip+" "+strings.ToLower(spec.Protocol)+" port "+spec.ExternalPort, util.NatDnat, first)
	}
	return b, nil
}

func dnatRows(dnat *v1.OvnDnatRule, b *binding) []ovs.Row {
	lb := ovs.LoadBalancer{
		Name: dnat.Name, Protocol: strings.ToLower(dnat.Spec.Protocol), VIPs: map[string]string{}, Routers: []string{b.vpc},
	}
	if lb.Protocol == "udp" { // no end of a connection shows that its old entry is stale
		lb.Options = map[string]string{"ct_flush": "true"}
	}
	for _, pair := range b.pairs() {
		lb.VIPs[net.JoinHostPort(pair[0], dnat.Spec.ExternalPort)] = net.JoinHostPort(pair[1], dnat.Spec.InternalPort)
	}
	return []ovs.Row{lb}
}

func fillDnat(dnat *v1.OvnDnatRule, b *binding) {
	s := &dnat.Status
	s.Ready = b != nil
	if b == nil {
		b = &binding{}
	}
	s.Vpc, s.V4Eip, s.V6Eip, s.V4Ip, s.V6Ip = b.vpc, b.v4Eip, b.v6Eip, b.v4, b.v6
	s.Protocol, s.ExternalPort, s.InternalPort, s.IPName = "", "", "", ""
	if s.Ready {
		s.Protocol, s.IPName = strings.ToLower(dnat.Spec.Protocol), dnat.Spec.IPName
		s.ExternalPort, s.InternalPort = dnat.Spec.ExternalPort, dnat.Spec.InternalPort
	}
}
