package ingress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coreos/go-iptables/iptables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The fallback for kernels without the netdev family: IP packets are dropped before connection tracking, and what comes below
// IP is switched off at the device.

func rawRule(device string) []string { return []string{"-i", device, "-j", "DROP"} }

func dropRaw(device string) error {
	err := eachFamily(func(t *iptables.IPTables) error { return t.AppendUnique("raw", "PREROUTING", rawRule(device)...) })
	return errors.Join(err, quiet(device, true))
}

func acceptRaw(device string) error {
	err := eachFamily(func(t *iptables.IPTables) error { return t.DeleteIfExists("raw", "PREROUTING", rawRule(device)...) })
	if _, gone := netlink.LinkByName(device); gone != nil {
		return err
	}
	return errors.Join(err, quiet(device, false))
}

// quiet switches ARP and IPv6 of a device off or on again. A kernel without IPv6 has nothing to switch.
func quiet(device string, off bool) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	set, value := netlink.LinkSetARPOn, "0"
	if off {
		set, value = netlink.LinkSetARPOff, "1"
	}
	if err := set(link); err != nil {
		return fmt.Errorf("ARP of %s: %w", device, err)
	}
	// Only what the host itself would send; the rule drops what it receives. In a container the file may be read-only.
	file := filepath.Join("/proc/sys/net/ipv6/conf", device, "disable_ipv6")
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("IPv6 of %s: %w", device, err)
	}
	return nil
}

func eachFamily(do func(*iptables.IPTables) error) error {
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
