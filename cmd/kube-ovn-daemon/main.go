// kube-ovn-daemon is the agent of a node: it makes the node's network and serves the CNI binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/daemon"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// errUsage marks what the command line is refused for.
var errUsage = errors.New("run it with --help for its flags")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	klog.Flush()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "kube-ovn-daemon:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	opts, err := parse(args, os.Getenv)
	if err != nil {
		return errors.Join(err, errUsage)
	}
	if opts.installOnly {
		return opts.config.CNIConf.Install()
	}
	if err := opts.log.Open(); err != nil {
		return err
	}
	log := klog.FromContext(ctx)
	for _, name := range opts.unused {
		log.Info("This flag is accepted and has no effect in this version", "flag", name)
	}
	deps, err := connect(ctx, opts)
	if err != nil {
		return err
	}
	if err := deps.IPTables.CleanLegacy(ctx); err != nil {
		log.Error(err, "Rules of an earlier version are left in the legacy tables")
	}
	log.Info("Starting", "node", opts.config.NodeName, "iptables", deps.IPTables.Backend())
	return daemon.New(opts.config, deps).Run(ctx)
}

// connect makes the clients. The API server is known by its configuration only; nothing waits for it here.
func connect(ctx context.Context, opts *options) (daemon.Deps, error) {
	var deps daemon.Deps
	config, err := restConfig(opts.kubeconfig)
	if err != nil {
		return deps, fmt.Errorf("client of the API server: %w", err)
	}
	opts.config.Protected = apiAddresses(config.Host)
	if deps.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return deps, fmt.Errorf("client of Kubernetes: %w", err)
	}
	// Custom resources have no protobuf form.
	config.ContentType, config.AcceptContentTypes = "application/json", ""
	if deps.KubeOVN, err = versioned.NewForConfig(config); err != nil {
		return deps, fmt.Errorf("client of kubeovn.io: %w", err)
	}
	if deps.IPTables, err = iptables.New(ctx, node.Mark()); err != nil {
		return deps, err
	}
	deps.VSwitch, err = ovs.Connect(ctx, ovs.OpenVSwitchDB, ovs.Config{Endpoints: []string{opts.ovsEndpoint}})
	if err != nil {
		return deps, fmt.Errorf("connect to the vswitch database: %w", err)
	}
	return deps, nil
}

// restConfig allows as many requests as the API server takes: its own fairness rules are the limit.
func restConfig(kubeconfig string) (*rest.Config, error) {
	var config *rest.Config
	var err error
	if kubeconfig == "" {
		config, err = rest.InClusterConfig()
	} else {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 1000, 2000
	config.UserAgent = "kube-ovn-daemon"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	return config, nil
}
