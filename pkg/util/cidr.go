package util

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// Values of Subnet.spec.protocol (api.md 1.2).
const (
	ProtocolIPv4 = "IPv4"
	ProtocolIPv6 = "IPv6"
	ProtocolDual = "Dual"
	// ProtocolMac is an underlay subnet without a CIDR: ports get a MAC and no address.
	ProtocolMac = "Mac"
)

// Values of the pod annotation ip_family, written by the user (api.md 3.1).
const (
	IPFamilyIPv4 = "ipv4"
	IPFamilyIPv6 = "ipv6"
)

// ExcludeSeparator stands between the first and the last address of a range in excludeIps and in an IPPool.
const ExcludeSeparator = ".."

// specialPrefixes hold addresses that no host can have (RFC 6890): a subnet must not touch them.
var specialPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("::ffff:0:0/96"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// ParseCIDRs reads "v4", "v6", "v4,v6" or "v6,v4" and returns the prefixes in network form, IPv4 first. The empty text
// is no prefix, no error. Two prefixes of one family are an error.
func ParseCIDRs(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, part := range splitList(text) {
		p, err := parsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("CIDR %s format error: %w", text, err)
		}
		prefixes = append(prefixes, p)
	}
	slices.SortStableFunc(prefixes, func(a, b netip.Prefix) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	if len(prefixes) > 2 || len(prefixes) == 2 && prefixes[0].Addr().Is4() == prefixes[1].Addr().Is4() {
		return nil, fmt.Errorf("CIDR %s format error: at most one prefix per address family", text)
	}
	return prefixes, nil
}

// ParseSubnetCIDRs is ParseCIDRs with the rules for the CIDR of a subnet (northbound.md 4.2.2): lower case, room for at
// least two addresses, no special range. The messages are those of api.md 7.2.
func ParseSubnetCIDRs(text string) ([]netip.Prefix, error) {
	if text != strings.ToLower(text) {
		return nil, fmt.Errorf("CIDR %s can not contain upper case", text)
	}
	prefixes, err := ParseCIDRs(text)
	if err != nil {
		return nil, err
	}
	if len(prefixes) == 0 {
		return nil, fmt.Errorf("CIDR %q format error: it is empty", text)
	}
	for _, p := range prefixes {
		if p.IsSingleIP() {
			return nil, fmt.Errorf("CIDR %s mask is invalid: a single address is no subnet", p)
		}
		for _, special := range specialPrefixes {
			if special.Overlaps(p) {
				return nil, fmt.Errorf("CIDR %s format error: it overlaps the special range %s", p, special)
			}
		}
	}
	return prefixes, nil
}

// NormalizeCIDR brings a CIDR list to network form, IPv4 first: "fd00::5/64,10.0.1.5/24" is "10.0.1.0/24,fd00::/64".
func NormalizeCIDR(text string) (string, error) {
	prefixes, err := ParseCIDRs(text)
	if err != nil {
		return "", err
	}
	return FormatCIDRs(prefixes), nil
}

// FormatCIDRs joins prefixes with commas in the given order.
func FormatCIDRs(prefixes []netip.Prefix) string { return joinTexts(prefixes, ",") }

// ProtocolOf tells the family of an address, a CIDR or a dual-stack list of either: IPv4, IPv6, Dual, or "" for an
// empty or malformed text.
func ProtocolOf(text string) string {
	protocol := ""
	for _, part := range splitList(text) {
		addr, err := netip.ParseAddr(part)
		if err != nil {
			p, err := netip.ParsePrefix(part)
			if err != nil {
				return ""
			}
			addr = p.Addr()
		}
		family := AddrProtocol(addr)
		if protocol != "" && protocol != family {
			return ProtocolDual
		}
		protocol = family
	}
	return protocol
}

// AddrProtocol is the family of one address: IPv4 or IPv6.
func AddrProtocol(addr netip.Addr) string {
	if addr.Is4() {
		return ProtocolIPv4
	}
	return ProtocolIPv6
}

// SplitDual splits "v4,v6" (in any order, either half may be missing) into its halves, addresses or CIDRs alike. It
// does not check them.
func SplitDual(text string) (v4, v6 string) {
	for _, part := range splitList(text) {
		switch {
		case strings.Contains(part, ":"):
			if v6 == "" {
				v6 = part
			}
		case v4 == "":
			v4 = part
		}
	}
	return v4, v6
}

// JoinDual is the inverse of SplitDual: "v4,v6", or the half that is there.
func JoinDual(v4, v6 string) string {
	if v4 == "" || v6 == "" {
		return v4 + v6
	}
	return v4 + "," + v6
}

// ParseAddrs reads addresses "v4", "v6" or "v4,v6" in any order and returns them IPv4 first, at most one per family.
// The empty text is no address, no error.
func ParseAddrs(text string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, part := range splitList(text) {
		addr, err := parseAddr(part)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	if len(addrs) > 2 || len(addrs) == 2 && addrs[0].Is4() == addrs[1].Is4() {
		return nil, fmt.Errorf("%s has more than one address of a family", text)
	}
	return addrs, nil
}

// FormatAddrs joins addresses with commas in the given order.
func FormatAddrs(addrs []netip.Addr) string { return joinTexts(addrs, ",") }

// FirstUsable is the lowest host address of a subnet: network+1; the network itself in a /31 or /127 (RFC 3021, RFC 6164)
// and in a single address.
func FirstUsable(p netip.Prefix) netip.Addr {
	first := p.Masked().Addr()
	if hostBits(p) <= 1 {
		return first
	}
	return first.Next()
}

// LastUsable is the highest host address of a subnet: all-ones-1 in both families; all-ones in a /31 or /127.
func LastUsable(p netip.Prefix) netip.Addr {
	last := netipx.PrefixLastIP(p)
	if hostBits(p) <= 1 {
		return last
	}
	return last.Prev()
}

// HostCount is the number of host addresses: 2^n-2, but 2 for /31 and /127 (northbound.md 4.2.6), 1 for a single address.
func HostCount(p netip.Prefix) *big.Int {
	return RangeSize(netipx.IPRangeFrom(FirstUsable(p), LastUsable(p)))
}

// RangeSize is the number of addresses in a valid range.
func RangeSize(r netipx.IPRange) *big.Int {
	from, to := r.From().As16(), r.To().As16()
	n := new(big.Int).SetBytes(to[:])
	n.Sub(n, new(big.Int).SetBytes(from[:]))
	return n.Add(n, big.NewInt(1))
}

// AllocatableCount is HostCount less the addresses that excludes cover; overlapping excludes count once, and what they
// cover outside the subnet does not count.
func AllocatableCount(p netip.Prefix, excludes []netipx.IPRange) *big.Int {
	first, last := FirstUsable(p), LastUsable(p)
	n := HostCount(p)
	for _, r := range mergeRanges(excludes) {
		from, to := r.From(), r.To()
		if from.BitLen() != first.BitLen() || to.Less(first) || last.Less(from) {
			continue
		}
		n.Sub(n, RangeSize(netipx.IPRangeFrom(later(from, first), earlier(to, last))))
	}
	return n
}

// ContainsAddr says whether one of the prefixes holds addr.
func ContainsAddr(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// PrefixesOverlap says whether some prefix of a and some prefix of b share an address.
func PrefixesOverlap(a, b []netip.Prefix) bool {
	return slices.ContainsFunc(a, func(p netip.Prefix) bool { return slices.ContainsFunc(b, p.Overlaps) })
}

// CompleteGateway fills the gateway of a subnet: the first usable address for each family without one. The result is
// "v4,v6", IPv4 first. It does not check that given addresses lie inside (ValidateGateway does).
func CompleteGateway(gateway string, prefixes []netip.Prefix) (string, error) {
	addrs, err := ParseAddrs(gateway)
	if err != nil {
		return "", fmt.Errorf("gateway %w", err)
	}
	for _, p := range prefixes {
		if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() == p.Addr().Is4() }) {
			addrs = append(addrs, FirstUsable(p))
		}
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return FormatAddrs(addrs), nil
}

// ValidateGateway checks that every gateway address is a host address of the subnet: inside the CIDR of its family, not
// its network number, and not an IPv4 broadcast address.
func ValidateGateway(gateway string, prefixes []netip.Prefix) error {
	if gateway != strings.ToLower(gateway) {
		return fmt.Errorf("gateway %s can not contain upper case", gateway)
	}
	addrs, err := ParseAddrs(gateway)
	if err != nil {
		return fmt.Errorf("gateway %w", err)
	}
	for _, addr := range addrs {
		i := slices.IndexFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
		if i < 0 {
			return fmt.Errorf("gateway %s is not in cidr %s", addr, FormatCIDRs(prefixes))
		}
		if what := NotAHost(prefixes[i], addr); what != "" {
			return fmt.Errorf("gateway %s is not in cidr %s as a host, it is the %s", addr, prefixes[i], what)
		}
	}
	return nil
}

// NotAHost says why an address inside p cannot be a host's: "network address", "broadcast address" (IPv4 only), or ""
// when it can. A /31 and a /127 have neither.
func NotAHost(p netip.Prefix, addr netip.Addr) string {
	switch {
	case hostBits(p) <= 1:
		return ""
	case addr == p.Masked().Addr():
		return "network address"
	case addr.Is4() && addr == netipx.PrefixLastIP(p):
		return "broadcast address"
	}
	return ""
}

// ParseIPRange reads "a" or "a..b" with a <= b of one family.
func ParseIPRange(text string) (netipx.IPRange, error) {
	text = strings.TrimSpace(text)
	if text != strings.ToLower(text) {
		return netipx.IPRange{}, fmt.Errorf("%s can not contain upper case", text)
	}
	first, last, isRange := strings.Cut(text, ExcludeSeparator)
	from, err := parseAddr(first)
	if err != nil {
		return netipx.IPRange{}, err
	}
	if !isRange {
		return netipx.IPRangeFrom(from, from), nil
	}
	to, err := parseAddr(last)
	if err != nil {
		return netipx.IPRange{}, err
	}
	r := netipx.IPRangeFrom(from, to)
	if !r.IsValid() {
		return netipx.IPRange{}, fmt.Errorf("%s is not a valid ip range", text)
	}
	return r, nil
}

// FormatIPRange is the inverse of ParseIPRange.
func FormatIPRange(r netipx.IPRange) string {
	if r.From() == r.To() {
		return r.From().String()
	}
	return r.From().String() + ExcludeSeparator + r.To().String()
}

// ParseExcludeIPs reads Subnet.spec.excludeIps, one range per entry, in the given order.
func ParseExcludeIPs(excludes []string) ([]netipx.IPRange, error) {
	ranges := make([]netipx.IPRange, 0, len(excludes))
	for _, text := range excludes {
		r, err := ParseIPRange(text)
		if err != nil {
			return nil, fmt.Errorf("excludeIps: %w", err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// NormalizeExcludeIPs brings Subnet.spec.excludeIps to its one form (northbound.md 4.2.1): equal and overlapping entries
// merged, every gateway address inside, sorted as strings. Neighbours that only touch stay apart. It is idempotent.
func NormalizeExcludeIPs(excludes []string, gateway string) ([]string, error) {
	ranges, err := ParseExcludeIPs(excludes)
	if err != nil {
		return nil, err
	}
	gateways, err := ParseAddrs(gateway)
	if err != nil {
		return nil, fmt.Errorf("gateway %w", err)
	}
	for _, addr := range gateways {
		ranges = append(ranges, netipx.IPRangeFrom(addr, addr))
	}
	merged := mergeRanges(ranges)
	texts := make([]string, 0, len(merged))
	for _, r := range merged {
		texts = append(texts, FormatIPRange(r))
	}
	slices.Sort(texts)
	return texts, nil
}

// ParsePoolIPs reads IPPool.spec.ips: an address, a range "a..b" or a CIDR per entry. The result is merged and sorted.
func ParsePoolIPs(ips []string) ([]netipx.IPRange, error) {
	ranges := make([]netipx.IPRange, 0, len(ips))
	for _, text := range ips {
		if strings.Contains(text, "/") {
			p, err := parsePrefix(strings.TrimSpace(text))
			if err != nil {
				return nil, fmt.Errorf("ips: %w", err)
			}
			ranges = append(ranges, netipx.RangeOfPrefix(p))
			continue
		}
		r, err := ParseIPRange(text)
		if err != nil {
			return nil, fmt.Errorf("ips: %w", err)
		}
		ranges = append(ranges, r)
	}
	return mergeRanges(ranges), nil
}

// mergeRanges returns the union of ranges, sorted by address, IPv4 first, as ranges that do not overlap.
func mergeRanges(ranges []netipx.IPRange) []netipx.IPRange {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b netipx.IPRange) int { return a.From().Compare(b.From()) })
	var merged []netipx.IPRange
	for _, r := range sorted {
		if n := len(merged); n > 0 && merged[n-1].Overlaps(r) {
			merged[n-1] = netipx.IPRangeFrom(merged[n-1].From(), later(merged[n-1].To(), r.To()))
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// parsePrefix reads one CIDR and masks it.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is not a valid CIDR", text)
	}
	return p.Masked(), nil
}

// parseAddr reads one address. A zone is refused: it means something only on one host.
func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not a valid address", text)
	}
	return addr, nil
}

// splitList splits at commas and trims blanks; the empty text has no parts.
func splitList(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func joinTexts[T fmt.Stringer](values []T, separator string) string {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, separator)
}

func hostBits(p netip.Prefix) int { return p.Addr().BitLen() - p.Bits() }

func later(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func earlier(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return a
	}
	return b
}

// MatchFamily is the field prefix of OVN's expression language for addresses of a prefix: "ip4" or "ip6" (ovn-sb(5)).
func MatchFamily(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "ip4"
	}
	return "ip6"
}
