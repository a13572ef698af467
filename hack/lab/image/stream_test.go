package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStreamLeavesOutWhatIsThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := Write(file, Image{Name: "docker.io/library/x:1", Files: []File{{Path: "/a", Content: strings.Repeat("a", 4096)}}}); err != nil {
		t.Fatal(err)
	}
	stream := func(has func(string) bool) map[string][]byte {
		t.Helper()
		var out bytes.Buffer
		if err := Stream(&out, file, has); err != nil {
			t.Fatal(err)
		}
		entries, _ := readTar(t, &out)
		return entries
	}
	all := stream(func(string) bool { return false })
	if len(all) != 5 { // layer, configuration, manifest, index, layout
		t.Errorf("%d entries", len(all))
	}
	var layer string
	for name, data := range all {
		if len(data) > 4096 {
			layer = "sha256:" + filepath.Base(name)
		}
	}
	rest := stream(func(digest string) bool { return digest == layer })
	if len(rest) != 4 || rest[blobPath(layer)] != nil {
		t.Errorf("without the layer there are %d entries", len(rest))
	}
	for name, data := range rest {
		if !bytes.Equal(data, all[name]) {
			t.Errorf("%s changed", name)
		}
	}
}

// dockerTar is a Docker archive as `buildah push` writes it.
func dockerTar(t *testing.T, manifest string, entries map[string]string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "docker.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	entries["manifest.json"] = manifest
	for name, content := range entries {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "id/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../one.tar"}); err != nil { // the old format
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func sha(content string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))) }

func TestStreamTurnsDockerIntoOCI(t *testing.T) {
	config := `{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + sha("first") + `","` + sha("second") + `"]}}`
	file := dockerTar(t, `[{"Config":"c.json","RepoTags":["docker.io/a/b:1"],"Layers":["one.tar","two.tar"]}]`,
		map[string]string{"c.json": config, "one.tar": "first", "two.tar": "second", "id/json": "{}", "repositories": "{}"})
	var out bytes.Buffer
	if err := Stream(&out, file, func(digest string) bool { return digest == sha("first") }); err != nil {
		t.Fatal(err)
	}
	entries, _ := readTar(t, &out)
	if len(entries) != 5 { // second layer, configuration, manifest, index, layout
		t.Errorf("%d entries", len(entries))
	}
	if string(entries[blobPath(sha("second"))]) != "second" || entries[blobPath(sha("first"))] != nil {
		t.Error("want the second layer and not the first, which is there")
	}
	var index struct{ Manifests []descriptor }
	decode(t, entries["index.json"], &index)
	if index.Manifests[0].Annotations[nameAnnotation] != "docker.io/a/b:1" {
		t.Errorf("index %s", entries["index.json"])
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, entries[blobPath(index.Manifests[0].Digest)], &manifest)
	if len(manifest.Layers) != 2 || manifest.Layers[0].Digest != sha("first") || manifest.Layers[0].Size != 5 || manifest.Layers[1].Digest != sha("second") {
		t.Errorf("layers %+v", manifest.Layers)
	}
	if string(entries[blobPath(manifest.Config.Digest)]) != config {
		t.Errorf("configuration %s", entries[blobPath(manifest.Config.Digest)])
	}
}

func TestStreamRefusesWhatItCannotName(t *testing.T) {
	tests := []struct{ name, manifest, want string }{
		{"no JSON", "x", "manifest.json"},
		{"no name", `[{"Config":"c.json","Layers":[]}]`, "one name"},
		{"two images", `[{"RepoTags":["a:1"]},{"RepoTags":["b:1"]}]`, "one image"},
		{"no configuration", `[{"Config":"d.json","RepoTags":["a:1"]}]`, "d.json"},
		{"a layer without a digest", `[{"Config":"c.json","RepoTags":["a:1"],"Layers":["one.tar"]}]`, "1 layers, 0 digests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := dockerTar(t, tt.manifest, map[string]string{"c.json": `{"rootfs":{}}`, "one.tar": "first"})
			if err := Stream(&bytes.Buffer{}, file, func(string) bool { return false }); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestStreamNamesTheBrokenArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Stream(&bytes.Buffer{}, file, func(string) bool { return false }); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
