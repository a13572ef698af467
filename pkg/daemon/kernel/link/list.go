package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// listTries bounds how often a list is read that changes all the time, as when many pods start.
const listTries = 10

// All lists the devices of the network namespace. A list that changed while it was read may lack some: it is read again.
func All() ([]netlink.Link, error) {
	for try := 1; ; try++ {
		all, err := netlink.LinkList()
		if err == nil {
			return all, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) || try == listTries {
			return nil, fmt.Errorf("list devices: %w", err)
		}
	}
}
