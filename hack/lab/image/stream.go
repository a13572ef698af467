package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// containerd names images of an OCI archive by the first annotation, other programs by the second.
const (
	nameAnnotation = "io.containerd.image.name"
	refAnnotation  = "org.opencontainers.image.ref.name"
)

// Stream writes the images of an archive to out as an OCI archive, without the blobs that the receiver has: most of the product's image, Debian and
// its packages, stays the same from build to build. The archive is one of Write, or a Docker archive, the one kind that buildah leaves uncompressed.
func Stream(out io.Writer, file string, has func(digest string) bool) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	docker, err := scan(in)
	if err == nil {
		_, err = in.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = copyBlobs(out, in, docker, has)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// dockerArchive is the description of a Docker archive; nil stands for an OCI archive.
type dockerArchive struct {
	name   string
	config []byte
	layers map[string]descriptor // by the entry's name
	order  []descriptor
}

// scan reads what describes a Docker archive, wherever it stands in the tar.
func scan(in io.Reader) (*dockerArchive, error) {
	small, sizes := map[string][]byte{}, map[string]int64{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		sizes[h.Name] = h.Size
		if h.Typeflag == tar.TypeReg && path.Ext(h.Name) == ".json" {
			if small[h.Name], err = io.ReadAll(r); err != nil {
				return nil, err
			}
		}
	}
	if small["manifest.json"] == nil {
		return nil, nil
	}
	var images []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(small["manifest.json"], &images); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	if len(images) != 1 || len(images[0].RepoTags) != 1 {
		return nil, errors.New("manifest.json: want one image with one name")
	}
	image := images[0]
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(small[image.Config], &config); err != nil {
		return nil, fmt.Errorf("%s: %w", image.Config, err)
	}
	if len(config.RootFS.DiffIDs) != len(image.Layers) {
		return nil, fmt.Errorf("%d layers, %d digests", len(image.Layers), len(config.RootFS.DiffIDs))
	}
	d := &dockerArchive{name: image.RepoTags[0], config: small[image.Config], layers: map[string]descriptor{}}
	for i, entry := range image.Layers {
		layer := descriptor{MediaType: layerType, Digest: config.RootFS.DiffIDs[i], Size: sizes[entry]}
		d.layers[entry] = layer
		d.order = append(d.order, layer)
	}
	return d, nil
}

// copyBlobs writes the OCI archive.
func copyBlobs(out io.Writer, in io.Reader, docker *dockerArchive, has func(string) bool) error {
	a := &archive{tar: tar.NewWriter(out), written: map[string]bool{}}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, digest := h.Name, ""
		switch {
		case docker != nil:
			digest = docker.layers[name].Digest
			name = blobPath(digest)
		case path.Dir(name) == "blobs/sha256":
			digest = "sha256:" + path.Base(name)
		}
		if docker != nil && digest == "" || digest != "" && has(digest) {
			continue
		}
		if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: h.Size}); err != nil {
			return err
		}
		if _, err := io.Copy(a.tar, r); err != nil {
			return err
		}
	}
	if docker != nil {
		if err := a.describe(docker); err != nil {
			return err
		}
	}
	return a.tar.Close()
}

// describe writes what names a Docker archive's layers in OCI's way.
func (a *archive) describe(d *dockerArchive) error {
	config := descriptor{MediaType: configType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(d.config)), Size: int64(len(d.config))}
	if err := a.file(blobPath(config.Digest), d.config); err != nil {
		return err
	}
	manifest, err := a.blob(manifestType, map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": d.order})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{nameAnnotation: d.name}
	return a.finish([]descriptor{manifest})
}
