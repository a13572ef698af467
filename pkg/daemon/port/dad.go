package port

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

const (
	// preferTimeout bounds the kernel's duplicate address detection: 1 s of random delay and 1 s for the answer, with room.
	preferTimeout = 5 * time.Second
	// witnessWait is how long after a failed detection the other host's frame is still looked for.
	witnessWait = 50 * time.Millisecond
)

// hastenDAD makes the kernel probe with the timing of a logical switch, where the answer comes from this node's flows, and
// returns what puts its constants back. Where the constants cannot be written the kernel's own are kept.
func (w *wire) hastenDAD(ctx context.Context, s Spec) (restore func()) {
	if !s.FastDAD {
		return func() {}
	}
	wait := max(s.Conflict.ProbeMax, s.Conflict.AnnounceWait)
	base, name := filepath.Join(w.sysctl, "ipv6"), w.pod.Attrs().Name
	values := []struct{ path, value string }{
		{filepath.Join(base, "conf", name, "router_solicitation_delay"), "0"},
		{filepath.Join(base, "conf", name, "dad_transmits"), strconv.Itoa(s.Conflict.Probes)},
		{filepath.Join(base, "neigh", name, "retrans_time_ms"), strconv.FormatInt(wait.Milliseconds(), 10)},
	}
	old := map[string]string{}
	err := w.ns.Do(func(ns.NetNS) error {
		for _, v := range values {
			before, err := os.ReadFile(v.path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(v.path, []byte(v.value), 0o644); err != nil {
				return err
			}
			old[v.path] = strings.TrimSpace(string(before))
		}
		return nil
	})
	log := klog.FromContext(ctx)
	if err != nil {
		log.V(3).Info("Duplicate address detection keeps the kernel's timing", "err", err)
	}
	return func() {
		err := w.ns.Do(func(ns.NetNS) error {
			for path, value := range old {
				if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			log.Error(err, "Did not restore the timing of duplicate address detection")
		}
	}
}

// waitPreferred waits for the end of the kernel's duplicate address detection.
func (w *wire) waitPreferred(ctx context.Context, addr netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, preferTimeout)
	defer cancel()
	updates, done := make(chan netlink.AddrUpdate, 16), make(chan struct{})
	defer close(done)
	handle := vns.NsHandle(w.ns.Fd())
	options := netlink.AddrSubscribeOptions{Namespace: &handle, ListExisting: true}
	if err := netlink.AddrSubscribeWithOptions(updates, done, options); err != nil {
		return fmt.Errorf("watch the pod's addresses: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("duplicate address detection of %s does not end: %w", addr, ctx.Err())
		case u, ok := <-updates:
			if !ok {
				return fmt.Errorf("the watch of the pod's addresses ended while waiting for %s", addr)
			}
			got, _ := netip.AddrFromSlice(u.LinkAddress.IP)
			if !u.NewAddr || got.Unmap() != addr || u.LinkIndex != w.pod.Attrs().Index {
				continue
			}
			if u.Flags&unix.IFA_F_DADFAILED != 0 {
				return w.nd.Witness(ctx, addr, witnessWait)
			}
			if u.Flags&unix.IFA_F_TENTATIVE == 0 {
				return nil
			}
		}
	}
}
