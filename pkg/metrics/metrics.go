// Package metrics has the metrics of a process that every long-running program tells: its Go runtime, what it logs and how
// long the API server takes to answer it (api.md 8.3).
package metrics

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/tools/metrics"
	"k8s.io/klog/v2"
)

// Process are the collectors. From the first call on client-go reports its requests.
func Process() []prometheus.Collector {
	observe()
	return []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), requestLatency, logged{},
	}
}

// requestLatency is filled by client-go, which knows one observer per process.
var requestLatency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "rest_client_request_latency_seconds",
	Help:    "Time of one request to the API server, by verb and host.",
	Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
}, []string{"verb", "url"})

var observe = sync.OnceFunc(func() { metrics.Register(metrics.RegisterOpts{RequestLatency: observer{}}) })

type observer struct{}

// Observe implements metrics.LatencyMetric. The path would make a series per object.
func (observer) Observe(_ context.Context, verb string, u url.URL, latency time.Duration) {
	requestLatency.WithLabelValues(verb, u.Host).Observe(latency.Seconds())
}

// logged counts what was logged.
type logged struct{}

var (
	logLines = prometheus.NewDesc("klog_lines_total", "Lines logged, by level.", []string{"level"}, nil)
	logBytes = prometheus.NewDesc("klog_bytes_total", "Bytes logged, by level.", []string{"level"}, nil)
)

// Describe implements prometheus.Collector.
func (logged) Describe(out chan<- *prometheus.Desc) { out <- logLines; out <- logBytes }

// Collect implements prometheus.Collector.
func (logged) Collect(out chan<- prometheus.Metric) {
	for level, stats := range map[string]*klog.OutputStats{"INFO": &klog.Stats.Info, "WARN": &klog.Stats.Warning, "ERROR": &klog.Stats.Error} {
		out <- prometheus.MustNewConstMetric(logLines, prometheus.GaugeValue, float64(stats.Lines()), level)
		out <- prometheus.MustNewConstMetric(logBytes, prometheus.GaugeValue, float64(stats.Bytes()), level)
	}
}
