package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DefaultOutside is what LAB_OUTSIDE is when it is not set: the networks of the documents, behind the NICs that the documents name.
const DefaultOutside = "vlan=10.5.204.0/24@204+10.10.204.0/24+10.5.49.0/24@49 eth1=172.56.0.0/16"

// Outside is a network that the cluster's VPCs can be attached to. A NIC can carry several, at most one of them untagged.
type Outside struct {
	NIC    string // on every node
	Prefix netip.Prefix
	Tag    uint16 // VLAN tag on the nodes' side; 0 is none
}

// Gateway is the router's address in the network: the one whose last octet is 254, in the first /24 of a wider network.
func (o Outside) Gateway() netip.Addr {
	a := o.Prefix.Masked().Addr().As4()
	a[3] = 254
	return netip.AddrFrom4(a)
}

// Prefix6 is the network's IPv6 prefix. Its text has the second and third number of the IPv4 prefix: fd00:5:204::/64 for 10.5.204.0/24.
func (o Outside) Prefix6() netip.Prefix {
	var a [16]byte
	a[0] = 0xfd
	for i, octet := range o.Prefix.Masked().Addr().AsSlice()[1:3] {
		digits, _ := strconv.ParseUint(strconv.Itoa(int(octet)), 16, 16) // 204 becomes 0x204: at most three decimal digits
		binary.BigEndian.PutUint16(a[2+2*i:], uint16(digits))
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// Gateway6 is the router's IPv6 address in the network: ::254.
func (o Outside) Gateway6() netip.Addr {
	a := o.Prefix6().Addr().As16()
	a[14], a[15] = 0x2, 0x54
	return netip.AddrFrom16(a)
}

// Routers are all addresses of the router in the network with their prefix lengths. In a network wider than /24 that is the first address too, which
// is what people take for the gateway there.
func (o Outside) Routers() []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(o.Gateway(), o.Prefix.Bits())}
	if o.Prefix.Bits() < 24 {
		all = append(all, netip.PrefixFrom(o.Prefix.Masked().Addr().Next(), o.Prefix.Bits()))
	}
	return append(all, netip.PrefixFrom(o.Gateway6(), o.Prefix6().Bits()))
}

// String is the network as LAB_OUTSIDE has it, without its NIC: `prefix[@tag]`.
func (o Outside) String() string {
	if o.Tag == 0 {
		return o.Prefix.String()
	}
	return fmt.Sprintf("%s@%d", o.Prefix, o.Tag)
}

// Uplink is a NIC that every node has for outside networks.
type Uplink struct {
	NIC      string
	Networks []Outside
}

// Tagged reports whether frames with a VLAN tag go over the NIC.
func (u Uplink) Tagged() bool {
	return slices.ContainsFunc(u.Networks, func(o Outside) bool { return o.Tag != 0 })
}

// Uplinks are the outside networks by NIC, in the order of the list.
func (l *Lab) Uplinks() []Uplink {
	var all []Uplink
	for _, o := range l.Outside {
		i := slices.IndexFunc(all, func(u Uplink) bool { return u.NIC == o.NIC })
		if i < 0 {
			i, all = len(all), append(all, Uplink{NIC: o.NIC})
		}
		all[i].Networks = append(all[i].Networks, o)
	}
	return all
}

// OutsideList is the list of outside networks as LAB_OUTSIDE has it.
func (l *Lab) OutsideList() string {
	var items []string
	for _, u := range l.Uplinks() {
		var networks []string
		for _, o := range u.Networks {
			networks = append(networks, o.String())
		}
		items = append(items, u.NIC+"="+strings.Join(networks, "+"))
	}
	return strings.Join(items, " ")
}

// parseOutside reads a list of `nic=prefix[@tag][+prefix[@tag]...]`, separated by spaces.
func parseOutside(list string, taken ...string) ([]Outside, error) {
	var all []Outside
	for _, item := range strings.Fields(list) {
		nic, networks, ok := strings.Cut(item, "=")
		if !ok || nic == "" || len(nic) > maxNIC {
			return nil, fmt.Errorf("%q: want nic=prefix[@tag][+prefix[@tag]...] with a name of at most %d characters", item, maxNIC)
		}
		if slices.Contains(taken, nic) {
			return nil, fmt.Errorf("%q: the NIC's name is taken", item)
		}
		taken = append(taken, nic)
		for text := range strings.SplitSeq(networks, "+") {
			o, err := parseNetwork(nic, text)
			if err == nil {
				err = fits(o, all)
			}
			if err != nil {
				return nil, fmt.Errorf("%q: %w", item, err)
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// parseNetwork reads `prefix[@tag]`.
func parseNetwork(nic, text string) (Outside, error) {
	o := Outside{NIC: nic}
	prefix, tag, tagged := strings.Cut(text, "@")
	var err error
	if o.Prefix, err = netip.ParsePrefix(prefix); err != nil {
		return o, err
	}
	if !o.Prefix.Addr().Is4() || o.Prefix.Bits() > 24 {
		return o, fmt.Errorf("%s: want an IPv4 prefix of /24 or more", prefix)
	}
	if tagged {
		n, err := strconv.ParseUint(tag, 10, 16)
		if err != nil || n < 1 || n > 4094 {
			return o, fmt.Errorf("%s: a VLAN tag is 1 to 4094", text)
		}
		o.Tag = uint16(n)
	}
	return o, nil
}

// fits refuses a network that could not be told from another one.
func fits(o Outside, others []Outside) error {
	for _, other := range others {
		switch {
		case o.NIC == other.NIC && o.Tag == other.Tag:
			return fmt.Errorf("%s and %s are on one NIC with one tag", other, o)
		case o.Prefix.Overlaps(other.Prefix):
			return fmt.Errorf("%s overlaps %s", o, other)
		case o.Prefix6() == other.Prefix6():
			return fmt.Errorf("%s and %s would both have the IPv6 prefix %s", other, o, o.Prefix6())
		}
	}
	return nil
}
