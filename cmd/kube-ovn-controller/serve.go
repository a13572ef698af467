package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/metrics"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

const (
	headerTimeout = 3 * time.Second
	shutdownGrace = 3 * time.Second
)

// serving is the HTTP server of every replica, leader or not (api.md 8.2).
type serving struct {
	hosts   []string // none: all addresses
	port    int
	pprof   bool
	metrics bool
	// own are the program's metrics besides those of its libraries; nil: none.
	own prometheus.Collector
}

// checks say why a replica is not live or not ready, or nil.
type checks struct{ live, ready func() error }

// run serves until ctx ends.
func (s serving) run(ctx context.Context, checks checks) error {
	hosts := s.hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	server := &http.Server{Handler: s.handler(checks), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, len(hosts))
	for _, host := range hosts {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(s.port)))
		if err != nil {
			return errors.Join(fmt.Errorf("listen for health checks: %w", err), server.Close())
		}
		klog.FromContext(ctx).Info("Serving health and metrics", "address", listener.Addr().String())
		go func() { failed <- server.Serve(listener) }()
	}
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve health checks: %w", err), server.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	return server.Shutdown(grace)
}

func (s serving) handler(checks checks) http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, check func() error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if err := check(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok")
		})
	}
	answer("/livez", checks.live)
	answer("/healthz", checks.live)
	answer("/readyz", checks.ready)
	if s.metrics {
		mux.Handle("/metrics", promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{}))
	}
	if s.pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (s serving) registry() *prometheus.Registry {
	all := prometheus.NewRegistry()
	all.MustRegister(metrics.Process()...)
	all.MustRegister(reconcile.Collectors()...)
	all.MustRegister(ovs.Collectors()...)
	if s.own != nil {
		all.MustRegister(s.own)
	}
	return all
}
