package node

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// A node may write its databases, never what it shares with other nodes.
func TestCopyStore(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "seed"), filepath.Join(t.TempDir(), "store")
	const blob, layer, inLayer, db = "content/blobs/sha256/0", "snapshotter/snapshots/1/fs/bin/sh", "snapshotter/snapshots/1/fs/etc/cert.db", "meta/meta.db"
	for _, name := range []string{blob, layer, inLayer, db} {
		path := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyStore(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	for name, linked := range map[string]bool{blob: true, layer: true, inLayer: true, db: false} {
		if got := inode(t, filepath.Join(from, name)) == inode(t, filepath.Join(to, name)); got != linked {
			t.Errorf("%s is a link: %v, want %v", name, got, linked)
		}
		data, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(data) != name {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if err := copyStore(t.Context(), filepath.Join(from, "missing"), filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a missing folder was copied")
	}
}

func TestPlant(t *testing.T) {
	n := testNode(t, 0)
	if err := os.MkdirAll(filepath.Dir(n.store()), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, seed := range []string{"", filepath.Join(t.TempDir(), "never made")} {
		n.Seed = seed
		if err := n.plant(t.Context()); err != nil {
			t.Errorf("seed %q: %v", seed, err)
		}
		if _, err := os.Stat(n.store()); !os.IsNotExist(err) {
			t.Errorf("seed %q: a store was made: %v", seed, err)
		}
	}
	n.Seed = t.TempDir()
	mark := filepath.Join(n.Seed, "imported", "x.tar")
	if err := errors.Join(os.Mkdir(filepath.Dir(mark), 0o755), os.WriteFile(mark, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := n.plant(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Import(t.Context(), "/cache/x.tar"); err != nil { // the node is down: only a known archive can succeed
		t.Errorf("the node does not know what its seed has: %v", err)
	}
}
