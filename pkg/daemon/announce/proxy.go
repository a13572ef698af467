package announce

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Proxy is a socket to tell where addresses of others are: those of routers, which say nothing themselves.
type Proxy struct {
	conn *packet.Conn
	mac  net.HardwareAddr
}

// ListenProxy opens the socket; the calling thread must be in the interface's network namespace.
func ListenProxy(ifi *net.Interface) (*Proxy, error) {
	// A raw socket: a VLAN has no interface of its own here. It is only written to, so it takes no protocol in.
	conn, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("open a socket on %s: %w", ifi.Name, err)
	}
	return &Proxy{conn: conn, mac: ifi.HardwareAddr}, nil
}

// Close ends the socket.
func (p *Proxy) Close() error { return p.conn.Close() }

// Announce tells every host of a VLAN, 0 for frames without a tag, that a router has the IPv6 address addr at mac (unsolicited
// advertisement, RFC 4861 section 7.2.6). The frame comes from our own MAC: switches must not learn the way to mac from it.
func (p *Proxy) Announce(vlan int, addr netip.Addr, mac net.HardwareAddr) error {
	m, group := advertisement(addr, mac), netip.IPv6LinkLocalAllNodes()
	m.Router = true
	body, err := packetND(m, addr, group)
	if err != nil {
		return err
	}
	dst := etherGroup(group)
	frame := append(append([]byte{}, dst...), p.mac...)
	if vlan != 0 { // IEEE 802.1Q: type and tag before the type of what follows
		frame = binary.BigEndian.AppendUint16(frame, unix.ETH_P_8021Q)
		frame = binary.BigEndian.AppendUint16(frame, uint16(vlan))
	}
	frame = append(binary.BigEndian.AppendUint16(frame, unix.ETH_P_IPV6), body...)
	if _, err := p.conn.WriteTo(frame, &packet.Addr{HardwareAddr: dst}); err != nil {
		return fmt.Errorf("advertise %s at %s: %w", addr, mac, err)
	}
	return nil
}
