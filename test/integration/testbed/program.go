package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/test/framework"
)

// Process is a program under test that ends with this one.
type Process struct {
	name string
	tb   ovstest.TB
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed
	log  string
	port int // of its health and metrics pages; 0: none
}

// Build compiles a command of this checkout into dir and returns the program's path.
func Build(ctx context.Context, dir, command string) (string, error) {
	root, err := framework.Checkout()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, filepath.Base(command))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./"+command)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", command, err, out)
	}
	return program, nil
}

// Start runs a program; its output goes to a file that a failed test prints the end of.
func Start(tb ovstest.TB, name string, env []string, program string, args ...string) *Process {
	tb.Helper()
	p := &Process{name: name, tb: tb, done: make(chan struct{}), log: filepath.Join(tb.TempDir(), name+".log")}
	out, err := os.Create(p.log)
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the parent-death signal comes from the thread that forked
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	tb.Cleanup(p.Kill)
	return p
}

// StartController runs the controller program as the pod of that name against a plane and a central.
func StartController(tb ovstest.TB, program string, plane *Plane, central *Central, name string, args ...string) *Process {
	tb.Helper()
	port := freePort(tb)
	args = append(controllerArgs(plane, central, port), args...)
	p := Start(tb, name, controllerEnv(name), program, args...)
	p.port = port
	return p
}

func controllerArgs(plane *Plane, central *Central, port int) []string {
	return []string{
		"--kubeconfig=" + plane.Kubeconfig, "--ovn-nb-addr=" + central.NB.Endpoint, "--ovn-sb-addr=" + central.SB.Endpoint,
		"--pprof-port=" + strconv.Itoa(port), "--enable-pprof=true",
	}
}

func controllerEnv(name string) []string {
	return []string{"POD_NAMESPACE=kube-system", "POD_NAME=" + name, "POD_IP=127.0.0.1", "POD_IPS=127.0.0.1", "ENABLE_BIND_LOCAL_IP=true"}
}

// DryRun runs the controller program with --dry-run to its end, which has to be a success, and returns what it printed. It
// gets the port of nobody: a dry run serves nothing.
func DryRun(tb ovstest.TB, program string, plane *Plane, central *Central, args ...string) string {
	tb.Helper()
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(append(controllerArgs(plane, central, 1), args...), "--dry-run")...)
	cmd.Env = append(os.Environ(), controllerEnv("dry-run")...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		tb.Fatalf("dry run: %v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func freePort(tb ovstest.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Kill ends the program as a power cut does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the program to end, and fails the test when it does not within ten seconds or ends with an error.
func (p *Process) Stop() {
	p.tb.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.Kill()
		p.tb.Fatalf("%s did not end on SIGTERM\n%s", p.name, p.Tail())
	}
	if p.err != nil {
		p.tb.Fatalf("%s ended on SIGTERM with %v\n%s", p.name, p.err, p.Tail())
	}
}

// Running says whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log is what the program has printed so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail is the end of the log.
func (p *Process) Tail() string {
	const enough = 6000
	text := p.Log()
	if len(text) > enough {
		text = text[len(text)-enough:]
	}
	return "log of " + p.name + ":\n" + text
}

// Get reads a page of the program's HTTP server.
func (p *Process) Get(path string) (string, error) {
	ctx, cancel := Timeout()
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", path, response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

// Metrics are the program's metrics with that name, or with that name and "_count" for a histogram.
func (p *Process) Metrics(name string) []Sample {
	p.tb.Helper()
	text, err := p.Get("/metrics")
	if err != nil {
		p.tb.Fatalf("%s: %v\n%s", p.name, err, p.Tail())
	}
	var found []Sample
	for _, s := range parseMetrics(text, name) {
		if s.Name == name || s.Name == name+"_count" {
			found = append(found, s)
		}
	}
	return found
}

// Transactions counts the transactions that a controller sent to a database.
func (p *Process) Transactions(db string) int {
	p.tb.Helper()
	n := 0
	for _, s := range p.Metrics("ovs_client_request_latency_milliseconds") {
		if s.Labels["db"] == db {
			n += int(s.Value)
		}
	}
	return n
}

// Syncs counts the syncs of a controller's queue.
func (p *Process) Syncs(queue string) int {
	p.tb.Helper()
	n := 0
	for _, s := range p.Metrics("kube_ovn_controller_sync_seconds") {
		if s.Labels["queue"] == queue {
			n += int(s.Value)
		}
	}
	return n
}

// Passed is nil when a controller leads and has synced at least n pods, which tells that its first pass over all of them is
// done when there are n. A controller that waits for its turn is ready, too, so that readiness does not tell.
func (p *Process) Passed(n int) error {
	p.tb.Helper()
	if !p.Running() {
		p.tb.Fatalf("%s ended\n%s", p.name, p.Tail())
	}
	if _, err := p.Get("/readyz"); err != nil {
		return err // not listening yet
	}
	if synced := p.Syncs("pod"); synced < n {
		return fmt.Errorf("%d of %d pods were synced", synced, n)
	}
	return nil
}

// Usage is the processor time that the program has used and the memory it has resident.
func (p *Process) Usage() (cpu time.Duration, rss int64) {
	p.tb.Helper()
	cpu, rss, err := usage(p.cmd.Process.Pid)
	if err != nil {
		p.tb.Fatal(errors.Join(err, p.err))
	}
	return cpu, rss
}

// Timeout is the context of one request of this package.
func Timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}
