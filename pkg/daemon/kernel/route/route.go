package route

import (
	"fmt"
	"net/netip"
	"strings"
)

// Protocols of a route (linux/rtnetlink.h).
const (
	ProtoKernel = 2
	ProtoStatic = 4
)

// Route is one wanted route.
type Route struct {
	Dst      netip.Prefix
	Gateway  netip.Addr // invalid: the destination is on the link
	Src      netip.Addr // preferred source; invalid: the kernel chooses
	Protocol int
}

// Device is every route we want through one device.
type Device struct {
	Name   string
	Routes []Route
}

// text prints a route as `ip route` does.
func (r Route) text(device string) string {
	var b strings.Builder
	b.WriteString(r.Dst.String())
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	fmt.Fprintf(&b, " dev %s", device)
	switch r.Protocol {
	case ProtoKernel:
		b.WriteString(" proto kernel")
	case ProtoStatic:
		b.WriteString(" proto static")
	}
	if !r.Gateway.IsValid() && r.Dst.Addr().Is4() {
		b.WriteString(" scope link")
	}
	if r.Src.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Src)
	}
	return b.String()
}

// String prints one route per line.
func (d Device) String() string {
	var b strings.Builder
	for _, r := range d.Routes {
		b.WriteString(r.text(d.Name) + "\n")
	}
	return b.String()
}

// diff says which wanted routes to write and which existing ones of the device to remove. taken are destinations that
// other devices route. A link route is only written, never removed: it belongs to an address.
func diff(have, want []Route, taken map[netip.Prefix]bool) (set, remove []Route) {
	present := map[Route]bool{}
	for _, r := range have {
		present[r] = true
	}
	keep := map[netip.Prefix]bool{}
	for _, r := range want {
		if taken[r.Dst] && r.Gateway.IsValid() {
			continue
		}
		keep[r.Dst] = true
		if !present[r] {
			set = append(set, r)
		}
	}
	for _, r := range have {
		if r.Gateway.IsValid() && !r.Dst.Addr().IsLinkLocalUnicast() && !keep[r.Dst] {
			remove = append(remove, r)
		}
	}
	return set, remove
}
