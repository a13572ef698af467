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
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// Image is one image of an archive: a few files and what to run.
type Image struct {
	Name  string // with registry and tag, as pods write it
	Files []File
	Run   Run
}

// Run is the part of the image configuration that says what a container does, in the OCI image specification's own field names.
type Run struct {
	User       string   `json:",omitempty"`
	Env        []string `json:",omitempty"`
	Entrypoint []string `json:",omitempty"`
	Cmd        []string `json:",omitempty"`
	WorkingDir string   `json:",omitempty"`
	StopSignal string   `json:",omitempty"`
}

// File is one entry of the image's only layer: a copy of Source, or Content, or a symbolic link, or, when all are empty, a folder.
type File struct {
	Path    string
	Source  string
	Content string
	Link    string
	Mode    int64 // default 0755
}

// descriptor is the OCI specification's reference to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// Write packs the images into an OCI archive at file. containerd names them by an annotation of its own.
func Write(file string, images ...Image) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	a := &archive{tar: tar.NewWriter(out), written: map[string]bool{}, scratch: file + ".layer"}
	defer os.Remove(a.scratch)
	var index []descriptor
	for _, i := range images {
		d, err := a.add(i)
		if err != nil {
			return fmt.Errorf("image %s: %w", i.Name, err)
		}
		index = append(index, d)
	}
	return errors.Join(a.finish(index), a.tar.Close(), out.Close())
}

// finish writes the list of images.
func (a *archive) finish(index []descriptor) error {
	return errors.Join(
		a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)),
		a.object("index.json", map[string]any{"schemaVersion": 2, "manifests": index}),
	)
}

type archive struct {
	tar     *tar.Writer
	written map[string]bool // blobs, by digest: images may share a layer
	scratch string
}

func (a *archive) add(i Image) (descriptor, error) {
	layer, err := a.layer(i.Files)
	if err != nil {
		return descriptor{}, err
	}
	config, err := a.blob(configType, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": i.Run,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}}, // the layer is not compressed: both digests are one
	})
	if err != nil {
		return descriptor{}, err
	}
	d, err := a.blob(manifestType, map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []descriptor{layer}})
	d.Annotations = map[string]string{nameAnnotation: i.Name, refAnnotation: i.Name[strings.LastIndexByte(i.Name, ':')+1:]}
	return d, err
}

// layer writes the files as a tar to the scratch file, to know its digest, and then into the archive.
func (a *archive) layer(files []File) (descriptor, error) {
	scratch, err := os.Create(a.scratch)
	if err != nil {
		return descriptor{}, err
	}
	defer scratch.Close()
	sum := sha256.New()
	w := tar.NewWriter(io.MultiWriter(scratch, sum))
	for _, f := range files {
		if err := writeFile(w, f); err != nil {
			return descriptor{}, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return descriptor{}, err
	}
	size, err := scratch.Seek(0, io.SeekCurrent)
	if err != nil {
		return descriptor{}, err
	}
	d := descriptor{MediaType: layerType, Digest: fmt.Sprintf("sha256:%x", sum.Sum(nil)), Size: size}
	if a.written[d.Digest] {
		return d, nil
	}
	a.written[d.Digest] = true
	if _, err := scratch.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, err
	}
	if err := a.tar.WriteHeader(&tar.Header{Name: blobPath(d.Digest), Mode: 0o644, Size: size}); err != nil {
		return descriptor{}, err
	}
	_, err = io.Copy(a.tar, scratch)
	return d, err
}

// blob writes an object as JSON under its digest.
func (a *archive) blob(mediaType string, object any) (descriptor, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return descriptor{}, err
	}
	d := descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(data)), Size: int64(len(data))}
	if a.written[d.Digest] {
		return d, nil
	}
	a.written[d.Digest] = true
	return d, a.file(blobPath(d.Digest), data)
}

func (a *archive) object(name string, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return a.file(name, data)
}

func (a *archive) file(name string, data []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := io.Copy(a.tar, bytes.NewReader(data))
	return err
}

func blobPath(digest string) string {
	return path.Join("blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func writeFile(w *tar.Writer, f File) error {
	h := &tar.Header{Name: strings.TrimPrefix(filepath.Clean(f.Path), "/"), Mode: f.Mode}
	if h.Mode == 0 {
		h.Mode = 0o755
	}
	switch {
	case f.Link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		return w.WriteHeader(h)
	case f.Source != "":
		in, err := os.Open(f.Source)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = io.Copy(w, in)
		return err
	case f.Content != "":
		h.Typeflag, h.Size = tar.TypeReg, int64(len(f.Content))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.WriteString(w, f.Content)
		return err
	}
	h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	return w.WriteHeader(h)
}
