package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	kubeovninformers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
)

// Config is what a Server works with.
type Config struct {
	NodeName string

	Pods    coreinformers.PodInformer       // the pods of this node
	Subnets kubeovninformers.SubnetInformer // all subnets
	Nodes   coreinformers.NodeInformer      // at least this node

	// LookupPod reads a pod from the API server, past the informer. It is asked only for a pod that the informer does not
	// have, to tell a pod that is gone from one that has not been seen yet.
	LookupPod func(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	// BindIP records this node in the IP object of a port; optional. Its failure is logged and fails nothing.
	BindIP func(ctx context.Context, ip, subnet string) error
	// Ready says why an Add cannot be served now, or nil (CNI STATUS).
	Ready func() error

	Ports    *port.Manager
	Defaults port.Defaults
	Recorder record.EventRecorder

	// WaitTimeout bounds the wait for the controller's annotations; default 20 s.
	WaitTimeout time.Duration
}

const (
	defaultWait       = 20 * time.Second
	readHeaderTimeout = 3 * time.Second
	readTimeout       = 10 * time.Second
	shutdownGrace     = 5 * time.Second
	maxBody           = 1 << 20 // bytes
)

// Server answers CNI requests.
type Server struct {
	cfg     Config
	changes pulse
	busy    locks
}

// New returns a server. It registers with the informers, so it comes before they start.
func New(cfg Config) (*Server, error) {
	if cfg.WaitTimeout == 0 {
		cfg.WaitTimeout = defaultWait
	}
	s := &Server{cfg: cfg, changes: newPulse(), busy: newLocks()}
	wake := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { s.changes.beat() },
		UpdateFunc: func(any, any) { s.changes.beat() },
		DeleteFunc: func(any) { s.changes.beat() },
	}
	for _, informer := range []cache.SharedIndexInformer{cfg.Pods.Informer(), cfg.Subnets.Informer()} {
		if _, err := informer.AddEventHandler(wake); err != nil {
			return nil, fmt.Errorf("watch for changes: %w", err)
		}
	}
	cfg.Nodes.Informer()
	return s, nil
}

// Listen opens the socket for root alone. A socket that a dead daemon left is replaced.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("replace the socket: %w", err)
		}
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmod error
		// Before the bind: it gives the file the socket's mode, so that there is no moment with another.
		err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmod)
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// Serve answers requests until ctx ends; requests in progress then roll back.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return fmt.Errorf("stop serving on %s: %w", l.Addr(), err)
	}
	return nil
}

// Handler is the server without its socket.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	handle(mux, s, api.PathAdd, s.add)
	handle(mux, s, api.PathDel, s.del)
	handle(mux, s, api.PathCheck, s.check)
	handle(mux, s, api.PathGC, s.gc)
	handle(mux, s, api.PathStatus, s.status)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, &fault{status: http.StatusNotFound, code: api.CodeInvalidConfig, err: fmt.Errorf("no such call: %q", r.URL.Path)})
	})
	return mux
}
