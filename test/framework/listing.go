package framework

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	uuidPattern    = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)
	macPattern     = regexp.MustCompile(`\b00:00:00(:[0-9A-F]{2}){3}\b`)
	addressPattern = regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`)
)

// Masked is a listing without what chance decides: UUIDs, our MAC addresses (00:00:00 in upper case; others stay, so that
// they show) and the allocated addresses of the hidden networks. Network addresses and gateways, which end in 0 and 254,
// stay.
func Masked(text string, hidden ...netip.Prefix) string {
	text = uuidPattern.ReplaceAllString(text, "<uuid>")
	text = macPattern.ReplaceAllString(text, "<mac>")
	return addressPattern.ReplaceAllStringFunc(text, func(s string) string {
		a, err := netip.ParseAddr(s)
		if err != nil || a.As4()[3] == 0 || a.As4()[3] == 254 {
			return s
		}
		for _, p := range hidden {
			if p.Contains(a) {
				return "<address of " + p.String() + ">"
			}
		}
		return s
	})
}

// Section is one switch or router of `ovn-nbctl show`, or all of another listing.
type Section struct {
	Title  string
	Lines  []string   // of the section itself
	Blocks [][]string // its ports and NAT rows, each with the lines below it
}

// Sections takes a listing of ovn-nbctl apart. Indentation does not count, as some documents have lost it; empty lines,
// comments, and the link-local addresses that OVN prints since the documents were written fall away.
func Sections(text string) []Section {
	var all []Section
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		word, _, _ := strings.Cut(line, " ")
		switch {
		case line == "" || word == "#" || word == "ipv6-lla:":
		case word == "switch" || word == "router" || len(all) == 0:
			all = append(all, Section{Title: line})
		case word == "port" || word == "nat":
			s := &all[len(all)-1]
			s.Blocks = append(s.Blocks, []string{line})
		default:
			s := &all[len(all)-1]
			if last := len(s.Blocks) - 1; last >= 0 {
				s.Blocks[last] = append(s.Blocks[last], line)
			} else {
				s.Lines = append(s.Lines, line)
			}
		}
	}
	return all
}

// String is the section in one form: blocks sorted, because OVN lists rows in the order of their UUIDs.
func (s Section) String() string {
	blocks := slices.Clone(s.Blocks)
	slices.SortFunc(blocks, slices.Compare)
	var b strings.Builder
	b.WriteString(s.Title + "\n")
	for _, line := range s.Lines {
		b.WriteString("  " + line + "\n")
	}
	for _, block := range blocks {
		for i, line := range block {
			b.WriteString("    " + strings.Repeat("  ", min(i, 1)) + line + "\n")
		}
	}
	return b.String()
}

// Block is the block of a section with that first line, empty when there is none.
func (s Section) Block(first string) string {
	for _, block := range s.Blocks {
		if block[0] == first {
			return strings.Join(block, "\n")
		}
	}
	return ""
}

// Without is the section without its blocks whose first line begins with a word: "nat".
func (s Section) Without(word string) Section {
	s.Blocks = slices.DeleteFunc(slices.Clone(s.Blocks), func(block []string) bool { return strings.HasPrefix(block[0], word+" ") })
	return s
}

// Canonical is a masked listing in one form, to be compared as text.
func Canonical(text string, hidden ...netip.Prefix) string {
	var b strings.Builder
	for _, s := range Sections(Masked(text, hidden...)) {
		b.WriteString(s.String())
	}
	return b.String()
}
