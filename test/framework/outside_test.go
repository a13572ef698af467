package framework

import (
	"testing"
	"time"
)

const pings = `PING 10.5.204.101 (10.5.204.101) 56(84) bytes of data.
[1700000000.000100] 64 bytes from 10.5.204.101: icmp_seq=1 ttl=63 time=0.5 ms
[1700000000.100100] 64 bytes from 10.5.204.101: icmp_seq=2 ttl=63 time=0.5 ms
[1700000001.600100] 64 bytes from 10.5.204.101: icmp_seq=17 ttl=62 time=0.5 ms
[1700000001.700100] From 10.5.204.254 icmp_seq=18 Destination Host Unreachable

--- 10.5.204.101 ping statistics ---
18 packets transmitted, 3 received, 83% packet loss, time 1700ms
`

func TestReplies(t *testing.T) {
	got := Replies(pings)
	if len(got) != 3 || got[2].Seq != 17 || got[2].TTL != 62 || got[0].At.UnixMicro() != 1700000000000100 {
		t.Fatalf("%+v", got)
	}
	if gap := Gap(got); gap != 1500*time.Millisecond {
		t.Errorf("gap %s", gap)
	}
	if plain := Replies("64 bytes from fd00:5:204::65: icmp_seq=4 ttl=63 time=0.368 ms\n"); len(plain) != 1 || plain[0].TTL != 63 || !plain[0].At.IsZero() {
		t.Errorf("without times: %+v", plain)
	}
}
