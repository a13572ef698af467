package reconcile

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Patcher is the part of a generated client that writing needs.
type Patcher[T any] interface {
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
}

// Copied is an API object that copies itself.
type Copied[T any] interface {
	metav1.Object
	DeepCopy() T
}

// Writer is [Fresh] with the client of the kind: it reads objects, writes them and remembers what it wrote. It writes
// differences only, and nothing when there is none.
type Writer[T Copied[T]] struct {
	*Fresh[T]
	kind string
	api  Patcher[T]
}

// NewWriter makes a writer; errors name an object as kind and name.
func NewWriter[T Copied[T]](kind string, api Patcher[T], read *Fresh[T]) Writer[T] {
	return Writer[T]{Fresh: read, kind: kind, api: api}
}

// Patch turns before into after, all but a status subresource, and returns the object as it is then: before itself when
// nothing was written. Finalizers have other writers, too, so the patch is bound to the version of before.
func (w Writer[T]) Patch(ctx context.Context, before, after T) (T, error) {
	patch, err := LockedMergePatch(before, after)
	if err != nil || patch == nil {
		return before, err
	}
	written, err := w.api.Patch(ctx, before.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return before, fmt.Errorf("patch %s %s: %w", w.kind, before.GetName(), err)
	}
	w.Wrote(written)
	return written, nil
}

// PatchStatus turns the status before of obj into after and says whether that took a write.
func (w Writer[T]) PatchStatus(ctx context.Context, obj T, before, after any) (bool, error) {
	patch, err := StatusPatch(before, after)
	if err != nil || patch == nil {
		return false, err
	}
	written, err := w.api.Patch(ctx, obj.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return false, fmt.Errorf("patch status of %s %s: %w", w.kind, obj.GetName(), err)
	}
	w.Wrote(written)
	return true, nil
}

// Free takes our finalizer off obj. Until the watch tells its end, obj reads as freed.
func (w Writer[T]) Free(ctx context.Context, obj T) error {
	free := obj.DeepCopy()
	RemoveFinalizer(free)
	_, err := w.Patch(ctx, obj, free)
	return err
}

// Finish is Free of an object that may be gone by now and that is not read any more.
func (w Writer[T]) Finish(ctx context.Context, obj T) error {
	if err := w.Free(ctx, obj); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	w.Gone(obj.GetName())
	return nil
}

// Merge turns before into after whatever else was written meanwhile: for fields that have one writer. Its errors are bare,
// the caller knows what the write is for.
func (f *Fresh[T]) Merge(ctx context.Context, api Patcher[T], before, after T) error {
	patch, err := MergePatch(before, after)
	if err != nil || patch == nil {
		return err
	}
	written, err := api.Patch(ctx, before.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
	if err == nil {
		f.Wrote(written)
	}
	return err
}
