package announce

import (
	"net"
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
)

var (
	ownMAC   = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	otherMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func TestConflictsARP(t *testing.T) {
	addr, free := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6")
	none := netip.IPv4Unspecified()
	for name, c := range map[string]struct {
		op             arp.Operation
		from           net.HardwareAddr
		sender, target netip.Addr
		want           bool
	}{
		"the owner answers":                    {arp.OperationReply, otherMAC, addr, none, true},
		"the owner asks for somebody":          {arp.OperationRequest, otherMAC, addr, free, true},
		"the owner announces":                  {arp.OperationRequest, otherMAC, addr, addr, true},
		"another host probes at the same time": {arp.OperationRequest, otherMAC, none, addr, true},
		"our own probe comes back":             {arp.OperationRequest, ownMAC, none, addr, false},
		"our own announcement comes back":      {arp.OperationRequest, ownMAC, addr, addr, false},
		"somebody asks for the address":        {arp.OperationRequest, otherMAC, free, addr, false},
		"another host probes for another":      {arp.OperationRequest, otherMAC, none, free, false},
		"a reply that only names it as target": {arp.OperationReply, otherMAC, none, addr, false},
	} {
		p, err := arp.NewPacket(c.op, c.from, c.sender, ownMAC, c.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := conflictsARP(p, addr, ownMAC); got != c.want {
			t.Errorf("%s: conflict %t, want %t", name, got, c.want)
		}
	}
}

func TestParseARP(t *testing.T) {
	good := func() []byte {
		p, err := arp.NewPacket(arp.OperationRequest, ownMAC, netip.MustParseAddr("10.0.0.5"), otherMAC, netip.MustParseAddr("10.0.0.6"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := p.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		want  bool
	}{
		"good":                    {func(b []byte) []byte { return b }, true},
		"with Ethernet padding":   {func(b []byte) []byte { return append(b, make([]byte, 18)...) }, true},
		"cut":                     {func(b []byte) []byte { return b[:27] }, false},
		"empty":                   {func([]byte) []byte { return nil }, false},
		"not Ethernet":            {func(b []byte) []byte { b[1] = 6; return b }, false},
		"not IPv4":                {func(b []byte) []byte { b[2] = 0x86; return b }, false},
		"a hardware length of 0":  {func(b []byte) []byte { b[4] = 0; return b }, false},
		"a protocol length of 16": {func(b []byte) []byte { b[5] = 16; return append(b, make([]byte, 64)...) }, false},
		"a protocol length of 5":  {func(b []byte) []byte { b[5] = 5; return append(b, make([]byte, 64)...) }, false},
	} {
		if _, got := parseARP(c.spoil(good())); got != c.want {
			t.Errorf("%s: accepted %t, want %t", name, got, c.want)
		}
	}
}

// frameND is an IPv6 packet with one message.
func frameND(t testing.TB, m ndp.Message, source netip.Addr) []byte {
	t.Helper()
	dst := netip.IPv6LinkLocalAllNodes()
	body, err := ndp.MarshalMessageChecksum(m, source, dst)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, ipv6HeaderLen)
	frame[0], frame[6], frame[7] = 6<<4, 58, 255
	src := source.As16()
	copy(frame[8:], src[:])
	return append(frame, body...)
}

func TestConflictsND(t *testing.T) {
	addr, other := netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd00::6")
	none := netip.IPv6Unspecified()
	spoiled := func(at int, value byte) []byte {
		frame := frameND(t, &ndp.NeighborAdvertisement{TargetAddress: addr}, addr)
		frame[at] = value
		return frame
	}
	for name, c := range map[string]struct {
		frame []byte
		want  bool
	}{
		"the owner advertises":            {frameND(t, &ndp.NeighborAdvertisement{TargetAddress: addr}, addr), true},
		"another host probes":             {frameND(t, &ndp.NeighborSolicitation{TargetAddress: addr}, none), true},
		"somebody asks for the address":   {frameND(t, &ndp.NeighborSolicitation{TargetAddress: addr}, other), false},
		"another address is advertised":   {frameND(t, &ndp.NeighborAdvertisement{TargetAddress: other}, other), false},
		"a router solicitation":           {frameND(t, &ndp.RouterSolicitation{}, other), false},
		"an advertisement from elsewhere": {spoiled(7, 254), false},
		"not ICMPv6":                      {spoiled(6, 17), false},
		"not IPv6":                        {spoiled(0, 4<<4), false},
		"cut":                             {frameND(t, &ndp.NeighborAdvertisement{TargetAddress: addr}, addr)[:50], false},
		"a header alone":                  {make([]byte, ipv6HeaderLen), false},
		"empty":                           {nil, false},
	} {
		if got := conflictsND(c.frame, addr); got != c.want {
			t.Errorf("%s: conflict %t, want %t", name, got, c.want)
		}
	}
}

// Frames come from whoever shares the segment.
func FuzzParseARP(f *testing.F) {
	f.Add([]byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 10, 0, 0, 6})
	f.Add([]byte{0, 1, 8, 0, 255, 255, 0, 1})
	addr := netip.MustParseAddr("10.0.0.5")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok := parseARP(data)
		if !ok {
			return
		}
		if len(p.SenderHardwareAddr) != 6 || !p.SenderIP.Is4() || !p.TargetIP.Is4() {
			t.Errorf("accepted %+v", p)
		}
		conflictsARP(p, addr, ownMAC)
	})
}

func FuzzParseND(f *testing.F) {
	addr := netip.MustParseAddr("fd00::5")
	f.Add(frameND(f, &ndp.NeighborAdvertisement{TargetAddress: addr}, addr))
	f.Add(frameND(f, &ndp.NeighborSolicitation{TargetAddress: addr}, netip.IPv6Unspecified()))
	f.Fuzz(func(_ *testing.T, data []byte) { conflictsND(data, addr) })
}
