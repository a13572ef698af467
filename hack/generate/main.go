// Command generate makes everything that follows from the Go types of pkg/apis: deep copies beside the types, the CRDs in
// dist/images/crds, and the clientset, listers and informers in pkg/client.
//
// It runs from the root of the module with the generators that hack/tools/go.mod pins. Files that come out as they are
// keep their times; files that nothing makes any more are deleted. On a clean tree it changes nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
)

const (
	module     = "github.com/kubeovn/kube-ovn"
	apisDir    = "pkg/apis/kubeovn/v1"
	clientDir  = "pkg/client"
	crdsDir    = "dist/images/crds"
	toolsMod   = "hack/tools/go.mod"
	deepcopyGo = "zz_generated.deepcopy.go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := generate(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		stop()
		os.Exit(1)
	}
}

// generate runs all generators into a scratch directory and then brings the tree up to date with it.
func generate(ctx context.Context) error {
	if _, err := os.Stat(toolsMod); err != nil {
		return fmt.Errorf("run it from the root of the module: %w", err)
	}
	scratch, err := os.MkdirTemp("", "generate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	header := filepath.Join(scratch, "header.txt")
	if err := os.WriteFile(header, nil, 0o600); err != nil {
		return err
	}

	if err := tool(ctx, "deepcopy-gen", "--go-header-file", header, "--output-file", deepcopyGo, "./"+apisDir); err != nil {
		return err
	}
	crds := filepath.Join(scratch, "crds")
	plurals, err := makeCRDs(ctx, crds)
	if err != nil {
		return err
	}
	client := filepath.Join(scratch, "client")
	if err := makeClient(ctx, client, header, plurals); err != nil {
		return err
	}
	if err := replaceTree(crdsDir, crds); err != nil {
		return err
	}
	return replaceTree(clientDir, client)
}

// makeCRDs writes one CRD per kind into dir and returns the plural of each kind.
func makeCRDs(ctx context.Context, dir string) (map[string]string, error) {
	if err := tool(ctx, "controller-gen", "crd", "paths=./"+apisDir, "output:crd:dir="+dir); err != nil {
		return nil, err
	}
	return finishCRDs(dir)
}

// makeClient writes clientset, listers and informers into dir.
func makeClient(ctx context.Context, dir, header string, plurals map[string]string) error {
	apis, client := path.Join(module, apisDir), path.Join(module, clientDir)
	runs := [][]string{
		{
			"client-gen", "--go-header-file", header, "--clientset-name", "versioned", "--input-base", "", "--input", apis,
			"--output-pkg", client + "/clientset", "--output-dir", filepath.Join(dir, "clientset"),
		},
		{
			"lister-gen", "--go-header-file", header,
			"--output-pkg", client + "/listers", "--output-dir", filepath.Join(dir, "listers"), apis,
		},
		{
			"informer-gen", "--go-header-file", header,
			"--versioned-clientset-package", client + "/clientset/versioned", "--listers-package", client + "/listers",
			"--output-pkg", client + "/informers", "--output-dir", filepath.Join(dir, "informers"), apis,
		},
	}
	for _, run := range runs {
		if err := tool(ctx, run[0], run[1:]...); err != nil {
			return err
		}
	}
	return finishClient(dir, plurals)
}

// tool runs a program of the tools module; what it prints is shown.
func tool(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "-modfile=" + toolsMod, name}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
