package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeTree makes files with contents below a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readTree returns files with contents, and directories as names that end in a slash.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name := strings.TrimPrefix(file, dir+"/")
		if entry.IsDir() {
			files[name+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(file)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestReplaceTree(t *testing.T) {
	source := writeTree(t, map[string]string{"same": "1", "changed": "new", "deep/er/added": "2"})
	dir := writeTree(t, map[string]string{"same": "1", "changed": "old", "gone": "3", "old/dir/gone": "4"})
	past := time.Unix(1000, 0)
	if err := os.Chtimes(filepath.Join(dir, "same"), past, past); err != nil {
		t.Fatal(err)
	}
	before := readTree(t, dir)
	dry := &output{check: true}
	if err := dry.replaceTree(dir, source); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, readTree(t, dir)); diff != "" {
		t.Errorf("the check changed the tree (-before +after):\n%s", diff)
	}
	out := &output{}
	if err := out.replaceTree(dir, source); err != nil {
		t.Fatal(err)
	}
	var changed []string
	for _, name := range []string{"changed", "deep/er/added", "gone", "old/dir/gone"} {
		changed = append(changed, filepath.Join(dir, name))
	}
	if diff := cmp.Diff(changed, out.changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(changed, dry.changed); diff != "" {
		t.Errorf("would change (-want +got):\n%s", diff)
	}
	again := &output{}
	if err := again.replaceTree(dir, source); err != nil || len(again.changed) > 0 {
		t.Errorf("the second time changes %v, %v", again.changed, err)
	}
	want := map[string]string{"same": "1", "changed": "new", "deep/": "", "deep/er/": "", "deep/er/added": "2"}
	if diff := cmp.Diff(want, readTree(t, dir)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, "same"))
	if err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the equal file was touched: %v, %v", info, err)
	}
}

func TestReplaceTreeMakesTheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	dry := &output{check: true}
	if err := dry.replaceTree(dir, writeTree(t, map[string]string{"a": "1"})); err != nil || len(dry.changed) != 1 {
		t.Errorf("check of a missing directory: %v, %v", dry.changed, err)
	}
	if err := new(output).replaceTree(dir, writeTree(t, map[string]string{"a": "1"})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1"}, readTree(t, dir)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestFinishCRDs(t *testing.T) {
	const crd = `{spec: {names: {kind: KIND, plural: PLURAL}, versions: [{name: v1, subresources: {}}]}}`
	fill := func(kind, plural string) string {
		return strings.NewReplacer("KIND", kind, "PLURAL", plural).Replace(crd)
	}
	dir := writeTree(t, map[string]string{"ips.yaml": fill("IP", "ips"), "eips.yaml": fill("OvnEip", "ovn-eips")})
	plurals, err := finishCRDs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"IP": "ips", "OvnEip": "ovn-eips"}, plurals); diff != "" {
		t.Errorf("plurals (-want +got):\n%s", diff)
	}
	files := readTree(t, dir)
	if !strings.Contains(files["ips.yaml"], "subresources: {}") || strings.Contains(files["eips.yaml"], "subresources") {
		t.Errorf("subresources:\n%s\n%s", files["ips.yaml"], files["eips.yaml"])
	}
	for why, text := range map[string]string{
		"no spec":      `{kind: CustomResourceDefinition}`,
		"no names":     `{spec: {versions: [{name: v1}]}}`,
		"two versions": `{spec: {names: {kind: A, plural: as}, versions: [{name: v1}, {name: v2}]}}`,
		"no YAML":      `{`,
	} {
		if _, err := finishCRDs(writeTree(t, map[string]string{"bad.yaml": text})); err == nil || !strings.Contains(err.Error(), "bad.yaml") {
			t.Errorf("%s: %v", why, err)
		}
	}
}
