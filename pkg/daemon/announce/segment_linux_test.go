package announce

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/containernetworking/plugins/pkg/testutils"
	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// segment is two hosts on one wire: we, and another one that has 10.0.0.9 and fd00::9.
type segment struct {
	us, other   ns.NetNS
	ours, wires *net.Interface
}

func newSegment(t *testing.T) *segment {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	s := &segment{us: namespace(t), other: namespace(t)}
	do(t, s.us, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "eth0"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(s.other.Fd())})
	})
	s.ours, s.wires = start(t, s.us), start(t, s.other)
	do(t, s.other, func() error {
		link, err := netlink.LinkByName("eth0")
		for _, a := range []string{"10.0.0.9/24", "fd00::9/64"} {
			addr, parseErr := netlink.ParseAddr(a)
			addr.Flags = unix.IFA_F_NODAD
			err = errors.Join(err, parseErr, netlink.AddrAdd(link, addr))
		}
		return err
	})
	return s
}

func namespace(t *testing.T) ns.NetNS {
	t.Helper()
	n, err := testutils.NewNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), testutils.UnmountNS(n)); err != nil {
			t.Errorf("remove %s: %v", n.Path(), err)
		}
	})
	return n
}

func do(t *testing.T, n ns.NetNS, f func() error) {
	t.Helper()
	if err := n.Do(func(ns.NetNS) error { return f() }); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, n ns.NetNS) (ifi *net.Interface) {
	t.Helper()
	do(t, n, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		ifi = &net.Interface{Index: link.Attrs().Index, Name: "eth0", HardwareAddr: link.Attrs().HardwareAddr}
		return netlink.LinkSetUp(link)
	})
	return ifi
}

func (s *segment) arp(t *testing.T) (a *ARP) {
	t.Helper()
	do(t, s.us, func() (err error) { a, err = ListenARP(s.ours); return err })
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func (s *segment) nd(t *testing.T) (n *ND) {
	t.Helper()
	do(t, s.us, func() (err error) { n, err = ListenND(s.ours); return err })
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// fast is a timing for tests, three probes 30 ms apart.
func fast() Timing {
	return Timing{Probes: 3, ProbeWait: time.Millisecond, ProbeMin: 30 * time.Millisecond, ProbeMax: 31 * time.Millisecond, AnnounceWait: 60 * time.Millisecond}
}

func TestProbe(t *testing.T) {
	s := newSegment(t)
	a := s.arp(t)
	begin := time.Now()
	if err := a.Probe(t.Context(), netip.MustParseAddr("10.0.0.5"), fast()); err != nil {
		t.Errorf("a free address: %v", err)
	}
	if took := time.Since(begin); took < 120*time.Millisecond {
		t.Errorf("three probes were awaited for only %s", took)
	}
	err := a.Probe(t.Context(), netip.MustParseAddr("10.0.0.9"), fast())
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !bytes.Equal(conflict.MAC, s.wires.HardwareAddr) {
		t.Errorf("a taken address: got %v, want a conflict with %s", err, s.wires.HardwareAddr)
	}
	if err := a.Probe(t.Context(), netip.MustParseAddr("10.0.0.9"), Timing{}); err != nil {
		t.Errorf("no probes: %v", err)
	}
}

// The owner stays silent until the third probe: its answer to that one counts too.
func TestProbeAwaitsTheLastAnswer(t *testing.T) {
	s := newSegment(t)
	a := s.arp(t)
	addr := netip.MustParseAddr("10.0.0.77")
	var seen atomic.Int32
	s.answer(t, func(p *arp.Packet) *arp.Packet {
		if p.TargetIP != addr || !p.SenderIP.IsUnspecified() || seen.Add(1) < 3 {
			return nil
		}
		reply, err := arp.NewPacket(arp.OperationReply, s.wires.HardwareAddr, addr, p.SenderHardwareAddr, netip.IPv4Unspecified())
		if err != nil {
			t.Error(err)
		}
		return reply
	})
	var conflict *ConflictError
	if err := a.Probe(t.Context(), addr, fast()); !errors.As(err, &conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if n := seen.Load(); n != 3 {
		t.Errorf("%d probes were sent, want 3", n)
	}
}

// Two hosts probe at once: each sees the other's probe and stands back.
func TestProbeMeetsAProbe(t *testing.T) {
	s := newSegment(t)
	a := s.arp(t)
	addr := netip.MustParseAddr("10.0.0.78")
	s.answer(t, func(p *arp.Packet) *arp.Packet {
		probe, err := arp.NewPacket(arp.OperationRequest, s.wires.HardwareAddr, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), p.TargetIP)
		if err != nil {
			t.Error(err)
		}
		return probe
	})
	var conflict *ConflictError
	if err := a.Probe(t.Context(), addr, fast()); !errors.As(err, &conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}

// answer runs a host that answers ARP as reply says, by broadcast.
func (s *segment) answer(t *testing.T, reply func(*arp.Packet) *arp.Packet) {
	t.Helper()
	var conn *packet.Conn
	do(t, s.other, func() (err error) {
		conn, err = packet.Listen(s.wires, packet.Datagram, unix.ETH_P_ARP, nil)
		return err
	})
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, maxFrame)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			p, ok := parseARP(buf[:n])
			if !ok || bytes.Equal(from.(*packet.Addr).HardwareAddr, s.wires.HardwareAddr) {
				continue
			}
			if out := reply(p); out != nil {
				data, _ := out.MarshalBinary()
				_, _ = conn.WriteTo(data, &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
			}
		}
	}()
}

func TestResolve(t *testing.T) {
	s := newSegment(t)
	a, n := s.arp(t), s.nd(t)
	every := 20 * time.Millisecond
	mac, err := a.Resolve(t.Context(), netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.9"), every)
	if err != nil || !bytes.Equal(mac, s.wires.HardwareAddr) {
		t.Errorf("IPv4: got %s, %v; want %s", mac, err, s.wires.HardwareAddr)
	}
	// The answer goes to an address, so the other host must learn ours first; the solicitation tells it.
	mac, err = n.Resolve(t.Context(), netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd00::9"), every)
	if err != nil || !bytes.Equal(mac, s.wires.HardwareAddr) {
		t.Errorf("IPv6: got %s, %v; want %s", mac, err, s.wires.HardwareAddr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := a.Resolve(ctx, netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.99"), every); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody: got %v, want the deadline", err)
	}
	if _, err := n.Resolve(ctx, netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd00::99"), every); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody: got %v, want the deadline", err)
	}
}

// A request that is given up must not wait for its own timing.
func TestCancelEndsAProbe(t *testing.T) {
	s := newSegment(t)
	a := s.arp(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	begin := time.Now()
	err := a.Probe(ctx, netip.MustParseAddr("10.0.0.5"), RFC5227())
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 2*time.Second {
		t.Errorf("got %v after %s, want a cancelled probe at once", err, time.Since(begin))
	}
}

// After an announcement the other host has our MAC for the address.
func TestAnnounce(t *testing.T) {
	s := newSegment(t)
	// Only entries that exist are updated by an announcement; this one is old.
	old := net.HardwareAddr{2, 2, 2, 2, 2, 2}
	v4, v6 := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")
	for _, addr := range []netip.Addr{v4, v6} {
		do(t, s.other, func() error {
			return netlink.NeighSet(&netlink.Neigh{LinkIndex: s.wires.Index, State: netlink.NUD_STALE, IP: addr.AsSlice(), HardwareAddr: old})
		})
	}
	a, n := s.arp(t), s.nd(t)
	s.eventuallyFinds(t, v4, s.ours.HardwareAddr, func() error { return a.Announce(v4) })
	s.eventuallyFinds(t, v6, s.ours.HardwareAddr, func() error { return n.Announce(v6) })
}

// eventuallyFinds announces until the other host has mac for the address: a frame on a link that has just come up may be lost.
func (s *segment) eventuallyFinds(t *testing.T, addr netip.Addr, mac net.HardwareAddr, announce func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if err := announce(); err != nil {
			t.Fatal(err)
		}
		var got net.HardwareAddr
		do(t, s.other, func() error {
			list, err := netlink.NeighList(s.wires.Index, netlink.FAMILY_ALL)
			for _, n := range list {
				if n.IP.Equal(addr.AsSlice()) {
					got = n.HardwareAddr
				}
			}
			return err
		})
		if bytes.Equal(got, mac) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is at %s for the other host, want %s", addr, got, mac)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// The kernel finds that fd00::9 is taken; the witness has heard by whom.
func TestWitness(t *testing.T) {
	s := newSegment(t)
	n := s.nd(t)
	addr := netip.MustParseAddr("fd00::9")
	do(t, s.us, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr("fd00::9/64")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, a)
	})
	got := n.Witness(t.Context(), addr, 5*time.Second)
	if !bytes.Equal(got.MAC, s.wires.HardwareAddr) {
		t.Errorf("got %v, want the MAC %s", got, s.wires.HardwareAddr)
	}
	if got := n.Witness(t.Context(), netip.MustParseAddr("fd00::55"), time.Millisecond); got.MAC != nil {
		t.Errorf("an address that nobody has: got %v", got)
	}
}

// A router's address is told for it, in frames that are ours.
func TestProxyAnnounces(t *testing.T) {
	s := newSegment(t)
	var heard *packet.Conn
	do(t, s.other, func() (err error) {
		heard, err = packet.Listen(s.wires, packet.Datagram, unix.ETH_P_IPV6, nil)
		return err
	})
	defer heard.Close()
	var proxy *Proxy
	do(t, s.us, func() (err error) { proxy, err = ListenProxy(s.ours); return err })
	defer proxy.Close()
	addr, router := netip.MustParseAddr("fd00::5"), net.HardwareAddr{2, 7, 7, 7, 7, 7}
	do(t, s.other, func() error {
		old := net.HardwareAddr{2, 2, 2, 2, 2, 2}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: s.wires.Index, State: netlink.NUD_STALE, IP: addr.AsSlice(), HardwareAddr: old})
	})
	s.eventuallyFinds(t, addr, router, func() error { return proxy.Announce(0, addr, router) })
	found, err := readUntil(t.Context(), heard, time.Now().Add(time.Second), func(frame []byte, from net.HardwareAddr) bool {
		na, ok := parseND(frame).(*ndp.NeighborAdvertisement)
		return ok && na.Router && na.TargetAddress == addr && bytes.Equal(from, s.ours.HardwareAddr)
	})
	if !found {
		t.Errorf("no frame of a router from %s: %v", s.ours.HardwareAddr, err)
	}
}
