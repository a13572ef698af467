package util

import "testing"

func TestSourceMatch(t *testing.T) {
	for _, source := range []string{"10.0.0.1", "10.0.0.0/24", "fd00::1", "fd00::/64"} {
		match := SourceMatch(source)
		if got := SourceOfMatch(match); got != source {
			t.Errorf("%q is from %q", match, got)
		}
		if got := SourceOfMatch(match + " && tcp.src == 22"); got != source {
			t.Errorf("%q with a port is from %q", match, got)
		}
	}
	if got := SourceOfMatch("ip4.dst == 10.0.0.1"); got != "" {
		t.Errorf("a destination is taken for source %q", got)
	}
}
