package util

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ExternalGateway is what the ConfigMap of the default VPC's external gateway asks for (api.md 4.1).
type ExternalGateway struct {
	// Enabled is false only for the text "false". All else is empty then.
	Enabled bool
	// Distributed: the label alone decides which nodes are gateways. Nodes is empty then.
	Distributed bool
	// Nodes are the names of the gateway nodes in the order of preference.
	Nodes []string
	// NIC is the device that the daemons bridge.
	NIC string
	// Gateways are the physical gateways, at most one per family; empty when the external subnet's are meant.
	Gateways []netip.Addr
	// RouterPort is the address of the router port with its prefix length, at most one per family; empty when it is to be
	// allocated.
	RouterPort []netip.Prefix
	// RouterMAC is the MAC of the router port; "" when it is not given.
	RouterMAC string
}

// externalGatewayKeys are the keys that have a meaning.
var externalGatewayKeys = []string{
	ExternalGatewayConfigEnable, ExternalGatewayConfigType, ExternalGatewayConfigNodes, ExternalGatewayConfigNIC,
	ExternalGatewayConfigAddress, ExternalGatewayConfigNICIP, ExternalGatewayConfigNICMAC,
}

// ParseExternalGateway reads the data of the ConfigMap. The error names the key that cannot be read.
func ParseExternalGateway(data map[string]string) (ExternalGateway, error) {
	get := func(key string) string { return strings.TrimSpace(data[key]) }
	if get(ExternalGatewayConfigEnable) == "false" {
		return ExternalGateway{}, nil
	}
	g := ExternalGateway{Enabled: true, NIC: get(ExternalGatewayConfigNIC)}
	switch text := get(ExternalGatewayConfigType); text {
	case "", NatCentralized:
	case NatDistributed:
		g.Distributed = true
	default:
		return ExternalGateway{}, fmt.Errorf("%s: %q is neither %s nor %s", ExternalGatewayConfigType, text, NatCentralized, NatDistributed)
	}
	for _, name := range splitList(get(ExternalGatewayConfigNodes)) {
		if !g.Distributed && name != "" && !slices.Contains(g.Nodes, name) {
			g.Nodes = append(g.Nodes, name)
		}
	}
	var err error
	if g.Gateways, err = unmasked(get(ExternalGatewayConfigAddress)); err != nil {
		return ExternalGateway{}, fmt.Errorf("%s: %w", ExternalGatewayConfigAddress, err)
	}
	if g.RouterPort, err = hostPrefixes(get(ExternalGatewayConfigNICIP)); err != nil {
		return ExternalGateway{}, fmt.Errorf("%s: %w", ExternalGatewayConfigNICIP, err)
	}
	if g.RouterMAC, err = portMAC(get(ExternalGatewayConfigNICMAC)); err != nil {
		return ExternalGateway{}, fmt.Errorf("%s: %w", ExternalGatewayConfigNICMAC, err)
	}
	return g, nil
}

// portMAC is a unicast MAC with colons, in the letter case it was given in; the empty text is none.
func portMAC(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return "", fmt.Errorf("%q is not the MAC of a port", text)
	}
	if !strings.Contains(text, ":") {
		return mac.String(), nil
	}
	return text, nil
}

// unmasked reads addresses that may carry a prefix length.
func unmasked(text string) ([]netip.Addr, error) {
	parts := splitList(text)
	for i := range parts {
		address, bits, masked := strings.Cut(parts[i], "/")
		if _, err := netip.ParsePrefix(parts[i]); masked && err != nil {
			return nil, fmt.Errorf("%q has no prefix length %q", address, bits)
		}
		parts[i] = address
	}
	return ParseAddrs(strings.Join(parts, ","))
}

// hostPrefixes reads the addresses of a host with their prefix lengths, IPv4 first.
func hostPrefixes(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, part := range splitList(text) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address with a prefix length such as 172.56.0.100/16", part)
		}
		if reason := NotAHost(prefix, prefix.Addr()); reason != "" {
			return nil, fmt.Errorf("%s cannot be a host's address: it is the %s", part, reason)
		}
		out = append(out, prefix)
	}
	slices.SortStableFunc(out, func(a, b netip.Prefix) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	if len(out) > 2 || len(out) == 2 && out[0].Addr().Is4() == out[1].Addr().Is4() {
		return nil, fmt.Errorf("%s has more than one address of a family", text)
	}
	return out, nil
}

// NextHops are the next hops to the outside, IPv4 first: of each family the physical gateway as given, else the one of the
// external subnet (its spec.gateway, "" when there is none), else the first usable address of the router port's network
// unless the port has that itself.
func (g ExternalGateway) NextHops(subnetGateway string) []netip.Addr {
	ofSubnet, err := ParseAddrs(subnetGateway)
	if err != nil {
		ofSubnet = nil // the subnet's own conditions tell the mistake
	}
	candidates := append(slices.Clone(g.Gateways), ofSubnet...)
	for _, port := range g.RouterPort {
		if first := FirstUsable(port); first != port.Addr() {
			candidates = append(candidates, first)
		}
	}
	var hops []netip.Addr
	for _, v4 := range []bool{true, false} {
		if i := slices.IndexFunc(candidates, func(a netip.Addr) bool { return a.Is4() == v4 }); i >= 0 {
			hops = append(hops, candidates[i])
		}
	}
	return hops
}

// PortMAC is the MAC of the router port of that name: as given; with an address that is given without one the MAC that the
// port has already, else the hash of name and address, so that it is the same with and without a Subnet, and another one than
// that of a port of that name in another cluster on the segment; "" leaves it to the OvnEip.
func (g ExternalGateway) PortMAC(port, present string) string {
	if g.RouterMAC == "" && len(g.RouterPort) > 0 {
		return cmp.Or(present, HashMAC(port+"/"+g.RouterPort[0].Addr().String(), 0))
	}
	return g.RouterMAC
}

// EncodeExternalGateway is the data of the ConfigMap as the default VPC's annotation ExternalGatewayInEffect keeps it.
func EncodeExternalGateway(data map[string]string) string {
	known := map[string]string{}
	for _, key := range externalGatewayKeys {
		if value := strings.TrimSpace(data[key]); value != "" {
			known[key] = value
		}
	}
	text, err := json.Marshal(known)
	if err != nil {
		return "{}" // a map of strings always encodes
	}
	return string(text)
}

// DecodeExternalGateway reads the annotation ExternalGatewayInEffect of the default VPC. It is false when the gateway is
// off: the annotation is absent or not ours.
func DecodeExternalGateway(annotations map[string]string) (ExternalGateway, bool) {
	text, ok := annotations[ExternalGatewayInEffect]
	var data map[string]string
	if !ok || json.Unmarshal([]byte(text), &data) != nil {
		return ExternalGateway{}, false
	}
	g, err := ParseExternalGateway(data)
	return g, err == nil && g.Enabled
}
