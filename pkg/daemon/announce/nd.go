package announce

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// ND is a socket for neighbour discovery on one Ethernet interface. It is a packet socket, so that it hears answers for
// addresses that are still tentative, and names no interface by a zone, which means another device in another namespace.
type ND struct {
	conn *packet.Conn
	mac  net.HardwareAddr
}

// ListenND opens the socket; the calling thread must be in the interface's network namespace.
func ListenND(ifi *net.Interface) (*ND, error) {
	conn, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_IPV6, nil)
	if err != nil {
		return nil, fmt.Errorf("open a neighbour discovery socket on %s: %w", ifi.Name, err)
	}
	return &ND{conn: conn, mac: ifi.HardwareAddr}, nil
}

// Close ends the socket and every call that waits on it.
func (n *ND) Close() error { return n.conn.Close() }

// Announce tells every host of the segment that addr is at our MAC (unsolicited advertisement, RFC 4861 section 7.2.6).
func (n *ND) Announce(addr netip.Addr) error {
	return n.send(advertisement(addr, n.mac), addr, netip.IPv6LinkLocalAllNodes())
}

func advertisement(addr netip.Addr, mac net.HardwareAddr) *ndp.NeighborAdvertisement {
	return &ndp.NeighborAdvertisement{
		Override:      true,
		TargetAddress: addr,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	}
}

// Resolve asks for the MAC of target every interval until it answers or ctx ends.
func (n *ND) Resolve(ctx context.Context, src, target netip.Addr, every time.Duration) (net.HardwareAddr, error) {
	group, err := ndp.SolicitedNodeMulticast(target)
	if err != nil {
		return nil, fmt.Errorf("solicit %s: %w", target, err)
	}
	m := &ndp.NeighborSolicitation{
		TargetAddress: target,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: n.mac}},
	}
	for {
		if err := n.send(m, src, group); err != nil {
			return nil, err
		}
		var mac net.HardwareAddr
		found, err := readUntil(ctx, n.conn, time.Now().Add(every), func(frame []byte, from net.HardwareAddr) bool {
			mac = bytes.Clone(from)
			na, ok := parseND(frame).(*ndp.NeighborAdvertisement)
			return ok && na.TargetAddress == target && !bytes.Equal(from, n.mac)
		})
		if err != nil {
			return nil, fmt.Errorf("no neighbour advertisement from %s: %w", target, err)
		}
		if found {
			return mac, nil
		}
	}
}

// Witness tells who else uses addr, from the frames that came since the socket was opened. The kernel's own duplicate
// address detection says that an address is taken, but not by whom. It waits for such a frame until wait is over.
func (n *ND) Witness(ctx context.Context, addr netip.Addr, wait time.Duration) *ConflictError {
	conflict := &ConflictError{Addr: addr}
	found, err := readUntil(ctx, n.conn, time.Now().Add(wait), func(frame []byte, from net.HardwareAddr) bool {
		conflict.MAC = bytes.Clone(from)
		return conflictsND(frame, addr) && !bytes.Equal(from, n.mac)
	})
	if !found || err != nil {
		conflict.MAC = nil
	}
	return conflict
}

// send multicasts a message.
func (n *ND) send(m ndp.Message, src, group netip.Addr) error {
	body, err := packetND(m, src, group)
	if err != nil {
		return err
	}
	if _, err := n.conn.WriteTo(body, &packet.Addr{HardwareAddr: etherGroup(group)}); err != nil {
		return fmt.Errorf("send %T from %s: %w", m, src, err)
	}
	return nil
}

// packetND is a message with the IPv6 header of RFC 8200 section 3.
func packetND(m ndp.Message, src, group netip.Addr) ([]byte, error) {
	body, err := ndp.MarshalMessageChecksum(m, src, group)
	if err != nil {
		return nil, fmt.Errorf("build %T from %s: %w", m, src, err)
	}
	header := make([]byte, ipv6HeaderLen, ipv6HeaderLen+len(body))
	header[0] = 6 << 4
	binary.BigEndian.PutUint16(header[4:6], uint16(len(body)))
	header[6], header[7] = unix.IPPROTO_ICMPV6, hopLimitND
	from, to := src.As16(), group.As16()
	copy(header[8:24], from[:])
	copy(header[24:40], to[:])
	return append(header, body...), nil
}

// etherGroup is the Ethernet group of an IPv6 group: 33:33 and the last four bytes of the address (RFC 2464 section 7).
func etherGroup(group netip.Addr) net.HardwareAddr {
	to := group.As16()
	return append(net.HardwareAddr{0x33, 0x33}, to[12:]...)
}

const (
	ipv6HeaderLen = 40
	hopLimitND    = 255 // RFC 4861 section 7.1: anything less was forwarded and is not a neighbour's
)

// parseND returns the neighbour discovery message of an IPv6 packet, or nil.
func parseND(frame []byte) ndp.Message {
	if len(frame) <= ipv6HeaderLen || frame[0]>>4 != 6 || frame[6] != unix.IPPROTO_ICMPV6 || frame[7] != hopLimitND {
		return nil
	}
	m, err := ndp.ParseMessage(frame[ipv6HeaderLen:])
	if err != nil {
		return nil
	}
	return m
}

// conflictsND is the rule of RFC 4862 section 5.4: somebody advertises the address, or probes for it from "::".
func conflictsND(frame []byte, addr netip.Addr) bool {
	switch m := parseND(frame).(type) {
	case *ndp.NeighborAdvertisement:
		return m.TargetAddress == addr
	case *ndp.NeighborSolicitation:
		source, _ := netip.AddrFromSlice(frame[8:24])
		return m.TargetAddress == addr && source.IsUnspecified()
	default:
		return false
	}
}
