package link

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offload is one ethtool "set" command that takes a single value (linux/ethtool.h).
type Offload uint32

// The offloads that break frames on their way through the userspace datapath (node.md 11 R5).
const (
	TxChecksum Offload = 0x17 // ETHTOOL_STXCSUM
	TSO        Offload = 0x1f // ETHTOOL_STSO
	GSO        Offload = 0x24 // ETHTOOL_SGSO
	GRO        Offload = 0x2c // ETHTOOL_SGRO
	LRO        Offload = 0x26 // ETHTOOL_SFLAGS, of which we clear the LRO bit
)

const (
	getFlags = 0x25    // ETHTOOL_GFLAGS
	flagLRO  = 1 << 15 // ETH_FLAG_LRO
)

// ethtoolValue is struct ethtool_value.
type ethtoolValue struct{ cmd, data uint32 }

// ifreq is struct ifreq with the pointer form of its union.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data *ethtoolValue
	_    [16]byte
}

// DisableOffloads switches offloads of a device of the current network namespace off. Those the device does not have are
// skipped. Errors: no such device, missing privilege.
func DisableOffloads(device string, offloads ...Offload) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	for _, o := range offloads {
		if err := disable(fd, device, o); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("disable offload %#x of %s: %w", uint32(o), device, err)
		}
	}
	return nil
}

func disable(fd int, device string, o Offload) error {
	value := ethtoolValue{cmd: uint32(o)}
	if o == LRO {
		flags := ethtoolValue{cmd: getFlags}
		if err := ethtool(fd, device, &flags); err != nil {
			return err
		}
		value.data = flags.data &^ flagLRO
	}
	return ethtool(fd, device, &value)
}

func ethtool(fd int, device string, value *ethtoolValue) error {
	req := ifreq{data: value}
	if len(device) >= len(req.name) {
		return unix.ENODEV
	}
	copy(req.name[:], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}
