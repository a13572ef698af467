package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ICMP protocol numbers as icmp.ParseMessage wants them (RFC 792, RFC 4443).
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

// ping sends one echo request and waits for its reply or the end of ctx.
func ping(ctx context.Context, target netip.Addr) error {
	network, local, protocol := "ip4:icmp", "0.0.0.0", protocolICMP
	var kind, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if target.Is6() {
		network, local, protocol = "ip6:ipv6-icmp", "::", protocolICMPv6
		kind, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := icmp.ListenPacket(network, local)
	if err != nil {
		return fmt.Errorf("ping %s: %w", target, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	echo := &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: int(time.Now().UnixNano() & 0xffff), Data: []byte("kube-ovn")}
	packet, err := (&icmp.Message{Type: kind, Body: echo}).Marshal(nil)
	if err != nil {
		return fmt.Errorf("ping %s: %w", target, err)
	}
	if _, err := conn.WriteTo(packet, &net.IPAddr{IP: target.AsSlice()}); err != nil {
		return fmt.Errorf("ping %s: %w", target, err)
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("ping %s: no answer", target)
			}
			return fmt.Errorf("ping %s: %w", target, err)
		}
		m, err := icmp.ParseMessage(protocol, buffer[:n])
		if err != nil || m.Type != reply || !sameHost(from, target) {
			continue
		}
		if got, ok := m.Body.(*icmp.Echo); ok && got.ID == echo.ID && got.Seq == echo.Seq {
			return nil
		}
	}
}

func sameHost(from net.Addr, target netip.Addr) bool {
	ip, ok := from.(*net.IPAddr)
	if !ok {
		return false
	}
	a, _ := netip.AddrFromSlice(ip.IP)
	return a.Unmap() == target
}

// pingAll pings every target at once; each has the given time.
func pingAll(ctx context.Context, targets []netip.Addr, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	failed := make(chan error, len(targets))
	for _, t := range targets {
		go func() { failed <- ping(ctx, t) }()
	}
	var errs []error
	for range targets {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}
