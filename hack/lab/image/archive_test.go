package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readTar is every regular entry of a tar by name, and every header.
func readTar(t *testing.T, r io.Reader) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	content, headers := map[string][]byte{}, map[string]*tar.Header{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return content, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if headers[h.Name] != nil {
			t.Errorf("%s is there twice", h.Name)
		}
		content[h.Name], headers[h.Name] = data, h
	}
}

func writeArchive(t *testing.T, images ...Image) map[string][]byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := Write(file, images...); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blobs, _ := readTar(t, f)
	if _, err := os.Stat(file + ".layer"); !os.IsNotExist(err) {
		t.Errorf("the scratch file is left: %v", err)
	}
	return blobs
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// Every digest on the way from index to layer names what is there.
func TestWriteIsAnOCIArchive(t *testing.T) {
	source := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte("binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	blobs := writeArchive(t, Image{
		Name: "docker.io/library/x:1",
		Files: []File{
			{Path: "/tmp", Mode: 0o1777}, {Path: "/bin/program", Source: source}, {Path: "/etc/conf", Content: "text", Mode: 0o644}, {Path: "/bin/sh", Link: "program"},
		},
		Run: Run{User: "65535", Entrypoint: []string{"/bin/program"}},
	})
	if string(blobs["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout: %s", blobs["oci-layout"])
	}
	var index struct{ Manifests []descriptor }
	decode(t, blobs["index.json"], &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("index: %s", blobs["index.json"])
	}
	if a := index.Manifests[0].Annotations; a["io.containerd.image.name"] != "docker.io/library/x:1" || a["org.opencontainers.image.ref.name"] != "1" {
		t.Errorf("names %v", a)
	}
	blob := func(d descriptor) []byte {
		data := blobs[blobPath(d.Digest)]
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); sum != d.Digest || int64(len(data)) != d.Size {
			t.Errorf("blob %s has digest %s and size %d of %d", d.Digest, sum, len(data), d.Size)
		}
		return data
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blob(index.Manifests[0]), &manifest)
	var config struct {
		OS     string
		Config Run
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, blob(manifest.Config), &config)
	if config.OS != "linux" || config.Config.User != "65535" || config.Config.Entrypoint[0] != "/bin/program" || config.RootFS.DiffIDs[0] != manifest.Layers[0].Digest {
		t.Errorf("configuration %+v", config)
	}
	files, headers := readTar(t, bytes.NewReader(blob(manifest.Layers[0])))
	if string(files["bin/program"]) != "binary" || headers["bin/program"].Mode != 0o755 {
		t.Errorf("program %q mode %o", files["bin/program"], headers["bin/program"].Mode)
	}
	if string(files["etc/conf"]) != "text" || headers["etc/conf"].Mode != 0o644 {
		t.Errorf("file %q mode %o", files["etc/conf"], headers["etc/conf"].Mode)
	}
	if h := headers["bin/sh"]; h.Typeflag != tar.TypeSymlink || h.Linkname != "program" {
		t.Errorf("link %+v", h)
	}
	if h := headers["tmp/"]; h == nil || h.Typeflag != tar.TypeDir || h.Mode != 0o1777 {
		t.Errorf("folder %+v", h)
	}
}

func TestWriteSharesLayers(t *testing.T) {
	files := []File{{Path: "/a", Content: "a"}}
	blobs := writeArchive(t, Image{Name: "x:1", Files: files}, Image{Name: "y:1", Files: files, Run: Run{Cmd: []string{"sh"}}}, Image{Name: "z:1", Files: files})
	var index struct{ Manifests []descriptor }
	decode(t, blobs["index.json"], &index)
	if len(index.Manifests) != 3 {
		t.Fatalf("index: %s", blobs["index.json"])
	}
	if index.Manifests[0].Digest != index.Manifests[2].Digest || index.Manifests[0].Digest == index.Manifests[1].Digest {
		t.Error("equal images have one manifest, others their own")
	}
	// One layer, two configurations, two manifests, the index and the layout.
	if len(blobs) != 7 {
		t.Errorf("%d entries", len(blobs))
	}
}

func TestWriteNamesTheMissingFile(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "x.tar"), Image{Name: "x:1", Files: []File{{Path: "/a", Source: "/no/such/file"}}})
	if err == nil || !strings.Contains(err.Error(), "x:1") || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("got %v", err)
	}
}

func TestTestImages(t *testing.T) {
	byName := map[string]Image{}
	for _, i := range append(testImages("/programs", "pause:1", []string{"busybox", "ping", "httpd", "sh"}), multus("/programs")) {
		byName[i.Name] = i
	}
	has := func(image, path string) bool {
		for _, f := range byName[image].Files {
			if f.Path == path {
				return true
			}
		}
		return false
	}
	for _, want := range []struct{ image, path string }{
		{"pause:1", "/pause"}, {Busybox, "/bin/ping"}, {Busybox, "/bin/sh"}, {Nginx, "/bin/httpd"}, {Nginx, "/usr/share/nginx/html/index.html"},
		{Agnhost, "/agnhost"}, {CoreDNS, "/coredns"}, {Multus, "/usr/src/multus-cni/bin/multus"}, {Multus, "/thin_entrypoint"},
	} {
		if !has(want.image, want.path) {
			t.Errorf("%s has no %s", want.image, want.path)
		}
	}
	if has(Busybox, "/usr/share/nginx/html/index.html") {
		t.Error("busybox got nginx's files")
	}
	if run := strings.Join(append(byName[Nginx].Run.Entrypoint, byName[Nginx].Run.Cmd...), " "); !strings.Contains(run, "httpd -f -p 80") {
		t.Errorf("nginx runs %s", run)
	}
	links := 0
	for _, f := range byName[Busybox].Files {
		if f.Link == "busybox" && f.Path == "/bin/busybox" {
			t.Error("busybox is a link to itself")
		}
		if f.Link != "" {
			links++
		}
	}
	if links != 4 { // ping, httpd, sh and /usr/bin/env
		t.Errorf("%d links", links)
	}
}
