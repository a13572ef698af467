package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func TestPing(t *testing.T) {
	porttest.Root(t)
	here := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	if err := pingAll(t.Context(), here, 2*time.Second); err != nil {
		t.Error(err)
	}
	// Not routed in the test's namespace.
	err := pingAll(t.Context(), append(here, netip.MustParseAddr("192.0.2.1")), 200*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "192.0.2.1") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("want an error that names the silent address alone, got %v", err)
	}
}

func TestPingWithoutAnswer(t *testing.T) {
	porttest.Root(t)
	m := &machine{t: t}
	m.run("ip", "link", "add", "silent", "type", "veth", "peer", "name", "listener")
	t.Cleanup(func() { m.run("ip", "link", "del", "silent") })
	m.run("ip", "addr", "add", "192.0.2.2/24", "dev", "silent")
	m.run("ip", "link", "set", "silent", "up")
	m.run("ip", "link", "set", "listener", "up")
	start := time.Now()
	err := pingAll(t.Context(), []netip.Addr{netip.MustParseAddr("192.0.2.1")}, 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("want \"no answer\", got %v", err)
	}
	if spent := time.Since(start); spent > 2*time.Second {
		t.Errorf("it took %s to give up", spent)
	}
}
