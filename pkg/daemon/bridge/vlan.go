package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// VLANPort is an internal port that has taken the place of a VLAN device of the NIC, which would hear nothing any more
// (node.md 4.3). The device stays, without addresses, until the port goes.
type VLANPort struct {
	Name   string
	Tag    int
	Device string
}

// takeVLANs moves what belongs to the VLAN devices to the ports of the bridge.
func (m *Manager) takeVLANs(ctx context.Context, s Spec) error {
	for _, v := range s.VLANs {
		if err := m.waitOpen(ctx, v.Name); err != nil {
			return err
		}
		device, err := netlink.LinkByName(v.Device)
		if err != nil {
			return fmt.Errorf("VLAN device %s: %w", v.Device, err)
		}
		if s.Userspace {
			if err := link.DisableOffloads(v.Name, link.TxChecksum, link.TSO, link.GSO, link.GRO, link.LRO); err != nil {
				return err
			}
		}
		if err := (link.Driver{}).Sync(link.Device{Name: v.Name, MAC: device.Attrs().HardwareAddr}); err != nil {
			return err
		}
		port, err := netlink.LinkByName(v.Name)
		if err != nil {
			return fmt.Errorf("port %s: %w", v.Name, err)
		}
		if err := move(device, port); err != nil {
			return fmt.Errorf("move %s to port %s: %w", v.Device, v.Name, err)
		}
	}
	return nil
}

// releaseVLANs gives back what the ports of a bridge have taken from VLAN devices, but for those that stay.
func (m *Manager) releaseVLANs(bridge string, stay []VLANPort) error {
	ports, err := m.ports()
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.bridge != bridge || p.vlanDevice == "" ||
			slices.ContainsFunc(stay, func(v VLANPort) bool { return v.Name == p.name && v.Device == p.vlanDevice }) {
			continue
		}
		port, errPort := netlink.LinkByName(p.name)
		device, errDevice := netlink.LinkByName(p.vlanDevice)
		if errPort != nil || errDevice != nil {
			continue // with either of them the addresses are gone
		}
		if err := netlink.LinkSetUp(device); err != nil {
			return fmt.Errorf("set VLAN device %s up: %w", p.vlanDevice, err)
		}
		if err := move(port, device); err != nil {
			return fmt.Errorf("move port %s back to %s: %w", p.name, p.vlanDevice, err)
		}
	}
	return nil
}

// createVLAN makes a VLAN device called <device>.<id> and marks it for its removal.
func createVLAN(name, provider string) (netlink.Link, error) {
	base, id, ok := SplitVLAN(name)
	if !ok {
		return nil, fmt.Errorf("make NIC %s: only <device>.<id> is a name of a VLAN device", name)
	}
	parent, err := netlink.LinkByName(base)
	if err != nil {
		return nil, fmt.Errorf("make VLAN device %s: %s: %w", name, base, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, parent.Attrs().Index
	err = netlink.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: id})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, fmt.Errorf("make VLAN device %s: the kernel has no VLAN devices (module 8021q): %w", name, err)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make VLAN device %s: %w", name, err)
	}
	device, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find VLAN device %s: %w", name, err)
	}
	if err := netlink.LinkSetAlias(device, util.VlanAliasPrefix+provider); err != nil {
		return nil, fmt.Errorf("mark VLAN device %s: %w", name, err)
	}
	return device, nil
}

// RemoveVLANs deletes the VLAN devices that were made for provider networks, but for those in keep.
func (m *Manager) RemoveVLANs(keep []string) error {
	links, err := link.All()
	if err != nil {
		return err
	}
	bridges, err := m.Bridges()
	if err != nil {
		return err
	}
	var wrong []error
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() != "vlan" || !strings.HasPrefix(l.Attrs().Alias, util.VlanAliasPrefix) || bridges[name] != "" || slices.Contains(keep, name) {
			continue
		}
		if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			wrong = append(wrong, fmt.Errorf("delete VLAN device %s: %w", name, err))
		}
	}
	return errors.Join(wrong...)
}

// SplitVLAN takes the name of a VLAN device, <device>.<id>, apart.
func SplitVLAN(name string) (base string, id int, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return "", 0, false
	}
	id, err := strconv.Atoi(name[i+1:])
	return name[:i], id, err == nil && id > 0 && id < 4095 && strconv.Itoa(id) == name[i+1:]
}
