package announce

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// Timing holds the constants of RFC 5227 section 1.1.
type Timing struct {
	Probes       int           // number of probes; 0: do not probe
	ProbeWait    time.Duration // the first probe is sent after a random delay up to this
	ProbeMin     time.Duration // least time between two probes
	ProbeMax     time.Duration // most time between two probes
	AnnounceWait time.Duration // how long the last probe is given to be answered

	Announcements    int
	AnnounceInterval time.Duration
}

// RFC5227 is the timing of the standard, for segments whose other hosts we do not know: 4 to 7 s of probing.
func RFC5227() Timing {
	return Timing{
		Probes: 3, ProbeWait: time.Second, ProbeMin: time.Second, ProbeMax: 2 * time.Second, AnnounceWait: 2 * time.Second,
		Announcements: 2, AnnounceInterval: 2 * time.Second,
	}
}

// Local is the timing for a logical switch, where the answer comes from the flows of this node: 85 to 135 ms of probing.
func Local() Timing {
	return Timing{
		Probes: 3, ProbeWait: 10 * time.Millisecond, ProbeMin: 20 * time.Millisecond, ProbeMax: 40 * time.Millisecond,
		AnnounceWait: 45 * time.Millisecond, Announcements: 2, AnnounceInterval: 2 * time.Second,
	}
}

// first is the delay before the first probe.
func (t Timing) first() time.Duration { return between(0, t.ProbeWait) }

// next is the time that the probe of that number (from 1) is given to be answered.
func (t Timing) next(probe int) time.Duration {
	if probe >= t.Probes {
		return t.AnnounceWait
	}
	return between(t.ProbeMin, t.ProbeMax)
}

func between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + rand.N(high-low) //nolint:gosec // spreads the load, guards nothing
}

// ConflictError says that another host has, or is about to take, an address.
type ConflictError struct {
	Addr netip.Addr
	MAC  net.HardwareAddr // nil when the kernel found the conflict and the other host's MAC was not seen
}

func (e *ConflictError) Error() string {
	mac := "unknown"
	if e.MAC != nil {
		mac = e.MAC.String()
	}
	return fmt.Sprintf("IP address %s has already been used by host with MAC %s", e.Addr, mac)
}
