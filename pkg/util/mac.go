package util

import (
	"crypto/sha256"
	"fmt"
)

// HashMAC is the address of a router port: the prefix and letter case of every generated address (northbound.md D-07) with
// three bytes of the name's hash. It needs no store: the same name has the same address after any restart. Of the numbered
// variants a caller takes the first that is free where the port is.
func HashMAC(name string, variant int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", name, variant))
	return fmt.Sprintf("00:00:00:%02X:%02X:%02X", sum[0], sum[1], sum[2])
}
