package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is the folder of everything cached. It need not exist.
func Dir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("cache folder: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "kube-ovn-lab"), nil
}

// Make returns the path of the named file or folder in dir. When it is missing, create is called with a temporary path to fill; only a create
// without error leaves something behind.
func Make(ctx context.Context, dir, name string, create func(ctx context.Context, path string) error) (string, error) {
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", name, err)
	}
	defer unlock()
	if _, err := os.Lstat(path); err == nil { // somebody else made it while we waited
		return path, nil
	}
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := create(ctx, partial); err != nil {
		return "", errors.Join(fmt.Errorf("make %s: %w", name, err), os.RemoveAll(partial))
	}
	if err := os.Rename(partial, path); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	return path, nil
}

// Forget removes what matches the pattern in dir, except keep and what is younger than age: another checkout of this machine may be about to use it.
func Forget(dir, pattern, keep string, age time.Duration) error {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	for _, path := range paths {
		info, statErr := os.Lstat(path)
		if statErr != nil || filepath.Base(path) == keep || time.Since(info.ModTime()) < age {
			continue
		}
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// lock takes an exclusive lock on a file that is created when missing; it ends with its process, so a killed one leaves nothing to clear.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-retry.C:
		}
	}
}
