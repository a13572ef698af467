package ovs

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestLatency is the metric of api.md 5.4; code is "0" for success, else the server's reason.
var requestLatency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "ovs_client_request_latency_milliseconds",
	Help:    "Time of one OVSDB transaction, by database, method and outcome.",
	Buckets: prometheus.ExponentialBuckets(1, 2, 10),
}, []string{"db", "method", "code"})

// Collectors are the metrics of this package, for the registry of the program.
func Collectors() []prometheus.Collector { return []prometheus.Collector{requestLatency} }

// Stats counts what a client sent since it was made.
type Stats struct {
	Transactions int // also those that failed
	Operations   int
	Failed       int // transactions that the server refused or that never ended
	Sessions     int // connections whose content was read: 1 and the number of reconnects
}

type counters struct{ transactions, operations, failed, sessions atomic.Int64 }

// Stats returns the counters of this client.
func (c *Client) Stats() Stats {
	return Stats{Transactions: int(c.stats.transactions.Load()), Operations: int(c.stats.operations.Load()),
		Failed: int(c.stats.failed.Load()), Sessions: int(c.stats.sessions.Load())}
}

func (s *counters) count(db Database, start time.Time, operations int, err error) {
	s.transactions.Add(1)
	s.operations.Add(int64(operations))
	code := strconv.Itoa(0)
	if err != nil {
		s.failed.Add(1)
		code = "error"
		var refused *TransactError
		if errors.As(err, &refused) {
			code = refused.Reason
		}
	}
	requestLatency.WithLabelValues(string(db), "transact", code).Observe(float64(time.Since(start)) / float64(time.Millisecond))
}
