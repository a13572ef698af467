package port

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/coreos/go-iptables/iptables"
	"sigs.k8s.io/knftables"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Shield keeps the node's own network stack off devices that the userspace datapath reads (node.md 11, R4): Open vSwitch
// takes frames from a packet socket, and without a drop rule the kernel would answer them a second time.
//
// Each device has a chain of its own in the table "netdev kube-ovn". Where the kernel lacks that family, the rule is a DROP in
// raw PREROUTING; ARP is off on the device anyway.
type Shield struct {
	mu  sync.Mutex
	nft knftables.Interface
	raw bool
}

// NewShield returns a shield of the daemon's network namespace.
func NewShield() *Shield { return &Shield{} }

// backend finds out once whether the kernel has the netdev family.
func (s *Shield) backend() (knftables.Interface, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nft != nil || s.raw {
		return s.nft, s.raw, nil
	}
	nft, err := knftables.New(knftables.NetDevFamily, util.NftTable)
	if err == nil {
		s.nft = nft
		return nft, false, nil
	}
	if _, rawErr := iptables.New(); rawErr != nil {
		return nil, false, fmt.Errorf("neither nftables nor iptables can drop frames: %w", errors.Join(err, rawErr))
	}
	s.raw = true
	return nil, true, nil
}

// Add drops everything that the node's stack would receive on device. Adding twice is harmless.
func (s *Shield) Add(ctx context.Context, device string) error {
	nft, raw, err := s.backend()
	if err != nil {
		return fmt.Errorf("drop frames on %s: %w", device, err)
	}
	if raw {
		return eachIPTables(func(t *iptables.IPTables) error { return t.AppendUnique("raw", "PREROUTING", rawRule(device)...) })
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Add(&knftables.Chain{
		Name:     chainOf(device),
		Type:     knftables.PtrTo(knftables.FilterType),
		Hook:     knftables.PtrTo(knftables.IngressHook),
		Priority: knftables.PtrTo(knftables.FilterPriority),
		Policy:   knftables.PtrTo(knftables.DropPolicy),
		Device:   knftables.PtrTo(device),
	})
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("drop frames on %s: %w", device, err)
	}
	return nil
}

// Remove takes the rule away; a missing one is no error. It must be called although the device is gone: newer kernels keep the
// chain for a device that may come back under the name.
func (s *Shield) Remove(ctx context.Context, device string) error {
	nft, raw, err := s.backend()
	if err != nil {
		return fmt.Errorf("stop dropping frames on %s: %w", device, err)
	}
	if raw {
		return eachIPTables(func(t *iptables.IPTables) error { return t.DeleteIfExists("raw", "PREROUTING", rawRule(device)...) })
	}
	tx := nft.NewTransaction()
	tx.Delete(&knftables.Chain{Name: chainOf(device)})
	if err := nft.Run(ctx, tx); err != nil && !knftables.IsNotFound(err) {
		return fmt.Errorf("stop dropping frames on %s: %w", device, err)
	}
	return nil
}

// Devices lists the devices that have a chain; without nftables none is known.
func (s *Shield) Devices(ctx context.Context) ([]string, error) {
	nft, raw, err := s.backend()
	if err != nil || raw {
		return nil, err
	}
	chains, err := nft.List(ctx, "chains")
	if err != nil && !knftables.IsNotFound(err) {
		return nil, fmt.Errorf("list the chains of table %s: %w", util.NftTable, err)
	}
	var out []string
	for _, chain := range chains {
		if device, ok := strings.CutPrefix(chain, chainPrefix); ok {
			out = append(out, device)
		}
	}
	return out, nil
}

const chainPrefix = "drop-"

// chainOf is a chain's name; it must not begin with a digit.
func chainOf(device string) string { return chainPrefix + device }

func rawRule(device string) []string { return []string{"-i", device, "-j", "DROP"} }

func eachIPTables(do func(*iptables.IPTables) error) error {
	var errs []error
	for _, protocol := range []iptables.Protocol{iptables.ProtocolIPv4, iptables.ProtocolIPv6} {
		t, err := iptables.NewWithProtocol(protocol)
		if err == nil {
			err = do(t)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
