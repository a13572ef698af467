// Package daemon starts processes that outlive the lab program and finds them again.
//
// Key: a file `<name>.pid` that holds the process id and its start time, so that a later process with the same id is not mistaken for it. It writes
// that file and the daemon's log. A process joins its control group and, for a node, its namespaces before its program begins.
package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/cgroup"
	"github.com/kubeovn/kube-ovn/hack/lab/ns"
)

// Hidden verbs of the lab program. A daemon starts as `lab __child GROUP PROGRAM ARGS...`; in a node `lab __spawn GROUP PROGRAM ARGS...` starts that
// and ends, so that the daemon becomes a child of the node's process 1, which reaps it.
const (
	ChildVerb = "__child"
	SpawnVerb = "__spawn"
)

// Daemon is one long-lived process.
type Daemon struct {
	Name    string // file name of the program, as kill(NODE, DAEMON) knows it
	PIDFile string
	LogFile string
	Cgroup  string
	Argv    []string // program first, as seen inside the namespaces
	Env     []string // more than the caller's
	Netns   string   // named network namespace to run in, or
	Node    int      // process whose namespaces to run in; 0 is none
}

// Start runs the daemon unless it runs already. Its log is appended to.
func (d Daemon) Start() error {
	if d.PID() != 0 {
		return nil
	}
	for _, file := range []string{d.PIDFile, d.LogFile} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(d.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{ChildVerb, d.Cgroup}, d.Argv...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = log, log, append(os.Environ(), d.Env...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var pid int
	if d.Node != 0 {
		pid, err = d.spawn(cmd)
	} else {
		pid, err = d.start(cmd)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	if err := Record(d.PIDFile, pid); err != nil {
		return fmt.Errorf("start %s: it ended at once: %s", d.Name, d.Log())
	}
	return nil
}

// start runs the daemon as a child of this program.
func (d Daemon) start(cmd *exec.Cmd) (int, error) {
	err := error(nil)
	if d.Netns != "" {
		err = ns.InNetns(d.Netns, cmd.Start)
	} else {
		err = cmd.Start()
	}
	if err != nil {
		return 0, err
	}
	go cmd.Wait() //nolint:errcheck // reaps it should it end before we do; its log says why
	return cmd.Process.Pid, nil
}

// spawn runs the daemon as a child of the node's process 1 and returns its id as the machine counts.
func (d Daemon) spawn(cmd *exec.Cmd) (int, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd.Args[1], cmd.ExtraFiles = SpawnVerb, []*os.File{write}
	err = ns.InProcess(d.Node, cmd.Start)
	write.Close()
	if err != nil {
		return 0, err
	}
	var inner int
	_, scanErr := fmt.Fscan(read, &inner)
	if err := errors.Join(cmd.Wait(), scanErr); err != nil {
		return 0, fmt.Errorf("%w: %s", err, d.Log())
	}
	return ns.OuterPID(d.Node, inner)
}

// Spawn is the body of SpawnVerb. It writes the daemon's process id, as the node counts, to file descriptor 3.
func Spawn(args []string) error {
	report := os.NewFile(3, "report")
	unix.CloseOnExec(3)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{ChildVerb}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(report, cmd.Process.Pid)
	return err
}

// A program that is replaced from another thread than its first one is a zombie for a moment (execve(2)), and would be taken
// for ended: the main goroutine of a child stays on the first thread.
func init() {
	if len(os.Args) > 1 && os.Args[1] == ChildVerb {
		runtime.LockOSThread()
	}
}

// Child is the body of ChildVerb: it joins the control group and becomes the program. It returns only on error.
func Child(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: GROUP PROGRAM [ARG]")
	}
	if err := cgroup.Join(args[0]); err != nil {
		return err
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, unix.Exec(path, args[1:], os.Environ()))
}

// PID is the daemon's process id, 0 when it does not run.
func (d Daemon) PID() int { return Recorded(d.PIDFile) }

// Signal sends a signal and waits until the process has ended or ctx does. A daemon that does not run is fine.
func (d Daemon) Signal(ctx context.Context, sig unix.Signal) error {
	pid := d.PID()
	if pid == 0 {
		return nil
	}
	if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %s: %w", d.Name, err)
	}
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for d.PID() != 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s, process %d, still runs: %w", d.Name, pid, context.Cause(ctx))
		case <-retry.C:
		}
	}
	return nil
}

// Log is the end of the daemon's log, for error messages.
func (d Daemon) Log() string {
	data, err := os.ReadFile(d.LogFile)
	if err != nil {
		return err.Error()
	}
	if data = bytes.TrimSpace(data); len(data) > 1500 {
		data = data[len(data)-1500:]
	}
	return string(data)
}

// Record writes a process id file.
func Record(file string, pid int) error {
	start, err := startTime(pid)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(fmt.Sprintf("%d %s\n", pid, start)), 0o644)
}

// Recorded reads a process id file; 0 when the process does not run any more.
func Recorded(file string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	id, start, ok := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(id)
	if !ok || err != nil || pid <= 0 {
		return 0
	}
	if now, err := startTime(pid); err != nil || now != start {
		return 0
	}
	return pid
}

// startTime is field 22 of proc(5)'s stat, in clock ticks after boot. A zombie counts as gone.
func startTime(pid int) (string, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", err
	}
	end := bytes.LastIndexByte(data, ')') // the name before it may hold spaces and parentheses
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	return fields[19], nil
}
