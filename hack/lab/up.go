package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/image"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
)

// Bounds of waiting: far above what a slow machine needs, so that they mean failure.
const (
	readyTime   = 3 * time.Minute  // of the control plane, of nodes and workloads
	installTime = 15 * time.Minute // of install.sh
)

// up brings the lab up, or what is missing of it.
func (l *lab) up(ctx context.Context, install bool) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l.progress.step("lab %s: %d nodes", l.plan.Name, len(l.nodes))
	if err := l.deps(ctx); err != nil {
		return err
	}
	if err := l.claim(ctx); err != nil {
		return err
	}
	product := func() (string, error) { return "", nil }
	if install {
		product = l.background(ctx) // beside the rest, which partly waits for disk and network
	}
	programs, err := l.programs(ctx)
	if err != nil {
		return err
	}
	l.configure(programs)
	tests, err := image.TestImages(ctx, programs, node.PauseImage)
	if err != nil {
		return err
	}
	if err := l.machine(); err != nil {
		return err
	}
	if err := l.boot(ctx, tests, product); err != nil {
		return err
	}
	if err := l.writeEnv(); err != nil {
		return err
	}
	if !install {
		l.progress.step("the cluster is up, without a network")
		return nil
	}
	archive, err := product()
	if err != nil {
		return err
	}
	if err := l.install(ctx, archive); err != nil {
		return err
	}
	l.progress.step("the lab is up; for kubectl: . %s", l.env())
	return nil
}

// background starts to build the product's image and returns how to wait for it.
func (l *lab) background(ctx context.Context) func() (string, error) {
	var archive string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		archive, err = l.product(ctx)
	}()
	return func() (string, error) {
		select {
		case <-done:
		default:
			l.progress.step("waiting for the product's image")
			<-done
		}
		return archive, err
	}
}

// programs builds Kubernetes where that was not done yet.
func (l *lab) programs(ctx context.Context) (string, error) {
	return cache.Programs(ctx, l.plan.Root, l.progress.step)
}

func (l *lab) product(ctx context.Context) (string, error) {
	b, err := image.NewBuilder(l.plan.Root, l.progress.step)
	if err != nil {
		return "", err
	}
	return b.Product(ctx)
}

// images builds all images and says where their archives are.
func (l *lab) images(ctx context.Context) error {
	programs, err := l.programs(ctx)
	if err != nil {
		return err
	}
	archives, err := image.TestImages(ctx, programs, node.PauseImage)
	if err != nil {
		return err
	}
	product, err := l.product(ctx)
	if err != nil {
		return err
	}
	for _, archive := range append(archives, product) {
		l.progress.step("%s", archive)
	}
	return nil
}

// claim makes the lab's name this checkout's and clears what a lab of that name left when nothing of it runs any more.
func (l *lab) claim(ctx context.Context) error {
	ownerFile := filepath.Join(runDir, l.plan.Name, "owner")
	alive, err := l.alive()
	if err != nil {
		return err
	}
	if alive {
		owner, err := os.ReadFile(ownerFile)
		if err != nil {
			return fmt.Errorf("processes of a lab %s run, but not whose they are: %w; remove them with `lab down`", l.plan.Name, err)
		}
		if string(owner) != l.plan.Root {
			return fmt.Errorf("a lab %s runs from %s: choose another name, LAB=<name>", l.plan.Name, owner)
		}
	} else {
		left, err := l.leftovers()
		if err != nil {
			return err
		}
		if len(left) > 0 {
			l.progress.step("clearing what a dead lab left: %d things", len(left))
		}
		if err := l.clear(ctx); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(ownerFile), 0o755); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(ownerFile, []byte(l.plan.Root), 0o644), l.writeSettings())
}

// alive reports whether any process of a lab of this name runs, whichever checkout started it.
func (l *lab) alive() (bool, error) {
	groups, err := cgroup.Names(l.plan.Prefix())
	for _, group := range groups {
		pids, pidErr := cgroup.Processes(group)
		err = errors.Join(err, pidErr)
		if len(pids) > 0 {
			return true, err
		}
	}
	return false, err
}
