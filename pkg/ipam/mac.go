package ipam

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// hwAddr is a MAC as a number below 2^48; 0 is none.
type hwAddr uint64

// generatedBits is the random part of a generated MAC, 00:00:00:XX:XX:XX (northbound.md D-07).
const generatedBits = 24

// generateTries bounds the search for a free MAC: with half of all 2^24 taken the chance to miss is 2^-256.
const generateTries = 256

// multicastBit marks a group address (IEEE 802), which no port can have.
const multicastBit hwAddr = 1 << 40

// String is upper case, as D-07 wants it.
func (m hwAddr) String() string {
	return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", byte(m>>40), byte(m>>32), byte(m>>24), byte(m>>16), byte(m>>8), byte(m))
}

// parseMAC reads a unicast MAC; "" is none.
func parseMAC(text string) (hwAddr, error) {
	if text == "" {
		return 0, nil
	}
	b, err := net.ParseMAC(text)
	if err != nil || len(b) != 6 {
		return 0, fmt.Errorf("%w: %q is not a MAC address", ErrInvalidMAC, text)
	}
	var m hwAddr
	for _, octet := range b {
		m = m<<8 | hwAddr(octet)
	}
	if m == 0 || m&multicastBit != 0 {
		return 0, fmt.Errorf("%w: %s is not a unicast address", ErrInvalidMAC, text)
	}
	return m, nil
}

// generateMAC draws a MAC that taken does not have.
func generateMAC(taken func(hwAddr) bool) (hwAddr, bool) {
	for range generateTries {
		m := hwAddr(rand.Uint64N(1 << generatedBits))
		if m != 0 && !taken(m) {
			return m, true
		}
	}
	return 0, false
}
