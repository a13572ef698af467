package framework

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A look of Poll is followed by a pause as long as itself within these bounds, so that dear looks leave the machine to what
// is waited for.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 500 * time.Millisecond
)

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
	start := time.Now()
	for {
		looked := time.Now()
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(min(max(time.Since(looked), shortestPause), longestPause)):
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
