package cache

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Versions of what hack/lab/kubernetes/go.mod pins; a test holds the two together.
const (
	KubernetesVersion = "v1.36.3"
	EtcdVersion       = "v3.6.8"
	CoreDNSVersion    = "v1.14.3"
	MultusVersion     = "v4.2.4"
)

// programsRevision changes when a program of the folder is built in another way while the versions stay.
const programsRevision = "2"

// A program is built from a package of the module hack/lab/kubernetes.
type program struct{ name, pkg string }

func programs() []program {
	return []program{
		{"kube-all", "./kube-all"},
		{"etcd", "go.etcd.io/etcd/server/v3"},
		{"agnhost", "k8s.io/kubernetes/test/images/agnhost"},
		{"coredns", "./coredns"},
		{"multus", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus"},
		{"thin_entrypoint", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/thin_entrypoint"},
	}
}

// KubernetesPrograms are the names that kube-all answers to; each is a symbolic link beside it.
func KubernetesPrograms() []string {
	return []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"}
}

// ProgramsDir is the folder of Kubernetes' programs: kube-all and its links, etcd, agnhost, coredns, multus, pause.
// It fails when they were not built yet.
func ProgramsDir() (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, programsName())
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the programs of Kubernetes are not built yet, run `bin/lab prepare`: %w", err)
	}
	return path, nil
}

func programsName() string { return "kubernetes-" + KubernetesVersion + "-" + programsRevision }

// Programs builds what is missing of Kubernetes' programs from the checkout at root, about five minutes on two cores when nothing is cached, and
// returns their folder. report gets one line per program.
func Programs(ctx context.Context, root string, report func(format string, args ...any)) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return Make(ctx, dir, programsName(), func(ctx context.Context, path string) error {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		for i, p := range programs() {
			report("building %s from source (%d of %d)", p.name, i+1, len(programs()))
			if err := build(ctx, filepath.Join(root, "hack", "lab", "kubernetes"), p.pkg, filepath.Join(path, p.name)); err != nil {
				return err
			}
		}
		for _, name := range KubernetesPrograms() {
			if err := os.Symlink("kube-all", filepath.Join(path, name)); err != nil {
				return err
			}
		}
		return buildPause(ctx, root, filepath.Join(path, "pause"))
	})
}

// buildFlags are the same for every program: other flags would compile client-go and the rest a second time.
func buildFlags() []string {
	const pkg = "k8s.io/component-base/version"
	major, minor, _ := strings.Cut(strings.TrimPrefix(KubernetesVersion, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	set := []string{"gitVersion=" + KubernetesVersion, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"}
	ldflags := "-s -w"
	for _, s := range set {
		ldflags += " -X " + pkg + "." + s
	}
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", ldflags}
}

func build(ctx context.Context, module, pkg, out string) error {
	args := append(append([]string{"build"}, buildFlags()...), "-o", out, pkg)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return run(cmd)
}

// buildPause compiles the sandbox's pid 1, the one program of Kubernetes that is written in C.
func buildPause(ctx context.Context, root, out string) error {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes")
	list.Dir, list.Env = filepath.Join(root, "hack", "lab", "kubernetes"), append(os.Environ(), "GOWORK=off")
	dir, err := list.Output()
	if err != nil {
		return fmt.Errorf("find the sources of pause: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "build", "pause", "linux", "pause.c")
	return run(exec.CommandContext(ctx, "gcc", "-Os", "-Wall", "-static", "-DVERSION="+KubernetesVersion, "-o", out, source))
}

// run runs a command; its error carries the end of what it printed.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(out))
	if len(text) > 2000 {
		text = "..." + text[len(text)-2000:]
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, text)
}
