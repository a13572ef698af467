package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/image"
)

// store is the folder of containerd's images on the node's disk. It also holds the list of imported archives, so that a copy knows what it has.
func (n *Node) store() string {
	return filepath.Join(n.lab.NodeDir(n.Node), "var", "lib", "containerd")
}

// Import puts the images of an archive into the node's containerd, reading only what it does not have. A second time it does nothing.
func (n *Node) Import(ctx context.Context, archive string) error {
	mark := filepath.Join(n.store(), "imported", filepath.Base(archive))
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	blobs := filepath.Join(n.store(), "io.containerd.content.v1.content", "blobs", "sha256")
	read, write := io.Pipe()
	go func() {
		write.CloseWithError(image.Stream(write, archive, func(digest string) bool {
			_, err := os.Stat(filepath.Join(blobs, strings.TrimPrefix(digest, "sha256:")))
			return err == nil
		}))
	}()
	var said bytes.Buffer
	if err := n.Run(ctx, &Streams{In: read, Out: &said, Err: &said}, "ctr", "--namespace=k8s.io", "images", "import", "-"); err != nil {
		return fmt.Errorf("import %s into node %s: %w: %s", archive, n.Name, errors.Join(err, read.Close()), strings.TrimSpace(said.String()))
	}
	return errors.Join(os.MkdirAll(filepath.Dir(mark), 0o755), os.WriteFile(mark, nil, 0o644))
}

// SaveStore copies the node's images to dir, for Seed of other nodes. The node runs no pod yet; its containerd is restarted.
func (n *Node) SaveStore(ctx context.Context, dir string) error {
	containerd := n.Daemons()[0]
	if err := containerd.Signal(ctx, unix.SIGTERM); err != nil {
		return err
	}
	return errors.Join(copyStore(ctx, n.store(), dir), n.Boot(ctx))
}

// plant gives a new node the seed's images.
func (n *Node) plant(ctx context.Context) error {
	if n.Seed == "" {
		return nil
	}
	if _, err := os.Stat(n.Seed); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return copyStore(ctx, n.Seed, n.store())
}

// copyStore copies containerd's folder. Blobs and layers never change, so that they can be links; its databases are copied. On another file system
// everything is copied.
func copyStore(ctx context.Context, from, to string) error {
	if err := copyTree(ctx, from, to, "--link"); err != nil {
		if err := errors.Join(os.RemoveAll(to), copyTree(ctx, from, to)); err != nil {
			return err
		}
	}
	return filepath.WalkDir(to, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "snapshots" { // the layers
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".db" {
			return nil
		}
		relative, err := filepath.Rel(to, path)
		if err != nil {
			return err
		}
		return errors.Join(os.Remove(path), copyFile(filepath.Join(from, relative), path))
	})
}

func copyTree(ctx context.Context, from, to string, options ...string) error {
	args := append(append([]string{"--archive"}, options...), "--no-target-directory", from, to)
	if out, err := exec.CommandContext(ctx, "cp", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, strings.TrimSpace(string(out)))
	}
	return nil
}
