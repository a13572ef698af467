package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDir(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	tests := []struct{ name, xdg, want string }{
		{"home", "", "/home/user/.cache/kube-ovn-lab"},
		{"XDG", "/var/cache/x", "/var/cache/x/kube-ovn-lab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", tt.xdg)
			if got, err := Dir(); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestMakeRunsOnce(t *testing.T) {
	dir := t.TempDir()
	var calls atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			path, err := Make(t.Context(), dir, "thing", func(_ context.Context, path string) error {
				calls.Add(1)
				return os.WriteFile(path, []byte("made"), 0o600)
			})
			if err != nil {
				t.Error(err)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "made" {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	all.Wait()
	if calls.Load() != 1 {
		t.Errorf("made %d times", calls.Load())
	}
}

func TestMakeKeepsNothingHalf(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("no disk")
	_, err := Make(t.Context(), dir, "thing", func(_ context.Context, path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return errors.Join(os.WriteFile(filepath.Join(path, "half"), nil, 0o600), broken)
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "thing") {
		t.Errorf("got %v, want the cause and the name", err)
	}
	for _, name := range []string{"thing", "thing.partial"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := Make(t.Context(), dir, "thing", func(_ context.Context, path string) error { return os.WriteFile(path, nil, 0o600) }); err != nil {
		t.Errorf("second attempt: %v", err)
	}
}

func TestMakeWaitsNoLongerThanItsContext(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(t.Context(), filepath.Join(dir, "thing.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, dir, "thing", func(context.Context, string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-48 * time.Hour)
	for name, made := range map[string]time.Time{"nodes-a": old, "nodes-b": old, "nodes-c": time.Now(), "other": old} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Join(path, "x"), 0o755), os.Chtimes(path, made, made)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Forget(dir, "nodes-*", "nodes-b", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"nodes-a": false, "nodes-b": true, "nodes-c": true, "other": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it kept: %v", name, err, want)
		}
	}
}

// The folder's name carries the version; go.mod decides what is built.
func TestVersionsAreThoseOfTheModule(t *testing.T) {
	data, err := os.ReadFile("../kubernetes/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{
		"k8s.io/kubernetes":                           KubernetesVersion,
		"go.etcd.io/etcd/server/v3":                   EtcdVersion,
		"github.com/coredns/coredns":                  CoreDNSVersion,
		"gopkg.in/k8snetworkplumbingwg/multus-cni.v4": MultusVersion,
	} {
		found := regexp.MustCompile(`(?m)^(?:require )?\s*` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(data)
		if found == nil || string(found[1]) != want {
			t.Errorf("%s: go.mod has %q, the cache is named after %s", module, found, want)
		}
	}
}

func TestBuildFlagsCarryTheVersion(t *testing.T) {
	flags := strings.Join(buildFlags(), " ")
	for _, want := range []string{"-trimpath", ".gitVersion=" + KubernetesVersion, ".gitMajor=1", ".gitMinor=36", ".gitTreeState=clean"} {
		if !strings.Contains(flags, want) {
			t.Errorf("no %s in %s", want, flags)
		}
	}
}

func TestProgramsDirSaysWhatToDo(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := ProgramsDir(); err == nil || !strings.Contains(err.Error(), "lab prepare") {
		t.Errorf("got %v", err)
	}
}
