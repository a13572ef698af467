package util

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// CheckMatch says what is wrong with the syntax of an OVN match expression (ovn-sb(5), Logical_Flow, "Expressions"). OVN takes
// any text and tells only its own log that it ignores the row. Whether fields exist depends on its version and is not checked.
func CheckMatch(text string) error {
	tokens, err := matchTokens(text)
	if err != nil {
		return err
	}
	p := &matchParser{tokens: tokens}
	if err := p.expression(); err != nil {
		return err
	}
	if p.next() != "" {
		return p.unexpected("&&, || or the end")
	}
	return nil
}

// matchToken finds the next token: a string, a field, set, group or constant with an optional mask, or an operator.
var matchToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[$@^]?[0-9A-Za-z_.:]+(?:/[0-9A-Za-z.:]+)?|==|!=|<=|>=|&&|\|\||[<>!(){},\[\]])`)

var (
	matchField     = regexp.MustCompile(`^[A-Za-z_.][A-Za-z0-9_.]*$`)
	matchReference = regexp.MustCompile(`^[$@^][A-Za-z_.][A-Za-z0-9_.]*$`)
	matchSubfield  = regexp.MustCompile(`^[0-9]+(\.\.[0-9]+)?$`)
)

var matchRelations = []string{"==", "!=", "<", "<=", ">", ">="}

func matchTokens(text string) ([]string, error) {
	var tokens []string
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return tokens, nil
		}
		token := matchToken.FindString(text)
		if token == "" {
			return nil, fmt.Errorf("syntax error at %q", text)
		}
		tokens, text = append(tokens, token), text[len(token):]
	}
}

// matchParser descends into an expression as OVN's own parser does (lib/expr.c).
type matchParser struct {
	tokens []string
	depth  int
}

// maxMatchDepth is how deep OVN lets parentheses nest.
const maxMatchDepth = 100

// next is the token to come, "" at the end.
func (p *matchParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *matchParser) skip() { p.tokens = p.tokens[1:] }

func (p *matchParser) accept(token string) bool {
	if p.next() != token || token == "" {
		return false
	}
	p.skip()
	return true
}

func (p *matchParser) unexpected(wanted string) error {
	if p.next() == "" {
		return fmt.Errorf("syntax error at the end, expecting %s", wanted)
	}
	return fmt.Errorf("syntax error at %q, expecting %s", p.next(), wanted)
}

func (p *matchParser) expression() error {
	if err := p.operand(); err != nil {
		return err
	}
	operator := p.next()
	for p.next() == "&&" || p.next() == "||" {
		if p.next() != operator {
			return errors.New("&& and || must be parenthesized when used together")
		}
		p.skip()
		if err := p.operand(); err != nil {
			return err
		}
	}
	return nil
}

func (p *matchParser) operand() error {
	if !p.accept("!") {
		return p.primary(false)
	}
	return p.primary(true)
}

// primary is what stands between && and ||; behind ! it has to be one field or in parentheses.
func (p *matchParser) primary(negated bool) error {
	if p.accept("(") {
		if p.depth++; p.depth > maxMatchDepth {
			return fmt.Errorf("parentheses nest more than %d deep", maxMatchDepth)
		}
		defer func() { p.depth-- }()
		if err := p.expression(); err != nil {
			return err
		}
		return p.force(")")
	}
	if p.accept("is_chassis_resident") {
		return p.residence()
	}
	if matchField.MatchString(p.next()) {
		return p.comparison(negated)
	}
	if (p.next() == "0" || p.next() == "1") && (len(p.tokens) == 1 || !slices.Contains(matchRelations, p.tokens[1])) {
		p.skip()
		return nil
	}
	if negated {
		return p.unexpected("a field or (")
	}
	return p.rangeOf()
}

func (p *matchParser) force(token string) error {
	if !p.accept(token) {
		return p.unexpected(token)
	}
	return nil
}

func (p *matchParser) residence() error {
	if err := p.force("("); err != nil {
		return err
	}
	if !isMatchString(p.next()) {
		return p.unexpected("a string")
	}
	p.skip()
	return p.force(")")
}

// comparison is a field, alone or compared with constants.
func (p *matchParser) comparison(negated bool) error {
	if err := p.field(); err != nil {
		return err
	}
	if !slices.Contains(matchRelations, p.next()) {
		return nil
	}
	if negated {
		return errors.New("an operand of ! needs parentheses")
	}
	p.skip()
	return p.constants()
}

// rangeOf is a field behind constants, or between them.
func (p *matchParser) rangeOf() error {
	if err := p.constants(); err != nil {
		return err
	}
	if !slices.Contains(matchRelations, p.next()) {
		return p.unexpected("a comparison")
	}
	first := p.next()
	p.skip()
	if err := p.field(); err != nil {
		return err
	}
	second := p.next()
	if !slices.Contains(matchRelations, second) {
		return nil
	}
	if first[0] != second[0] || first[0] != '<' && first[0] != '>' {
		return errors.New("a range has the form x < field < y or x > field > y")
	}
	p.skip()
	return p.constants()
}

func (p *matchParser) field() error {
	if !matchField.MatchString(p.next()) {
		return p.unexpected("a field")
	}
	p.skip()
	if !p.accept("[") {
		return nil
	}
	if !matchSubfield.MatchString(p.next()) {
		return p.unexpected("bits")
	}
	p.skip()
	return p.force("]")
}

// constants are one constant, or several in braces; commas between them are optional.
func (p *matchParser) constants() error {
	if !p.accept("{") {
		return p.constant()
	}
	for {
		if err := p.constant(); err != nil {
			return err
		}
		p.accept(",")
		if p.accept("}") {
			return nil
		}
	}
}

func (p *matchParser) constant() error {
	token := p.next()
	if !isMatchString(token) && !matchReference.MatchString(token) && !isMatchNumber(token) {
		return p.unexpected("a constant")
	}
	p.skip()
	return nil
}

func isMatchString(token string) bool { return strings.HasPrefix(token, `"`) }

// isMatchNumber says whether a token is a number, an address or a MAC, with a mask of the same kind or a prefix length.
func isMatchNumber(token string) bool {
	value, mask, masked := strings.Cut(token, "/")
	kind := matchNumberKind(value)
	if !masked {
		return kind != 0
	}
	other := matchNumberKind(mask)
	if addr, err := netip.ParseAddr(value); err == nil && other == 'n' {
		_, err := addr.Prefix(atoi(mask))
		return err == nil
	}
	return kind != 0 && kind == other
}

// matchNumberKind is 'n' for a number, '4' and '6' for addresses, 'm' for a MAC and 0 for what is none of them.
func matchNumberKind(text string) byte {
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		if len(strings.Trim(digits, "0123456789abcdef")) == 0 && digits != "" {
			return 'n'
		}
		return 0
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Is4() {
			return '4'
		}
		return '6'
	}
	if mac, err := net.ParseMAC(text); err == nil && len(mac) == 6 {
		return 'm'
	}
	if text != "" && len(strings.Trim(text, "0123456789")) == 0 {
		return 'n'
	}
	return 0
}

// atoi is the number, or -1, which is no prefix length.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}
