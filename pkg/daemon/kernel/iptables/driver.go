package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	goiptables "github.com/coreos/go-iptables/iptables"
	"k8s.io/klog/v2"
)

// Driver edits the rules of the current network namespace.
type Driver struct {
	mark    Mark
	backend string // "nft" or "legacy"
	random  bool
}

// New chooses the backend that holds kube-proxy's or the kubelet's chains, nft when none does, and learns what the
// binaries can. Errors: no iptables binary.
func New(ctx context.Context, mark Mark) (*Driver, error) {
	d := &Driver{mark: mark, backend: "nft"}
	if _, err := exec.LookPath(d.command(IPv4, "")); err != nil {
		d.backend = "legacy"
	}
	if d.backend == "nft" && legacyLoaded() && !d.hinted(ctx) {
		other := &Driver{backend: "legacy"}
		if other.hinted(ctx) {
			d.backend = "legacy"
		}
	}
	ipt, err := goiptables.New(goiptables.Path(d.command(IPv4, "")))
	if err != nil {
		return nil, fmt.Errorf("find iptables: %w", err)
	}
	d.random = ipt.HasRandomFully()
	return d, nil
}

// RandomFully says whether SNAT and MASQUERADE know --random-fully.
func (d *Driver) RandomFully() bool { return d.random }

// Backend is "nft" or "legacy".
func (d *Driver) Backend() string { return d.backend }

// Sync makes the family of want agree with it. Equal rules write nothing. Errors name the family and carry what the
// command said; an unreadable family of which nothing is wanted is no error.
func (d *Driver) Sync(ctx context.Context, want Ruleset) error {
	text, err := d.save(ctx, want.Family)
	if err != nil {
		if len(want.Chains)+len(want.Hooks) == 0 {
			return nil
		}
		return err
	}
	have, err := parseSave(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", want.Family, err)
	}
	change := diff(have, want, d.mark)
	if change == "" {
		return nil
	}
	klog.FromContext(ctx).V(4).Info("Changing rules", "family", want.Family, "change", change)
	if _, err := d.run(ctx, change, want.Family, "-restore", "--noflush", "-w", "5"); err != nil {
		return fmt.Errorf("write %s rules: %w", want.Family, err)
	}
	return nil
}

// CleanLegacy removes what an earlier version left in the legacy tables while nft is in use.
func (d *Driver) CleanLegacy(ctx context.Context) error {
	if d.backend != "nft" || !legacyLoaded() {
		return nil
	}
	legacy := &Driver{mark: d.mark, backend: "legacy"}
	return errors.Join(legacy.Sync(ctx, Ruleset{Family: IPv4}), legacy.Sync(ctx, Ruleset{Family: IPv6}))
}

// Counters returns the rules of a chain of the filter table that contain mark, with their counts.
func (d *Driver) Counters(ctx context.Context, family Family, chain, mark string) ([]Counter, error) {
	text, err := d.run(ctx, "", family, "-save", "-c", "-t", "filter")
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return parseCounters(text, chain, mark)
}

func (d *Driver) save(ctx context.Context, family Family) (string, error) {
	text, err := d.run(ctx, "", family, "-save")
	if err != nil {
		return "", fmt.Errorf("read %s rules: %w", family, err)
	}
	return text, nil
}

// hinted says whether this backend holds chains of the kubelet or kube-proxy.
func (d *Driver) hinted(ctx context.Context) bool {
	text, err := d.run(ctx, "", IPv4, "-save", "-t", "mangle")
	return err == nil && (strings.Contains(text, ":KUBE-IPTABLES-HINT ") || strings.Contains(text, ":KUBE-KUBELET-CANARY "))
}

func (d *Driver) command(family Family, suffix string) string {
	return family.String() + "-" + d.backend + suffix
}

// run returns standard output; standard error is part of the error only, since warnings there are no failure.
func (d *Driver) run(ctx context.Context, input string, family Family, suffix string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.command(family, suffix), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", d.command(family, suffix), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// legacyLoaded says whether the kernel has legacy tables; asking iptables-legacy would create them.
func legacyLoaded() bool {
	names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	return err == nil && len(bytes.TrimSpace(names)) > 0
}
