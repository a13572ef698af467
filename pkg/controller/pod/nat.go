package pod

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// pair is an address per family, IPv4 first; the zero Addr is none.
type pair [2]netip.Addr

func (p pair) any() bool { return p[0].IsValid() || p[1].IsValid() }

// within leaves out the families that other has not.
func (p pair) within(other pair) pair {
	for i := range p {
		if !other[i].IsValid() {
			p[i] = netip.Addr{}
		}
	}
	return p
}

// wishes are what the annotations eip, snat and north_gateway ask for.
type wishes struct{ eip, snat, north pair }

func (w wishes) any() bool { return w.outside() || w.north.any() }

// outside says whether addresses of the external network are asked for.
func (w wishes) outside() bool { return w.eip.any() || w.snat.any() }

// translation is what a pod's wishes come to: how it leaves by another way than its subnet's gateway.
type translation struct {
	eip, snat   pair
	hops        pair // next hops of what the pod sends
	distributed bool // eips are translated on the pod's own node
}

// steers says whether the pod leaves by another way in any family.
func (t translation) steers() bool { return t.hops.any() }

// natError says why a pod that has its network does not have what its wishes ask for.
type natError struct {
	reason  string // of the event
	message string
	invalid bool // the user's mistake
}

func (e *natError) Error() string { return e.message }

func badWish(format string, args ...any) error {
	return &natError{reason: util.EventValidatePodNetworkFailed, message: fmt.Sprintf(format, args...), invalid: true}
}

func unfulfilled(reason, format string, args ...any) error {
	return &natError{reason: reason, message: fmt.Sprintf(format, args...)}
}

// wishesOf reads a pod's annotations.
func wishesOf(pod *corev1.Pod, eipSnat bool) (wishes, error) {
	var w wishes
	for _, annotation := range []struct {
		key    string
		on     bool
		target *pair
	}{{util.EipAnnotation, eipSnat, &w.eip}, {util.SnatAnnotation, eipSnat, &w.snat}, {util.NorthGatewayAnnotation, true, &w.north}} {
		text := pod.Annotations[annotation.key]
		if text == "" || !annotation.on {
			continue
		}
		addrs, err := util.ParseAddrs(text)
		if err != nil {
			return wishes{}, badWish("annotation %s: %v", annotation.key, err)
		}
		for _, addr := range addrs {
			annotation.target[familyOf(addr)] = addr
		}
	}
	return w, nil
}

func familyOf(addr netip.Addr) int {
	if addr.Is4() {
		return 0
	}
	return 1
}

// of are the outside addresses for one use.
func (w wishes) of(use string) pair {
	if use == useEip {
		return w.eip
	}
	return w.snat
}

// on is what can be had of the wishes with the addresses of the pod. A wish none of whose families the pod has is a mistake.
func (w wishes) on(inside pair) (wishes, error) {
	had := wishes{w.eip.within(inside), w.snat.within(inside), w.north.within(inside)}
	if w.eip.any() != had.eip.any() || w.snat.any() != had.snat.any() || w.north.any() != had.north.any() {
		return had, badWish("annotations %s, %s and %s: an address is not of the pod's family", util.EipAnnotation, util.SnatAnnotation, util.NorthGatewayAnnotation)
	}
	return had, nil
}

// translated is the port that the wishes are about: the pod's own interface, in the default VPC where OVN routes for it.
func translated(in inputs, ports []port) (port, bool) {
	i := slices.IndexFunc(ports, func(p port) bool { return p.prefix == util.OvnProvider })
	if i < 0 || ports[i].subnet.Spec.Vpc != in.DefaultVpc || !routed(ports[i].subnet) || !util.IsOvnProvider(ports[i].subnet.Spec.Provider) {
		return port{}, false
	}
	return ports[i], true
}

// translate decides how the pod leaves, and claims the outside addresses for it. After an error the pod still gets the rest
// of the translation, which may be nothing.
func (c *controller) translate(key string, in inputs, ports []port) (t translation, w wishes, err error) {
	w, err = wishesOf(in.pod, c.EnableEipSnat)
	if err != nil || !w.any() {
		return t, w, err
	}
	p, ok := translated(in, ports)
	if !ok {
		return t, wishes{}, badWish("annotations %s, %s and %s are for pods of overlay subnets of vpc %s", util.EipAnnotation, util.SnatAnnotation, util.NorthGatewayAnnotation, c.DefaultVpc)
	}
	inside := pair{p.lease.V4, p.lease.V6}
	if w, err = w.on(inside); err != nil {
		return t, wishes{}, err
	}
	t.hops = w.north
	if !w.outside() {
		return t, w, nil
	}
	out, err := c.outside()
	if err != nil {
		return t, w, err
	}
	for i := range 2 {
		switch {
		case !w.eip[i].IsValid() && !w.snat[i].IsValid():
			out.hops[i] = w.north[i]
		case !out.hops[i].IsValid():
			return t, w, unfulfilled(util.EventPodNetworkUpdateFailed, "the external network has no gateway of the family of %s", inside[i])
		}
	}
	if err := c.claimOutside(key, w); err != nil {
		return t, w, err
	}
	out.eip, out.snat = w.eip, w.snat
	return out, w, nil
}

// outside is the way to the external network, once it is established: the Vpc says with which settings, its port that they
// are in effect.
func (c *controller) outside() (translation, error) {
	waiting := func(format string, args ...any) (translation, error) {
		return translation{}, unfulfilled(util.EventPodNetworkUpdateFailed, "waiting for "+format, args...)
	}
	vpc, err := c.vpcs.Get(c.DefaultVpc)
	switch {
	case apierrors.IsNotFound(err):
		return waiting("vpc %s", c.DefaultVpc)
	case err != nil:
		return translation{}, fmt.Errorf("vpc %s: %w", c.DefaultVpc, err)
	}
	settings, on := util.DecodeExternalGateway(vpc.Annotations)
	if !on && !vpc.Spec.EnableExternal {
		return waiting("the external gateway of vpc %s, which ConfigMap %s does not turn on", c.DefaultVpc, util.ExternalGatewayConfig)
	}
	var gateway string
	subnet, err := c.subnets.Get(c.ExternalSwitch)
	switch {
	case err == nil:
		gateway = util.Effective(subnet).Spec.Gateway
	case !apierrors.IsNotFound(err):
		return translation{}, fmt.Errorf("external subnet %s: %w", c.ExternalSwitch, err)
	}
	router := util.RouterPortName(c.DefaultVpc, c.ExternalSwitch)
	if _, established := c.NB.UUID(ovs.LogicalRouterPort{Name: router}); !established {
		return waiting("router port %s of the external gateway", router)
	}
	t := translation{distributed: settings.Distributed}
	for _, hop := range settings.NextHops(gateway) {
		t.hops[familyOf(hop)] = hop
	}
	return t, nil
}

// Uses of outside addresses, which are part of the owner of their leases.
const (
	useEip  = "eip"
	useSnat = "snat"
)

// natOwner is who holds a pod's outside addresses in IPAM. It cannot be taken for a pod, OvnEip or Vip, and tells others who
// has what they want.
func natOwner(key, use string) string { return "Pod " + key + " " + use }

// podOf is the pod whose lease an owner has, "" for leases of others.
func podOf(owner string) string {
	if rest, ok := strings.CutPrefix(owner, "Pod "); ok {
		owner, _, _ = strings.Cut(rest, " ")
	}
	if !strings.Contains(owner, "/") || strings.Contains(owner, " ") {
		return ""
	}
	return owner
}

// natLease names a lease of one outside address, so that a new one can be had before the old one is given back.
func natLease(key, use string, addr netip.Addr) string {
	namespace, name, _ := strings.Cut(key, "/")
	return fmt.Sprintf("%s %s %s", util.PodPortName(name, namespace, util.OvnProvider), use, addr)
}

// claimOutside takes what is wished for. What was taken stays the pod's when more is not to be had: it still wishes for it.
func (c *controller) claimOutside(key string, w wishes) error {
	for _, use := range []string{useEip, useSnat} {
		for i, addr := range w.of(use) {
			if !addr.IsValid() {
				continue
			}
			r := ipam.Request{
				Owner: natOwner(key, use), NIC: natLease(key, use, addr), Addresses: []netip.Addr{addr}, NoMAC: true,
				Family: [2]ipam.Family{ipam.IPv4Only, ipam.IPv6Only}[i],
			}
			if use == useSnat {
				r.ShareWith = c.sharesSnat
			}
			if _, err := c.IPAM.Claim(c.ExternalSwitch, r); err != nil {
				return refusal(use, addr, err)
			}
		}
	}
	return nil
}

// sharesSnat: pods may leave by one address, which may be that of the router port.
func (c *controller) sharesSnat(other ipam.Lease) bool {
	return strings.HasPrefix(other.Owner, "Pod ") && strings.HasSuffix(other.Owner, " "+useSnat) ||
		other.NIC == util.RouterPortName(c.DefaultVpc, c.ExternalSwitch)
}

func refusal(use string, addr netip.Addr, err error) error {
	var conflict *ipam.ConflictError
	switch {
	case errors.Is(err, ipam.ErrNoSubnet):
		return unfulfilled(util.EventPodNetworkUpdateFailed, "waiting for the addresses of the external network: %v", err)
	case errors.As(err, &conflict) && conflict.Holder != "the gateway":
		return unfulfilled(util.EventAcquireAddressFailed, "%s %s: %v", use, addr, err)
	}
	return badWish("%s %s: %v", use, addr, err)
}

// releaseOutside gives back the outside addresses that are no longer wished for.
func (c *controller) releaseOutside(key string, w wishes) {
	for _, use := range []string{useEip, useSnat} {
		addrs, owner := w.of(use), natOwner(key, use)
		for _, lease := range c.IPAM.Leases(owner) {
			wished := slices.ContainsFunc(addrs[:], func(a netip.Addr) bool { return a.IsValid() && natLease(key, use, a) == lease.NIC })
			if !wished || lease.Subnet != c.ExternalSwitch {
				c.IPAM.Release(lease.Subnet, owner, lease.NIC)
			}
		}
	}
}

// NatHoldings are the outside addresses that pods held when the controller last ran: those of their NAT rows. What a pod's
// annotation says may be no more than a wish. external is the switch and address book of the external network. They come
// after those of OvnEips, which are written down in the objects, and before anybody claims.
func NatHoldings(nats []ovs.LiveNAT, external string) []ipam.Holding {
	var held []ipam.Holding
	for _, nat := range nats {
		key, ok := strings.CutPrefix(nat.ExternalIDs[util.ExtOwner], Name+"/")
		addr, err := netip.ParseAddr(nat.ExternalIP)
		if !ok || err != nil {
			continue
		}
		use := useEip
		if nat.Type == natSnat {
			use = useSnat
		}
		h := ipam.Holding{
			Lease:       ipam.Lease{Subnet: external, Owner: natOwner(key, use), NIC: natLease(key, use, addr)},
			AllowShared: use == useSnat,
		}
		if addr.Is4() {
			h.V4 = addr
		} else {
			h.V6 = addr
		}
		held = append(held, h)
	}
	return held
}

// outsideKeys are the index keys of a pod: the outside addresses it wishes for, and everyOutside.
func outsideKeys(pod *corev1.Pod) []string {
	if pod.Spec.HostNetwork || pod.Annotations[util.EipAnnotation] == "" && pod.Annotations[util.SnatAnnotation] == "" {
		return nil
	}
	keys := []string{everyOutside}
	w, err := wishesOf(pod, true)
	if err != nil {
		return keys
	}
	for _, addr := range append(w.eip[:], w.snat[:]...) {
		if addr.IsValid() {
			keys = append(keys, addr.String())
		}
	}
	return keys
}

// asOutcome is how the queue treats a wish that was not fulfilled.
func (e *natError) asOutcome(pod *corev1.Pod) error {
	if e.invalid {
		return reconcile.Invalid(e.reason, "%s", e.message)
	}
	return reconcile.Wait("what pod %s/%s asks for: %s", pod.Namespace, pod.Name, e.message)
}
