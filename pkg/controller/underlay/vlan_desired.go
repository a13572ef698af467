package underlay

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// normalized is a copy of vlan with our finalizer, old fields moved to their present names, and a provider network.
func normalized(vlan *v1.Vlan, defaultProvider string) *v1.Vlan {
	out := vlan.DeepCopy()
	reconcile.AddFinalizer(out)
	spec := &out.Spec
	spec.ID, spec.VlanID = cmp.Or(spec.ID, spec.VlanID), 0
	spec.Provider, spec.ProviderInterfaceName = cmp.Or(spec.Provider, spec.ProviderInterfaceName, defaultProvider), ""
	return out
}

// check accepts a Vlan, or says why not.
func check(in vlanInputs) error {
	spec := &in.vlan.Spec
	if spec.ID < 0 || spec.ID > util.MaxVlanID {
		return reconcile.Invalid(util.ReasonVlanInvalid, "id %d is not in 0 to %d", spec.ID, util.MaxVlanID)
	}
	for _, other := range in.siblings {
		if spec.ID != 0 && other.Spec.ID == spec.ID && other.Name != in.vlan.Name && older(other, in.vlan) {
			return reconcile.Invalid(util.ReasonVlanConflict, "new vlan %s is in conflict with old vlan %s: both are id %d of provider network %s",
				in.vlan.Name, other.Name, spec.ID, spec.Provider)
		}
	}
	if !in.provider {
		return reconcile.Blocked(util.ReasonVlanInvalid, "provider network %s, which does not exist", spec.Provider)
	}
	return nil
}

// older says which of two Vlans of one tag keeps it.
func older(a, b *v1.Vlan) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// vlanStatus is the status without its conditions, which are kept. A refusal for another reason says nothing of conflicts.
func vlanStatus(in vlanInputs, verdict reconcile.Outcome) v1.VlanStatus {
	out := *in.vlan.Status.DeepCopy()
	out.Subnets = in.subnets
	out.Conflict = verdict.Reason == util.ReasonVlanConflict
	return out
}

// answer is what is known of a spec.
type answer int

const (
	unknown answer = iota // not yet checked, or held by its users
	yes
	no
)

// accepted is what a Vlan's conditions say of its present spec.
func accepted(vlan *v1.Vlan) answer {
	c := v1.FindCondition(vlan.Status.Conditions, v1.ConditionReady)
	switch {
	case c == nil || c.ObservedGeneration != vlan.Generation || c.Reason == util.ReasonVlanInUse:
		return unknown
	case c.Status == metav1.ConditionTrue:
		return yes
	}
	return no
}
