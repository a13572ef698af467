package v1

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// maxBigIntExponent bounds the decimal exponent that UnmarshalJSON accepts; 2^128, the largest count of addresses, has 39 digits.
const maxBigIntExponent = 1000

// BigInt is an integer of any size, such as the number of addresses in an IPv6 subnet.
//
// Values compare with ==, the zero value is 0, and copies share nothing. Make values with NewBigInt or BigIntOf. In JSON it
// is a bare number, which may exceed 2^53; a quoted integer and a float with an integral value are read too, because older
// controllers wrote the one and the API server stores what exceeds 64 bits as the other. It is a struct because converters
// between objects and maps ask only structs for their methods.
//
// +kubebuilder:validation:Type=number
type BigInt struct {
	// Decimal are the canonical decimal digits; zero is "".
	Decimal string
}

// NewBigInt returns n.
func NewBigInt(n int64) BigInt {
	return BigIntOf(big.NewInt(n))
}

// BigIntOf returns the value of n; nil counts as zero.
func BigIntOf(n *big.Int) BigInt {
	if n == nil || n.Sign() == 0 {
		return BigInt{}
	}
	return BigInt{Decimal: n.String()}
}

// Int returns a new big.Int with the value.
func (b BigInt) Int() *big.Int {
	n := new(big.Int)
	if b.Decimal != "" {
		n.SetString(b.Decimal, 10)
	}
	return n
}

// String returns the decimal digits.
func (b BigInt) String() string {
	if b.Decimal == "" {
		return "0"
	}
	return b.Decimal
}

// MarshalJSON writes a bare JSON number.
func (b BigInt) MarshalJSON() ([]byte, error) {
	return []byte(b.String()), nil
}

// UnmarshalJSON reads a number, a quoted integer, or a float with an integral value; null and "" are zero.
func (b *BigInt) UnmarshalJSON(data []byte) error {
	text := strings.TrimSpace(string(data))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("integer %s: %w", data, err)
		}
	}
	if text == "" || text == "null" {
		*b = BigInt{}
		return nil
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		var err error
		if n, err = integralFloat(text); err != nil {
			return err
		}
	}
	*b = BigIntOf(n)
	return nil
}

// integralFloat reads a JSON number with fraction or exponent, such as 1.8446744073709552e+19.
func integralFloat(text string) (*big.Int, error) {
	var number json.Number
	if err := json.Unmarshal([]byte(text), &number); err != nil {
		return nil, fmt.Errorf("%q is not a number", text)
	}
	if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found {
		e, ok := new(big.Int).SetString(exponent, 10)
		if !ok || e.CmpAbs(big.NewInt(maxBigIntExponent)) > 0 {
			return nil, fmt.Errorf("%q has an exponent out of range", text)
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || !r.IsInt() {
		return nil, fmt.Errorf("%q is not an integer", text)
	}
	return r.Num(), nil
}
