package ovs_test

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

// proxy stands between a client and a server: it keeps what the client says and can speak in the server's name.
type proxy struct {
	endpoint string
	mu       sync.Mutex
	said     bytes.Buffer
	clients  []net.Conn
}

func startProxy(t *testing.T, s *ovstest.Server) *proxy {
	t.Helper()
	p := &proxy{endpoint: filepath.Join(t.TempDir(), "proxy")}
	l, err := net.Listen("unix", p.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", strings.TrimPrefix(s.Endpoint, "unix:"))
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.clients = append(p.clients, client)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(server, io.TeeReader(client, p)); _ = server.Close() }()
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
		}
	}()
	p.endpoint = "unix:" + p.endpoint
	return p
}

func (p *proxy) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(data)
}

func (p *proxy) requests() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// speak sends text to the client of the last connection.
func (p *proxy) speak(t *testing.T, text string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.clients[len(p.clients)-1].Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestInconsistentCache: an update that does not fit makes the client read the database anew, and nothing is lost.
func TestInconsistentCache(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	p := startProxy(t, s)
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.Endpoints = []string{p.endpoint} })
	drift := recordDrift(c, "vpc", "subnet", "pod")
	small(t, c)
	for i, update := range []string{
		`{"Port_Group":{"00000000-0000-4000-8000-000000000001":{"modify":{"name":"x"}}}}`,
		`{"Port_Group":{"00000000-0000-4000-8000-000000000001":{"insert":{"name":["bag",[]]}}}}`,
		`7`,
	} {
		p.speak(t, `{"id":null,"method":"update2","params":["rows",`+update+`]}`)
		ovstest.Eventually(t, deadline, "the cache is read anew", func() bool { return c.Stats().Sessions == i+2 })
	}
	before := c.Stats().Transactions
	small(t, c)
	if got := c.Stats().Transactions - before; got != 0 {
		t.Errorf("%d transactions after the rebuild, want 0", got)
	}
	if got := drift.seen(); len(got) != 0 {
		t.Errorf("drift of %v though the database did not change", got)
	}
}

// TestOneMonitor: one monitor of rows per connection, lean, and equal rows say nothing at all.
func TestOneMonitor(t *testing.T) {
	s := ovstest.Start(t, ovs.Northbound)
	p := startProxy(t, s)
	c := s.Connect(t, func(cfg *ovs.Config) { cfg.Endpoints = []string{p.endpoint} })
	small(t, c)
	said := p.requests()
	if got := strings.Count(said, `"OVN_Northbound","rows"`); got != 1 {
		t.Errorf("%d monitors, want 1:\n%s", got, said)
	}
	small(t, c)
	if more := strings.TrimPrefix(p.requests(), said); strings.Contains(more, "transact") {
		t.Errorf("said for equal rows: %s", more)
	}
}
