package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/network"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// down removes the lab and fails when anything of it is left.
func (l *lab) down(ctx context.Context) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l.progress.step("removing lab %s", l.plan.Name)
	if err := l.clear(ctx); err != nil {
		return err
	}
	left, err := l.leftovers()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("lab %s left behind:\n  %s", l.plan.Name, strings.Join(left, "\n  "))
	}
	l.progress.step("nothing is left")
	return nil
}

// clear ends and removes everything that bears the lab's name, whatever state it is in.
func (l *lab) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, errors.New("clearing takes too long"))
	defer cancel()
	err := l.killNetns()
	err = errors.Join(err, l.eachNode(func(n *node.Node) error { return n.Kill(ctx) }))
	groups, listErr := cgroup.Names(l.plan.Prefix())
	err = errors.Join(err, listErr)
	for _, group := range groups {
		err = errors.Join(err, cgroup.Remove(ctx, group))
	}
	err = errors.Join(err, network.Clear(l.plan), l.unmount(), l.unlinkEnv())
	if err != nil { // the folder may still be in use
		return err
	}
	return errors.Join(
		os.RemoveAll(l.plan.Dir()),
		os.RemoveAll(filepath.Join(runDir, l.plan.Name)),
		restoreSysctls(),
	)
}

// killNetns ends what still runs in the lab's network namespaces without being in its groups: programs that `lab exec` and `lab ext` started.
func (l *lab) killNetns() error {
	names, err := ns.NetnsNames(l.plan.Prefix())
	for _, name := range names {
		pids, listErr := ns.NetnsProcesses(name)
		err = errors.Join(err, listErr)
		for _, pid := range pids {
			if pid == os.Getpid() {
				continue
			}
			if killErr := unix.Kill(pid, unix.SIGKILL); killErr != nil && !errors.Is(killErr, unix.ESRCH) {
				err = errors.Join(err, fmt.Errorf("kill process %d in %s: %w", pid, name, killErr))
			}
		}
	}
	return err
}

// mounts are the mount points of this machine inside the lab's folder.
func (l *lab) mounts() ([]string, error) {
	dir := l.plan.Dir()
	return ns.MountsBelow(func(path string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
}

func (l *lab) unmount() error {
	paths, err := l.mounts()
	for _, path := range paths {
		err = errors.Join(err, unix.Unmount(path, unix.MNT_DETACH))
	}
	return err
}

// unlinkEnv takes .lab/env away when it is this lab's, and gives it to another lab of the checkout.
func (l *lab) unlinkEnv() error {
	if envOwner(l.plan.Root) != l.plan.Name {
		return nil
	}
	if err := os.Remove(envFile(l.plan.Root)); err != nil {
		return err
	}
	others, err := filepath.Glob(filepath.Join(l.plan.Root, ".lab", "*", "env"))
	for _, other := range others {
		if name := filepath.Base(filepath.Dir(other)); name != l.plan.Name {
			return linkEnv(l.plan.Root, name)
		}
	}
	return err
}

// leftovers lists everything of the lab that exists: processes, groups, namespaces, interfaces, mounts, folders.
func (l *lab) leftovers() ([]string, error) {
	var left []string
	add := func(kind string, things []string) {
		for _, t := range things {
			left = append(left, kind+" "+t)
		}
	}
	groups, err := cgroup.Names(l.plan.Prefix())
	add("control group", groups)
	for _, group := range groups {
		pids, pidErr := cgroup.Processes(group)
		err = errors.Join(err, pidErr)
		for _, pid := range pids {
			add("process", []string{fmt.Sprintf("%d of %s", pid, group)})
		}
	}
	names, listErr := ns.NetnsNames(l.plan.Prefix())
	err = errors.Join(err, listErr)
	add("network namespace", names)
	for _, name := range names {
		pids, pidErr := ns.NetnsProcesses(name)
		err = errors.Join(err, pidErr)
		for _, pid := range pids {
			add("process", []string{fmt.Sprintf("%d in %s", pid, name)})
		}
	}
	links, listErr := network.Interfaces(l.plan)
	err = errors.Join(err, listErr)
	add("interface", links)
	mounts, listErr := l.mounts()
	err = errors.Join(err, listErr)
	add("mount", mounts)
	for _, dir := range []string{filepath.Join(l.plan.Dir(), "nodes"), filepath.Join(runDir, l.plan.Name)} {
		if _, statErr := os.Stat(dir); statErr == nil {
			add("folder", []string{dir})
		}
	}
	return left, err
}
