package reconcile

import "github.com/prometheus/client_golang/prometheus"

var (
	syncSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "kube_ovn_controller_sync_seconds",
		Help:    "Duration of one sync by queue and result (ok, wait, invalid, error).",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	}, []string{"queue", "result"})
	queueDepth = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kube_ovn_controller_queue_depth",
		Help: "Keys that wait for a worker.",
	}, []string{"queue"})
	queueRetries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "kube_ovn_controller_queue_retries_total",
		Help: "Keys put back after a failed or waiting sync.",
	}, []string{"queue"})
)

// Collectors are the metrics of all queues, for the program's registry.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{syncSeconds, queueDepth, queueRetries}
}
