// kube-ovn-start is what the pods of the image start with: it runs OVS and OVN, prepares and replaces itself by the
// controller or the daemon, installs the CNI plugin, answers probes and cleans a node.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/start"
)

const usage = `usage: kube-ovn-start COMMAND

  ovn-central            run the OVN databases and ovn-northd
  ovs                    run ovsdb-server, ovs-vswitchd and ovn-controller
  controller [FLAGS]     become kube-ovn-controller, with the databases' addresses
  cniserver [FLAGS]      wait for OVS, then become kube-ovn-daemon
  install-cni            copy the CNI plugins and kubectl-ko to the host
  health ovn-central [--live]   exit 0 when the databases and ovn-northd are well; --live: when they answer
  health ovs [--live]           exit 0 when OVS and ovn-controller are well; --live: when they answer
  uninstall              remove everything of the network from this node

Settings come from the environment.
`

var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := command(ctx, os.Args[1:])
	stop()
	klog.Flush()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "kube-ovn-start:", err)
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, "\n"+usage)
	}
	var exit *start.ExitError
	if errors.As(err, &exit) && exit.Code != 0 {
		os.Exit(exit.Code)
	}
	os.Exit(1)
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	rest := args[1:]
	switch args[0] {
	case "ovn-central":
		return central(ctx)
	case "ovs":
		o, err := start.NewOVS(os.Getenv)
		if err != nil {
			return err
		}
		return o.Run(ctx)
	case "controller":
		argv, err := start.ControllerArgs(os.Getenv, rest)
		if err != nil {
			return err
		}
		return become(argv)
	case "cniserver":
		if err := start.PrepareCNIServer(ctx, os.Getenv); err != nil {
			return err
		}
		return become(append([]string{"kube-ovn-daemon"}, rest...))
	case "install-cni":
		return start.InstallCNI(os.Getenv)
	case "health":
		return health(ctx, rest)
	case "uninstall":
		return start.Uninstall(ctx, os.Getenv)
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("unknown command %q: %w", args[0], errUsage)
}

func central(ctx context.Context) error {
	c, err := start.NewCentral(os.Getenv)
	if err != nil {
		return err
	}
	if c.Label, err = start.PodLabeler(os.Getenv); err != nil {
		return err
	}
	return c.Run(ctx)
}

func health(ctx context.Context, args []string) error {
	if len(args) > 0 {
		live := len(args) > 1 && args[1] == "--live"
		switch args[0] {
		case "ovn-central":
			return start.HealthCentral(ctx, os.Getenv, live)
		case "ovs":
			return start.HealthOVS(ctx, os.Getenv, live)
		}
	}
	return errUsage
}

// become replaces this process, so that signals and the exit code are those of the program itself.
func become(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, argv, os.Environ()))
}
