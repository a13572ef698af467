package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// policyFile decides whether a package may start services while it is installed (Debian's invoke-rc.d).
const policyFile = "/usr/sbin/policy-rc.d"

// packages of Debian that the lab, the image build and the tests use.
func packages() []string {
	return []string{
		"ca-certificates", "openssl", "procps", "util-linux", // install.sh and people
		"containerd", "runc", "containernetworking-plugins", "busybox-static", // nodes
		"iptables", "nftables", "ipset", "iproute2", "ethtool", "iputils-ping", "tcpdump", "conntrack", "kmod", // networks
		"openvswitch-switch", "openvswitch-common", "ovn-central", "ovn-host", "ovn-common", "frr", // databases and peers of the tests
		"buildah", "mmdebstrap", "gcc", "libc6-dev", "git", // builds
	}
}

// deps installs the packages that are missing, without starting their services.
func (l *lab) deps(ctx context.Context) error {
	wanted := packages()
	out, err := exec.CommandContext(ctx, "dpkg-query", append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, wanted...)...).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // it also fails when a package is unknown
		return fmt.Errorf("the lab needs Debian: %w", err)
	}
	missing := missingPackages(string(out), wanted)
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("not root, so these packages cannot be installed: %s", strings.Join(missing, " "))
	}
	l.progress.step("installing %s", strings.Join(missing, " "))
	restore, err := forbidServices()
	if err != nil {
		return err
	}
	if err := l.apt(ctx, "update"); err != nil {
		return errors.Join(err, restore())
	}
	args := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	return errors.Join(l.apt(ctx, args...), restore())
}

// missingPackages compares with lines `name status` of dpkg-query.
func missingPackages(installed string, wanted []string) []string {
	have := map[string]bool{}
	for line := range strings.Lines(installed) {
		if name, status, ok := strings.Cut(strings.TrimSpace(line), " "); ok && status == "installed" {
			have[name] = true
		}
	}
	var missing []string
	for _, name := range wanted {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func (l *lab) apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-unsafe-io"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	_, err := output(cmd, "")
	return err
}

// forbidServices keeps packages from starting services; a policy that the machine has already stays.
func forbidServices() (restore func() error, err error) {
	if _, err := os.Stat(policyFile); err == nil {
		return func() error { return nil }, nil
	}
	err = os.WriteFile(policyFile, []byte("#!/bin/sh\nexit 101\n"), 0o755)
	return func() error { return os.Remove(policyFile) }, err
}
