package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
	"github.com/kubeovn/kube-ovn/hack/lab/node"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

const usage = `usage: lab VERB ...

  up [--nodes N] [--no-install]  bring the cluster up and install the network; harmless when it is up
  down                           remove everything the lab made
  status                         what runs; fails when the lab is not whole
  exec NODE -- CMD...            run a program in a node's namespaces
  ext -- CMD...                  run a program in the outside network
  stop|start|kill NODE [DAEMON]  shut down, start or cut the power of a node, or of one of its processes;
                                 NODE "host" holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler
  images                         build the container images
  prepare                        build Kubernetes' programs
  deps                           install the Debian packages that are missing

Environment: LAB names the lab (default kube-ovn); LAB_TUNNEL_NIC (default ` + plan.DefaultTunnelNIC + `) and LAB_OUTSIDE choose the NICs of the
nodes. LAB_OUTSIDE is a list of nic=prefix[@tag][+prefix[@tag]...]: the networks behind each NIC, with VLAN tag or without;
default ` + plan.DefaultOutside + `. Their router has .254 in each.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.Exited() && isCommand(os.Args[1:]): // the program that exec and ext ran says what it thinks itself
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func isCommand(args []string) bool { return args[0] == "exec" || args[0] == "ext" }

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no verb")
	}
	verb, args := args[0], args[1:]
	switch verb { // the hidden verbs come without a checkout
	case daemon.ChildVerb:
		return daemon.Child(args)
	case daemon.SpawnVerb:
		return daemon.Spawn(args)
	case node.InitVerb:
		return node.Init(args[0])
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	}
	flags := pflag.NewFlagSet(verb, pflag.ContinueOnError)
	nodes := flags.Int("nodes", 0, "number of nodes")
	noInstall := flags.Bool("no-install", false, "leave the network out")
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := open(*nodes)
	if err != nil {
		return err
	}
	verbs := map[string]func(context.Context, []string) error{
		"up":      func(ctx context.Context, _ []string) error { return l.up(ctx, !*noInstall) },
		"down":    func(ctx context.Context, _ []string) error { return l.down(ctx) },
		"status":  func(ctx context.Context, _ []string) error { return l.status(ctx) },
		"images":  func(ctx context.Context, _ []string) error { return l.images(ctx) },
		"prepare": func(ctx context.Context, _ []string) error { _, err := l.programs(ctx); return err },
		"deps":    func(ctx context.Context, _ []string) error { return l.deps(ctx) },
		"exec":    l.exec,
		"ext":     l.ext,
		"start":   l.power,
		"stop":    l.power,
		"kill":    l.power,
	}
	do, ok := verbs[verb]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("no verb %q", verb)
	}
	l.verb = verb
	return do(ctx, flags.Args())
}

// open plans the lab that the environment names, with the number of nodes and the NICs it was brought up with.
func open(nodes int) (*lab, error) {
	root, err := findCheckout()
	if err != nil {
		return nil, err
	}
	saved, err := readSettings(root, os.Getenv("LAB"))
	if err != nil {
		return nil, err
	}
	if nodes = max(nodes, saved.Nodes); nodes == 0 {
		nodes = plan.DefaultNodes
	}
	p, err := plan.New(os.Getenv("LAB"), root, nodes, saved.getenv)
	if err != nil {
		return nil, err
	}
	return newLab(p)
}
