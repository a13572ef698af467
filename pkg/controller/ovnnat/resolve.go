package ovnnat

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// grant is what an OvnEip has been given.
type grant struct{ v4, v6, mac string }

func grantOf(eip *v1.OvnEip) grant {
	return grant{eip.Status.V4Ip, eip.Status.V6Ip, eip.Status.MacAddress}
}

// target is what a rule translates to or from, in one VPC.
type target struct {
	vpc string
	// v4 and v6 are addresses or, for snat, prefixes in network form; "" for none.
	v4, v6 string
	// port is the switch port with the addresses and mac its MAC, known for an IP object only.
	port, mac string
}

// binding is all that a rule in effect consists of. A family that outside and inside do not both have is empty on both.
type binding struct {
	eip          string
	vpc          string
	v4Eip, v6Eip string
	v4, v6       string
	port, mac    string
	// external is the OvnEip's subnet; connected says whether the router has a port on its switch.
	external  string
	connected bool
	// routes lead to the external network what comes from inside; none where the default route does.
	routes []ovs.Row
}

// ready says whether a rule with this binding, nil for none, is in effect.
func (b *binding) ready() bool { return b != nil && b.connected }

// pairs are outside and inside by family.
func (b *binding) pairs() [][2]string {
	var pairs [][2]string
	for _, pair := range [][2]string{{b.v4Eip, b.v4}, {b.v6Eip, b.v6}} {
		if pair[0] != "" {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

func invalid(format string, args ...any) error {
	return reconcile.Invalid(util.ReasonNatInvalid, format, args...)
}

func absent(format string, args ...any) error {
	return reconcile.Blocked(util.ReasonNatTargetAbsent, format, args...)
}

// bind joins the OvnEip and the target of a rule. Errors say what the user has to do or what is waited for.
func (w *world) bind(r metav1.Object, eipName string, t target) (*binding, error) {
	eip, err := w.eip(eipName)
	if err != nil {
		return nil, err
	}
	if !eip.DeletionTimestamp.IsZero() && r.GetAnnotations()[util.VpcEipAnnotation] != eipName {
		return nil, reconcile.Blocked(util.ReasonEipNotReady, "ovn eip %s, which is being deleted", eipName)
	}
	if err := w.inVpcOf(eip, r, t.vpc); err != nil {
		return nil, err
	}
	b := &binding{eip: eipName, vpc: t.vpc, port: t.port, mac: t.mac, external: eip.Spec.ExternalSubnet}
	if eip.Status.V4Ip != "" && t.v4 != "" {
		b.v4Eip, b.v4 = eip.Status.V4Ip, t.v4
	}
	if eip.Status.V6Ip != "" && t.v6 != "" {
		b.v6Eip, b.v6 = eip.Status.V6Ip, t.v6
	}
	if len(b.pairs()) == 0 {
		return nil, invalid("ovn eip %s has %s, which is not of the family of %s", eipName,
			util.JoinDual(eip.Status.V4Ip, eip.Status.V6Ip), util.JoinDual(t.v4, t.v6))
	}
	return b, nil
}

// inVpcOf fails when an OvnEip belongs to another VPC than that of a rule: to the one whose router port has its address, or to
// that of the oldest rule. Two routers with one address would both answer for it.
func (w *world) inVpcOf(eip *v1.OvnEip, r metav1.Object, vpc string) error {
	if eip.Spec.Type == util.EipTypeLRP && eip.Name != util.RouterPortName(vpc, eip.Spec.ExternalSubnet) {
		return invalid("ovn eip %s is the address of a router port, and not of vpc %s", eip.Name, vpc)
	}
	oldest, its := r, vpc
	for _, rules := range w.index.rules() {
		objects(rules, w.index.keys(rules, eipIndex, eip.Name), func(other metav1.Object) bool {
			if precedes(other, oldest) && eipOf(other) == eip.Name {
				if asked := w.vpcAsked(other); asked != "" {
					oldest, its = other, asked
				}
			}
			return false
		})
	}
	if its != vpc {
		return conflict("ovn eip "+eip.Name+" in vpc "+its, oldest)
	}
	return nil
}

// vpcAsked is the VPC of what is inside, "" when that is not known.
func (w *world) vpcAsked(rule metav1.Object) string {
	var t target
	var err error
	switch r := rule.(type) {
	case *v1.OvnFip:
		t, err = w.targetOfFip(r)
	case *v1.OvnSnatRule:
		t, err = w.targetOfSnat(r)
	case *v1.OvnDnatRule:
		t, err = w.targetOfDnat(r)
	}
	if err != nil {
		return ""
	}
	return t.vpc
}

// eip is an OvnEip that rules can use.
func (w *world) eip(name string) (*v1.OvnEip, error) {
	if name == "" {
		return nil, invalid("should set spec ovnEip")
	}
	eip, err := w.eips.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, reconcile.Blocked(util.ReasonEipNotReady, "ovn eip %s, which does not exist", name)
	case err != nil:
		return nil, fmt.Errorf("ovn eip %s: %w", name, err)
	case eip.Spec.Type == util.EipTypeLSP:
		return nil, invalid("ovn eip %s is of type %s and cannot be used for nat", name, util.EipTypeLSP)
	case grantOf(eip) == grant{} && len(eip.Status.Conditions) == 0: // just made: not worth telling
		return nil, reconcile.Wait("the first look at ovn eip %s", name)
	case eip.Status.V4Ip == "" && eip.Status.V6Ip == "":
		return nil, reconcile.Blocked(util.ReasonEipNotReady, "ovn eip %s, which has no address yet", name)
	}
	return eip, nil
}

// inside is the target of a FIP or dnat rule.
func (w *world) inside(ipType, ipName, vpc, v4, v6 string) (target, error) {
	switch {
	case ipName != "" && ipType == util.IPTypeVip:
		return w.ofVip(ipName)
	case ipName != "":
		return w.ofIP(ipName)
	case v4 == "" && v6 == "":
		return target{}, invalid("should set spec ipName, or vpc with v4Ip or v6Ip")
	}
	for name, text := range map[string]string{"v4Ip": v4, "v6Ip": v6} {
		if text == "" {
			continue
		}
		if addr, err := netip.ParseAddr(text); err != nil || addr.Is4() != (name == "v4Ip") || addr.Zone() != "" {
			return target{}, invalid("%s %s is not an address of that family", name, text)
		}
	}
	return w.direct(vpc, v4, v6)
}

// direct is a target that is given by addresses or prefixes.
func (w *world) direct(vpc, v4, v6 string) (target, error) {
	if vpc == "" {
		return target{}, invalid("should set spec vpc when addresses are given without ipName")
	}
	if err := w.hasVpc(vpc); err != nil {
		return target{}, err
	}
	return target{vpc: vpc, v4: normal(v4), v6: normal(v6)}, nil
}

func (w *world) hasVpc(name string) error {
	_, err := w.vpcs.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return absent("vpc %s, which does not exist", name)
	case err != nil:
		return fmt.Errorf("vpc %s: %w", name, err)
	}
	return nil
}

func (w *world) ofIP(name string) (target, error) {
	ip, err := w.ips.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return target{}, absent("ip %s, which does not exist", name)
	case err != nil:
		return target{}, fmt.Errorf("ip %s: %w", name, err)
	case ip.Spec.V4IPAddress == "" && ip.Spec.V6IPAddress == "":
		return target{}, absent("an address of ip %s", name)
	}
	t := target{v4: normal(ip.Spec.V4IPAddress), v6: normal(ip.Spec.V6IPAddress), port: name, mac: ip.Spec.MacAddress}
	_, t.vpc, err = w.subnet(ip.Spec.Subnet)
	return t, err
}

func (w *world) ofVip(name string) (target, error) {
	vip, err := w.vips.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return target{}, absent("vip %s, which does not exist", name)
	case err != nil:
		return target{}, fmt.Errorf("vip %s: %w", name, err)
	case vip.Status.V4ip == "" && vip.Status.V6ip == "" && len(vip.Status.Conditions) == 0:
		return target{}, reconcile.Wait("the first look at vip %s", name)
	case vip.Status.V4ip == "" && vip.Status.V6ip == "":
		return target{}, absent("an address of vip %s", name)
	}
	t := target{v4: normal(vip.Status.V4ip), v6: normal(vip.Status.V6ip)}
	_, t.vpc, err = w.subnet(vip.Spec.Subnet)
	return t, err
}

// subnet is a subnet with a switch, and its VPC, both of which exist.
func (w *world) subnet(name string) (*v1.Subnet, string, error) {
	s, err := w.subnets.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, "", absent("subnet %s, which does not exist", name)
	case err != nil:
		return nil, "", fmt.Errorf("subnet %s: %w", name, err)
	}
	s = util.Effective(s)
	if !util.IsOvnProvider(s.Spec.Provider) {
		return nil, "", invalid("subnet %s is not in a vpc: its provider is %s", name, s.Spec.Provider)
	}
	vpc := cmp.Or(s.Spec.Vpc, w.DefaultVpc)
	return s, vpc, w.hasVpc(vpc)
}

// normal is an address or prefix as OVN prints it, a prefix of one address as that address; "" for none and for what is
// neither.
func normal(text string) string {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return addr.String()
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return ""
	case prefix.IsSingleIP():
		return prefix.Addr().String()
	}
	return prefix.Masked().String()
}

// holder is who comes first of those that want the same: the older object, of one age the first by name. It is nil when
// that is own.
func holder[T metav1.Object](own T, rivals []T) (first T, found bool) {
	first = own
	for _, rival := range rivals {
		if rival.GetName() != own.GetName() && precedes(rival, first) {
			first, found = rival, true
		}
	}
	return first, found
}

func precedes(a, b metav1.Object) bool {
	created, than := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if c := created.Compare(than.Time); c != 0 {
		return c < 0
	}
	return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetUID(), b.GetUID())) < 0
}

// conflict is the outcome of a rule that came second. Age decides also when the first is not in effect: what a rule will have
// must not depend on the order in which the rest comes.
func conflict(what string, by metav1.Object) error {
	if vpcOf(by) == "" {
		return reconcile.Blocked(util.ReasonNatConflict, "%s, which the older %s %s asks for", what, useOf(by), by.GetName())
	}
	return reconcile.Blocked(util.ReasonNatConflict, "%s, which %s %s has", what, useOf(by), by.GetName())
}

// unique drops what comes twice.
func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
