package util

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// at is a subnet of a generation, of which another is accepted (0: none) with CIDR "old", and of what Validated says.
func at(generation, accepted int64, validated metav1.ConditionStatus) *v1.Subnet {
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "u", Generation: generation}}
	s.Spec.CIDRBlock, s.Status.ActivateGateway = "new", "node1"
	if validated != "" {
		s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: validated}}
	}
	if accepted != 0 {
		s.Status.Accepted = &v1.AcceptedSubnet{Generation: accepted, Spec: v1.SubnetSpec{CIDRBlock: "old"}}
	}
	return s
}

func TestInEffect(t *testing.T) {
	for name, c := range map[string]struct {
		subnet *v1.Subnet
		cidr   string // "": nothing is in effect
	}{
		"new":                          {at(1, 0, ""), ""},
		"refused":                      {at(1, 0, metav1.ConditionFalse), ""},
		"accepted":                     {at(2, 2, metav1.ConditionTrue), "new"},
		"edited":                       {at(3, 2, metav1.ConditionTrue), "old"},
		"edit refused":                 {at(3, 2, metav1.ConditionFalse), "old"},
		"refused for what others did":  {at(2, 2, metav1.ConditionFalse), "new"},
		"accepted by an older release": {at(3, 0, metav1.ConditionTrue), "new"},
	} {
		got := InEffect(c.subnet)
		switch {
		case got == nil && c.cidr == "":
		case got == nil, got.Spec.CIDRBlock != c.cidr, got.Name != "s", got.Status.ActivateGateway != "node1":
			t.Errorf("%s: got %+v, want cidr %q", name, got, c.cidr)
		}
		if c.subnet.Spec.CIDRBlock != "new" {
			t.Errorf("%s: the object was changed", name)
		}
	}
}

func TestUnderReview(t *testing.T) {
	seen := func(s *v1.Subnet) *v1.Subnet {
		s.Status.Conditions[0].ObservedGeneration = s.Generation
		return s
	}
	for name, c := range map[string]struct {
		subnet *v1.Subnet
		want   bool
	}{
		"new":          {at(1, 0, ""), false}, // and not in effect
		"accepted":     {seen(at(2, 2, metav1.ConditionTrue)), false},
		"edited":       {at(3, 2, metav1.ConditionTrue), true},
		"edit refused": {seen(at(3, 2, metav1.ConditionFalse)), false},
	} {
		if got := UnderReview(c.subnet); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestInEffectChanged(t *testing.T) {
	for name, c := range map[string]struct {
		before, after *v1.Subnet
		want          bool
	}{
		"accepted for the first time": {at(1, 0, ""), at(1, 1, metav1.ConditionTrue), true},
		"edited":                      {at(1, 1, metav1.ConditionTrue), at(2, 1, metav1.ConditionTrue), false},
		"edit refused":                {at(2, 1, metav1.ConditionTrue), at(2, 1, metav1.ConditionFalse), false},
		"edit accepted":               {at(2, 1, metav1.ConditionTrue), at(2, 2, metav1.ConditionTrue), true},
		"taken over":                  {at(2, 0, metav1.ConditionTrue), at(2, 2, metav1.ConditionTrue), false},
	} {
		if got := InEffectChanged(c.before, c.after); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
