package start

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout bounds one call of an OVS or OVN tool.
const commandTimeout = 10 * time.Second

// run calls one program and returns its standard output without the last newline. The error carries what it said.
func run(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(stderr.String())
		if said == "" {
			said = strings.TrimSpace(stdout.String())
		}
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, said)
	}
	return strings.TrimRight(stdout.String(), "\n"), nil
}

// poll calls check until it returns nil. When ctx ends first, the error says what was waited for and why it was not so.
func poll(ctx context.Context, every time.Duration, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, errors.Join(err, ctx.Err()))
		case <-ticker.C:
		}
	}
}

// runInput calls one program with text on its standard input.
func runInput(ctx context.Context, input string, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s\n%s", strings.Join(argv, " "), err, bytes.TrimSpace(out), input)
	}
	return nil
}
