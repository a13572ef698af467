package util

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
)

// HashMAC is a generated address: prefix and letter case of northbound.md D-07 with three bytes of the name's hash. It needs
// no store: the same name has the same address after any restart. Of the numbered variants a caller takes the first that is
// free where the port is.
func HashMAC(name string, variant int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", name, variant))
	return fmt.Sprintf("00:00:00:%02X:%02X:%02X", sum[0], sum[1], sum[2])
}

// AddressMACName names the generated MAC of an IP address of a subnet. The MAC goes with the address, so that neighbours who
// remember a former holder reach the next one at once (OVN announces no IPv6 address when it moves), and it differs between
// clusters that share a segment, where the addresses differ and names may be equal.
func AddressMACName(subnet string, addr netip.Addr) string { return subnet + "/" + addr.String() }
