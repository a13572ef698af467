package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
)

// Suite is the Debian release of the product's base image.
const Suite = "trixie"

// Names of the base image, as the Dockerfile's FROM line reads it, and of the product's, as install.sh does.
const (
	baseName    = "docker.io/library/debian:" + Suite + "-slim"
	productName = "docker.io/kubeovn/kube-ovn"
)

// Builder builds the product's image from a checkout.
type Builder struct {
	Root   string // folder of the checkout
	Report func(format string, args ...any)

	cache string
}

// NewBuilder builds from the checkout at root; report gets a line per step.
func NewBuilder(root string, report func(string, ...any)) (*Builder, error) {
	dir, err := cache.Dir()
	return &Builder{Root: root, Report: report, cache: dir}, err
}

// Product builds programs and image where something changed and returns the archive's path. Its name holds a digest of everything that went in.
func (b *Builder) Product(ctx context.Context) (string, error) {
	b.Report("building the product's programs")
	out := filepath.Join(b.Root, "bin", "image") + "/"
	if err := os.RemoveAll(out); err != nil { // a program that is no longer in cmd/ would stay in the image
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./cmd/...")
	build.Dir, build.Env = b.Root, append(os.Environ(), "CGO_ENABLED=0")
	if err := run(build); err != nil {
		return "", err
	}
	key, err := digest(filepath.Join(b.Root, "dist", "images"), filepath.Join(b.Root, "bin", "image"))
	if err != nil {
		return "", err
	}
	return cache.Make(ctx, filepath.Join(b.cache, "product"), key+".tar", func(ctx context.Context, path string) error {
		if err := b.base(ctx); err != nil {
			return err
		}
		tag, err := Tag(b.Root, path)
		if err != nil {
			return err
		}
		name := productName + ":" + tag
		b.Report("building image %s", name)
		dockerfile := filepath.Join("dist", "images", "Dockerfile")
		if err := b.buildah(ctx, "bud", "--pull-never", "--layers", "--force-rm", "-t", name, "-f", dockerfile, "."); err != nil {
			return err
		}
		if err := b.buildah(ctx, "push", "--disable-compression", name, "docker-archive:"+path+":"+name); err != nil {
			return err
		}
		return b.forget(ctx, key)
	})
}

// base makes the base image from Debian's packages unless buildah has it.
func (b *Builder) base(ctx context.Context) error {
	if err := b.buildah(ctx, "inspect", "--type", "image", baseName); err == nil {
		return nil
	}
	file, err := cache.Make(ctx, b.cache, "debian-"+Suite+".tar", func(ctx context.Context, path string) error {
		b.Report("making a Debian %s root file system", Suite)
		return run(exec.CommandContext(ctx, "mmdebstrap", "--variant=minbase", "--format=tar", Suite, path))
	})
	if err != nil {
		return err
	}
	b.Report("making image %s", baseName)
	dir, err := os.MkdirTemp("", "base-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	dockerfile := "FROM scratch\nADD base.tar /\nCMD [\"/bin/bash\"]\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600), linkOrCopy(file, filepath.Join(dir, "base.tar"))); err != nil {
		return err
	}
	return b.buildah(ctx, "bud", "-t", baseName, dir)
}

// buildah runs one command on a store of the lab's own. Its mounts end with it: it runs in a mount namespace of its own and forgets what it mounted.
func (b *Builder) buildah(ctx context.Context, args ...string) error {
	_, err := b.buildahOutput(ctx, args...)
	return err
}

func (b *Builder) buildahOutput(ctx context.Context, args ...string) (string, error) {
	state, err := os.MkdirTemp("", "buildah-")
	if err != nil {
		return "", err
	}
	global := []string{"--root", filepath.Join(b.cache, "buildah"), "--runroot", state, "--storage-driver", "overlay"}
	cmd := exec.CommandContext(ctx, "buildah", append(global, args...)...)
	cmd.Dir, cmd.Env = b.Root, append(os.Environ(), "BUILDAH_ISOLATION=chroot")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := runOutput(cmd)
	return out, errors.Join(err, os.RemoveAll(state))
}

// kept is the number of builds that stay: other checkouts of this machine may be about to use theirs.
const kept = 4

// forget removes the archives and the images of all but the latest builds.
func (b *Builder) forget(ctx context.Context, latest string) error {
	dir := filepath.Join(b.cache, "product")
	keep, err := newest(dir, kept-1)
	keep = append(keep, latest)
	old, globErr := filepath.Glob(filepath.Join(dir, "*"))
	err = errors.Join(err, globErr)
	isKept := func(key string) bool {
		return slices.ContainsFunc(keep, func(k string) bool { return strings.HasPrefix(key, k) })
	}
	for _, file := range old {
		if !isKept(filepath.Base(file)) {
			err = errors.Join(err, os.Remove(file))
		}
	}
	names, listErr := b.buildahOutput(ctx, "images", "--filter", "reference="+productName, "--format", "{{.Name}}:{{.Tag}}")
	err = errors.Join(err, listErr)
	for _, name := range strings.Fields(names) {
		if key := name[strings.LastIndexByte(name, '-')+1:]; strings.HasPrefix(name, productName+":") && !isKept(key) {
			err = errors.Join(err, b.buildah(ctx, "rmi", name))
		}
	}
	return err
}

// newest are the names, without their suffix, of the n archives of dir that were made last.
func newest(dir string, n int) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil {
		return nil, err
	}
	made := map[string]int64{}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			made[file] = info.ModTime().UnixNano()
		}
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(made[b], made[a]) })
	var keys []string
	for _, file := range files[:min(n, len(files))] {
		keys = append(keys, strings.TrimSuffix(filepath.Base(file), ".tar"))
	}
	return keys, nil
}

// Tag is the tag of the image in an archive of Product: the version that install.sh asks for, and the digest from the archive's name.
func Tag(root, archive string) (string, error) {
	file := filepath.Join(root, "dist", "images", "install.sh")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	version, err := parseVersion(string(data), file)
	digest, _, _ := strings.Cut(filepath.Base(archive), ".")
	return version + "-" + digest, err
}

func parseVersion(script, file string) (string, error) {
	found := regexp.MustCompile(`(?m)^VERSION="(?:\$\{VERSION:-)?([A-Za-z0-9._-]+)\}?"`).FindStringSubmatch(script)
	if found == nil {
		return "", fmt.Errorf(`%s: no line VERSION="..."`, file)
	}
	return found[1], nil
}

// digest is a short name for the content of folders, file modes and names included.
func digest(dirs ...string) (string, error) {
	sum := sha256.New()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%s %o %d\n", relative, info.Mode().Perm(), info.Size())
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(sum, f)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16], nil
}

// StoreKey names an image store by what changes seldom: the test images and the product's Dockerfile.
func StoreKey(root string, tests []string) (string, error) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "dist", "images", "Dockerfile"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(dockerfile)
	for _, file := range slices.Sorted(slices.Values(tests)) {
		fmt.Fprintln(sum, filepath.Base(file))
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16], nil
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return run(exec.Command("cp", from, to)) // the temporary folder is on another file system
}

// run runs a command; its error carries the end of what it printed.
func run(cmd *exec.Cmd) error {
	_, err := runOutput(cmd)
	return err
}

func runOutput(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return string(out), nil
	}
	text := strings.TrimSpace(string(out))
	if len(text) > 4000 {
		text = "..." + text[len(text)-4000:]
	}
	return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, text)
}
