package framework

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// interval between two looks of Poll.
const interval = 200 * time.Millisecond

// defaultDeadline bounds a Poll whose context has no deadline.
const defaultDeadline = 60 * time.Second

// Poll looks until check returns nil. When the context's deadline (or one minute) passes first, the error says what was
// waited for and what the last look saw.
func Poll(ctx context.Context, what string, check func() error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %.0f s until %s: %w", time.Since(start).Seconds(), what, err)
		}
	}
}

// IgnoreNotFound is nil for "not found", else err.
func IgnoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
