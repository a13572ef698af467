package start

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// Rotation of the logs of OVS and OVN (node.md 8.5).
const (
	logCheck = time.Hour
	logLimit = 100 << 20 // bytes
	logKept  = 7
)

// logFile is the log of a running daemon; reopen makes the daemon write to a new file.
type logFile struct {
	path   string
	reopen func(ctx context.Context) error
}

// rotateLogs looks at the logs until ctx ends.
func rotateLogs(ctx context.Context, logs []logFile) {
	ticker := time.NewTicker(logCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, l := range logs {
			if err := l.rotate(ctx, logLimit); err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Cannot rotate a log", "file", l.path)
			}
		}
	}
}

// rotate turns path into path.1.gz when it is longer than limit bytes, and what was path.1.gz into path.2.gz and so on.
func (l logFile) rotate(ctx context.Context, limit int64) error {
	info, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= limit {
		return nil
	}
	if err != nil {
		return err
	}
	for i := logKept; i > 0; i-- {
		older := fmt.Sprintf("%s.%d.gz", l.path, i)
		if i == logKept {
			err = os.Remove(older)
		} else {
			err = os.Rename(older, fmt.Sprintf("%s.%d.gz", l.path, i+1))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	first := l.path + ".1"
	if err := os.Rename(l.path, first); err != nil {
		return err
	}
	if err := l.reopen(ctx); err != nil {
		return err
	}
	return compress(first)
}

// compress replaces a file by file.gz.
func compress(path string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".gz", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err == nil {
			err = os.Remove(path)
		}
	}()
	packed := gzip.NewWriter(out)
	if _, err := io.Copy(packed, in); err != nil {
		return err
	}
	return packed.Close()
}

// alongside runs functions in the background; the returned function ends them and waits until they have ended.
func alongside(ctx context.Context, functions ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, f := range functions {
		all.Go(func() { f(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}
