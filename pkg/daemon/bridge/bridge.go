package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ingress"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// OwnerKind is the owner of a bridge's rows; the key is its name.
const OwnerKind = "bridge"

// attachDeadline bounds the wait for vswitchd to make a device or to open a NIC.
const attachDeadline = 30 * time.Second

// Spec is one bridge with its NIC.
type Spec struct {
	Name string
	NIC  string
	// Userspace: the datapath is netdev. The NIC then carries the node's traffic only while vswitchd runs.
	Userspace   bool
	Trunks      []int
	OtherConfig map[string]string
	ExternalIDs map[string]string
	// Protected are addresses that the node must reach without vswitchd, for example the API server's.
	Protected []netip.Addr
	// Exchange: the NIC has the name Name at first; it is renamed to NIC, so that the bridge can have its name.
	Exchange bool
	// Dedicated: addresses and routes of the NIC are nobody's business here and stay where they are.
	Dedicated bool
	// CreateVLAN: a NIC called <device>.<id> that is missing is made as VLAN device of that provider network.
	CreateVLAN string
	VLANs      []VLANPort
}

// Manager attaches NICs.
type Manager struct {
	vswitch *ovs.Client

	mu   sync.Mutex
	last map[string][]netip.Prefix // by NIC: what its bridge had, for the case that the row is lost too
}

// New returns a manager that writes to the node's vswitch database.
func New(vswitch *ovs.Client) *Manager {
	return &Manager{vswitch: vswitch, last: map[string][]netip.Prefix{}}
}

// Attach makes the bridge exist with the NIC as a port and the NIC's addresses and routes on the bridge. It changes only what
// differs, resumes after a crash, and moves everything back when it fails before the NIC was ever a port. Errors:
// *RefusedError, no such NIC, vswitchd did not open the NIC.
func (m *Manager) Attach(ctx context.Context, s Spec) error {
	nic, err := m.find(s)
	if err != nil {
		return err
	}
	bridges, err := m.Bridges()
	if err != nil {
		return err
	}
	attached := bridges[s.NIC] == s.Name
	if err := m.refuse(s, nic); err != nil {
		return err
	}
	for other, bridge := range bridges {
		if bridge == s.Name && other != s.NIC {
			// Its addresses must not become those of the new NIC.
			if err := m.Remove(ctx, s.Name); err != nil {
				return err
			}
		}
	}
	if nic, err = m.prepare(ctx, s, nic); err != nil {
		return err
	}
	addresses, err := m.addresses(s, nic)
	if err != nil {
		return err
	}
	if err := m.releaseVLANs(s.Name, s.VLANs); err != nil {
		return err
	}
	if _, err := m.vswitch.Apply(ctx, s.owner(), s.rows(bridgeMAC(nic, netlink.LinkByIndex), addresses)); err != nil {
		return fmt.Errorf("write bridge %s: %w", s.Name, err) // nothing has moved
	}
	if err := m.take(ctx, s, nic, addresses); err != nil {
		err = fmt.Errorf("attach %s to bridge %s: %w", s.NIC, s.Name, err)
		if attached {
			return err // vswitchd may be restarting: the next pass goes on
		}
		// The end of our context is one of the reasons to come here.
		return errors.Join(err, m.Detach(context.WithoutCancel(ctx), s))
	}
	return nil
}

// take waits for vswitchd to open the devices of a bridge and moves what belongs to the NIC.
func (m *Manager) take(ctx context.Context, s Spec, nic netlink.Link, addresses []netlink.Addr) error {
	if err := netlink.LinkSetUp(nic); err != nil {
		return fmt.Errorf("set %s up: %w", s.NIC, err)
	}
	for _, name := range []string{s.Name, s.NIC} {
		if err := m.waitOpen(ctx, name); err != nil {
			return err
		}
	}
	if s.Userspace {
		for _, name := range []string{s.Name, s.NIC} {
			if err := link.DisableOffloads(name, link.TxChecksum, link.TSO, link.GSO, link.GRO, link.LRO); err != nil {
				return err
			}
		}
	}
	bridge, err := netlink.LinkByName(s.Name)
	if err != nil {
		return fmt.Errorf("find device %s: %w", s.Name, err)
	}
	// vswitchd takes the MAC from other_config some time after it made the device; neighbours must not see another one.
	if err := (link.Driver{}).Sync(link.Device{Name: s.Name, MAC: bridgeMAC(nic, netlink.LinkByIndex)}); err != nil {
		return err
	}
	if !s.Dedicated {
		if err := setAddresses(bridge, addresses); err != nil {
			return err
		}
		if err := move(nic, bridge); err != nil {
			return err
		}
		m.remember(s.NIC, addresses)
	}
	if s.Userspace {
		if err := ingress.Drop(s.NIC); err != nil {
			return err
		}
	}
	return m.takeVLANs(ctx, s)
}

func (m *Manager) remember(nic string, addresses []netlink.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[nic] = nil
	for _, a := range addresses {
		m.last[nic] = append(m.last[nic], prefixOf(a))
	}
}

// Lost are the addresses that a NIC brought into a bridge which is gone with them.
func (m *Manager) Lost(nic string) []netip.Prefix {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.last[nic])
}

// addresses are those that the bridge must have: what is on either device, and after both lost them (a reboot, a tap that was
// made anew) what the bridge's row remembers. An address on the NIC that the row does not know was configured since (DHCP): it
// takes the place of the bridge's addresses of that family.
func (m *Manager) addresses(s Spec, nic netlink.Link) ([]netlink.Addr, error) {
	if s.Dedicated {
		return nil, nil
	}
	out, err := movable(nic)
	if err != nil {
		return nil, err
	}
	known := m.Remembered(s.Name)
	replaced := map[bool]bool{} // by "is IPv6"
	for _, a := range out {
		p := prefixOf(a)
		replaced[p.Addr().Is6()] = replaced[p.Addr().Is6()] || len(known) > 0 && !slices.Contains(known, p)
	}
	if bridge, err := netlink.LinkByName(s.Name); err == nil {
		more, err := movable(bridge)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(more, func(a netlink.Addr) bool { return replaced[prefixOf(a).Addr().Is6()] })...)
	}
	if len(out) > 0 {
		return out, nil
	}
	if len(known) == 0 {
		known = m.Lost(s.NIC)
	}
	for _, p := range known {
		a, err := netlink.ParseAddr(p.String())
		if err != nil {
			return nil, fmt.Errorf("remembered address %s: %w", p, err)
		}
		out = append(out, *a)
	}
	return out, nil
}

// Remembered are the addresses that a bridge had when a NIC was attached last.
func (m *Manager) Remembered(bridge string) []netip.Prefix {
	o, _ := m.vswitch.Get("Bridge", bridge)
	var out []netip.Prefix
	for _, text := range strings.Fields(o.ExternalIDs[util.BridgeAddresses]) {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Detach gives the NIC its addresses, routes and name back and removes the bridge. What is gone already is no error.
func (m *Manager) Detach(ctx context.Context, s Spec) error {
	nic, errNIC := netlink.LinkByName(s.NIC)
	if errNIC == nil && s.Exchange && isOVS(nic) {
		return nil // not even renamed
	}
	bridge, errBridge := netlink.LinkByName(s.Name)
	if errNIC == nil {
		if err := ingress.Accept(s.NIC); err != nil {
			return fmt.Errorf("detach %s: %w", s.NIC, err)
		}
		if err := netlink.LinkSetUp(nic); err != nil {
			return fmt.Errorf("detach %s: set up: %w", s.NIC, err)
		}
	}
	if err := m.releaseVLANs(s.Name, nil); err != nil {
		return err
	}
	if errNIC == nil && errBridge == nil && nic.Attrs().Index != bridge.Attrs().Index {
		if err := move(bridge, nic); err != nil {
			return fmt.Errorf("detach %s from bridge %s: %w", s.NIC, s.Name, err)
		}
	}
	if _, err := m.vswitch.Apply(ctx, s.owner(), nil); err != nil {
		return fmt.Errorf("remove bridge %s: %w", s.Name, err)
	}
	m.remember(s.NIC, nil)
	if errNIC == nil {
		return restoreName(ctx, nic)
	}
	return nil
}

// Remove detaches whatever NIC a bridge of ours has; everything it needs to know is in the bridge's rows.
func (m *Manager) Remove(ctx context.Context, name string) error {
	s := Spec{Name: name}
	bridges, err := m.Bridges()
	if err != nil {
		return fmt.Errorf("remove bridge %s: %w", name, err) // its NIC would be left without addresses
	}
	for nic, bridge := range bridges {
		if bridge == name {
			s.NIC = nic
		}
	}
	return m.Detach(ctx, s)
}

// Names of all bridges of ours, the tunnel bridge included.
func (m *Manager) Names() []string { return m.vswitch.Owners(OwnerKind) }

// Bridges maps the NICs in our bridges to their bridge; ports that Open vSwitch itself made are left out.
func (m *Manager) Bridges() (map[string]string, error) {
	ports, err := m.ports()
	out := map[string]string{}
	for _, p := range ports {
		if p.name != p.bridge && p.vlanDevice == "" {
			out[p.name] = p.bridge
		}
	}
	return out, err
}

// ownPort is a device that is a port of a bridge of ours.
type ownPort struct {
	name, bridge string
	vlanDevice   string // whose addresses an internal port has
}

func (m *Manager) ports() ([]ownPort, error) {
	bridges := m.Names()
	if len(bridges) == 0 {
		return nil, nil
	}
	links, err := link.All()
	if err != nil {
		return nil, err
	}
	var out []ownPort
	for _, l := range links {
		name := l.Attrs().Name
		o, _ := m.vswitch.Get("Port", name)
		bridge, ours := strings.CutPrefix(o.ExternalIDs[util.ExtOwner], OwnerKind+"/")
		if ours && slices.Contains(bridges, bridge) {
			iface, _ := m.vswitch.Get("Interface", name)
			out = append(out, ownPort{name, bridge, iface.ExternalIDs[util.IfaceVlanDevice]})
		}
	}
	return out, nil
}

func (s Spec) owner() ovs.Owner { return ovs.Owner{Kind: OwnerKind, Key: s.Name} }

func (s Spec) rows(mac net.HardwareAddr, addresses []netlink.Addr) []ovs.Row {
	other := map[string]string{"hwaddr": mac.String()}
	maps.Copy(other, s.OtherConfig)
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.IPNet.String())
	}
	slices.Sort(texts)
	ids := map[string]string{
		util.BridgeAddresses: strings.Join(slices.Compact(texts), " "), util.BridgeExchanged: strconv.FormatBool(s.Exchange),
	}
	maps.Copy(ids, s.ExternalIDs)
	b := ovs.Bridge{Name: s.Name, OtherConfig: other, ExternalIDs: ids}
	if s.Userspace {
		b.DatapathType = util.DatapathNetdev
	}
	rows := []ovs.Row{b, ovs.VSwitchPort{Bridge: s.Name, Name: s.NIC, Trunks: s.Trunks}}
	for _, v := range s.VLANs {
		rows = append(rows, ovs.VSwitchPort{
			Bridge: s.Name, Name: v.Name, Type: "internal", Tag: v.Tag, ExternalIDs: map[string]string{util.IfaceVlanDevice: v.Device},
		})
	}
	return rows
}

// waitOpen waits until vswitchd has opened a device as a port.
func (m *Manager) waitOpen(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, attachDeadline)
	defer cancel()
	var last ovs.Observation
	err := m.vswitch.WaitFor(ctx, "Interface", name, func(o ovs.Observation) bool {
		last = o
		n, ok := o.Columns["ofport"].(int)
		return ok && n > 0
	})
	if err != nil {
		return fmt.Errorf("vswitchd has not opened %s (error %v): %w", name, last.Columns["error"], err)
	}
	return nil
}
