package ovnnat

import (
	"net"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// dnats lead one port of an outside address to a port inside (northbound.md 4.17).
func dnats(w *world) kind[*v1.OvnDnatRule] {
	return kind[*v1.OvnDnatRule]{
		name:       DnatName,
		rules:      w.index.dnats,
		resolve:    w.resolveDnat,
		rows:       dnatRows,
		kin:        w.kinOfDnat,
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
	b, err := w.bindDnat(dnat)
	if err != nil {
		return nil, err
	}
	err = w.lead(b, func(inside string) (route, bool, error) {
		mine, err := w.hasReplies(dnat, b, inside)
		return ofReplies(inside, strings.ToLower(dnat.Spec.Protocol), dnat.Spec.InternalPort), mine, err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// hasReplies says whether a rule has the route of the replies of its inside port. Of several rules that lead there the first
// has it for all; one whose replies would have to leave by another network cannot work.
func (w *world) hasReplies(dnat *v1.OvnDnatRule, b *binding, inside string) (bool, error) {
	rivals := objects(w.index.dnats, w.index.contenders(w.index.dnats, inside), func(other *v1.OvnDnatRule) bool {
		if !other.DeletionTimestamp.IsZero() || other.Spec.InternalPort != dnat.Spec.InternalPort ||
			!strings.EqualFold(other.Spec.Protocol, dnat.Spec.Protocol) {
			return false
		}
		its, err := w.bindDnat(other)
		return err == nil && its.vpc == b.vpc && (its.v4 == inside || its.v6 == inside)
	})
	first, found := holder(dnat, rivals)
	if !found {
		return true, nil
	}
	if its, err := w.bindDnat(first); err != nil || its.external != b.external {
		return false, conflict("the way back from "+inside+" port "+dnat.Spec.InternalPort, first)
	}
	return false, nil
}

// kinOfDnat are those that want the same port, outside or inside.
func (w *world) kinOfDnat(dnat *v1.OvnDnatRule) []string {
	names := w.index.keys(w.index.dnats, portIndex, portKey(dnat))
	for _, inside := range []string{dnat.Status.V4Ip, dnat.Status.V6Ip} {
		names = append(names, w.index.contenders(w.index.dnats, inside)...)
	}
	return unique(names)
}

// bindDnat is a rule without the routes of its replies.
func (w *world) bindDnat(dnat *v1.OvnDnatRule) (*binding, error) {
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
	t, err := w.targetOfDnat(dnat)
	if err != nil {
		return nil, err
	}
	b, err := w.bind(dnat, spec.OvnEip, t)
	if err != nil {
		return nil, err
	}
	every := func(*v1.OvnDnatRule) bool { return true }
	rivals := objects(w.index.dnats, w.index.keys(w.index.dnats, portIndex, portKey(dnat)), every)
	if first, found := holder(dnat, rivals); found {
		return nil, conflict("ovn eip "+b.eip+" "+strings.ToLower(spec.Protocol)+" port "+spec.ExternalPort, first)
	}
	return b, nil
}

func (w *world) targetOfDnat(dnat *v1.OvnDnatRule) (target, error) {
	return w.inside(dnat.Spec.IPType, dnat.Spec.IPName, dnat.Spec.Vpc, dnat.Spec.V4Ip, dnat.Spec.V6Ip)
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
	s.Ready = b.ready()
	bound := b != nil
	if !bound {
		b = &binding{}
	}
	s.Vpc, s.V4Eip, s.V6Eip, s.V4Ip, s.V6Ip = b.vpc, b.v4Eip, b.v6Eip, b.v4, b.v6
	s.Protocol, s.ExternalPort, s.InternalPort, s.IPName = "", "", "", ""
	if bound {
		s.Protocol, s.IPName = strings.ToLower(dnat.Spec.Protocol), dnat.Spec.IPName
		s.ExternalPort, s.InternalPort = dnat.Spec.ExternalPort, dnat.Spec.InternalPort
	}
}
