package announce

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// ARP is a socket for ARP on one Ethernet interface, which needs no address.
type ARP struct {
	conn *packet.Conn
	mac  net.HardwareAddr
}

// ListenARP opens the socket; the calling thread must be in the interface's network namespace.
func ListenARP(ifi *net.Interface) (*ARP, error) {
	// A datagram socket: the kernel writes and strips the Ethernet header.
	conn, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, fmt.Errorf("open an ARP socket on %s: %w", ifi.Name, err)
	}
	return &ARP{conn: conn, mac: ifi.HardwareAddr}, nil
}

// Close ends the socket and every call that waits on it.
func (a *ARP) Close() error { return a.conn.Close() }

// Probe asks whether addr is free (RFC 5227 section 2.1.1): every probe, the last one too, is given its time to be answered.
// Another host that has the address, or probes for it at the same time, is a *ConflictError.
func (a *ARP) Probe(ctx context.Context, addr netip.Addr, t Timing) error {
	if t.Probes == 0 {
		return nil
	}
	wait := t.first()
	for probe := 0; probe <= t.Probes; probe++ {
		if probe > 0 {
			if err := a.send(netip.IPv4Unspecified(), addr); err != nil {
				return err
			}
			wait = t.next(probe)
		}
		mac, err := a.read(ctx, wait, func(p *arp.Packet) bool { return conflictsARP(p, addr, a.mac) })
		if err != nil {
			return fmt.Errorf("probe for %s: %w", addr, err)
		}
		if mac != nil {
			return &ConflictError{Addr: addr, MAC: mac}
		}
	}
	return nil
}

// Announce tells every host of the segment that addr is at our MAC (a gratuitous ARP request, RFC 5227 section 2.3).
func (a *ARP) Announce(addr netip.Addr) error { return a.send(addr, addr) }

// Resolve asks for the MAC of target every interval until it answers or ctx ends.
func (a *ARP) Resolve(ctx context.Context, src, target netip.Addr, every time.Duration) (net.HardwareAddr, error) {
	for {
		if err := a.send(src, target); err != nil {
			return nil, err
		}
		mac, err := a.read(ctx, every, func(p *arp.Packet) bool {
			return p.SenderIP == target && !bytes.Equal(p.SenderHardwareAddr, a.mac)
		})
		if err != nil {
			return nil, fmt.Errorf("no ARP answer from %s: %w", target, err)
		}
		if mac != nil {
			return mac, nil
		}
	}
}

// send broadcasts a request; a sender of 0.0.0.0 makes it a probe.
func (a *ARP) send(sender, target netip.Addr) error {
	p, err := arp.NewPacket(arp.OperationRequest, a.mac, sender, make(net.HardwareAddr, len(a.mac)), target)
	if err != nil {
		return fmt.Errorf("build an ARP request for %s: %w", target, err)
	}
	data, err := p.MarshalBinary()
	if err != nil {
		return fmt.Errorf("build an ARP request for %s: %w", target, err)
	}
	broadcast := &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if _, err := a.conn.WriteTo(data, broadcast); err != nil {
		return fmt.Errorf("send an ARP request for %s: %w", target, err)
	}
	return nil
}

// read returns the sender's MAC of the first packet that matches, or nil after wait.
func (a *ARP) read(ctx context.Context, wait time.Duration, match func(*arp.Packet) bool) (net.HardwareAddr, error) {
	var mac net.HardwareAddr
	_, err := readUntil(ctx, a.conn, time.Now().Add(wait), func(frame []byte, _ net.HardwareAddr) bool {
		p, ok := parseARP(frame)
		if !ok || !match(p) {
			return false
		}
		mac = p.SenderHardwareAddr
		return true
	})
	return mac, err
}

// parseARP accepts ARP for IPv4 over Ethernet and nothing else; the lengths in the header are the sender's to choose.
func parseARP(frame []byte) (*arp.Packet, bool) {
	p := new(arp.Packet)
	if err := p.UnmarshalBinary(frame); err != nil {
		return nil, false
	}
	ok := p.HardwareType == unix.ARPHRD_ETHER && p.ProtocolType == unix.ETH_P_IP && p.HardwareAddrLength == 6 && p.IPLength == 4
	return p, ok
}

// conflictsARP is the rule of RFC 5227 section 2.1.1: somebody else sends from the address, or probes for it too.
func conflictsARP(p *arp.Packet, addr netip.Addr, own net.HardwareAddr) bool {
	if bytes.Equal(p.SenderHardwareAddr, own) {
		return false
	}
	probe := p.Operation == arp.OperationRequest && p.SenderIP.IsUnspecified() && p.TargetIP == addr
	return p.SenderIP == addr || probe
}
