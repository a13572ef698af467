package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition types that controllers of this project set.
const (
	// ConditionReady says that what the object asks for is in effect.
	ConditionReady = "Ready"
	// ConditionValidated says that the spec was accepted.
	ConditionValidated = "Validated"
	// ConditionInit says that the object was seen for the first time and how far its set-up is.
	ConditionInit = "Init"
	// ConditionError says that the last reconciliation failed.
	ConditionError = "Error"
)

// Condition is one observation about an object: metav1.Condition with the time of the last message besides.
type Condition struct {
	// Type of the observation, for example Ready, Validated, Init or Error.
	Type string `json:"type"`
	// Status of the condition: True, False or Unknown.
	// +kubebuilder:validation:Enum=True;False;Unknown
	Status metav1.ConditionStatus `json:"status"`
	// Reason of the last change as one word for programs, for example ValidateLogicalSwitchFailed.
	Reason string `json:"reason,omitempty"`
	// Message of the last change as a sentence for people.
	Message string `json:"message,omitempty"`
	// ObservedGeneration is the metadata.generation of the object that this condition was computed from.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastUpdateTime is when anything in this condition changed last.
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// LastTransitionTime is when the status of this condition changed last.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}

// SetCondition puts c into conds, replacing the condition of the same type, and reports whether anything changed.
//
// The caller puts the present time into c.LastUpdateTime; c.LastTransitionTime is ignored. A condition that is equal in
// all but its times is left as it is, so that a repeated reconciliation writes nothing. The transition time is kept
// while the status stays the same.
func SetCondition(conds *[]Condition, c Condition) bool {
	now := c.LastUpdateTime
	c.LastTransitionTime = now
	for i := range *conds {
		old := &(*conds)[i]
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
			if old.Reason == c.Reason && old.Message == c.Message && old.ObservedGeneration == c.ObservedGeneration {
				return false
			}
		}
		*old = c
		return true
	}
	*conds = append(*conds, c)
	return true
}

// FindCondition returns the condition of the type, or nil.
func FindCondition(conds []Condition, conditionType string) *Condition {
	for i := range conds {
		if conds[i].Type == conditionType {
			return &conds[i]
		}
	}
	return nil
}

// IsConditionTrue reports whether the condition of the type exists with status True.
func IsConditionTrue(conds []Condition, conditionType string) bool {
	c := FindCondition(conds, conditionType)
	return c != nil && c.Status == metav1.ConditionTrue
}
