package port

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value of linux/ethtool.h.
type ethtoolValue struct {
	cmd  uint32
	data uint32
}

// ifreqData is struct ifreq of linux/if.h with a pointer in its union.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(unsafe.Pointer(nil))]byte
}

// disableOffloads switches off checksum and segmentation offloads of an interface in the calling thread's namespace.
func disableOffloads(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	// Segmentation first: it depends on checksums. A driver without a feature has nothing to switch off.
	for _, cmd := range []uint32{
		unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO, unix.ETHTOOL_STXCSUM,
	} {
		err := ethtoolSet(fd, name, cmd, 0)
		optional := cmd != unix.ETHTOOL_STXCSUM && errors.Is(err, unix.EOPNOTSUPP)
		if err != nil && !optional {
			return fmt.Errorf("switch off offloads of %s (ethtool command %#x): %w", name, cmd, err)
		}
	}
	return nil
}

func ethtoolSet(fd int, name string, cmd, value uint32) error {
	arg := ethtoolValue{cmd: cmd, data: value}
	req := ifreqData{data: unsafe.Pointer(&arg)}
	if copy(req.name[:len(req.name)-1], name) != len(name) {
		return unix.ENAMETOOLONG
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(&arg)
	if errno != 0 {
		return errno
	}
	return nil
}
