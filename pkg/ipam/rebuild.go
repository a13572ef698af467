package ipam

import (
	"errors"
	"fmt"
	"net/netip"
)

// Holding is what a lease holds already when the IPAM is built anew.
type Holding struct {
	Lease
	// AllowShared is as in Request.
	AllowShared bool
}

// Rebuild restores what is held, in the given order, of which the first to name an address, a MAC or a port wins. It draws
// nothing, generates nothing and moves nothing, so it must run before the first Claim: holders before seekers. Each
// address and the MAC of a holding count by themselves: one that cannot be restored does not lose the others. What could
// not be restored is reported and not fatal.
func (i *IPAM) Rebuild(holdings []Holding) []error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var failures []error
	for _, h := range holdings {
		s, err := i.subnet(h.Subnet)
		if err == nil {
			err = s.restore(h, i.owners)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("restoring %s: %w", h.holder(), err))
		}
	}
	return failures
}

func (s *subnet) restore(h Holding, o owners) error {
	p, err := s.newPlan(Request{Owner: h.Owner, NIC: h.NIC, AllowShared: h.AllowShared})
	if err != nil {
		return err
	}
	var failures []error
	for _, addr := range h.Addresses() {
		if held := p.addrs[familyOf(addr)]; held.IsValid() && held != addr {
			err = fmt.Errorf("%w: the port holds %s, not %s", ErrConflict, held, addr)
		} else {
			err = p.planStatic(addr)
		}
		failures = append(failures, err)
	}
	if h.MAC != "" {
		err = p.planStaticMAC(h.MAC)
		if p.cur != nil && p.cur.mac != 0 && p.mac != p.cur.mac {
			p.mac, p.macText = p.cur.mac, p.cur.MAC
			err = fmt.Errorf("%w: the port holds MAC %s, not %s", ErrConflict, p.macText, h.MAC)
		}
		failures = append(failures, err)
	}
	if p.addrs != [2]netip.Addr{} || p.mac != 0 && s.macOnly() {
		p.commit(o)
	}
	return errors.Join(failures...)
}

// macOnly says that ports of the subnet get no addresses.
func (s *subnet) macOnly() bool { return s.families == [2]*family{} }
