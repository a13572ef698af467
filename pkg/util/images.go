package util

// Labels of pods and nodes that start programs and the installer write (node.md 8.6, 9.2, 9.4).
const (
	// Pod ovn-central, written by its start program; Services ovn-nb, ovn-sb, ovn-northd and kubectl-ko select by them.
	NBLeaderLabel     = "ovn-nb-leader"
	SBLeaderLabel     = "ovn-sb-leader"
	NorthdLeaderLabel = "ovn-northd-leader"

	// Label "app" of the workloads.
	AppLabel      = "app"
	AppOVNCentral = "ovn-central"
	AppOVS        = "ovs"
	// OVSContainer is the container of an ovs-ovn pod that kubectl-ko runs commands in.
	OVSContainer = "openvswitch"
)

// Ports of the OVN databases (node.md 8.1).
const (
	NBPort     = 6641
	SBPort     = 6642
	NBRaftPort = 6643
	SBRaftPort = 6644
)

// TLS between the OVN databases and their clients: files of one directory, mounted from Secret kube-ovn-tls (node.md 9.6).
const (
	TLSDir        = "/var/run/tls"
	TLSKeyFile    = "key"
	TLSCertFile   = "cert"
	TLSCACertFile = "cacert"
	// TLSServerName is a DNS name of the certificate that all programs share. Servers are reached by address, so a Go
	// client verifies this name in place of the address.
	TLSServerName = "ovn"
)
