package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestInstall(t *testing.T) {
	const content = `{"name":"kube-ovn"}`
	for name, tc := range map[string]struct {
		existing, want string
	}{
		"fresh":            {"", content},
		"edited by a user": {`{"name":"mine"}`, `{"name":"mine"}`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := CNIConf{Source: filepath.Join(dir, "source"), Dir: filepath.Join(dir, "net.d"), Name: "01-kube-ovn.conflist"}
			target := filepath.Join(c.Dir, c.Name)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(os.Mkdir(c.Dir, 0o755))
			must(os.WriteFile(c.Source, []byte(content), 0o644))
			if tc.existing != "" {
				must(os.WriteFile(target, []byte(tc.existing), 0o644))
			}
			for range 2 {
				must(c.Install())
				got, err := os.ReadFile(target)
				if err != nil || string(got) != tc.want {
					t.Errorf("content %q, %v; want %q", got, err, tc.want)
				}
				if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("mode of %v, %v; want 0600", info, err)
				}
			}
			if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 1 {
				t.Errorf("files left: %v, %v", left, err)
			}
		})
	}
}

func TestInstallFails(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]CNIConf{
		"no source":    {Source: filepath.Join(dir, "nosuch"), Dir: dir, Name: "a.conflist"},
		"no directory": {Source: source, Dir: filepath.Join(dir, "nosuch"), Name: "a.conflist"},
	} {
		if err := c.Install(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: want ErrNotExist, got %v", name, err)
		}
	}
}
