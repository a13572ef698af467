package announce

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestTimingStaysWithinItsBounds(t *testing.T) {
	for _, timing := range []Timing{RFC5227(), Local()} {
		for range 1000 {
			if d := timing.first(); d < 0 || d > timing.ProbeWait {
				t.Fatalf("first delay %s, want 0 to %s", d, timing.ProbeWait)
			}
			for probe := 1; probe < timing.Probes; probe++ {
				if d := timing.next(probe); d < timing.ProbeMin || d > timing.ProbeMax {
					t.Fatalf("probe %d is given %s, want %s to %s", probe, d, timing.ProbeMin, timing.ProbeMax)
				}
			}
			if d := timing.next(timing.Probes); d != timing.AnnounceWait {
				t.Fatalf("the last probe is given %s, want %s", d, timing.AnnounceWait)
			}
		}
	}
}

// The figures of RFC 5227 section 1.1.
func TestRFC5227(t *testing.T) {
	want := Timing{3, time.Second, time.Second, 2 * time.Second, 2 * time.Second, 2, 2 * time.Second}
	if got := RFC5227(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBetween(t *testing.T) {
	for _, c := range []struct{ low, high, want time.Duration }{
		{5, 5, 5}, {7, 3, 7}, {0, 0, 0}, {4, 5, 4},
	} {
		if got := between(c.low, c.high); got != c.want {
			t.Errorf("between(%d, %d) = %d, want %d", c.low, c.high, got, c.want)
		}
	}
}

// Users and other programs look for this text.
func TestConflictError(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.5")
	for _, c := range []struct {
		mac  net.HardwareAddr
		want string
	}{
		{net.HardwareAddr{2, 0, 0, 0, 0, 9}, "IP address 10.0.0.5 has already been used by host with MAC 02:00:00:00:00:09"},
		{nil, "IP address 10.0.0.5 has already been used by host with MAC unknown"},
	} {
		if got := (&ConflictError{Addr: addr, MAC: c.mac}).Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
