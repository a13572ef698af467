package bridge

import (
	"crypto/sha256"
	"net"

	"github.com/vishvananda/netlink"
)

// bridgeMAC is the MAC of a NIC's bridge: that of the NIC, so that neighbours see no change. Not so on a bond of mode 6
// (balance-alb) and on a VLAN of one (node.md 4.1): it answers ARP for its own MAC with those of its members, and what the
// bridge sends must not be taken for the bond's. It is derived then, so that it is the same after any restart.
func bridgeMAC(nic netlink.Link, linkByIndex func(int) (netlink.Link, error)) net.HardwareAddr {
	mac, below := nic.Attrs().HardwareAddr, nic
	if _, ok := nic.(*netlink.Vlan); ok {
		// One whose parent is in another namespace is as any other NIC.
		if parent, err := linkByIndex(nic.Attrs().ParentIndex); err == nil {
			below = parent
		}
	}
	if bond, ok := below.(*netlink.Bond); !ok || bond.Mode != netlink.BOND_MODE_BALANCE_ALB {
		return mac
	}
	sum := sha256.Sum256([]byte("bridge of " + nic.Attrs().Name + " " + mac.String()))
	derived := net.HardwareAddr(sum[:6])
	derived[0] = derived[0]&^1 | 2 // unicast, locally administered
	return derived
}
