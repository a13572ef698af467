package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"
)

// Limits of the HTTP server and its checks.
const (
	dialTimeout   = 2 * time.Second
	headerTimeout = 3 * time.Second
	readTimeout   = 10 * time.Second
	healthGrace   = 500 * time.Millisecond
	cniGrace      = 5 * time.Second // a request that is cut off takes back what it made
)

// health is what the loops know about themselves. The zero value is a daemon that has just started.
type health struct {
	mu      sync.Mutex
	reason  string // why the daemon has not served yet
	up      bool   // the runtime was told that pods can start
	passErr error  // of the last pass
	joinErr error  // of the last pings
}

func (h *health) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *health) waiting(reason string) { h.set(func() { h.reason = reason }) }
func (h *health) failed(err error)      { h.set(func() { h.passErr = err }) }
func (h *health) passed()               { h.set(func() { h.passErr = nil }) }
func (h *health) join(err error)        { h.set(func() { h.joinErr = err }) }
func (h *health) serving()              { h.set(func() { h.up = true }) }

// ready says why a pod's interface could not be made now, or nil.
func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.up:
		return h.joinErr
	case h.passErr != nil:
		return h.passErr
	case h.joinErr != nil:
		return h.joinErr
	case h.reason != "":
		return errors.New(h.reason)
	}
	return errors.New("starting")
}

// live says why only a restart can help, or nil: the vswitch database does not come back, or the CNI socket is dead.
func (d *Daemon) live(ctx context.Context) error {
	if err := d.deps.VSwitch.Healthy(); err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", d.cfg.Socket)
	if err != nil {
		return fmt.Errorf("CNI socket: %w", err)
	}
	return conn.Close()
}

// listen binds the port of health and metrics on every configured address.
func (d *Daemon) listen(ctx context.Context) ([]net.Listener, error) {
	hosts := []string{""}
	if len(d.cfg.Serving.Addresses) > 0 {
		hosts = nil
		for _, a := range d.cfg.Serving.Addresses {
			hosts = append(hosts, a.String())
		}
	}
	var out []net.Listener
	var config net.ListenConfig
	for _, host := range hosts {
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(d.cfg.Serving.Port)))
		if err != nil {
			for _, opened := range out {
				_ = opened.Close()
			}
			return nil, fmt.Errorf("listen for health checks: %w", err)
		}
		out = append(out, l)
	}
	return out, nil
}

// handler serves /livez, /readyz, /healthz, and by configuration /metrics and /debug/pprof.
func (d *Daemon) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	check := func(path string, checks ...func(context.Context) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			for _, c := range checks {
				if err := c(r.Context()); err != nil {
					http.Error(w, err.Error(), http.StatusServiceUnavailable)
					return
				}
			}
			fmt.Fprintln(w, "ok")
		})
	}
	check("/livez", d.live)
	check("/healthz", d.live)
	check("/readyz", d.live, func(context.Context) error { return d.health.ready() })
	if d.cfg.Serving.Metrics {
		mux.Handle("/metrics", promhttp.HandlerFor(d.registry(ctx), promhttp.HandlerOpts{}))
	}
	if d.cfg.Serving.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// serveHTTP answers on a listener until ctx ends; requests in progress are told so and get grace to come to an end.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := srv.Shutdown(rest); err != nil {
			klog.FromContext(ctx).Info("Requests were cut off", "address", l.Addr(), "err", err)
		}
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	<-ended
	return nil
}
