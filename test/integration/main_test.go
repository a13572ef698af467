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

	"golang.org/x/sync/errgroup"

	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// worlds is how many tests run at a time: most of a test is waiting for quiet.
const worlds = 2

// plane is an API that one test at a time has for itself.
type plane struct {
	*testbed.Plane
	kubeconfig string // with the rights that the product's manifests give the controller
}

// planes are the free ones, program is the controller; every test starts with an empty plane and databases of its own.
var (
	planes  = make(chan *plane, worlds)
	program string
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
	started := make([]*plane, worlds)
	defer func() {
		for _, p := range started {
			if p != nil {
				err = errors.Join(err, p.Stop())
			}
		}
	}()
	var all errgroup.Group
	for i := range started {
		all.Go(func() error {
			p, err := testbed.StartPlane(ctx)
			if err != nil {
				return err
			}
			started[i] = &plane{Plane: p}
			started[i].kubeconfig, err = p.Restrict(ctx)
			planes <- started[i]
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
