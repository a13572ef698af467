package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/hack/lab/ns"
	"github.com/kubeovn/kube-ovn/hack/lab/plan"
)

const (
	arpRequest = 1
	arpReply   = 2
)

// routerMAC is the hardware address of the gateway of a network that the switch serves.
func routerMAC(l *plan.Lab, o plan.Outside) (mac net.HardwareAddr, err error) {
	err = ns.InNetns(l.OutsideNetns(), func() error {
		link, err := netlink.LinkByName(router(o))
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	return mac, err
}

// arp asks on a NIC of this thread's namespace who has target, with an IEEE 802.1Q tag unless it is 0, again and again, and reports whether mac
// answered in time.
func arp(nic string, tag uint16, source, target string, mac net.HardwareAddr, patience time.Duration) (bool, error) {
	link, err := netlink.LinkByName(nic)
	if err != nil {
		return false, err
	}
	all := int(htons(unix.ETH_P_ALL))
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, all)
	if err != nil {
		return false, err
	}
	defer unix.Close(socket)
	address := &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Protocol: htons(unix.ETH_P_ALL)}
	if err := unix.Bind(socket, address); err != nil {
		return false, err
	}
	timeout := unix.NsecToTimeval(int64(200 * time.Millisecond))
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return false, err
	}
	question := request(link.Attrs().HardwareAddr, tag, netip.MustParseAddr(source), netip.MustParseAddr(target))
	frame := make([]byte, 1500)
	asked := time.Time{}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if time.Since(asked) > 200*time.Millisecond {
			if err := unix.Sendto(socket, question, 0, address); err != nil {
				return false, err
			}
			asked = time.Now()
		}
		n, _, err := unix.Recvfrom(socket, frame, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, err
		}
		if isReply(frame[:n], mac) {
			return true, nil
		}
	}
	return false, nil
}

// request is an Ethernet frame with an ARP request (RFC 826).
func request(mac net.HardwareAddr, tag uint16, source, target netip.Addr) []byte {
	var frame bytes.Buffer
	frame.Write(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	frame.Write(mac)
	put := func(values ...uint16) {
		for _, v := range values {
			frame.Write(binary.BigEndian.AppendUint16(nil, v))
		}
	}
	if tag != 0 {
		put(unix.ETH_P_8021Q, tag)
	}
	put(unix.ETH_P_ARP, 1, unix.ETH_P_IP, 6<<8|4, arpRequest)
	frame.Write(mac)
	frame.Write(source.AsSlice())
	frame.Write(make([]byte, 6))
	frame.Write(target.AsSlice())
	return frame.Bytes()
}

// isReply finds an ARP reply of mac, wherever it begins: the kernel may have taken the tag off.
func isReply(frame []byte, mac net.HardwareAddr) bool {
	body := binary.BigEndian.AppendUint16([]byte{8, 0, 6, 4}, arpReply)
	at := bytes.Index(frame, append(body, mac...))
	return at > 0
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
