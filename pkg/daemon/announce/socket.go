package announce

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/mdlayher/packet"
)

// maxFrame is more than any ARP or neighbour discovery message; longer frames are of no interest.
const maxFrame = 2048

// readUntil hands frames to match until it accepts one (true), the time has come (false), or ctx ends (an error).
func readUntil(ctx context.Context, conn *packet.Conn, until time.Time, match func([]byte, net.HardwareAddr) bool) (bool, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.SetReadDeadline(until); err != nil {
		return false, err
	}
	// After the deadline is set, so that an end of ctx just before is not overwritten unseen.
	if err := ctx.Err(); err != nil {
		return false, err
	}
	buf := make([]byte, maxFrame)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, ctx.Err()
		}
		if err != nil {
			return false, err
		}
		source, ok := from.(*packet.Addr)
		if ok && match(buf[:n], source.HardwareAddr) {
			return true, nil
		}
	}
}
