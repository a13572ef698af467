// kube-ovn-controller turns Kubernetes and kubeovn.io objects into rows of the OVN northbound database.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	nadclient "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/controller"
)

// errUsage marks what the command line is refused for.
var errUsage = errors.New("run it with --help for its flags")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	klog.Flush()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "kube-ovn-controller:", err)
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
	if opts.dryRun {
		return rehearse(ctx, opts)
	}
	if err := opts.log.Open(); err != nil {
		return err
	}
	log := klog.FromContext(ctx)
	for _, name := range opts.unused {
		log.Info("This flag is accepted and has no effect in this version", "flag", name)
	}
	clients, err := connect(opts.kubeconfig, nil)
	if err != nil {
		return err
	}
	work := controller.New(opts.config, clients)
	opts.serving.own = work
	e := &elector{options: opts, kube: clients.Kube, work: work.Run}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := opts.serving.run(working, checksOf(work, e.leads.Load)); err != nil {
			cancel(err)
		}
	}()
	err = e.run(working)
	switch {
	case ctx.Err() != nil: // asked to end
		return nil
	case err != nil:
		return err
	}
	return context.Cause(working)
}

// rehearse prints what the leader would write. It takes no lease, serves nothing and leaves the leader's log file alone, so
// that it runs beside the leader.
func rehearse(ctx context.Context, opts *options) error {
	klog.LogToStderr(true)
	opts.config.Rehearsal = controller.NewRehearsal(os.Stdout)
	clients, err := connect(opts.kubeconfig, opts.config.Rehearsal)
	if err != nil {
		return err
	}
	if err := controller.New(opts.config, clients).Run(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("the dry run was ended before it was complete")
	}
	return nil
}

// checksOf: a replica that waits for its turn is live and ready; the leader is ready when its loops run.
func checksOf(work *controller.Controller, leads func() bool) checks {
	return checks{
		live: work.Healthy,
		ready: func() error {
			if leads() && !work.Serving() {
				return errors.New("starting")
			}
			return work.Healthy()
		},
	}
}

// connect makes the clients of the API server; those of a rehearsal, nil when it is none, write nothing.
func connect(kubeconfig string, rehearsal *controller.Rehearsal) (controller.Clients, error) {
	var clients controller.Clients
	config, err := restConfig(kubeconfig)
	if err != nil {
		return clients, fmt.Errorf("client of the API server: %w", err)
	}
	if rehearsal != nil {
		rehearsal.Configure(config)
	}
	if clients.KubeOVN, err = versioned.NewForConfig(config); err != nil {
		return clients, fmt.Errorf("client of kubeovn.io: %w", err)
	}
	if clients.Attachments, err = nadclient.NewForConfig(config); err != nil {
		return clients, fmt.Errorf("client of k8s.cni.cncf.io: %w", err)
	}
	if rehearsal == nil { // custom resources have no protobuf form, a rehearsal reads JSON
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
		config.ContentType = "application/vnd.kubernetes.protobuf"
	}
	if clients.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return clients, fmt.Errorf("client of Kubernetes: %w", err)
	}
	return clients, nil
}

// restConfig asks as fast as the API server takes it: its priority and fairness are the limit.
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
	config.QPS = -1
	config.UserAgent = leaseName
	return config, nil
}
