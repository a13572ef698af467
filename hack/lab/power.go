package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// hostName stands for what runs beside the nodes where a node's name is expected.
const hostName = "host"

// exec runs a program in a node's namespaces.
func (l *lab) exec(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: lab exec NODE -- CMD [ARG]")
	}
	n, err := l.node(args[0])
	if err != nil {
		return err
	}
	return n.Run(ctx, &node.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, args[1:]...)
}

// ext runs a program in the outside network.
func (l *lab) ext(ctx context.Context, args []string) error {
	if len(args) < 1 {
		return errors.New("usage: lab ext -- CMD [ARG]")
	}
	return ns.InNetns(l.plan.OutsideNetns(), func() error {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return cmd.Run()
	})
}

// power is the verbs start, stop and kill: of a node, or of one daemon.
func (l *lab) power(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("usage: lab %s NODE [DAEMON]", l.verb)
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if args[0] == hostName {
		if len(args) == 1 {
			return fmt.Errorf("usage: lab %s %s DAEMON", l.verb, hostName)
		}
		return l.powerDaemon(ctx, l.controlPlane(), args[1])
	}
	n, err := l.node(args[0])
	if err != nil {
		return err
	}
	if len(args) == 2 {
		return l.powerProcess(ctx, n, args[1])
	}
	switch l.verb {
	case "stop":
		return n.Stop(ctx)
	case "kill":
		return n.Kill(ctx)
	}
	if err := n.Boot(ctx); err != nil {
		return err
	}
	if err := l.outside.Start(ctx); err != nil {
		return err
	}
	return n.Join()
}

// powerProcess acts on one of the node's own daemons, or signals the processes that pods run under that name.
func (l *lab) powerProcess(ctx context.Context, n *node.Node, name string) error {
	for _, d := range n.Daemons() {
		if d.Name == name {
			return l.powerDaemon(ctx, n.Daemons(), name)
		}
	}
	if l.verb == "start" {
		return fmt.Errorf("%s of node %s is not a daemon of the node itself: the kubelet restarts it", name, n.Name)
	}
	pids, err := n.Find(name)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("no process %s on node %s", name, n.Name)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, l.signal()); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal %s, process %d: %w", name, pid, err)
		}
	}
	return nil
}

func (l *lab) powerDaemon(ctx context.Context, daemons []daemon.Daemon, name string) error {
	var names []string
	for _, d := range daemons {
		names = append(names, d.Name)
		if d.Name != name {
			continue
		}
		if l.verb == "start" {
			return d.Start()
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return d.Signal(ctx, l.signal())
	}
	return fmt.Errorf("no daemon %q; there are %s", name, strings.Join(names, ", "))
}

func (l *lab) signal() unix.Signal {
	if l.verb == "kill" {
		return unix.SIGKILL
	}
	return unix.SIGTERM
}
