package start

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

// daemon is one child process that runs in the foreground.
type daemon struct {
	name string
	argv []string
	env  []string
	// ready is asked after the first start until it returns nil.
	ready func(ctx context.Context) error
	// leave, if set, asks the daemon to end before SIGTERM does.
	leave func(ctx context.Context) error
}

// limits of a supervisor; variables only in tests.
type limits struct {
	readyTimeout time.Duration // a daemon that is not ready by then has failed
	stopTimeout  time.Duration // between SIGTERM and SIGKILL
	firstBackoff time.Duration // before the first restart, doubled with each further one
	restarts     int           // within window; one more ends the program
	window       time.Duration
}

func defaultLimits() limits {
	return limits{
		readyTimeout: time.Minute, stopTimeout: 10 * time.Second,
		firstBackoff: time.Second, restarts: 5, window: 10 * time.Minute,
	}
}

// ExitError says with which code the program should end: that of the daemon that failed.
type ExitError struct {
	Name string
	Code int
	Err  error
}

func (e *ExitError) Error() string { return fmt.Sprintf("%s failed: %v", e.Name, e.Err) }
func (e *ExitError) Unwrap() error { return e.Err }

// supervisor starts daemons in order, restarts one that dies, and stops them in the reverse order. A daemon is restarted
// alone because the others survive it: a dead ovn-northd must not take the databases along, nor a dead ovn-controller
// the datapath.
type supervisor struct {
	limits  limits
	running []*child
	failed  chan *ExitError
}

type child struct {
	daemon
	cancel context.CancelFunc // ends keep
	done   chan struct{}      // closed when keep returned and the process is gone
}

func newSupervisor(l limits) *supervisor {
	return &supervisor{limits: l, failed: make(chan *ExitError, 8)}
}

// start launches d and waits until it is ready.
func (s *supervisor) start(ctx context.Context, d daemon) error {
	cmd, err := launch(d)
	if err != nil {
		return &ExitError{Name: d.name, Code: 1, Err: err}
	}
	keepCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &child{daemon: d, cancel: cancel, done: make(chan struct{})}
	s.running = append(s.running, c)
	exited := watch(cmd)
	go s.keep(keepCtx, c, cmd, exited)

	readyCtx, stopWaiting := context.WithTimeout(ctx, s.limits.readyTimeout)
	defer stopWaiting()
	asked := make(chan error, 1)
	go func() { asked <- poll(readyCtx, 100*time.Millisecond, d.name+" to be ready", d.ready) }()
	select {
	case err = <-asked:
	case failure := <-s.failed:
		return failure
	}
	if err != nil && ctx.Err() == nil {
		return &ExitError{Name: d.name, Code: 1, Err: err}
	}
	return err
}

// launch starts the process in a group of its own, so that a signal to our group does not end it out of order.
func launch(d daemon) (*exec.Cmd, error) {
	cmd := exec.Command(d.argv[0], d.argv[1:]...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	klog.InfoS("Started", "daemon", d.name, "pid", cmd.Process.Pid)
	return cmd, nil
}

func watch(cmd *exec.Cmd) <-chan error {
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return exited
}

// keep holds one daemon alive until its context ends or it has died too often.
func (s *supervisor) keep(ctx context.Context, c *child, cmd *exec.Cmd, exited <-chan error) {
	defer close(c.done)
	var deaths []time.Time
	for {
		var err error
		select {
		case <-ctx.Done():
			s.terminate(context.WithoutCancel(ctx), c.daemon, cmd, exited)
			return
		case err = <-exited:
		}
		code := exitCode(err)
		now := time.Now()
		deaths = recent(append(deaths, now), now.Add(-s.limits.window))
		if len(deaths) > s.limits.restarts {
			s.failed <- &ExitError{Name: c.name, Code: code,
				Err: fmt.Errorf("died %d times within %s, last with code %d", len(deaths), s.limits.window, code)}
			return
		}
		backoff := s.limits.firstBackoff << (len(deaths) - 1)
		klog.ErrorS(err, "Daemon died and will be restarted", "daemon", c.name, "code", code, "after", backoff)
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		next, startErr := launch(c.daemon)
		if startErr != nil {
			s.failed <- &ExitError{Name: c.name, Code: 1, Err: startErr}
			return
		}
		cmd, exited = next, watch(next)
	}
}

func (s *supervisor) terminate(ctx context.Context, d daemon, cmd *exec.Cmd, exited <-chan error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.stopTimeout)
	defer cancel()
	if d.leave == nil || d.leave(ctx) != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-exited:
		klog.InfoS("Stopped", "daemon", d.name)
	case <-ctx.Done():
		klog.InfoS("Daemon does not end and is killed", "daemon", d.name)
		_ = cmd.Process.Kill()
		<-exited
	}
}

// wait blocks until ctx ends (nil) or a daemon has failed for good.
func (s *supervisor) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case failure := <-s.failed:
		return failure
	}
}

// stop ends all daemons, the last started first.
func (s *supervisor) stop() {
	for i := len(s.running) - 1; i >= 0; i-- {
		s.running[i].cancel()
		<-s.running[i].done
	}
	s.running = nil
}

// exitCode follows the shell: 128 + the signal for a process that a signal ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err == nil {
			return 0
		}
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func recent(times []time.Time, since time.Time) []time.Time {
	for i, t := range times {
		if t.After(since) {
			return times[i:]
		}
	}
	return nil
}
