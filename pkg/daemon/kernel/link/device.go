package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Device is the wanted state of one existing device; it is always wanted up.
type Device struct {
	Name   string
	MAC    net.HardwareAddr // nil: as it is
	MTU    int              // bytes; 0: as it is, or set by somebody else
	TxQLen int              // packets; 0: as it is
	// Addresses are all but the link-local ones, with the length of their network; nil: as they are.
	Addresses []netip.Prefix
}

// String prints the device with its addresses.
func (d Device) String() string {
	var b strings.Builder
	b.WriteString(d.Name)
	if d.MAC != nil {
		fmt.Fprintf(&b, " mac %s", d.MAC)
	}
	if d.MTU > 0 {
		fmt.Fprintf(&b, " mtu %d", d.MTU)
	}
	if d.TxQLen > 0 {
		fmt.Fprintf(&b, " txqlen %d", d.TxQLen)
	}
	for _, a := range d.Addresses {
		fmt.Fprintf(&b, " %s", a)
	}
	return b.String() + "\n"
}

// Driver edits devices of the network namespace it is used in.
type Driver struct{}

// Sync makes a device agree, changing only what differs. Errors name the device; netlink.LinkNotFoundError is among them.
func (Driver) Sync(want Device) error {
	link, err := netlink.LinkByName(want.Name)
	if err != nil {
		return fmt.Errorf("device %s: %w", want.Name, err)
	}
	if err := syncAttrs(link, want); err != nil {
		return fmt.Errorf("device %s: %w", want.Name, err)
	}
	if err := syncAddresses(link, want); err != nil {
		return fmt.Errorf("device %s: %w", want.Name, err)
	}
	return nil
}

func syncAttrs(link netlink.Link, want Device) error {
	attrs := link.Attrs()
	if want.MAC != nil && !bytes.Equal(attrs.HardwareAddr, want.MAC) {
		if err := netlink.LinkSetHardwareAddr(link, want.MAC); err != nil {
			return fmt.Errorf("set MAC %s: %w", want.MAC, err)
		}
	}
	if want.MTU > 0 && attrs.MTU != want.MTU {
		if err := netlink.LinkSetMTU(link, want.MTU); err != nil {
			return fmt.Errorf("set MTU %d: %w", want.MTU, err)
		}
	}
	if want.TxQLen > 0 && attrs.TxQLen != want.TxQLen {
		if err := netlink.LinkSetTxQLen(link, want.TxQLen); err != nil {
			return fmt.Errorf("set queue length %d: %w", want.TxQLen, err)
		}
	}
	if attrs.Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set up: %w", err)
		}
	}
	return nil
}

// syncAddresses adds before it deletes, and adds again what went with a deleted one: without promote_secondaries the
// kernel drops every later address of the same network. IPv6 addresses skip duplicate detection: the controller hands
// each out once, and a tentative one could not send yet.
func syncAddresses(link netlink.Link, want Device) error {
	if want.Addresses == nil {
		return nil
	}
	wanted := slices.Clone(want.Addresses)
	if len(want.MAC) == 6 && slices.ContainsFunc(wanted, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		wanted = append(wanted, eui64(want.MAC))
	}
	have, err := Addresses(link)
	if err != nil {
		return err
	}
	if err := addMissing(link, have, wanted); err != nil {
		return err
	}
	var removed bool
	for _, p := range have {
		if p.Addr().IsLinkLocalUnicast() || slices.Contains(wanted, p) {
			continue
		}
		removed = true
		if err := netlink.AddrDel(link, kernelAddr(p)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", p, err)
		}
	}
	if !removed {
		return nil
	}
	if have, err = Addresses(link); err != nil {
		return err
	}
	return addMissing(link, have, wanted)
}

func addMissing(link netlink.Link, have, wanted []netip.Prefix) error {
	for _, p := range wanted {
		if slices.Contains(have, p) {
			continue
		}
		if err := netlink.AddrAdd(link, kernelAddr(p)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s: %w", p, err)
		}
	}
	return nil
}

// Addresses lists a device's addresses with the lengths of their networks, link-local ones included.
func Addresses(link netlink.Link) ([]netip.Prefix, error) {
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		if ok {
			out = append(out, netip.PrefixFrom(ip.Unmap(), ones))
		}
	}
	return out, nil
}

func kernelAddr(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// eui64 is the link-local address of a MAC (RFC 4291 appendix A).
func eui64(mac net.HardwareAddr) netip.Prefix {
	a := [16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]}
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}
