package reconcile

import (
	"encoding/json"
	"errors"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// Outcome is one verdict about an object, told by its conditions Validated, Ready and Error (api.md 2).
type Outcome struct {
	Reason  string
	Message string
	// Invalid: the spec was refused; otherwise it was accepted.
	Invalid bool
	// Ready: what the spec asks for is in effect.
	Ready bool
}

// SetOutcome writes o into conds for the generation it was computed from. An error that is over is cleared; an object that
// never had one gets no Error condition. Equal conditions keep their times.
func SetOutcome(conds *[]v1.Condition, generation int64, o Outcome, now metav1.Time) {
	set := func(kind string, status bool) {
		c := v1.Condition{
			Type:               kind,
			Status:             metav1.ConditionFalse,
			Reason:             o.Reason,
			Message:            o.Message,
			ObservedGeneration: generation,
			LastUpdateTime:     now,
		}
		if status {
			c.Status = metav1.ConditionTrue
		}
		v1.SetCondition(conds, c)
	}
	set(v1.ConditionValidated, !o.Invalid)
	set(v1.ConditionReady, o.Ready)
	if !o.Ready || v1.FindCondition(*conds, v1.ConditionError) != nil {
		set(v1.ConditionError, !o.Ready)
	}
}

// OutcomeOf is the verdict that the result of a sync stands for: success and failure are the reasons of a nil error and of
// an unexpected one. tell is false for what passes by itself and would only make the status flicker.
func OutcomeOf(err error, success, failure string) (o Outcome, tell bool) {
	if err == nil {
		return Outcome{Reason: success, Ready: true}, true
	}
	if invalid, ok := AsInvalid(err); ok {
		return Outcome{Reason: invalid.Reason, Message: invalid.Message, Invalid: true}, true
	}
	var wait *WaitError
	if errors.As(err, &wait) {
		return Outcome{Reason: wait.Reason, Message: wait.Error()}, wait.Reason != ""
	}
	return Outcome{Reason: failure, Message: err.Error()}, classify(err) == resultError
}

// StatusPatch is the merge patch of the fields in which two statuses differ, for the status subresource; nil when equal. A
// status that was never written is written whole, so that columns print "false" and "0" and not nothing.
func StatusPatch(before, after any) ([]byte, error) {
	if reflect.ValueOf(before).IsZero() && !reflect.ValueOf(after).IsZero() {
		return json.Marshal(map[string]any{"status": after})
	}
	return MergePatch(map[string]any{"status": before}, map[string]any{"status": after})
}

// News says whether the verdict differs from the one that conds, from before it, tell.
func (o Outcome) News(conds []v1.Condition) bool {
	old := v1.FindCondition(conds, v1.ConditionReady)
	return old == nil || old.Reason != o.Reason || old.Message != o.Message
}
