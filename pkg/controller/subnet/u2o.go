package subnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// claimU2O takes and records the router's address in an interconnected subnet; it is the zero Lease for any other.
func (c *controller) claimU2O(ctx context.Context, in inputs) (ipam.Lease, error) {
	if !in.interconnected() {
		return ipam.Lease{}, nil
	}
	s := in.subnet
	request := ipam.Request{Owner: util.U2OIPName(s.Spec.Vpc, s.Name), NIC: util.RouterPortName(s.Spec.Vpc, s.Name), NoMAC: true}
	_, held := c.IPAM.Lookup(s.Name, request.NIC)
	wanted := s.Spec.U2OInterconnectionIP
	if wanted == "" && !held && s.Status.U2OInterconnectionVPC == s.Spec.Vpc {
		wanted = s.Status.U2OInterconnectionIP // what other hosts of the network have learned
	}
	var err error
	if request.Addresses, err = util.ParseAddrs(wanted); err != nil {
		return ipam.Lease{}, invalid("u2oInterconnectionIP: %v", err)
	}
	lease, err := c.IPAM.Claim(s.Name, request)
	if err != nil && s.Spec.U2OInterconnectionIP == "" && len(request.Addresses) > 0 {
		request.Addresses = nil
		lease, err = c.IPAM.Claim(s.Name, request)
	}
	switch {
	case errors.Is(err, ipam.ErrConflict), errors.Is(err, ipam.ErrNoAvailable):
		return lease, reconcile.Blocked(util.ReasonSubnetU2OFailed, "an address of the router: %v", err)
	case err != nil:
		return lease, invalid("u2oInterconnectionIP: %v", err)
	}
	return lease, c.recordU2O(ctx, in, lease)
}

// recordU2O writes the IP object, the durable form of the claim. What it records cannot be changed, so it is made anew.
func (c *controller) recordU2O(ctx context.Context, in inputs, lease ipam.Lease) error {
	want := u2oObject(in, lease)
	have, exists := c.ips.Get(want.Name)
	if exists && have.DeletionTimestamp.IsZero() && have.Spec.IPAddress == want.Spec.IPAddress && have.Spec.MacAddress == want.Spec.MacAddress {
		return nil
	}
	if exists {
		if err := c.ips.Delete(ctx, "ip", c.IPs, have); err != nil {
			return err
		}
		return reconcile.Wait("the removal of the former ip %s", want.Name)
	}
	err := c.ips.Create(want.Name, func() (*v1.IP, error) { return c.IPs.Create(ctx, want, metav1.CreateOptions{}) })
	if err != nil {
		return fmt.Errorf("create ip %s: %w", want.Name, err)
	}
	return nil
}

// u2oObject is the IP object of the router's address; it goes with the subnet.
func u2oObject(in inputs, lease ipam.Lease) *v1.IP {
	s := in.subnet
	text := func(a netip.Addr) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	object := util.PortLease{Port: lease.Owner, Subnet: s.Name, V4: text(lease.V4), V6: text(lease.V6), MAC: routerMAC(in)}.Object()
	object.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1.SchemeGroupVersion.String(), Kind: "Subnet", Name: s.Name, UID: s.UID,
	}}
	return object
}

// releaseU2O gives back the router's addresses in the subnet, but the present one when it is to be kept. The rows that use
// them are gone.
func (c *controller) releaseU2O(ctx context.Context, s *v1.Subnet, keep bool) error {
	present := util.U2OIPName(s.Spec.Vpc, s.Name)
	if !keep {
		c.IPAM.ReleaseOwner(present)
	}
	names := []string{present}
	for _, ip := range reconcile.Indexed[*v1.IP](c.ipIndex, ipIndex, s.Name) {
		if _, ok := util.U2OPort(ip.Name, s.Name); ok && ip.Name != present {
			names = append(names, ip.Name)
		}
	}
	for _, name := range names {
		if keep && name == present {
			continue
		}
		ip, ok := c.ips.Get(name)
		if !ok || ip.Spec.Subnet != s.Name {
			continue
		}
		if err := c.ips.Delete(ctx, "ip", c.IPs, ip); err != nil {
			return err
		}
		c.IPAM.ReleaseOwner(name)
	}
	return nil
}

// interconnection are the policies between an underlay subnet and the overlay, with the set they refer to (northbound.md
// 1.2, 4.2.4): the overlay goes by the router, all else by the physical gateway.
func interconnection(in inputs, prefixes []netip.Prefix) []ovs.Row {
	spec := &in.subnet.Spec
	overlayOnly := spec.U2OFeatures != nil && spec.U2OFeatures.OverlayOnlyRouting
	isDefault := spec.Vpc == in.config.DefaultVpc
	gateways, err := util.ParseAddrs(spec.Gateway)
	if err != nil {
		return nil // validated
	}
	var want []ovs.Row
	for _, prefix := range prefixes {
		i := slices.IndexFunc(gateways, prefix.Contains)
		if i < 0 {
			continue
		}
		u := u2oFamily{in: in, prefix: prefix, gateway: gateways[i].String(), overlayOnly: overlayOnly}
		if isDefault || overlayOnly {
			want = append(want, u.nodes()...)
		}
		switch {
		case overlayOnly:
			want = append(want, u.overlayOnlyPolicies()...)
		case isDefault:
			want = append(want, u.allow(util.U2OSubnetPolicyPriority, u.dst()), u.reroute(util.GatewayPolicyPriority, u.src()))
		default:
			want = append(want, u.reroute(util.GatewayPolicyPriority, u.src()))
		}
	}
	return want
}

// u2oFamily makes the rows of one address family.
type u2oFamily struct {
	in          inputs
	prefix      netip.Prefix
	gateway     string
	overlayOnly bool
}

func (u u2oFamily) src() string { return util.SourceMatch(u.prefix.String()) }
func (u u2oFamily) dst() string { return util.DestinationMatch(u.prefix.String()) }

// nodes sends what goes to a node by the physical gateway, although other policies know a way inside.
func (u u2oFamily) nodes() []ovs.Row {
	ip := util.MatchFamily(u.prefix)
	set := util.U2OExcludeSet(u.in.subnet.Name, ip)
	match := fmt.Sprintf("%s.dst == $%s && %s", ip, set, u.src())
	return []ovs.Row{
		ovs.AddressSet{
			Name:        set,
			Addresses:   internalIPs(u.in.nodes, u.prefix.Addr().Is4()),
			ExternalIDs: map[string]string{util.ExtSubnet: u.in.subnet.Name},
		},
		u.reroute(util.SubnetPolicyPriority, match),
	}
}

func (u u2oFamily) overlayOnlyPolicies() []ovs.Row {
	ip := util.MatchFamily(u.prefix)
	fromOverlay := fmt.Sprintf("%s.src == $%s && %s", ip, util.U2OOverlaySet(u.in.subnet.Spec.Vpc, ip), u.dst())
	return []ovs.Row{
		u.allow(util.U2OSubnetPolicyPriority, fromOverlay),
		u.allow(util.U2OInsidePolicyPriority, u.src()+" && "+u.dst()),
		u.reroute(util.U2OGatewayPolicyPriority, u.src()),
	}
}

func (u u2oFamily) allow(priority int, match string) ovs.RouterPolicy {
	return ovs.RouterPolicy{Router: u.in.subnet.Spec.Vpc, Priority: priority, Match: match, Action: "allow", ExternalIDs: u.marks()}
}

func (u u2oFamily) reroute(priority int, match string) ovs.RouterPolicy {
	return ovs.RouterPolicy{
		Router: u.in.subnet.Spec.Vpc, Priority: priority, Match: match, Action: "reroute", Nexthops: []string{u.gateway},
		ExternalIDs: u.marks(),
	}
}

func (u u2oFamily) marks() map[string]string {
	marks := map[string]string{util.ExtSubnet: u.in.subnet.Name, util.ExtU2OPolicy: "true"}
	if u.overlayOnly {
		marks[util.ExtU2OOverlay] = "true"
	}
	return marks
}

// internalIPs are the nodes' addresses of one family, sorted.
func internalIPs(nodes []*corev1.Node, v4 bool) []string {
	var out []string
	for _, node := range nodes {
		for _, addr := range util.InternalIPs(node) {
			if addr.Is4() == v4 {
				out = append(out, addr.String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
