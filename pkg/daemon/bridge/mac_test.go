package bridge

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

// Kernels without bonding cannot make these devices, so the decision is tested with what netlink would return.
func TestBridgeMAC(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 1, 2, 3}
	attrs := func(name string, index, parent int) netlink.LinkAttrs {
		return netlink.LinkAttrs{Name: name, Index: index, ParentIndex: parent, HardwareAddr: mac}
	}
	bond := func(mode netlink.BondMode, index int) *netlink.Bond {
		b := netlink.NewLinkBond(attrs("bond0", index, 0))
		b.Mode = mode
		return b
	}
	vlan := func(parent int) *netlink.Vlan { return &netlink.Vlan{LinkAttrs: attrs("bond0.10", 9, parent)} }
	links := map[int]netlink.Link{1: bond(netlink.BOND_MODE_BALANCE_ALB, 1), 2: bond(netlink.BOND_MODE_ACTIVE_BACKUP, 2)}
	byIndex := func(index int) (netlink.Link, error) {
		if l := links[index]; l != nil {
			return l, nil
		}
		return nil, errors.New("no such device")
	}
	for name, test := range map[string]struct {
		nic   netlink.Link
		other bool
	}{
		"NIC":                     {&netlink.Device{LinkAttrs: attrs("eth1", 5, 0)}, false},
		"bond of mode 1":          {links[2], false},
		"bond of mode 6":          {links[1], true},
		"VLAN on a NIC elsewhere": {vlan(3), false},
		"VLAN on a bond, mode 1":  {vlan(2), false},
		"VLAN on a bond, mode 6":  {vlan(1), true},
	} {
		t.Run(name, func(t *testing.T) {
			got := bridgeMAC(test.nic, byIndex)
			if bytes.Equal(got, mac) == test.other {
				t.Errorf("MAC %s, that of the NIC is %s", got, mac)
			}
			if len(got) != 6 || got[0]&1 != 0 || test.other && got[0]&2 == 0 {
				t.Errorf("%s is not a MAC of our own", got)
			}
			if again := bridgeMAC(test.nic, byIndex); !bytes.Equal(again, got) {
				t.Errorf("then %s, now %s", got, again)
			}
		})
	}
	if a, b := bridgeMAC(links[1], byIndex), bridgeMAC(vlan(1), byIndex); bytes.Equal(a, b) {
		t.Errorf("two bridges have the MAC %s", a)
	}
}
