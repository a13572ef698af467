package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/image"
	"github.com/kubeovn/kube-ovn/hack/lab/network"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
)

//go:embed files/coredns.yaml
var manifests embed.FS

// machine prepares what is not a node's: the switches, and settings of the whole machine.
func (l *lab) machine() error {
	if err := errors.Join(saveSysctls(), makeTun()); err != nil {
		return err
	}
	if err := cgroup.Create(l.plan.HostCgroup()); err != nil {
		return err
	}
	if err := network.Host(l.plan); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join("/run/netns", l.plan.OutsideNetns())); err == nil {
		return nil
	}
	return network.Outside(l.plan)
}

// makeTun makes the device that userspace switches open, as udev does on a full machine.
func makeTun() error {
	const tun = "/dev/net/tun"
	if _, err := os.Stat(tun); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(tun), 0o755); err != nil {
		return err
	}
	return unix.Mknod(tun, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200)))
}

// boot starts the control plane and every node that does not run, and waits until all nodes have registered.
func (l *lab) boot(ctx context.Context, tests []string, product func() (string, error)) error {
	l.progress.step("starting the control plane on %s", l.control.Server())
	if err := l.outside.Start(ctx); err != nil {
		return err
	}
	if err := l.control.Prepare(); err != nil {
		return err
	}
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	for _, n := range l.nodes { // one after the other: they share a certificate of kube-proxy
		if err := n.Prepare(); err != nil {
			return err
		}
	}
	if err := l.sow(ctx, tests, product); err != nil {
		return err
	}
	l.progress.step("starting %d nodes", len(l.nodes))
	if err := l.eachNode(func(n *node.Node) error { return n.Boot(ctx) }); err != nil {
		return err
	}
	if err := l.outside.Start(ctx); err != nil { // the switch's ports are the nodes' NICs
		return err
	}
	if err := l.importImages(ctx, tests...); err != nil {
		return err
	}
	if err := l.eachNode((*node.Node).Join); err != nil {
		return err
	}
	return l.register(ctx)
}

// sow makes the image store that new nodes start with, unless it is cached: the first node imports everything, the others and later labs get links to
// what it has. Without a product to import there is nothing worth it.
func (l *lab) sow(ctx context.Context, tests []string, product func() (string, error)) error {
	key, err := image.StoreKey(l.plan.Root, tests)
	if err != nil {
		return err
	}
	name := "nodes-" + key
	for _, n := range l.nodes {
		n.Seed = filepath.Join(l.cache, name)
	}
	first := l.nodes[0]
	if _, err := os.Stat(first.Seed); err == nil || first.PID() != 0 {
		return nil
	}
	archive, err := product()
	if err != nil || archive == "" {
		return err
	}
	_, err = cache.Make(ctx, l.cache, name, func(ctx context.Context, path string) error {
		l.progress.step("importing images into the first node")
		if err := first.Boot(ctx); err != nil {
			return err
		}
		for _, file := range append(tests, archive) {
			if err := first.Import(ctx, file); err != nil {
				return err
			}
		}
		return first.SaveStore(ctx, path)
	})
	return errors.Join(err, cache.Forget(l.cache, "nodes-*", name, 24*time.Hour))
}

// startControlPlane starts etcd and the API server, and when that is ready its clients: they give up when their rights are not there yet.
func (l *lab) startControlPlane(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, errors.New("the control plane is not ready"))
	defer cancel()
	for i, d := range l.controlPlane() {
		if err := d.Start(); err != nil {
			return err
		}
		if i != 1 {
			continue
		}
		if err := l.control.WaitReady(ctx); err != nil {
			return errors.Join(err, l.ended())
		}
	}
	return nil
}

// ended names a program of the control plane that does not run, with its last words.
func (l *lab) ended() error {
	for _, d := range l.controlPlane() {
		if d.PID() == 0 {
			return fmt.Errorf("%s ended: %s", d.Name, d.Log())
		}
	}
	return nil
}

// importImages puts image archives into every node that does not have them.
func (l *lab) importImages(ctx context.Context, archives ...string) error {
	l.progress.step("importing images")
	return l.eachNode(func(n *node.Node) error {
		for _, archive := range archives {
			if err := n.Import(ctx, archive); err != nil {
				return err
			}
		}
		return nil
	})
}

// register waits for the Node objects, gives them the labels that a kubelet may not give itself, and deploys the cluster's DNS.
func (l *lab) register(ctx context.Context) error {
	l.progress.step("waiting for the nodes to register")
	for _, n := range l.nodes {
		if err := l.await(ctx, "node "+n.Name, func(ctx context.Context) error {
			_, err := l.kubectl(ctx, "", "get", "node", n.Name)
			return err
		}); err != nil {
			return err
		}
		role := "node-role.kubernetes.io/worker="
		if n.ControlPlane {
			role = "node-role.kubernetes.io/control-plane="
		}
		if _, err := l.kubectl(ctx, "", "label", "--overwrite", "node", n.Name, role); err != nil {
			return err
		}
	}
	text, err := template.ParseFS(manifests, "files/coredns.yaml")
	if err != nil {
		return err
	}
	var manifest bytes.Buffer
	if err := text.Execute(&manifest, map[string]string{"Image": image.CoreDNS}); err != nil {
		return err
	}
	_, err = l.kubectl(ctx, manifest.String(), "apply", "-f", "-")
	return err
}

// await repeats a check until it is nil. The check's last error explains a failure.
func (l *lab) await(ctx context.Context, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	retry := time.NewTicker(500 * time.Millisecond)
	defer retry.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), err)
		case <-retry.C:
		}
	}
}
