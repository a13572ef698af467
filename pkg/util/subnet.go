package util

// UnderlayMTU is the MTU in bytes of a network without tunnel header.
const UnderlayMTU = 1500

// TunnelHeader is what a tunnel of a network type takes from the MTU, in bytes (northbound.md 1.6). Underlay clusters have
// their overlay subnets on geneve.
func TunnelHeader(networkType string) int {
	switch networkType {
	case "vxlan":
		return 50
	case "stt":
		return 72
	}
	return 100
}

// DHCPOptionsName is the identity of a subnet's DHCP_Options row for ProtocolIPv4 or ProtocolIPv6.
func DHCPOptionsName(subnet, protocol string) string { return subnet + "/" + protocol }

// ReasonSubnetU2OFailed stands while the router gets no address in an interconnected underlay subnet.
const ReasonSubnetU2OFailed = "AcquireU2OAddressFailed"
