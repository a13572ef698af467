package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseVersion(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"plain", "#!/usr/bin/env bash\nREGISTRY=\"x\"\nVERSION=\"v0.1.0\"\n", "v0.1.0"},
		{"with a default", "VERSION=\"${VERSION:-v1.2.3-rc1}\"\n", "v1.2.3-rc1"},
		{"another name", "TLS_MIN_VERSION=\"1.2\"\n", ""},
		{"empty", "VERSION=\"\"\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseVersion(tt.script, "install.sh")
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// The checkout's own script and Dockerfile are what the builder thinks they are.
func TestCheckoutFits(t *testing.T) {
	const root = "../../.."
	tag, err := Tag(root, "/cache/product/0123abc.tar")
	if err != nil || !strings.HasSuffix(tag, "-0123abc") || !strings.HasPrefix(tag, "v") {
		t.Errorf("tag %q, %v", tag, err)
	}
	if partial, err := Tag(root, "/cache/product/0123abc.tar.partial"); err != nil || partial != tag {
		t.Errorf("while it is made the tag is %q, %v; later %q", partial, err, tag)
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, "dist", "images", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimPrefix(baseName, "docker.io/library/")
	if !strings.Contains(string(dockerfile), "\nFROM "+base+"\n") {
		t.Errorf("the Dockerfile does not start from %s", base)
	}
	if strings.Contains(string(dockerfile), "COPY bin/") && !strings.Contains(string(dockerfile), "bin/image/") {
		t.Error("the Dockerfile copies programs from another folder than bin/image/")
	}
}

func TestDigest(t *testing.T) {
	write := func(dir, name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	of := func(dir string) string {
		t.Helper()
		d, err := digest(dir)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := t.TempDir()
	write(first, "a", "1", 0o644)
	write(first, "sub/b", "2", 0o644)
	same := t.TempDir()
	write(same, "sub/b", "2", 0o644)
	write(same, "a", "1", 0o644)
	if of(first) != of(same) {
		t.Error("equal folders differ")
	}
	for name, change := range map[string]func(dir string){
		"content":  func(dir string) { write(dir, "a", "x", 0o644) },
		"new file": func(dir string) { write(dir, "c", "", 0o644) },
		"mode": func(dir string) {
			if err := os.Chmod(filepath.Join(dir, "a"), 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"name": func(dir string) {
			if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "d")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		write(dir, "a", "1", 0o644)
		write(dir, "sub/b", "2", 0o644)
		change(dir)
		if of(dir) == of(first) {
			t.Errorf("%s does not change the digest", name)
		}
	}
	if _, err := digest(filepath.Join(first, "missing")); err == nil {
		t.Error("a missing folder has a digest")
	}
}

func TestStoreKey(t *testing.T) {
	checkout := func(dockerfile string) string {
		t.Helper()
		root := t.TempDir()
		dir := filepath.Join(root, "dist", "images")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600)); err != nil {
			t.Fatal(err)
		}
		return root
	}
	key := func(dockerfile string, tests ...string) string {
		t.Helper()
		k, err := StoreKey(checkout(dockerfile), tests)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key("FROM x\n", "/cache/a.tar", "/cache/b.tar")
	if first != key("FROM x\n", "/other/b.tar", "/other/a.tar") {
		t.Error("order and folder of the archives change the key")
	}
	if first == key("FROM y\n", "/cache/a.tar", "/cache/b.tar") || first == key("FROM x\n", "/cache/a.tar", "/cache/c.tar") {
		t.Error("another Dockerfile or archive has the same key")
	}
	if _, err := StoreKey(t.TempDir(), nil); err == nil {
		t.Error("a checkout without a Dockerfile has a key")
	}
}

func TestNewest(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"c.tar", "a.tar", "b.tar", "b.tar.lock"} {
		path := filepath.Join(dir, name)
		made := time.Unix(int64(1000+i), 0)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, made, made)); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int][]string{0: nil, 2: {"b", "a"}, 9: {"b", "a", "c"}} {
		if got, err := newest(dir, n); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d: got %v, %v; want %v", n, got, err, want)
		}
	}
}

func TestRunShowsTheEnd(t *testing.T) {
	err := run(exec.Command("sh", "-c", "seq 1 5000; echo last words; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "last words") || !strings.Contains(err.Error(), "exit status 3") || len(err.Error()) > 5000 {
		t.Errorf("got %v", err)
	}
}
