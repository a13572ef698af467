//go:build integration

// Package integration runs the controller program against a real kube-apiserver, etcd, ovsdb-servers and ovn-northd. There
// are no kubelets: nodes and pods are objects, pods are bound when they are made. `bin/lab prepare` builds what is needed.
package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// plane, program and its kubeconfig are shared by all tests, which run one after the other; every test starts with an empty plane and
// databases of its own.
var (
	plane      *testbed.Plane
	program    string
	kubeconfig string // with the rights that the product's manifests give the controller
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "integration")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if program, err = testbed.Build(ctx, dir, "cmd/kube-ovn-controller"); err != nil {
		return 1, err
	}
	if plane, err = testbed.StartPlane(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, plane.Stop()) }()
	if kubeconfig, err = plane.Restrict(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
