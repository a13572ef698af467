package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// WaitError says that something a sync depends on is not there yet. With a Reason it is worth telling the user.
type WaitError struct {
	Reason string
	What   string
	// Again is when to look next; 0 leaves it to the backoff.
	Again time.Duration
}

func (e *WaitError) Error() string { return "waiting for " + e.What }

// Wait is the answer of a sync whose dependency is missing for a moment. It is retried with backoff; the watch of the
// dependency usually wakes the key earlier.
func Wait(format string, args ...any) error { return &WaitError{What: fmt.Sprintf(format, args...)} }

// Blocked is Wait for something that may last: the object's conditions tell its reason and what it waits for.
func Blocked(reason, format string, args ...any) error {
	return &WaitError{Reason: reason, What: fmt.Sprintf(format, args...)}
}

// firstLook is how long what a new object names may just be on its way: objects that are made together reach the caches in
// any order.
const firstLook = 2 * time.Second

// Soon is what to make of the outcome of a sync of an object that was never told anything yet: when the object was made just
// now, what blocks it is only waited for. A clock that differs from the API server's ends the patience.
func Soon(outcome error, object metav1.Object, now time.Time) error {
	var wait *WaitError
	age := now.Sub(object.GetCreationTimestamp().Time)
	if errors.As(outcome, &wait) && age >= 0 && age < firstLook {
		return &WaitError{What: wait.What, Again: firstLook - age}
	}
	return outcome
}

// InvalidError says that the user's object cannot be rendered. Reason is one of the fixed reasons of api.md 2.2.
type InvalidError struct {
	Reason  string
	Message string
}

func (e *InvalidError) Error() string { return e.Reason + ": " + e.Message }

// Invalid is the answer of a sync for a user's mistake. The controller has published it as a condition and an event; the
// key is not retried until one of its inputs changes.
func Invalid(reason, format string, args ...any) error {
	return &InvalidError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// AsInvalid unwraps an InvalidError.
func AsInvalid(err error) (*InvalidError, bool) {
	var invalid *InvalidError
	ok := errors.As(err, &invalid)
	return invalid, ok
}

// Outcomes of a sync, the "result" label of the metrics.
const (
	resultOK      = "ok"
	resultWait    = "wait"
	resultInvalid = "invalid"
	resultError   = "error"
)

// classify tells how the loop treats an error. A row whose parent is not written yet, a database that is away and a stale
// copy of an API object, also of one that is gone by now, all heal by themselves, so they count as waiting.
func classify(err error) string {
	var (
		wait    *WaitError
		invalid *InvalidError
		missing *ovs.MissingError
	)
	switch {
	case err == nil:
		return resultOK
	case errors.As(err, &invalid):
		return resultInvalid
	case errors.As(err, &wait), errors.As(err, &missing), errors.Is(err, ovs.ErrDisconnected), apierrors.IsConflict(err), apierrors.IsNotFound(err),
		errors.Is(err, context.Canceled):
		return resultWait
	}
	return resultError
}
