package cgroup

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseMounts(t *testing.T) {
	tests := []struct {
		name, text string
		want       []hierarchy
	}{
		{
			"version 2 alone", "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
			[]hierarchy{{path: "/sys/fs/cgroup", v2: true}},
		},
		{
			"hybrid, each once",
			"40 39 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" +
				"41 39 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"42 39 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" +
				"90 39 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			[]hierarchy{{path: "/sys/fs/cgroup/cpuset", cpuset: true}, {path: "/sys/fs/cgroup/memory"}, {path: "/sys/fs/cgroup/unified", v2: true}},
		},
		{
			"a bind mount of a group is not a hierarchy",
			"35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n36 24 0:30 /a/b /mnt/x rw - cgroup2 cgroup2 rw\n",
			[]hierarchy{{path: "/sys/fs/cgroup", v2: true}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMounts(strings.NewReader(tt.text))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if _, err := parseMounts(strings.NewReader("22 1 254:0 / / rw - ext4 /dev/vda rw\n")); err == nil {
		t.Error("no hierarchy is an error")
	}
}

// A process that joins is found, with what it starts, and is gone with the group.
func TestGroupLife(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	name := "labtest-cgroup-" + strconv.Itoa(os.Getpid())
	if err := Create(name); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return Remove(ctx, name)
	}
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	if err := Create(name); err != nil {
		t.Errorf("a second time: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestHelperJoins$")
	cmd.Env = append(os.Environ(), "LABTEST_GROUP="+name)
	ready, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	pids, err := Processes(name)
	if err != nil || !slices.Contains(pids, cmd.Process.Pid) || len(pids) != 2 {
		t.Errorf("processes %v, %v; want %d and its child", pids, err, cmd.Process.Pid)
	}
	names, err := Names("labtest-cgroup-")
	if err != nil || !slices.Contains(names, name) {
		t.Errorf("groups %v, %v", names, err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended by itself, want it killed")
	}
	all, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if _, err := os.Stat(filepath.Join(h.path, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", filepath.Join(h.path, name), err)
		}
	}
	if pids, err := Processes(name); err != nil || len(pids) != 0 {
		t.Errorf("processes of a group that is gone: %v, %v", pids, err)
	}
}

// TestHelperJoins is the process of TestGroupLife.
func TestHelperJoins(t *testing.T) {
	name := os.Getenv("LABTEST_GROUP")
	if name == "" {
		t.Skip("only as a process of TestGroupLife")
	}
	if err := Join(name); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("joined") //nolint:errcheck // the parent waits for it
	child.Wait()                    //nolint:errcheck // killed with the group
	select {}
}

func TestJoinNeedsTheGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if err := Join("labtest-no-such-group"); err == nil || !strings.Contains(err.Error(), "labtest-no-such-group") {
		t.Errorf("got %v, want the group's name", err)
	}
}
