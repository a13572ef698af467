package util

import (
	"net/netip"
	"testing"
)

// A longer prefix never has a lower priority, and all are between those of the policies beside them.
func TestSnatPolicyPriority(t *testing.T) {
	for _, address := range []string{"10.0.0.0", "fd00::"} {
		addr := netip.MustParseAddr(address)
		for bits := range addr.BitLen() {
			prefix := netip.PrefixFrom(addr, bits)
			got := SnatPolicyPriority(prefix)
			if got <= 29200 || got >= NorthGatewayPolicyPriority {
				t.Errorf("%s has %d", prefix, got)
			}
			step := 1
			if addr.Is6() {
				step = 4
			}
			if bits >= step && got != SnatPolicyPriority(netip.PrefixFrom(addr, bits-step))+1 {
				t.Errorf("%s is not above the shorter ones: %d", prefix, got)
			}
		}
	}
}
