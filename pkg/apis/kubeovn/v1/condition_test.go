package v1_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

func TestSetCondition(t *testing.T) {
	t0, t1 := metav1.Unix(1000, 0), metav1.Unix(2000, 0)
	ready := func(status metav1.ConditionStatus, reason, message string, generation int64, update, transition metav1.Time) kubeovnv1.Condition {
		return kubeovnv1.Condition{
			Type: kubeovnv1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: generation,
			LastUpdateTime: update, LastTransitionTime: transition,
		}
	}
	other := kubeovnv1.Condition{Type: kubeovnv1.ConditionValidated, Status: metav1.ConditionTrue, LastUpdateTime: t0, LastTransitionTime: t0}
	old := ready(metav1.ConditionFalse, "Waiting", "no vpc", 1, t0, t0)

	for _, row := range []struct {
		why     string
		have    []kubeovnv1.Condition
		set     kubeovnv1.Condition
		want    []kubeovnv1.Condition
		changed bool
	}{
		{
			why: "first", set: ready("True", "Done", "", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("True", "Done", "", 1, t1, t1)},
		},
		{
			why: "equal but for the times", have: []kubeovnv1.Condition{old}, set: ready("False", "Waiting", "no vpc", 1, t1, t1),
			want: []kubeovnv1.Condition{old},
		},
		{
			why: "message", have: []kubeovnv1.Condition{old}, set: ready("False", "Waiting", "no cidr", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("False", "Waiting", "no cidr", 1, t1, t0)},
		},
		{
			why: "reason", have: []kubeovnv1.Condition{old}, set: ready("False", "Failed", "no vpc", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("False", "Failed", "no vpc", 1, t1, t0)},
		},
		{
			why: "generation", have: []kubeovnv1.Condition{old}, set: ready("False", "Waiting", "no vpc", 2, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("False", "Waiting", "no vpc", 2, t1, t0)},
		},
		{
			why: "status", have: []kubeovnv1.Condition{old}, set: ready("True", "Waiting", "no vpc", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("True", "Waiting", "no vpc", 1, t1, t1)},
		},
		{
			why: "others stay in their places", have: []kubeovnv1.Condition{old, other}, set: ready("True", "Done", "", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{ready("True", "Done", "", 1, t1, t1), other},
		},
		{
			why: "new type goes last", have: []kubeovnv1.Condition{other}, set: ready("True", "Done", "", 1, t1, metav1.Time{}), changed: true,
			want: []kubeovnv1.Condition{other, ready("True", "Done", "", 1, t1, t1)},
		},
	} {
		t.Run(row.why, func(t *testing.T) {
			conds := append([]kubeovnv1.Condition(nil), row.have...)
			if changed := kubeovnv1.SetCondition(&conds, row.set); changed != row.changed {
				t.Errorf("changed is %t", changed)
			}
			if diff := cmp.Diff(row.want, conds); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if kubeovnv1.SetCondition(&conds, row.set) {
				t.Error("the second time changes something")
			}
		})
	}
}

func TestFindCondition(t *testing.T) {
	conds := []kubeovnv1.Condition{
		{Type: kubeovnv1.ConditionReady, Status: metav1.ConditionTrue},
		{Type: kubeovnv1.ConditionError, Status: metav1.ConditionFalse},
	}
	for conditionType, want := range map[string]bool{
		kubeovnv1.ConditionReady: true, kubeovnv1.ConditionError: false, kubeovnv1.ConditionInit: false,
	} {
		if got := kubeovnv1.IsConditionTrue(conds, conditionType); got != want {
			t.Errorf("%s is true: %t", conditionType, got)
		}
	}
	if kubeovnv1.FindCondition(conds, kubeovnv1.ConditionInit) != nil {
		t.Error("found a condition that is not there")
	}
	kubeovnv1.FindCondition(conds, kubeovnv1.ConditionError).Reason = "Changed"
	if conds[1].Reason != "Changed" {
		t.Error("found a copy")
	}
}

func TestConditionJSON(t *testing.T) {
	now := metav1.NewTime(time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC))
	node := kubeovnv1.NodeCondition{Node: "node1", Condition: kubeovnv1.Condition{
		Type: "Ready", Status: "True", ObservedGeneration: 3, LastUpdateTime: now, LastTransitionTime: now,
	}}
	data, err := json.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"node":"node1","type":"Ready","status":"True","observedGeneration":3,` +
		`"lastUpdateTime":"2024-05-06T07:08:09Z","lastTransitionTime":"2024-05-06T07:08:09Z"}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}
