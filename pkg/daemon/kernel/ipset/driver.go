package ipset

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// How long Prune waits for sets that deleted rules still hold.
const (
	releaseTimeout = time.Second
	releasePoll    = 20 * time.Millisecond
)

// Driver edits the sets of the network namespace it is used in.
type Driver struct{}

// Ensure makes every wanted set exist with exactly its members. New members come before old ones go, so that traffic which
// stays wanted is matched all the time. Errors name the set.
func (Driver) Ensure(want []Set) error {
	have, err := list()
	if err != nil {
		return err
	}
	for _, set := range want {
		var existing *Set
		if s, ok := have[set.Name]; ok {
			existing = &s
		}
		if err := apply(set, diff(existing, set)); err != nil {
			return fmt.Errorf("ipset %s: %w", set.Name, err)
		}
	}
	return nil
}

// Prune removes the sets of ours that are not wanted. nftables lets go of the sets of deleted rules some time later, so it
// waits for that a little. Errors name the set, for instance one that a rule still refers to.
func (Driver) Prune(ctx context.Context, want []Set) error {
	have, err := list()
	if err != nil {
		return err
	}
	for _, s := range want {
		delete(have, s.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	for name := range have {
		if !strings.HasPrefix(name, util.SetPrefixV4) && !strings.HasPrefix(name, util.SetPrefixV6) {
			continue
		}
		if err := destroy(ctx, name); err != nil {
			return fmt.Errorf("ipset %s: destroy: %w", name, err)
		}
	}
	return nil
}

// destroy repeats while the set is in use.
func destroy(ctx context.Context, name string) error {
	tick := time.NewTicker(releasePoll)
	defer tick.Stop()
	for {
		err := netlink.IpsetDestroy(name)
		if !errors.Is(err, nl.IPSetError(nl.IPSET_ERR_BUSY)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Names lists all sets of the namespace, ours and others'.
func (Driver) Names() (map[string]bool, error) {
	all, err := netlink.IpsetListAll()
	if err != nil {
		return nil, fmt.Errorf("list ipsets: %w", err)
	}
	out := map[string]bool{}
	for _, s := range all {
		out[s.SetName] = true
	}
	return out, nil
}

func apply(set Set, c change) error {
	if c.recreate {
		if err := netlink.IpsetDestroy(set.Name); err != nil {
			return fmt.Errorf("destroy the set of another type: %w", err)
		}
	}
	if c.create || c.recreate {
		family := uint8(unix.AF_INET)
		if set.IPv6 {
			family = unix.AF_INET6
		}
		opts := netlink.IpsetCreateOptions{Family: family, MaxElements: maxElem}
		if err := netlink.IpsetCreate(set.Name, set.Type, opts); err != nil {
			return fmt.Errorf("create: %w", err)
		}
	}
	for _, m := range c.add {
		if err := netlink.IpsetAdd(set.Name, entry(set, m)); err != nil {
			return fmt.Errorf("add %s: %w", m, err)
		}
	}
	for _, m := range c.del {
		if err := netlink.IpsetDel(set.Name, entry(set, m)); err != nil {
			return fmt.Errorf("delete %s: %w", m, err)
		}
	}
	return nil
}

// entry tolerates a member that is there, or gone, already.
func entry(set Set, m netip.Prefix) *netlink.IPSetEntry {
	e := &netlink.IPSetEntry{IP: m.Addr().AsSlice(), Replace: true}
	if set.Type == HashNet {
		e.CIDR = uint8(m.Bits())
	}
	return e
}

// list reads the sets of types we know.
func list() (map[string]Set, error) {
	all, err := netlink.IpsetListAll()
	if err != nil {
		return nil, fmt.Errorf("list ipsets: %w", err)
	}
	out := map[string]Set{}
	for _, s := range all {
		set := Set{Name: s.SetName, Type: s.TypeName, IPv6: s.Family == nl.FAMILY_V6}
		for _, e := range s.Entries {
			addr, ok := netip.AddrFromSlice(e.IP)
			if !ok {
				continue
			}
			addr = addr.Unmap()
			bits := addr.BitLen()
			if e.CIDR != 0 {
				bits = int(e.CIDR)
			}
			set.Members = append(set.Members, netip.PrefixFrom(addr, bits))
		}
		out[s.SetName] = set
	}
	return out, nil
}
