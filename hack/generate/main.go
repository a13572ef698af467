// Command generate makes everything that follows from the Go types of pkg/apis: deep copies beside the types, the CRDs in
// dist/images/crds, and the clientset, listers and informers in pkg/client; and the models of pkg/ovs from their schemas.
//
// It runs from the root of the module with the generators that hack/tools/go.mod pins. Files that come out as they are
// keep their times; files that nothing makes any more are deleted. On a clean tree it changes nothing; with -check it
// never does, and fails when there is something to change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
)

const (
	module     = "github.com/kubeovn/kube-ovn"
	apisDir    = "pkg/apis/kubeovn/v1"
	clientDir  = "pkg/client"
	crdsDir    = "dist/images/crds"
	toolsMod   = "hack/tools/go.mod"
	deepcopyGo = "zz_generated.deepcopy.go"
	ovsDir     = "pkg/ovs"
	schemasDir = "pkg/ovs/schema"
	modelgen   = "github.com/ovn-org/libovsdb/cmd/modelgen" // of the version that go.mod pins
)

// models are the packages of table models below pkg/ovs and the schemas they are made from.
var models = map[string]string{
	"ovnnb": "ovn-nb.ovsschema", "ovnsb": "ovn-sb.ovsschema", "vswitch": "vswitch.ovsschema",
}

func main() {
	check := flag.Bool("check", false, "change nothing and fail when a file is not up to date")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := &output{check: *check}
	err := generate(ctx, out)
	if err == nil && *check && len(out.changed) > 0 {
		err = fmt.Errorf("not up to date, run go run ./hack/generate:\n  %s", strings.Join(out.changed, "\n  "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		stop()
		os.Exit(1)
	}
}

// generate runs all generators into a scratch directory and then brings the tree up to date with it.
func generate(ctx context.Context, out *output) error {
	if _, err := os.Stat(toolsMod); err != nil {
		return fmt.Errorf("run it from the root of the module: %w", err)
	}
	scratch, err := os.MkdirTemp("", "generate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := makeDeepCopies(ctx, scratch, out); err != nil {
		return err
	}
	crds := filepath.Join(scratch, "crds")
	plurals, err := makeCRDs(ctx, crds)
	if err != nil {
		return err
	}
	client := filepath.Join(scratch, "client")
	if err := makeClient(ctx, client, scratch, plurals); err != nil {
		return err
	}
	if err := out.replaceTree(crdsDir, crds); err != nil {
		return err
	}
	if err := out.replaceTree(clientDir, client); err != nil {
		return err
	}
	for name, schema := range models {
		dir := filepath.Join(scratch, name)
		if err := goRun(ctx, "run", modelgen, "-p", name, "-o", dir, filepath.Join(schemasDir, schema)); err != nil {
			return err
		}
		if err := out.replaceTree(path.Join(ovsDir, name), dir); err != nil {
			return err
		}
	}
	return nil
}

// makeDeepCopies brings the deep copies beside the types up to date. Their generator knows no other place to write to, so
// what was there is put back before the outcome is judged.
func makeDeepCopies(ctx context.Context, scratch string, out *output) error {
	header, err := makeHeader(scratch, "")
	if err != nil {
		return err
	}
	file := filepath.Join(apisDir, deepcopyGo)
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	toolErr := tool(ctx, "deepcopy-gen", "--go-header-file", header, "--output-file", deepcopyGo, "./"+apisDir)
	after, err := os.ReadFile(file)
	if toolErr != nil || err != nil {
		return errors.Join(toolErr, err)
	}
	if before == nil {
		err = os.Remove(file)
	} else {
		err = os.WriteFile(file, before, 0o644)
	}
	if err != nil {
		return err
	}
	return out.write(file, after)
}

// makeCRDs writes one CRD per kind into dir and returns the plural of each kind.
func makeCRDs(ctx context.Context, dir string) (map[string]string, error) {
	if err := tool(ctx, "controller-gen", "crd", "paths=./"+apisDir, "output:crd:dir="+dir); err != nil {
		return nil, err
	}
	return finishCRDs(dir)
}

// makeHeader writes the text that a generator puts on top of its files.
func makeHeader(scratch, text string) (string, error) {
	file, err := os.CreateTemp(scratch, "header-")
	if err != nil {
		return "", err
	}
	if _, err := file.WriteString(text); err != nil {
		return "", errors.Join(err, file.Close())
	}
	return file.Name(), file.Close()
}

// makeClient writes clientset, listers and informers into dir.
func makeClient(ctx context.Context, dir, scratch string, plurals map[string]string) error {
	header, err := makeHeader(scratch, "")
	if err != nil {
		return err
	}
	informerHeader, err := makeHeader(scratch, "//lint:file-ignore SA1019 the generator serves clients without contexts, too\n\n")
	if err != nil {
		return err
	}
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
			"informer-gen", "--go-header-file", informerHeader,
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
	if err := goRun(ctx, append([]string{"tool", "-modfile=" + toolsMod, name}, args...)...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// goRun runs the go command; what it prints is shown.
func goRun(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
