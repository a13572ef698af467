package ko

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Usage is what `kubectl ko` says without or with a wrong command.
const Usage = `kubectl ko runs the tools of OVN and OVS where they can answer.

Usage: kubectl ko [--kubeconfig FILE] [--context NAME] COMMAND ...

  nbctl [OPTIONS] COMMAND...           ovn-nbctl at the leader of the northbound database
  sbctl [OPTIONS] COMMAND...           ovn-sbctl at the leader of the southbound database
  vsctl NODE [OPTIONS] COMMAND...      ovs-vsctl on a node
  ofctl NODE [OPTIONS] COMMAND...      ovs-ofctl on a node
  dpctl NODE [OPTIONS] COMMAND...      the datapath of a node, through ovs-appctl dpctl/...
  appctl NODE [OPTIONS] COMMAND...     ovs-appctl on a node

Output and exit code are those of the tool. An argument "-" passes standard input on.
KUBE_OVN_NS names the namespace of the network's pods (kube-system).
`

// UsageError is a command line that cannot be understood.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

// Streams of the command. In is read only when an argument is "-", so that a loop around `kubectl ko` keeps its input.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exec runs argv in a container of a pod, with the given streams (In may be nil). A non-zero exit is an error that has
// ExitStatus() int, as k8s.io/client-go/util/exec.CodeExitError.
type Exec func(ctx context.Context, pod *corev1.Pod, container string, argv []string, s Streams) error

// Plugin answers commands.
type Plugin struct {
	Client    kubernetes.Interface
	Namespace string
	Exec      Exec
	Streams   Streams
	// Every and Tries bound the search for a leader, which moves during elections.
	Every time.Duration
	Tries int
}

// Run carries out one command line, without the program's name.
func (p *Plugin) Run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return &UsageError{Problem: "no command given"}
	}
	command, rest := args[0], args[1:]
	switch command {
	case "nbctl":
		return p.central(ctx, "nb", util.NBLeaderLabel, append([]string{"ovn-nbctl"}, rest...))
	case "sbctl":
		return p.central(ctx, "sb", util.SBLeaderLabel, append([]string{"ovn-sbctl"}, rest...))
	case "vsctl", "ofctl", "appctl", "dpctl":
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return &UsageError{Problem: fmt.Sprintf("%s needs the name of a node: kubectl ko %s NODE ...", command, command)}
		}
		argv := append([]string{"ovs-" + command}, rest[1:]...)
		switch {
		case command == "dpctl":
			var err error
			if argv, err = dpctl(rest[1:]); err != nil {
				return err
			}
		case command == "appctl" && strings.HasPrefix(target(rest[1:]), "ovn"):
			argv[0] = "ovn-appctl" // ovs-appctl looks for pid files of OVS only
		}
		return p.node(ctx, rest[0], argv)
	}
	return &UsageError{Problem: fmt.Sprintf("unknown command %q", command)}
}

// dpctl turns ovs-dpctl's grammar (options before the command) into that of ovs-appctl (options after it). ovs-vswitchd
// answers for both datapaths, ovs-dpctl only for the kernel's.
func dpctl(args []string) ([]string, error) {
	i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	if i < 0 {
		return nil, &UsageError{Problem: "dpctl needs a command: kubectl ko dpctl NODE show"}
	}
	argv := append([]string{"ovs-appctl", "dpctl/" + args[i]}, args[:i]...)
	return append(argv, args[i+1:]...), nil
}

// target is the daemon that an ovs-appctl command line names; empty: the default.
func target(args []string) string {
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--target="); ok {
			return value
		}
		if (a == "-t" || a == "--target") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// central runs argv in the pod that leads.
func (p *Plugin) central(ctx context.Context, role, label string, argv []string) error {
	pod, err := p.leader(ctx, role, label)
	if err != nil {
		return err
	}
	return p.exec(ctx, pod, util.AppOVNCentral, argv)
}

// leader is the ready ovn-central pod with the label; it is awaited a while.
func (p *Plugin) leader(ctx context.Context, role, label string) (*corev1.Pod, error) {
	selector := labels.Set{util.AppLabel: util.AppOVNCentral, label: "true"}.String()
	ticker := time.NewTicker(p.Every)
	defer ticker.Stop()
	for try := 1; ; try++ {
		pod, err := p.readyPod(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil || pod != nil {
			return pod, err
		}
		if try >= p.Tries {
			return nil, fmt.Errorf("%s leader not exists: no ready pod in namespace %s has the labels %s", role, p.Namespace, selector)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// node runs argv in the OVS pod of a node.
func (p *Plugin) node(ctx context.Context, node string, argv []string) error {
	pod, err := p.readyPod(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{util.AppLabel: util.AppOVS}.String(),
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String(),
	})
	if err != nil {
		return err
	}
	if pod == nil {
		return p.noPod(ctx, node)
	}
	return p.exec(ctx, pod, util.OVSContainer, argv)
}

// noPod says why a node has no OVS pod to ask.
func (p *Plugin) noPod(ctx context.Context, node string) error {
	list, err := p.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("node %s has no running pod of ovs-ovn", node)
	}
	var names []string
	for _, n := range list.Items {
		if n.Name == node {
			return fmt.Errorf("node %s has no running pod of ovs-ovn", node)
		}
		names = append(names, n.Name)
	}
	return fmt.Errorf("there is no node %q; nodes are %s", node, strings.Join(names, ", "))
}

// readyPod prefers a ready pod; on a node a running one will do, since an unready OVS is what one wants to look at.
func (p *Plugin) readyPod(ctx context.Context, options metav1.ListOptions) (*corev1.Pod, error) {
	list, err := p.Client.CoreV1().Pods(p.Namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list pods of namespace %s: %w", p.Namespace, err)
	}
	var running *corev1.Pod
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
			continue
		}
		if isReady(pod) {
			return pod, nil
		}
		if options.FieldSelector != "" {
			running = pod
		}
	}
	return running, nil
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (p *Plugin) exec(ctx context.Context, pod *corev1.Pod, container string, argv []string) error {
	streams := p.Streams
	if !slices.Contains(argv, "-") {
		streams.In = nil
	}
	if err := p.Exec(ctx, pod, container, argv, streams); err != nil {
		return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// ExitCode is the code the plugin ends with: that of the remote tool when it ran, else 1.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var remote interface{ ExitStatus() int }
	if errors.As(err, &remote) && remote.ExitStatus() != 0 {
		return remote.ExitStatus()
	}
	return 1
}

// IsRemote says whether an error is only the remote tool's exit code; the tool itself has said what is wrong.
func IsRemote(err error) bool {
	var remote interface{ ExitStatus() int }
	return errors.As(err, &remote)
}
