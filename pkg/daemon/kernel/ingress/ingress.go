package ingress

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// TableName is the name of our table in the netdev family.
const TableName = util.NftTable

// chain names must not begin with a digit, container devices do.
const chainPrefix = "drop-"

func table() *nftables.Table {
	return &nftables.Table{Name: TableName, Family: nftables.TableFamilyNetdev}
}

func chain(device string) *nftables.Chain {
	policy := nftables.ChainPolicyDrop
	return &nftables.Chain{
		Table:    table(),
		Name:     chainPrefix + device,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityFilter,
		Policy:   &policy,
		Device:   device,
	}
}

// Drop makes the host's stack ignore what arrives on a device of the current network namespace. It is idempotent. Newer
// kernels keep the chain when the device goes and attach it to the next one of that name: see Accept and Sweep.
// Errors: the device does not exist, or the kernel lacks the family.
func Drop(device string) error {
	if _, err := netlink.LinkByName(device); err != nil {
		return fmt.Errorf("drop ingress of %s: %w", device, err)
	}
	dropping, err := Dropped(device)
	if err != nil || dropping {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	conn.AddTable(table())
	conn.AddChain(chain(device))
	err = conn.Flush()
	if unsupported(err) {
		err = dropRaw(device)
	}
	if err != nil {
		return fmt.Errorf("drop ingress of %s: %w", device, err)
	}
	return nil
}

// Accept undoes Drop; a device that is not dropped, or gone, is no error.
func Accept(device string) error {
	dropping, err := Dropped(device)
	if err != nil {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	if !dropping {
		// Nothing to delete; the answer tells whether the kernel has the family.
		conn.AddTable(table())
		if unsupported(conn.Flush()) {
			return acceptRaw(device)
		}
		return nil
	}
	conn.DelChain(chain(device))
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("accept ingress of %s: %w", device, err)
	}
	return nil
}

// unsupported says whether the kernel lacks the netdev family.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)
}

// Dropped says whether Drop is in effect for a device.
func Dropped(device string) (bool, error) {
	devices, err := list()
	return slices.Contains(devices, device), err
}

// Sweep removes the chains of devices that are gone.
func Sweep() error {
	devices, err := list()
	if err != nil {
		return err
	}
	for _, device := range devices {
		_, err := netlink.LinkByName(device)
		if !errors.As(err, &netlink.LinkNotFoundError{}) {
			continue
		}
		if err := Accept(device); err != nil {
			return err
		}
	}
	return nil
}

// list returns the devices that have a chain of ours.
func list() ([]string, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	var devices []string
	for _, c := range chains {
		if device, ours := strings.CutPrefix(c.Name, chainPrefix); ours && c.Table.Name == TableName {
			devices = append(devices, device)
		}
	}
	return devices, nil
}
