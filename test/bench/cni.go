package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// cniReport prints the figures of the daemon's own benchmark, which runs the plugin against a real Open vSwitch.
func cniReport(ctx context.Context) error {
	root, err := framework.Checkout()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=^BenchmarkAdd$", "-benchtime=100x", "./pkg/daemon/server")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	found := false
	for line := range bytes.Lines(out) {
		if text := strings.TrimSpace(string(line)); strings.HasPrefix(text, "cni.") {
			fmt.Println(text)
			found = true
		}
	}
	if !found {
		return errors.New("the benchmark printed no figure")
	}
	return nil
}
