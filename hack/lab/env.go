package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
)

// writeEnv writes .lab/env, the shell file for whoever works with the lab, and the folder of programs it puts into PATH.
func (l *lab) writeEnv() error {
	bin := filepath.Join(l.plan.Dir(), "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	link := filepath.Join(bin, "kubectl")
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Join(l.control.Programs, "kubectl"), link); err != nil {
		return err
	}
	if err := os.WriteFile(l.env(), []byte(environment(l.plan.Name, bin, l.control)), 0o644); err != nil {
		return err
	}
	return linkEnv(l.plan.Root, l.plan.Name)
}

// env is the lab's own shell file, to which .lab/env leads.
func (l *lab) env() string { return filepath.Join(l.plan.Dir(), "env") }

func envFile(root string) string { return filepath.Join(root, ".lab", "env") }

// linkEnv makes .lab/env the named lab's, unless it is another lab's of the checkout.
func linkEnv(root, name string) error {
	if owner := envOwner(root); owner != "" {
		if _, err := os.Stat(filepath.Join(root, ".lab", owner, "env")); err == nil && owner != name {
			return nil
		}
		if err := os.Remove(envFile(root)); err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join(name, "env"), envFile(root))
}

// envOwner is the lab that .lab/env belongs to, empty when there is none.
func envOwner(root string) string {
	target, err := os.Readlink(envFile(root))
	if err != nil {
		return ""
	}
	return filepath.Dir(target)
}

func environment(name, bin string, control cluster.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "export LAB=%q\n", name)
	fmt.Fprintf(&b, "export KUBECONFIG=%q\n", control.Kubeconfig("admin"))
	fmt.Fprintf(&b, "export PATH=\"%s:$PATH\"\n", bin)
	return b.String()
}
