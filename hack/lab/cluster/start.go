package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
)

// Options of a control plane for a test. The zero value is etcd and kube-apiserver only, in a temporary folder.
type Options struct {
	Dir               string       // for certificates, data and logs; empty is a temporary folder that Stop removes
	ControllerManager bool         // also kube-controller-manager; without node life cycle, so that nodes without a kubelet stay Ready
	Scheduler         bool         // also kube-scheduler
	ServiceCIDR       netip.Prefix // default 10.96.0.0/12
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	Config     *rest.Config // of the administrator, QPS 10000
	Kubeconfig string       // the same as a file
	Dir        string       // log/<program>.log tells why something failed

	config    Config
	temporary bool
	processes []*process // in start order
}

// Start runs a control plane on free loopback ports and returns when its API server is ready and the namespace "default" exists. The programs end
// with Stop or with the calling process. It fails when Kubernetes' programs were never built (`bin/lab prepare`).
func Start(ctx context.Context, opts Options) (*ControlPlane, error) {
	programs, err := cache.ProgramsDir()
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{Dir: opts.Dir}
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "control-plane-"); err != nil {
			return nil, err
		}
		c.temporary = true
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	c.config = Config{
		Dir: c.Dir, Programs: programs, Address: netip.MustParseAddr("127.0.0.1"), APIPort: ports[0],
		EtcdPorts: [2]uint16{ports[1], ports[2]}, Secure: [2]uint16{ports[3], ports[4]},
		ServiceCIDR: opts.ServiceCIDR, Controllers: []string{"*", "-node-lifecycle-controller"},
	}
	if !c.config.ServiceCIDR.IsValid() {
		c.config.ServiceCIDR = netip.MustParsePrefix("10.96.0.0/12")
	}
	if err := c.start(ctx, opts); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context, opts Options) error {
	if err := c.config.validate(); err != nil {
		return err
	}
	if err := c.config.Prepare(); err != nil {
		return err
	}
	programs := []Program{c.config.Etcd(), c.config.APIServer()}
	for _, p := range programs {
		if err := c.spawn(p); err != nil {
			return err
		}
	}
	var err error
	if c.Config, err = c.config.REST(); err != nil {
		return err
	}
	c.Kubeconfig = c.config.Kubeconfig("admin")
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	if opts.ControllerManager {
		err = c.spawn(c.config.ControllerManager())
	}
	if opts.Scheduler {
		err = errors.Join(err, c.spawn(c.config.Scheduler()))
	}
	return err
}

// waitReady ends early when one of the programs does.
func (c *ControlPlane) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not ready after two minutes"))
	defer cancel()
	ready := make(chan error, 1+len(c.processes)) // nobody reads the later ones
	go func() { ready <- c.config.WaitReady(ctx) }()
	for _, p := range c.processes {
		go func() {
			select {
			case <-p.done:
				ready <- fmt.Errorf("%s ended: %w: %s", p.name, p.err, tail(p.log))
			case <-ctx.Done():
			}
		}()
	}
	return <-ready
}

// Stop ends the programs in reverse order and removes the folder when Start made it.
func (c *ControlPlane) Stop() error {
	var errs []error
	for i := len(c.processes) - 1; i >= 0; i-- {
		errs = append(errs, c.processes[i].stop())
	}
	c.processes = nil
	if c.temporary {
		errs = append(errs, os.RemoveAll(c.Dir))
	}
	return errors.Join(errs...)
}

// WaitReady polls the API server until /readyz and the namespace "default" answer, or ctx ends.
func (c Config) WaitReady(ctx context.Context) error {
	client, err := c.httpClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := errors.Join(get(ctx, client, c.Server()+"/readyz"), get(ctx, client, c.Server()+"/api/v1/namespaces/default"))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("API server %s: %w: %w", c.Server(), context.Cause(ctx), err)
		case <-retry.C:
		}
	}
}

func (c Config) httpClient() (*http.Client, error) {
	pki, err := c.PKI()
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(pki.Cert("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	admin, err := tls.LoadX509KeyPair(pki.Cert("admin"), pki.Key("admin"))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}}}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// process is a child that ends with its parent.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed
}

func (c *ControlPlane) spawn(p Program) error {
	log := filepath.Join(c.Dir, "log", p.Name+".log")
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	child := &process{name: p.Name, log: log, cmd: exec.Command(p.Path, p.Args...), done: make(chan struct{})}
	child.cmd.Stdout, child.cmd.Stderr = out, out
	child.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The parent-death signal comes from the thread that forked: it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := child.cmd.Start()
		started <- err
		if err == nil {
			child.err = child.cmd.Wait()
			close(child.done)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	c.processes = append(c.processes, child)
	return nil
}

// stop asks the process to end and insists after ten seconds.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	insist := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() }) //nolint:errcheck // it has ended by itself then
	defer insist.Stop()
	<-p.done
	return nil
}

func tail(file string) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	if data = bytes.TrimSpace(data); len(data) > 2000 {
		data = data[len(data)-2000:]
	}
	return data
}

// freePorts asks the kernel for n free loopback ports. All stay open until the last is known, so that they differ.
func freePorts(n int) ([]uint16, error) {
	ports := make([]uint16, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).AddrPort().Port())
	}
	return ports, nil
}
