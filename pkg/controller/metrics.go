package controller

import (
	"math/big"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Metrics of api.md 8.3 about subnets; they are what the subnets' status says when they are asked for.
var (
	subnetLabels      = []string{"subnet_name", "protocol", "subnet_cidr"}
	subnetAvailableIP = prometheus.NewDesc("subnet_available_ip_count", "Addresses of the subnet that can be given; of two families the fewer.", subnetLabels, nil)
	subnetUsedIP      = prometheus.NewDesc("subnet_used_ip_count", "Addresses of the subnet in use; of two families the more.", subnetLabels, nil)
)

// Describe is part of prometheus.Collector.
func (c *Controller) Describe(out chan<- *prometheus.Desc) {
	out <- subnetAvailableIP
	out <- subnetUsedIP
}

// Collect is part of prometheus.Collector. Only the leader has something to tell.
func (c *Controller) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	lister := c.subnets
	c.mu.Unlock()
	if lister == nil {
		return
	}
	subnets, err := lister.List(labels.Everything())
	if err != nil {
		return
	}
	for _, s := range subnets {
		available, used := counts(s)
		for desc, value := range map[*prometheus.Desc]float64{subnetAvailableIP: available, subnetUsedIP: used} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Name, s.Spec.Protocol, s.Spec.CIDRBlock)
		}
	}
}

func counts(s *v1.Subnet) (available, used float64) {
	available4, available6 := float(s.Status.V4AvailableIPs), float(s.Status.V6AvailableIPs)
	used4, used6 := float(s.Status.V4UsingIPs), float(s.Status.V6UsingIPs)
	switch s.Spec.Protocol {
	case util.ProtocolIPv6:
		return available6, used6
	case util.ProtocolDual:
		return min(available4, available6), max(used4, used6)
	}
	return available4, used4
}

func float(n v1.BigInt) float64 {
	f, _ := new(big.Float).SetInt(n.Int()).Float64()
	return f
}
