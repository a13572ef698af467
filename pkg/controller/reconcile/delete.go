package reconcile

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Deleter is the part of a generated client that deleting needs.
type Deleter interface {
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// Delete deletes an object that was read, not one that somebody made anew, and forgets what was written to it. One that is
// gone or goes already is fine. Errors name it as kind and name.
func (f *Fresh[T]) Delete(ctx context.Context, kind string, api Deleter, object T) error {
	if !object.GetDeletionTimestamp().IsZero() {
		return nil
	}
	var options metav1.DeleteOptions
	if uid := object.GetUID(); uid != "" {
		options.Preconditions = metav1.NewUIDPreconditions(string(uid))
	}
	if err := api.Delete(ctx, object.GetName(), options); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s %s: %w", kind, object.GetName(), err)
	}
	f.Gone(object.GetName())
	return nil
}
