package controller

import (
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Metrics of api.md 8.3 about subnets, made when they are asked for of what the API objects say then.
var (
	subnetLabels      = []string{"subnet_name", "protocol", "subnet_cidr"}
	subnetAvailableIP = prometheus.NewDesc("subnet_available_ip_count", "Addresses of the subnet that can be given; of two families the fewer.", subnetLabels, nil)
	subnetUsedIP      = prometheus.NewDesc("subnet_used_ip_count", "Addresses of the subnet in use; of two families the more.", subnetLabels, nil)
	subnetIPAM        = prometheus.NewDesc("subnet_ipam_info", "One per prefix of a subnet: lists \"a,b-c\" of its addresses.",
		[]string{"subnet_name", "cidr", "free", "reserved", "available", "using"}, nil)
	subnetAssigned = prometheus.NewDesc("subnet_ip_assign_info", "One per address in use.", []string{"subnet_name", "ip", "pod_name"}, nil)
	centralized    = prometheus.NewDesc("centralized_subnet_info", "One per prefix of a centralized subnet: where it leaves the cluster.",
		[]string{"subnet_name", "enable_ecmp", "gateway_node", "active_gateway", "match", "nexthops"}, nil)
)

// sources are the caches that metrics are made of.
type sources struct {
	subnets listers.SubnetLister
	ips     listers.IPLister
}

// Describe is part of prometheus.Collector.
func (c *Controller) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{subnetAvailableIP, subnetUsedIP, subnetIPAM, subnetAssigned, centralized} {
		out <- desc
	}
}

// Collect is part of prometheus.Collector. Only the leader has something to tell.
func (c *Controller) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	from, nb := c.counted, c.nb
	c.mu.Unlock()
	if from == nil || nb == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	subnets, err := from.subnets.List(labels.Everything())
	if err != nil {
		return
	}
	for _, s := range subnets {
		s = util.Effective(s)
		available, used := counts(s)
		gauge(subnetAvailableIP, available, s.Name, s.Spec.Protocol, s.Spec.CIDRBlock)
		gauge(subnetUsedIP, used, s.Name, s.Spec.Protocol, s.Spec.CIDRBlock)
		cidrs, err := util.ParseCIDRs(s.Spec.CIDRBlock)
		if err != nil {
			continue
		}
		for _, cidr := range cidrs {
			gauge(subnetIPAM, 1, append([]string{s.Name, cidr.String()}, book(s, cidr.Addr().Is4())...)...)
			if s.Spec.GatewayType == util.GatewayCentralized && s.Spec.Vpc == c.DefaultVpc {
				match := util.SourceMatch(cidr.String())
				nodes, hops := gateways(nb, ovs.RouterPolicy{Router: s.Spec.Vpc, Priority: util.GatewayPolicyPriority, Match: match})
				gauge(centralized, 1, s.Name, strconv.FormatBool(s.Spec.EnableEcmp), s.Spec.GatewayNode, strings.Join(nodes, ","), match, strings.Join(hops, ","))
			}
		}
	}
	ips, err := from.ips.List(labels.Everything())
	if err != nil {
		return
	}
	for _, ip := range ips {
		for _, address := range []string{ip.Spec.V4IPAddress, ip.Spec.V6IPAddress} {
			if address != "" && ip.DeletionTimestamp.IsZero() {
				gauge(subnetAssigned, 1, ip.Spec.Subnet, address, strings.TrimPrefix(ip.Spec.Namespace+"/"+ip.Spec.PodName, "/"))
			}
		}
	}
}

// book lists the free, reserved, available and used addresses of one family. What was used before is free at once, so the
// free ones are those that are available.
func book(s *v1.Subnet, v4 bool) []string {
	var reserved []string
	for _, text := range s.Spec.ExcludeIps {
		first, _, _ := strings.Cut(text, "..")
		if a, err := netip.ParseAddr(first); err == nil && a.Is4() == v4 {
			reserved = append(reserved, strings.Replace(text, "..", "-", 1))
		}
	}
	available, using := s.Status.V4AvailableIPRange, s.Status.V4UsingIPRange
	if !v4 {
		available, using = s.Status.V6AvailableIPRange, s.Status.V6UsingIPRange
	}
	return []string{available, strings.Join(reserved, ","), available, using}
}

// gateways are the nodes that a policy of a centralized subnet leads to, and their join addresses, both by name of node.
func gateways(nb *ovs.Client, policy ovs.RouterPolicy) (nodes, hops []string) {
	marks, _ := nb.ExternalIDs(policy)
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		if _, err := netip.ParseAddr(marks[name]); err == nil {
			nodes, hops = append(nodes, name), append(hops, marks[name])
		}
	}
	return nodes, hops
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
