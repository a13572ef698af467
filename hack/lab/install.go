package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/image"
)

// install runs dist/images/install.sh as a user does, with the one extra setting that the lab's kernel needs, and waits until all is ready.
// The image's tag ends in a digest of its content: a changed image is rolled out like any new version. Options of install.sh in the environment
// are the user's: others than last time are put in force.
func (l *lab) install(ctx context.Context, archive string) error {
	if err := l.importImages(ctx, archive); err != nil {
		return err
	}
	version, err := image.Tag(l.plan.Root, archive)
	if err != nil {
		return err
	}
	script := filepath.Join(l.plan.Root, "dist", "images", "install.sh")
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	done, want := filepath.Join(l.plan.Dir(), "installed"), strings.Join(append([]string{version}, options(string(text), os.LookupEnv)...), "\n")
	if was, err := os.ReadFile(done); err == nil && string(was) == want && l.ready(ctx) == nil {
		l.progress.step("%s is installed and ready", version)
		return nil
	}
	l.progress.step("running dist/images/install.sh, version %s", version)
	bin := filepath.Join(l.plan.Dir(), "bin")
	ctx, cancel := context.WithTimeoutCause(ctx, installTime, fmt.Errorf("install.sh took more than %s", installTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, script)
	cmd.Env = append(os.Environ(),
		"PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+l.control.Kubeconfig("admin"),
		"VERSION="+version, "DATAPATH=netdev", "IFACE="+l.plan.TunnelNIC, "KUBECTL_KO_DIR="+bin,
	)
	if err := l.follow(cmd); err != nil {
		return errors.Join(fmt.Errorf("install.sh: %w", err), l.diagnose(ctx))
	}
	l.progress.step("waiting until everything is ready")
	if err := l.await(ctx, "the network", l.ready); err != nil {
		return errors.Join(err, l.diagnose(ctx))
	}
	return os.WriteFile(done, []byte(want), 0o644)
}

// options are those of install.sh that the environment sets, as NAME=VALUE, sorted.
func options(script string, lookup func(string) (string, bool)) (set []string) {
	for _, line := range regexp.MustCompile(`(?m)^([A-Z][A-Z0-9_]*)="`).FindAllStringSubmatch(script, -1) {
		if value, ok := lookup(line[1]); ok {
			set = append(set, line[1]+"="+value)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// follow runs a program and shows its lines as progress.
func (l *lab) follow(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a script's children end with it
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			l.progress.step("  %s", lines.Text())
		}
		io.Copy(io.Discard, read) //nolint:errcheck // an overlong line ends the scan, not the program
	}()
	err := cmd.Run()
	write.Close()
	<-shown
	return err
}

// ready is nil when all nodes are Ready and every workload of kube-system has all its pods.
func (l *lab) ready(ctx context.Context) error {
	const conditions = `{range .items[*]}{.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`
	nodes, err := l.kubectl(ctx, "", "get", "nodes", "-o", "jsonpath="+conditions)
	if err != nil {
		return err
	}
	if err := nodesReady(nodes, len(l.nodes)); err != nil {
		return err
	}
	const counts = `{range .items[*]}{.kind}/{.metadata.name}{" "}{.metadata.generation}{" "}{.status.observedGeneration}{" "}` +
		`{.spec.replicas}{.status.desiredNumberScheduled}{" "}{.status.readyReplicas}{.status.numberReady}{"\n"}{end}`
	workloads, err := l.kubectl(ctx, "", "-n", "kube-system", "get", "deployments,daemonsets", "-o", "jsonpath="+counts)
	if err != nil {
		return err
	}
	return workloadsReady(workloads)
}

// nodesReady reads lines `name status`.
func nodesReady(text string, want int) error {
	ready := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != "True" {
			return fmt.Errorf("node %s is not Ready", strings.TrimSpace(line))
		}
		ready++
	}
	if ready < want {
		return fmt.Errorf("%d of %d nodes are registered", ready, want)
	}
	return nil
}

// workloadsReady reads lines `kind/name generation observed wanted ready`; the last is missing while it is zero.
func workloadsReady(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("no workload in kube-system")
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) < 4 || f[1] != f[2]:
			return fmt.Errorf("%s: its controller has not seen it yet", strings.TrimSpace(line))
		case f[3] == "0" && len(f) == 4:
		case len(f) != 5 || f[3] != f[4]:
			have := "0"
			if len(f) == 5 {
				have = f[4]
			}
			return fmt.Errorf("%s: %s of %s pods are ready", f[0], have, f[3])
		}
	}
	return nil
}

// diagnose is an error that shows what a person would look at first.
func (l *lab) diagnose(ctx context.Context) error {
	var text strings.Builder
	for _, args := range [][]string{
		{"get", "nodes", "-o", "wide"},
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "events", "-A", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"},
	} {
		out, err := l.kubectl(context.WithoutCancel(ctx), "", args...)
		if err != nil {
			out = err.Error()
		}
		lines := strings.SplitAfter(out, "\n")
		fmt.Fprintf(&text, "\n$ kubectl %s\n%s", strings.Join(args, " "), strings.Join(lines[max(0, len(lines)-40):], ""))
	}
	return errors.New(text.String())
}

// output runs a command and returns what it printed on standard output; its error carries the rest.
func output(cmd *exec.Cmd, stdin string) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
