package port

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// shapeEgress limits what leaves the pod by a token bucket on the pod's end. On the userspace datapath Open vSwitch takes
// frames before the kernel's ingress policing sees them, so that ingress_policing_rate alone does nothing (node.md 2.8).
func (v *veth) shapeEgress(q QoS) error {
	attrs := netlink.QdiscAttrs{LinkIndex: v.pod.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
	rate, burst := q.policing()
	if rate == 0 {
		err := v.ns.link.QdiscDel(&netlink.Tbf{QdiscAttrs: attrs})
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("remove the egress limit of %s: %w", v.pod.Attrs().Name, err)
		}
		return nil
	}
	bytesPerSecond := uint64(rate) * 1000 / 8
	// The bucket holds at least what the timer lets through in one tick and one frame, and at most what a queue of 50 ms adds:
	// a contract burst of 80 % of a second would let a short transfer pass unlimited.
	bucket := min(uint64(burst)*1000/8, max(bytesPerSecond/100, 2*uint64(v.pod.Attrs().MTU)))
	qdisc := &netlink.Tbf{
		QdiscAttrs: attrs,
		Rate:       bytesPerSecond,
		Buffer:     tbfBuffer(bytesPerSecond, bucket),
		Limit:      uint32(min(bytesPerSecond/20+bucket, 1<<31)), // 50 ms of queue
	}
	if err := v.ns.link.QdiscReplace(qdisc); err != nil {
		return fmt.Errorf("limit egress of %s to %d kbit/s: %w", v.pod.Attrs().Name, rate, err)
	}
	return nil
}

// tbfBuffer is a bucket's size in the kernel's unit, the ticks that it takes to fill it.
func tbfBuffer(bytesPerSecond, bucket uint64) uint32 {
	return uint32(min(float64(bucket)*float64(netlink.TIME_UNITS_PER_SEC)/float64(bytesPerSecond)*netlink.TickInUsec(), 1<<31))
}
