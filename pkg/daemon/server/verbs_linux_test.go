package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

// TestVerbs is the life of one interface over the socket, on a real node.
func TestVerbs(t *testing.T) {
	node := newTestNode(t)
	ready := error(nil)
	f := newFixture(t, node, func(c *Config) { c.Ready = func() error { return ready } })
	f.create(pod(30))
	node.Port("net1", "p30.default", "00:00:00:00:01:1e 10.1.0.30")
	req := request(30)
	req.NetNS = porttest.NewNetns(t)

	got, err := f.client.Add(t.Context(), req)
	must(t, err)
	want := api.Response{
		IPs:        []api.IP{{Protocol: "IPv4", IP: "10.1.0.30", CIDR: "10.1.0.0/24", Gateway: "10.1.0.1"}},
		MACAddress: "00:00:00:00:01:1e", MTU: 1400, NicName: "eth0", DNS: req.DNS,
		Routes: []api.Route{{Destination: "0.0.0.0/0", Gateway: "10.1.0.1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := f.event(); e != "Normal PodNetworkConfigured stage=configure provider=ovn interface=eth0 node=node1" {
		t.Errorf("event %q", e)
	}
	eventually(t, "the IP object is bound", func() bool { return cmp.Equal(f.boundIPs(), []string{"p30.default in net1"}) })
	if _, err := porttest.In(req.NetNS, "ping", "-c", "1", "-W", "2", "10.1.0.1"); err != nil {
		t.Error(err)
	}

	req.Expected = &api.Expected{MAC: got.MACAddress, Addresses: []string{"10.1.0.30/24"}, Routes: got.Routes}
	must(t, f.client.Check(t.Context(), req))
	_, err = porttest.In(req.NetNS, "ip", "addr", "flush", "dev", "eth0")
	must(t, err)
	assertFailure(t, f.client.Check(t.Context(), req), api.CodeTryAgainLater, "has no address 10.1.0.30/24")

	must(t, f.client.Status(t.Context()))
	ready = errors.New("Open vSwitch is away")
	assertFailure(t, f.client.Status(t.Context()), api.CodePluginUnavailable, "Open vSwitch is away")

	// Neither pod nor namespace is needed, and a repetition is as good.
	f.remove(pod(30))
	gone := api.Request{ContainerID: req.ContainerID, IfName: "eth0"}
	for range 2 {
		must(t, f.client.Del(t.Context(), gone))
	}
	if out := node.Vsctl("list-ports", "br-int"); strings.TrimSpace(out) != "" {
		t.Errorf("ports left: %s", out)
	}
	assertFailure(t, f.client.Check(t.Context(), req), api.CodeTryAgainLater, "the vswitch database has no port")
}

// A Del fails only when Open vSwitch is away; it says so where the user looks, and the runtime calls again.
func TestDelWithoutDatabase(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	f.create(pod(35))
	node.Port("net1", "p35.default", "00:00:00:00:01:23 10.1.0.35")
	req := request(35)
	req.NetNS = porttest.NewNetns(t)
	_, err := f.client.Add(t.Context(), req)
	must(t, err)
	f.event()
	node.StopDatabase()
	assertFailure(t, f.client.Del(t.Context(), req), api.CodeTryAgainLater, "not connected to the database")
	if e := f.event(); !strings.HasPrefix(e, "Warning PodNetworkRemoveFailed stage=remove provider=ovn interface=eth0 node=node1 error=") {
		t.Errorf("event %q", e)
	}
	node.StartDatabase()
	eventually(t, "the removal works again", func() bool { return f.client.Del(t.Context(), req) == nil })
	if out := node.Vsctl("list-ports", "br-int"); strings.TrimSpace(out) != "" {
		t.Errorf("ports left: %s", out)
	}
}

func TestGC(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	for _, n := range []int{31, 32} {
		p := pod(n)
		f.create(p)
		node.Port("net1", p.Name+".default", p.Annotations["ovn.kubernetes.io/mac_address"]+" "+p.Annotations["ovn.kubernetes.io/ip_address"])
		req := request(n)
		req.NetNS = porttest.NewNetns(t)
		_, err := f.client.Add(t.Context(), req)
		must(t, err)
	}
	must(t, f.client.GC(t.Context(), api.GCRequest{Network: "other", Valid: []api.Attachment{}}))
	must(t, f.client.GC(t.Context(), api.GCRequest{Network: "kube-ovn", Valid: []api.Attachment{{ContainerID: "cid32", IfName: "eth0"}}}))
	if ports := f.server.cfg.Ports.Ports(); len(ports) != 1 || ports[0].Container != "cid32" {
		t.Errorf("ports %v, want that of cid32 alone", ports)
	}
	must(t, f.client.GC(t.Context(), api.GCRequest{Network: "kube-ovn", Valid: []api.Attachment{}}))
	if ports := f.server.cfg.Ports.Ports(); len(ports) != 0 {
		t.Errorf("ports left: %v", ports)
	}
}

// The runtime gives up an Add and deletes: the Del waits until the Add has taken everything back, and leaves nothing.
func TestDelDuringAdd(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	f.create(pod(33)) // no logical port: the Add waits for ovn-controller
	req := request(33)
	req.NetNS = porttest.NewNetns(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := f.client.Add(ctx, req)
		result <- err
	}()
	eventually(t, "the Add makes its port", func() bool { return len(f.server.cfg.Ports.Ports()) == 1 })
	cancel()
	<-result
	begin := time.Now()
	must(t, f.client.Del(t.Context(), req))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("DEL took %s", took)
	}
	if ports := f.server.cfg.Ports.Ports(); len(ports) != 0 {
		t.Errorf("ports left: %v", ports)
	}
	if out, err := porttest.In(req.NetNS, "ip", "link", "show", "eth0"); err == nil {
		t.Errorf("the pod keeps %s", out)
	}
}

// A daemon that stops in the middle of an Add takes it back.
func TestStopDuringAdd(t *testing.T) {
	node := newTestNode(t)
	f := newFixture(t, node, nil)
	f.create(pod(34))
	f.seen("p34")
	req := request(34)
	req.NetNS = porttest.NewNetns(t)
	ctx, cancel := context.WithCancel(t.Context())
	socket := f.socket + "2"
	l, err := Listen(ctx, socket)
	must(t, err)
	done := make(chan error)
	go func() { done <- f.server.Serve(ctx, l) }()
	result := make(chan error)
	go func() {
		_, err := api.NewClient(socket).Add(t.Context(), req)
		result <- err
	}()
	eventually(t, "the Add makes its port", func() bool { return len(f.server.cfg.Ports.Ports()) == 1 })
	cancel()
	assertFailure(t, <-result, api.CodeTryAgainLater, "has not bound logical port p34.default")
	must(t, <-done)
	if ports := f.server.cfg.Ports.Ports(); len(ports) != 0 {
		t.Errorf("ports left: %v", ports)
	}
}
