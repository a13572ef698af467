package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

// minInstances is enough inotify instances for the containerds and kubelets of two labs; the kernel's 128 are used up by one.
const minInstances = 1024

// sysctls are the machine-wide settings that kubelets change at their start, and the one that the lab itself raises.
func sysctls() []string {
	return []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
		"fs/inotify/max_user_instances",
	}
}

func sysctlFile() string { return filepath.Join(runDir, "sysctl.json") }

// saveSysctls remembers the settings from before the first lab of the machine.
func saveSysctls() error {
	if _, err := os.Stat(sysctlFile()); err == nil {
		return raiseInstances()
	}
	saved := map[string]string{}
	for _, name := range sysctls() {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		saved[name] = strings.TrimSpace(string(value))
	}
	data, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(sysctlFile(), data, 0o644); err != nil {
		return err
	}
	return raiseInstances()
}

func raiseInstances() error {
	const file = "/proc/sys/fs/inotify/max_user_instances"
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err != nil || n >= minInstances {
		return err
	}
	return os.WriteFile(file, []byte(strconv.Itoa(minInstances)), 0o644)
}

// restoreSysctls puts the settings back unless another lab still runs.
func restoreSysctls() error {
	groups, err := cgroup.Names(plan.AnyPrefix)
	if err != nil || len(groups) > 0 {
		return err
	}
	data, err := os.ReadFile(sysctlFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var saved map[string]string
	if err := json.Unmarshal(data, &saved); err != nil {
		return err
	}
	for name, value := range saved {
		err = errors.Join(err, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644))
	}
	return errors.Join(err, os.Remove(sysctlFile()))
}
