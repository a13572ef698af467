// kubectl-ko is the plugin behind `kubectl ko`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeovn/kube-ovn/pkg/ko"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	var usage *ko.UsageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%v\n\n%s", err, ko.Usage)
	case err != nil && !ko.IsRemote(err):
		fmt.Fprintln(os.Stderr, "kubectl ko:", err)
	}
	os.Exit(ko.ExitCode(err))
}

func run(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("kubectl ko", pflag.ContinueOnError)
	flags.SetInterspersed(false) // what follows the command belongs to the remote tool
	flags.SetOutput(io.Discard)
	kubeconfig := flags.String("kubeconfig", "", "")
	contextName := flags.String("context", "", "")
	if err := flags.Parse(args); errors.Is(err, pflag.ErrHelp) {
		fmt.Print(ko.Usage)
		return nil
	} else if err != nil {
		return &ko.UsageError{Problem: err.Error()}
	}
	args = flags.Args()
	if len(args) == 0 {
		return &ko.UsageError{Problem: "no command given"}
	}
	if args[0] == "help" {
		fmt.Print(ko.Usage)
		return nil
	}

	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = *kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
		&clientcmd.ConfigOverrides{CurrentContext: *contextName}).ClientConfig()
	if err != nil {
		return fmt.Errorf("no cluster to talk to: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	namespace := os.Getenv("KUBE_OVN_NS")
	if namespace == "" {
		namespace = "kube-system"
	}
	p := &ko.Plugin{
		Client: client, Namespace: namespace, Exec: ko.Remote(config, client),
		Streams: ko.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
		Every:   time.Second, Tries: 10,
	}
	return p.Run(ctx, args)
}
