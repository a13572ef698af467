package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/kubeovn/kube-ovn/hack/lab/daemon"
)

// status prints what runs and fails when something is missing.
func (l *lab) status(ctx context.Context) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tADDRESS\tPROCESS\tPID")
	var missing []string
	row := func(where, address string, d daemon.Daemon) {
		pid := d.PID()
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", where, address, d.Name, show(pid))
		if pid == 0 {
			missing = append(missing, where+" "+d.Name)
		}
	}
	for _, d := range l.controlPlane() {
		row(hostName, l.plan.Host().String(), d)
	}
	for _, d := range l.outside.Daemons() {
		row("ext", l.plan.Router().String(), d)
	}
	for _, n := range l.nodes {
		for _, d := range n.Daemons() {
			row(n.Name, n.Management.String(), d)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("lab %s is not up: %s", l.plan.Name, strings.Join(missing, ", "))
	}
	out, err := l.kubectl(ctx, "", "get", "nodes", "-o", "wide")
	if err != nil {
		return errors.Join(errors.New("the API server does not answer"), err)
	}
	fmt.Print("\n" + out)
	return nil
}

func show(pid int) string {
	if pid == 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}
