package server

import "github.com/prometheus/client_golang/prometheus"

// Metrics of node.md 8.2.
var (
	opLatency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "cni_op_latency_seconds",
		Help: "Time that a CNI request took.",
		// Up to 16 s: an ADD waits for the controller and may probe for its address.
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
	}, []string{"node_name", "method", "status_code"})

	waitAddress = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cni_wait_address_seconds_total",
		Help: "Time that CNI requests waited for the controller to allocate an address.",
	}, []string{"node_name"})

	waitRoute = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cni_wait_route_seconds_total",
		Help: "Time that CNI requests waited for the controller to set up routes.",
	}, []string{"node_name"})

	waitConnectivity = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cni_wait_connectivity_seconds_total",
		Help: "Time that CNI requests waited for flows and gateways.",
	}, []string{"node_name"})
)

// Collectors lists the metrics of this package for a registry.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{opLatency, waitAddress, waitRoute, waitConnectivity}
}
