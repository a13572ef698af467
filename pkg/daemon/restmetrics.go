package daemon

import (
	"context"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/metrics"
)

// restLatency is filled by client-go, which knows one observer per process.
var restLatency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "rest_client_request_latency_seconds",
	Help:    "Time of one request to the API server, by verb and host.",
	Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
}, []string{"verb", "url"})

type restObserver struct{}

// Observe implements metrics.LatencyMetric. The path would make a series per object.
func (restObserver) Observe(_ context.Context, verb string, u url.URL, latency time.Duration) {
	restLatency.WithLabelValues(verb, u.Host).Observe(latency.Seconds())
}

// observeRequests makes client-go report to restLatency. Only the first call of a process counts.
func observeRequests() {
	metrics.Register(metrics.RegisterOpts{RequestLatency: restObserver{}})
}
