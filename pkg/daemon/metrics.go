package daemon

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/server"
	"github.com/kubeovn/kube-ovn/pkg/metrics"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// scrapeTimeout bounds the reading of rule counters.
const scrapeTimeout = 5 * time.Second

// registry holds the metrics of node.md 8.2.
func (d *Daemon) registry(ctx context.Context) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.Process()...)
	r.MustRegister(server.Collectors()...)
	r.MustRegister(ovs.Collectors()...)
	r.MustRegister(systemCollector{d.cfg.NodeName, "/"})
	if !d.cfg.NonPrimary {
		r.MustRegister(gatewayCollector{ctx, d.cfg.NodeName, d.deps.IPTables})
	}
	return r
}

// gatewayCollector reads the counting rules of the FORWARD chain when it is scraped.
type gatewayCollector struct {
	base     context.Context //nolint:containedctx // the daemon's life; a collector is given no context
	node     string
	iptables *iptables.Driver
}

var (
	gatewayLabels  = []string{"hostname", "subnet_name", "cidr", "direction", "protocol"}
	gatewayBytes   = prometheus.NewDesc("ovn_subnet_gateway_packet_bytes", "Bytes that the node forwarded for a subnet.", gatewayLabels, nil)
	gatewayPackets = prometheus.NewDesc("ovn_subnet_gateway_packets", "Packets that the node forwarded for a subnet.", gatewayLabels, nil)
)

// Describe implements prometheus.Collector.
func (gatewayCollector) Describe(out chan<- *prometheus.Desc) {
	out <- gatewayBytes
	out <- gatewayPackets
}

// Collect implements prometheus.Collector.
func (c gatewayCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.base, scrapeTimeout)
	defer cancel()
	for family, protocol := range map[iptables.Family]string{iptables.IPv4: util.ProtocolIPv4, iptables.IPv6: util.ProtocolIPv6} {
		counters, err := c.iptables.Counters(ctx, family, "FORWARD", util.CommentGatewayPrefix)
		if err != nil {
			klog.V(3).InfoS("No gateway counters", "protocol", protocol, "err", err)
			continue
		}
		for _, n := range counters {
			subnet, cidr, direction, ok := gatewayRule(n.Rule)
			if !ok {
				continue
			}
			labels := []string{c.node, subnet, cidr, direction, protocol}
			out <- prometheus.MustNewConstMetric(gatewayBytes, prometheus.CounterValue, float64(n.Bytes), labels...)
			out <- prometheus.MustNewConstMetric(gatewayPackets, prometheus.CounterValue, float64(n.Packets), labels...)
		}
	}
}

// gatewayRule reads a counting rule: `-s <cidr> -m comment --comment "ovn-subnet-gateway,<subnet>"`.
func gatewayRule(rule string) (subnet, cidr, direction string, ok bool) {
	words := strings.Fields(rule)
	_, after, found := strings.Cut(rule, util.CommentGatewayPrefix)
	if len(words) < 2 || !found {
		return "", "", "", false
	}
	switch words[0] {
	case "-s":
		direction = "egress"
	case "-d":
		direction = "ingress"
	default:
		return "", "", "", false
	}
	return strings.TrimRight(after, `"`), words[1], direction, true
}

// systemCollector reports settings of the node that shape its network; a missing file is a missing metric.
type systemCollector struct{ node, root string }

// systemValues are files under /proc/sys/net with one number.
var systemValues = map[string]string{
	"tcp_tw_recycle":              "ipv4/tcp_tw_recycle",
	"tcp_mtu_probing":             "ipv4/tcp_mtu_probing",
	"nf_conntrack_tcp_be_liberal": "netfilter/nf_conntrack_tcp_be_liberal",
	"bridge_nf_call_iptables":     "bridge/bridge-nf-call-iptables",
	"max_size":                    "ipv6/route/max_size",
}

func systemDesc(name string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, "System parameter of the node.", append([]string{"hostname"}, labels...), nil)
}

// Describe implements prometheus.Collector; an unchecked collector describes nothing.
func (systemCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c systemCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(value float64, desc *prometheus.Desc, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{c.node}, labels...)...)
	}
	for name, file := range systemValues {
		if words := c.words("proc/sys/net/" + file); len(words) == 1 {
			if v, err := strconv.ParseFloat(words[0], 64); err == nil {
				gauge(v, systemDesc(name))
			}
		}
	}
	if w := c.words("proc/sys/net/ipv4/ip_local_port_range"); len(w) == 2 {
		gauge(1, systemDesc("ip_local_port_range", "start", "end"), w...)
	}
	if w := c.words("proc/sys/net/ipv4/tcp_mem"); len(w) == 3 {
		gauge(1, systemDesc("tcp_mem", "minimum", "pressure", "maximum"), w...)
	}
	if n, ok := c.checksumErrors(); ok {
		gauge(n, systemDesc("checksum_err_count"))
	}
	if data, err := os.ReadFile(c.root + "etc/resolv.conf"); err == nil {
		for line := range strings.Lines(string(data)) {
			if w := strings.Fields(line); len(w) > 1 && w[0] == "search" {
				gauge(1, systemDesc("dns_search_domain", "additional"), strings.Join(w[1:], " "))
			}
		}
	}
}

func (c systemCollector) words(file string) []string {
	data, err := os.ReadFile(c.root + file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// checksumErrors adds up the columns InCsumErrors of /proc/net/snmp: lines of names, each followed by a line of values.
func (c systemCollector) checksumErrors() (float64, bool) {
	data, err := os.ReadFile(c.root + "proc/net/snmp")
	if err != nil {
		return 0, false
	}
	var sum float64
	var names []string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || len(names) != len(words) || names[0] != words[0] {
			names = words
			continue
		}
		for i, name := range names {
			if name == "InCsumErrors" {
				if v, err := strconv.ParseFloat(words[i], 64); err == nil {
					sum += v
				}
			}
		}
		names = nil
	}
	return sum, true
}
