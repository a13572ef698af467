package ovnnat

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// route is what has to leave by the OvnEip's network although the default route leads elsewhere.
type route struct {
	priority int
	match    string
}

// lead adds the routes of a binding, by what is inside. Only the default VPC, whose subnets have gateways of their own, and
// VPCs with several external networks need them. of says which route an inside needs, and false for none of this rule's.
func (w *world) lead(b *binding, of func(inside string) (route, bool, error)) error {
	needed, err := w.needsRoutes(b.vpc)
	if err != nil || !needed {
		return err
	}
	v4, v6, err := w.nextHops(b.vpc, b.external)
	if err != nil {
		return err
	}
	for _, pair := range b.pairs() {
		r, mine, err := of(pair[1])
		if err != nil {
			return err
		}
		hop := v4
		if strings.Contains(pair[1], ":") {
			hop = v6
		}
		switch {
		case hop == "":
			return reconcile.Blocked(util.ReasonNatNotConnected, "a gateway of external subnet %s for %s", b.external, pair[1])
		case mine:
			b.routes = append(b.routes, ovs.RouterPolicy{
				Router: b.vpc, Priority: r.priority, Match: r.match, Action: "reroute", Nexthops: []string{hop},
			})
		}
	}
	return nil
}

// needsRoutes says whether a VPC's default route may lead elsewhere than to the network of an OvnEip.
func (w *world) needsRoutes(name string) (bool, error) {
	vpc, err := w.vpcs.Get(name)
	if err != nil {
		return false, fmt.Errorf("vpc %s: %w", name, err)
	}
	return name == w.DefaultVpc || len(vpc.Spec.ExtraExternalSubnets)+len(vpc.Spec.AddExternalSubnets) > 0, nil
}

// nextHops are the next hops of a VPC to an external network, "" for none of a family.
func (w *world) nextHops(vpc, external string) (v4, v6 string, err error) {
	var gateway string
	subnet, err := w.subnets.Get(external)
	switch {
	case err == nil:
		gateway = util.Effective(subnet).Spec.Gateway
	case !apierrors.IsNotFound(err):
		return "", "", fmt.Errorf("external subnet %s: %w", external, err)
	}
	var settings util.ExternalGateway // of others than the default VPC there are none
	if vpc == w.DefaultVpc && external == w.ExternalSubnet {
		settings = w.gateway()
	}
	for _, hop := range settings.NextHops(gateway) {
		if hop.Is4() {
			v4 = hop.String()
		} else {
			v6 = hop.String()
		}
	}
	return v4, v6, nil
}

// gateway is the external gateway of the default VPC with the settings in effect.
func (w *world) gateway() util.ExternalGateway {
	vpc, err := w.vpcs.Get(w.DefaultVpc)
	if err != nil {
		return util.ExternalGateway{}
	}
	settings, _ := util.DecodeExternalGateway(vpc.Annotations)
	return settings
}

// ofHost is the route of one address, ofInside that of an address or prefix.
func ofHost(address string) route {
	return route{util.NorthGatewayPolicyPriority, util.SourceMatch(address)}
}

func ofInside(inside string) route {
	if prefix, err := netip.ParsePrefix(inside); err == nil {
		return route{util.SnatPolicyPriority(prefix), util.SourceMatch(inside)}
	}
	return ofHost(inside)
}

// ofReplies is the route of what answers at one port. It goes before that of the address, which may lead to another network:
// of two that match with one priority OVN takes any (ovn-sb(5), Logical_Flow).
func ofReplies(address, protocol, port string) route {
	return route{util.DnatReplyPolicyPriority, util.SourceMatch(address) + " && " + protocol + ".src == " + port}
}

// ruleRef is a rule by kind, the name of its queue, and name.
type ruleRef struct{ kind, name string }

// ports knows which rules need which router port, so that they are woken when it comes or goes.
type ports struct {
	mu    sync.Mutex
	of    map[ruleRef]string
	users map[string]map[ruleRef]bool
}

func newPorts() *ports { return &ports{of: map[ruleRef]string{}, users: map[string]map[ruleRef]bool{}} }

// need remembers the port that a rule needs, "" for none.
func (p *ports) need(rule ruleRef, port string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.of[rule]
	if before == port {
		return
	}
	delete(p.users[before], rule)
	if len(p.users[before]) == 0 {
		delete(p.users, before)
	}
	if port == "" {
		delete(p.of, rule)
		return
	}
	p.of[rule] = port
	if p.users[port] == nil {
		p.users[port] = map[ruleRef]bool{}
	}
	p.users[port][rule] = true
}

func (p *ports) usersOf(port string) []ruleRef {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []ruleRef
	for rule := range p.users[port] {
		list = append(list, rule)
	}
	return list
}

// connected fails while the router of a binding has no port on the external network. The need is remembered first, so that
// a port that comes in between wakes the rule.
func (w *world) connected(rule ruleRef, b *binding) error {
	if b == nil {
		w.ports.need(rule, "")
		return nil
	}
	name := util.RouterPortName(b.vpc, b.external)
	w.ports.need(rule, name)
	if _, b.connected = w.NB.UUID(ovs.LogicalRouterPort{Name: name}); !b.connected {
		return reconcile.Blocked(util.ReasonNatNotConnected, "router port %s: vpc %s is not connected to external subnet %s", name, b.vpc, b.external)
	}
	return nil
}

// watchRows wakes rules and their OvnEips by router ports, and rules by the end of routes that somebody else had.
func (w *world) watchRows() {
	w.NB.Observe(ovnnb.LogicalRouterPortTable, func(o ovs.Observation) {
		for _, rule := range w.ports.usersOf(o.Name) {
			w.loops[rule.kind].Add(rule.name)
			w.wakeEip(rule)
		}
	})
	w.NB.Observe(ovnnb.LogicalRouterPolicyTable, func(o ovs.Observation) {
		parts := strings.SplitN(o.Name, " ", 3) // router, priority, match
		if !o.Deleted || len(parts) < 3 {
			return
		}
		source := util.SourceOfMatch(parts[2])
		for kind, rules := range w.index.rules() {
			for _, name := range w.index.contenders(rules, source) {
				w.loops[kind].Add(name)
			}
		}
	})
}

// wakeEip asks the OvnEip of a rule to look where the outside finds it.
func (w *world) wakeEip(r ruleRef) {
	if rule, ok, _ := w.index.rules()[r.kind].GetByKey(r.name); ok { // a cache knows no error
		w.loops[EipName].Add(eipOf(rule.(metav1.Object)))
	}
}

// wakeHolder asks the rule that has a row to look whether it still has to, and says whether it is one of ours.
func (w *world) wakeHolder(owner string) bool {
	kind, name, _ := strings.Cut(owner, "/")
	loop, ours := w.loops[kind]
	if ours {
		loop.Add(name)
	}
	return ours
}

func vpcMatters(before, after *v1.Vpc) bool {
	extras := func(vpc *v1.Vpc) int { return len(vpc.Spec.ExtraExternalSubnets) + len(vpc.Spec.AddExternalSubnets) }
	return (extras(before) > 0) != (extras(after) > 0) ||
		before.Annotations[util.ExternalGatewayInEffect] != after.Annotations[util.ExternalGatewayInEffect]
}
