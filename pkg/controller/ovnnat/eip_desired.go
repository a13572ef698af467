package ovnnat

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// user is a rule that uses an OvnEip or asks for it.
type user struct {
	use, name, vpc string
	mac            string // of distributed NAT
	// bound: it has the address; otherwise it only asks for it.
	bound bool
	// refused: it has been told that it does not have the address.
	refused bool
}

// users are all rules that name an OvnEip, fips first, each kind by name.
func (w *world) users(eip string) []user {
	var list []user
	for _, rules := range []struct {
		use   string
		store cache.Indexer
	}{{util.NatFip, w.index.fips}, {util.NatSnat, w.index.snats}, {util.NatDnat, w.index.dnats}} {
		for _, rule := range objects(rules.store, unique(w.index.keys(rules.store, eipIndex, eip)), func(metav1.Object) bool { return true }) {
			u := user{use: rules.use, name: rule.GetName(), vpc: vpcOf(rule)}
			u.bound = u.vpc != "" && rule.GetAnnotations()[util.VpcEipAnnotation] == eip
			if fip, ok := rule.(*v1.OvnFip); ok {
				u.mac = fip.Status.MacAddress
			}
			told := readyOf(rule)
			u.refused = u.vpc == "" && told != nil && told.Status == metav1.ConditionFalse && told.ObservedGeneration == rule.GetGeneration()
			list = append(list, u)
		}
	}
	return list
}

// eipOf is the OvnEip that a rule asks for.
func eipOf(rule metav1.Object) string {
	switch r := rule.(type) {
	case *v1.OvnFip:
		return r.Spec.OvnEip
	case *v1.OvnSnatRule:
		return r.Spec.OvnEip
	case *v1.OvnDnatRule:
		return r.Spec.OvnEip
	}
	return ""
}

// useOf is what a rule does, for messages.
func useOf(rule metav1.Object) string {
	switch rule.(type) {
	case *v1.OvnFip:
		return util.NatFip
	case *v1.OvnSnatRule:
		return util.NatSnat
	}
	return util.NatDnat
}

// readyOf is the Ready condition of a rule, nil for none.
func readyOf(rule metav1.Object) *v1.Condition {
	switch r := rule.(type) {
	case *v1.OvnFip:
		return v1.FindCondition(r.Status.Conditions, v1.ConditionReady)
	case *v1.OvnSnatRule:
		return v1.FindCondition(r.Status.Conditions, v1.ConditionReady)
	case *v1.OvnDnatRule:
		return v1.FindCondition(r.Status.Conditions, v1.ConditionReady)
	}
	return nil
}

// vpcOf is the VPC in which a rule is in effect, "" for none.
func vpcOf(rule metav1.Object) string {
	switch r := rule.(type) {
	case *v1.OvnFip:
		return r.Status.Vpc
	case *v1.OvnSnatRule:
		return r.Status.Vpc
	case *v1.OvnDnatRule:
		return r.Status.Vpc
	}
	return ""
}

// titles name users for messages: "fip web".
func titles(users []user) []string {
	list := make([]string, 0, len(users))
	for _, u := range users {
		list = append(list, u.use+" "+u.name)
	}
	return list
}

// unchanged fails when the spec no longer says what was granted (northbound.md D-16).
func unchanged(eip *v1.OvnEip) error {
	for _, field := range []struct{ name, spec, status string }{
		{"externalSubnet", eip.Spec.ExternalSubnet, eip.Labels[util.SubnetLabel]},
		{"v4Ip", eip.Spec.V4Ip, eip.Status.V4Ip},
		{"v6Ip", normal(eip.Spec.V6Ip), normal(eip.Status.V6Ip)},
		{"macAddress", strings.ToUpper(eip.Spec.MacAddress), strings.ToUpper(eip.Status.MacAddress)},
	} {
		if field.status != "" && field.spec != "" && field.spec != field.status {
			return reconcile.Invalid(util.ReasonEipInvalid, "OvnEip not support change of %s from %s to %s", field.name, field.status, field.spec)
		}
	}
	return nil
}

// granted is an OvnEip with its lease and its users written down. A text that was given keeps its spelling: the field
// cannot be changed. The type stays empty when it was (D-08).
func granted(eip *v1.OvnEip, lease ipam.Lease, users []user) *v1.OvnEip {
	text := func(a netip.Addr, given string) string {
		if given != "" || !a.IsValid() {
			return given
		}
		return a.String()
	}
	after := eip.DeepCopy()
	reconcile.AddFinalizer(after)
	after.Spec.ExternalSubnet = lease.Subnet
	after.Spec.V4Ip, after.Spec.V6Ip = text(lease.V4, eip.Spec.V4Ip), text(lease.V6, eip.Spec.V6Ip)
	after.Spec.MacAddress = cmp.Or(eip.Spec.MacAddress, lease.MAC)
	var names, vpc []string
	for _, u := range users {
		if u.bound {
			names, vpc = append(names, u.name), append(vpc, u.vpc)
		}
	}
	labels, annotations := after.Labels, after.Annotations
	util.SetKey(&labels, util.SubnetLabel, lease.Subnet)
	util.SetKey(&labels, util.EipTypeLabel, cmp.Or(eip.Spec.Type, util.EipTypeNAT))
	util.SetKey(&labels, util.EipV4Label, after.Spec.V4Ip)
	util.SetKey(&labels, util.EipV6Label, util.AddressLabel(after.Spec.V6Ip))
	util.SetKey(&labels, util.VpcLabel, cmp.Or(vpc...))
	util.SetKey(&annotations, util.VpcNatAnnotation, strings.Join(unique(names), ","))
	after.Labels, after.Annotations = labels, annotations
	return after
}

// eipStatus is status with type and uses filled in.
func eipStatus(eip *v1.OvnEip, status v1.OvnEipStatus, users []user) v1.OvnEipStatus {
	status.Conditions = slices.Clone(status.Conditions)
	var uses []string
	for _, use := range []string{util.NatDnat, util.NatFip, util.NatSnat} {
		if slices.ContainsFunc(users, func(u user) bool { return u.bound && u.use == use }) {
			uses = append(uses, use)
		}
	}
	status.Nat = strings.Join(uses, ",")
	status.Type = cmp.Or(eip.Spec.Type, status.Nat, util.EipTypeNAT)
	return status
}

// eipRows: only an lsp is more than an address: the port of the gateway node of the same name.
func eipRows(eip *v1.OvnEip) []ovs.Row {
	if eip.Spec.Type != util.EipTypeLSP {
		return nil
	}
	address := strings.Join(strings.Fields(eip.Spec.MacAddress+" "+eip.Spec.V4Ip+" "+eip.Spec.V6Ip), " ")
	return []ovs.Row{ovs.LogicalSwitchPort{Switch: eip.Spec.ExternalSubnet, Name: eip.Name, Addresses: []string{address}}}
}

// Holdings are the leases that OvnEips held when the controller last ran, older objects first.
func Holdings(eips []*v1.OvnEip) []ipam.Holding {
	sorted := slices.SortedFunc(slices.Values(eips), func(a, b *v1.OvnEip) int {
		if precedes(a, b) {
			return -1
		}
		return 1
	})
	held := make([]ipam.Holding, 0, len(sorted))
	for _, eip := range sorted {
		h := ipam.Holding{Lease: ipam.Lease{
			Subnet: eip.Spec.ExternalSubnet, Owner: util.EipLeaseOwner(eip.Name), NIC: eip.Name, MAC: eip.Status.MacAddress,
		}}
		v4, v6 := eip.Status.V4Ip, eip.Status.V6Ip
		if reconcile.HasFinalizer(eip) { // written together with the address, before the status
			v4, v6, h.MAC = eip.Spec.V4Ip, eip.Spec.V6Ip, eip.Spec.MacAddress
		}
		h.V4, _ = netip.ParseAddr(v4) // what was never granted is not held
		h.V6, _ = netip.ParseAddr(v6)
		held = append(held, h)
	}
	return held
}
