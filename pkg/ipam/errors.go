package ipam

import (
	"errors"
	"fmt"
)

// What a call can fail with, to be tested with errors.Is. The texts are those of northbound.md 4.3.
var (
	ErrOutOfRange      = errors.New("AddressOutOfRange")
	ErrConflict        = errors.New("AddressConflict")
	ErrNoAvailable     = errors.New("NoAvailableAddress")
	ErrInvalidCIDR     = errors.New("CIDRInvalid")
	ErrNoSubnet        = errors.New("NoSuchSubnet")
	ErrNoPool          = errors.New("NoSuchPool")
	ErrInvalidIPFamily = errors.New("InvalidIPFamily")
	ErrInvalidMAC      = errors.New("MACInvalid")
)

// ConflictError says who has what was asked for. It is an ErrConflict.
type ConflictError struct {
	Subnet string
	// What is taken: an address, a MAC, "port <name>", or "range <first>..<last>" of a pool.
	What string
	// Holder has it: the lease's owner with its port, "the gateway" or "pool <name>".
	Holder string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: %s in subnet %s is held by %s", ErrConflict, e.What, e.Subnet, e.Holder)
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }
