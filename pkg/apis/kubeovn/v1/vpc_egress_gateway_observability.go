package v1

import (
	corev1 "k8s.io/api/core/v1"
)

// VpcEgressGatewayObservability measures and logs what a gateway carries.
type VpcEgressGatewayObservability struct {
	// Resources of the observing container.
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// InterfaceMetrics counts bytes and packets of the interfaces.
	InterfaceMetrics *VpcEgressGatewayInterfaceMetrics `json:"interfaceMetrics,omitempty"`
	// Conntrack observes connections.
	Conntrack *VpcEgressGatewayConntrack `json:"conntrack,omitempty"`
	// ServiceMonitor describes the ServiceMonitor object for Prometheus.
	ServiceMonitor *VpcEgressGatewayServiceMonitor `json:"serviceMonitor,omitempty"`
}

// VpcEgressGatewayInterfaceMetrics counts bytes and packets of the interfaces.
type VpcEgressGatewayInterfaceMetrics struct {
	// Enabled starts counting.
	Enabled bool `json:"enabled,omitempty"`
}

// VpcEgressGatewayConntrack observes connections.
type VpcEgressGatewayConntrack struct {
	// Metrics counts connections.
	Metrics *VpcEgressGatewayConntrackMetrics `json:"metrics,omitempty"`
	// Log writes connections.
	Log *VpcEgressGatewayConntrackLog `json:"log,omitempty"`
}

// VpcEgressGatewayConntrackMetrics counts connections.
type VpcEgressGatewayConntrackMetrics struct {
	// Enabled starts counting.
	Enabled bool `json:"enabled,omitempty"`
}

// VpcEgressGatewayConntrackLog writes connections.
type VpcEgressGatewayConntrackLog struct {
	// Enabled starts writing.
	Enabled bool `json:"enabled,omitempty"`
	// Events to write: start, end.
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=start;end
	Events []string `json:"events,omitempty"`
	// RateLimit bounds how much is written.
	RateLimit *VpcEgressGatewayLogRateLimit `json:"rateLimit,omitempty"`
	// Filters choose the connections to write.
	Filters *VpcEgressGatewayLogFilters `json:"filters,omitempty"`
}

// VpcEgressGatewayLogRateLimit bounds how much is written.
type VpcEgressGatewayLogRateLimit struct {
	// RecordsPerSecond is the rate, 1 to 100000.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	RecordsPerSecond int32 `json:"recordsPerSecond,omitempty"`
	// Burst is how many records may be written at once, 1 to 1000000.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst int32 `json:"burst,omitempty"`
}

// VpcEgressGatewayLogFilters choose connections: those that match an include filter (or all without one) and no exclude filter.
type VpcEgressGatewayLogFilters struct {
	// Include filters; one has to match. Without any, all connections are included.
	// +kubebuilder:validation:MaxItems=64
	Include []VpcEgressGatewayLogFilter `json:"include,omitempty"`
	// Exclude filters; none may match.
	// +kubebuilder:validation:MaxItems=64
	Exclude []VpcEgressGatewayLogFilter `json:"exclude,omitempty"`
}

// VpcEgressGatewayLogFilter chooses connections; all parts that are given have to match.
type VpcEgressGatewayLogFilter struct {
	// AddressFamilies of the connection: ipv4, ipv6.
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=ipv4;ipv6
	AddressFamilies []string `json:"addressFamilies,omitempty"`
	// Protocols of the connection: tcp, udp, sctp, icmp, icmpv6, other.
	// +listType=set
	// +kubebuilder:validation:MaxItems=6
	// +kubebuilder:validation:items:Enum=tcp;udp;sctp;icmp;icmpv6;other
	Protocols []string `json:"protocols,omitempty"`
	// NatTypes of the connection: snat, dnat, snat_dnat.
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=snat;dnat;snat_dnat
	NatTypes []string `json:"natTypes,omitempty"`
	// Original addresses and ports, before translation.
	Original *VpcEgressGatewayLogEndpoints `json:"original,omitempty"`
	// Translated addresses and ports.
	Translated *VpcEgressGatewayLogEndpoints `json:"translated,omitempty"`
}

// VpcEgressGatewayLogEndpoints are the two ends of a connection.
type VpcEgressGatewayLogEndpoints struct {
	// SourceCIDRs are prefixes of the source.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule=`isCIDR(self)`,messageExpression=`'sourceCIDRs entry ' + self + ' is not a CIDR'`
	SourceCIDRs []string `json:"sourceCIDRs,omitempty"`
	// DestinationCIDRs are prefixes of the destination.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule=`isCIDR(self)`,messageExpression=`'destinationCIDRs entry ' + self + ' is not a CIDR'`
	DestinationCIDRs []string `json:"destinationCIDRs,omitempty"`
	// SourcePorts are ranges of the source port.
	// +kubebuilder:validation:MaxItems=64
	SourcePorts []VpcEgressGatewayPortRange `json:"sourcePorts,omitempty"`
	// DestinationPorts are ranges of the destination port.
	// +kubebuilder:validation:MaxItems=64
	DestinationPorts []VpcEgressGatewayPortRange `json:"destinationPorts,omitempty"`
}

// VpcEgressGatewayPortRange is a range of ports.
//
// +kubebuilder:validation:XValidation:rule=`self.?start.orValue(0) <= self.?end.orValue(0)`,message="start of a port range is above its end"
type VpcEgressGatewayPortRange struct {
	// Start is the first port.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Start int32 `json:"start"`
	// End is the last port.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	End int32 `json:"end"`
}

// VpcEgressGatewayServiceMonitor describes the ServiceMonitor object for Prometheus.
type VpcEgressGatewayServiceMonitor struct {
	// Labels of the ServiceMonitor.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the ServiceMonitor.
	Annotations map[string]string `json:"annotations,omitempty"`
}
