package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
)

// askEvery is how often a gateway that is silent is asked again: its router port may be bound in this very moment.
const askEvery = 200 * time.Millisecond

// connect gives a plugged interface its addresses and routes, after nobody else was found to have the addresses, tells the
// segment, and checks that the gateways answer. Waited is the time that the gateways took.
func (m *Manager) connect(ctx context.Context, s Spec, netns *netns) (waited time.Duration, err error) {
	pair, err := findVeth(s.ID, netns)
	if err != nil {
		return 0, err
	}
	w, err := openWire(pair)
	if err != nil {
		return 0, err
	}
	w.sysctl = m.cfg.SysctlDir
	if err := w.claim(ctx, s); err != nil {
		return 0, errors.Join(err, w.Close())
	}
	if err := setRoutes(ctx, pair, s); err != nil {
		return 0, errors.Join(err, w.Close())
	}
	start := time.Now()
	err = m.checkGateways(ctx, w, s)
	waited = time.Since(start)
	if err != nil {
		return waited, errors.Join(err, w.Close())
	}
	return waited, m.announceAgain(ctx, w, s)
}

// claim takes the addresses of both families at the same time.
func (w *wire) claim(ctx context.Context, s Spec) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, a := range s.Addresses {
		group.Go(func() error {
			if a.Addr().Is4() {
				return w.claimIPv4(ctx, a, s)
			}
			return w.claimIPv6(ctx, a, s)
		})
	}
	return group.Wait()
}

// wire is what talks on a pod's interface.
type wire struct {
	*veth
	arp    *announce.ARP
	nd     *announce.ND
	sysctl string // directory of the kernel's settings, as in Config
}

func openWire(pair *veth) (*wire, error) {
	w := &wire{veth: pair}
	err := pair.ns.Do(func(ns.NetNS) error {
		attrs := pair.pod.Attrs()
		ifi := &net.Interface{Index: attrs.Index, MTU: attrs.MTU, Name: attrs.Name, HardwareAddr: attrs.HardwareAddr}
		var err error
		if w.arp, err = announce.ListenARP(ifi); err != nil {
			return err
		}
		w.nd, err = announce.ListenND(ifi)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close ends the sockets that are open.
func (w *wire) Close() error {
	var errs []error
	if w.arp != nil {
		errs = append(errs, w.arp.Close())
	}
	if w.nd != nil {
		errs = append(errs, w.nd.Close())
	}
	return errors.Join(errs...)
}

// claimIPv4 probes for an address before it is used and announces it (RFC 5227).
func (w *wire) claimIPv4(ctx context.Context, a netip.Prefix, s Spec) error {
	if err := w.arp.Probe(ctx, a.Addr(), s.Conflict); err != nil {
		return err
	}
	if err := w.addAddress(a, false); err != nil {
		return err
	}
	return w.arp.Announce(a.Addr())
}

// claimIPv6 lets the kernel probe for an address (RFC 4862) and announces it. The kernel does not probe during a migration,
// and on a logical switch not when conflicts are not looked for: the switch knows no other owner.
func (w *wire) claimIPv6(ctx context.Context, a netip.Prefix, s Spec) error {
	probe := !s.Migrating && (s.Conflict.Probes > 0 || !s.FastDAD)
	if probe {
		restore := w.hastenDAD(ctx, s)
		defer restore()
	}
	if err := w.addAddress(a, !probe); err != nil {
		return err
	}
	if probe {
		if err := w.waitPreferred(ctx, a.Addr()); err != nil {
			return err
		}
	}
	return w.nd.Announce(a.Addr())
}

func (w *wire) announce(addr netip.Addr) error {
	if addr.Is4() {
		return w.arp.Announce(addr)
	}
	return w.nd.Announce(addr)
}

// setRoutes adds the routes of the interface. A default route must work; another one that the kernel refuses is only logged,
// for the pod is of use without it.
func setRoutes(ctx context.Context, pair *veth, s Spec) error {
	for _, r := range s.Routes {
		err := pair.addRoute(r, s.Addresses)
		if err == nil {
			continue
		}
		if r.Destination.Bits() == 0 {
			return err
		}
		klog.FromContext(ctx).Error(err, "Leaving out a route of the pod", "pod", klog.KRef(s.Namespace, s.Pod), "interface", s.IfName)
	}
	return nil
}

// checkGateways waits until every gateway has answered.
func (m *Manager) checkGateways(ctx context.Context, w *wire, s Spec) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.GatewayTimeout)
	defer cancel()
	// One after the other: they read from the same sockets, and nearly always answer at once.
	for _, g := range s.CheckGateways {
		if err := w.resolve(ctx, s.sourceFor(g), g); err != nil {
			return fmt.Errorf("gateway %s of subnet %s does not answer: %w", g, s.Subnet, err)
		}
	}
	return nil
}

func (w *wire) resolve(ctx context.Context, source, target netip.Addr) error {
	var err error
	if target.Is4() {
		_, err = w.arp.Resolve(ctx, source, target, askEvery)
	} else {
		_, err = w.nd.Resolve(ctx, source, target, askEvery)
	}
	return err
}

// sourceFor is the interface's own address in the family of target.
func (s Spec) sourceFor(target netip.Addr) netip.Addr {
	for _, a := range s.Addresses {
		if a.Addr().Is4() == target.Is4() {
			return a.Addr()
		}
	}
	return netip.Addr{}
}

// announceAgain repeats the announcements when the standard wants them, without keeping the pod waiting. It closes the wire.
func (m *Manager) announceAgain(ctx context.Context, w *wire, s Spec) error {
	if m.cfg.Background == nil || s.Conflict.Announcements < 2 {
		return w.Close()
	}
	log := klog.FromContext(ctx)
	go func() {
		ticker := time.NewTicker(s.Conflict.AnnounceInterval)
		defer ticker.Stop()
		defer w.Close()
		for range s.Conflict.Announcements - 1 {
			select {
			case <-m.cfg.Background.Done():
				return
			case <-ticker.C:
			}
			for _, a := range s.Addresses {
				// The pod may be gone already.
				if err := w.announce(a.Addr()); err != nil {
					log.V(3).Info("Did not announce again", "address", a.Addr(), "err", err)
				}
			}
		}
	}()
	return nil
}
