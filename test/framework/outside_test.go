package framework

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
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

// What is outside stands in a network namespace of its own: the test's address there exists nowhere else.
func TestServeAndGet(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	c := &Cluster{name: "frameworktest"}
	if err := ns.CreateNetns(c.outside()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ns.DeleteNetns(c.outside()); err != nil {
			t.Error(err)
		}
	})
	for _, argv := range [][]string{
		{"link", "set", "lo", "up"}, {"address", "add", "192.0.2.7/32", "dev", "lo"}, {"-6", "address", "add", "fd00::7/128", "dev", "lo", "nodad"},
	} {
		if err := ns.InNetns(c.outside(), func() error { return exec.Command("ip", argv...).Run() }); err != nil {
			t.Fatalf("ip %v: %v", argv, err)
		}
	}
	server, err := c.Serve(":8080")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{"http://192.0.2.7:8080/": "192.0.2.7", "http://[fd00::7]:8080/": "fd00::7"} {
		err := Poll(t.Context(), url+" says "+want, func() error { // the kernel makes the route of a new IPv6 address a moment later
			got, err := c.Get(t.Context(), url)
			if err == nil && got != want {
				err = fmt.Errorf("it says %q", got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	stream, err := c.Stream(t.Context(), "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	if err := Poll(t.Context(), "two answers", func() error {
		if got := stream.Replies(); len(got) < 2 || got[1].At.IsZero() {
			return fmt.Errorf("%+v", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if all := stream.Stop(); len(all) < 2 || len(stream.Replies()) != len(all) {
		t.Errorf("%d answers, and %d after the end", len(all), len(stream.Replies()))
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if got, err := c.Get(t.Context(), "http://192.0.2.7:8080/"); err == nil {
		t.Errorf("a closed server says %q", got)
	}
}
