package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/announce"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// How often a move is told (RFC 4861 section 10: MAX_NEIGHBOR_ADVERTISEMENT, RETRANS_TIMER).
const (
	advertisements = 3
	advertiseEvery = time.Second
)

// place is where the outside finds an IPv6 address.
type place struct {
	bridge string
	vlan   int
	addr   netip.Addr
	mac    string
}

// repeat is an advertisement that is still to come.
type repeat struct {
	left int // with the ones after it
	at   time.Time
}

// announceOutside tells the outside where the IPv6 addresses of OvnEips are when they get there, until ctx ends. OVN announces
// IPv4 addresses itself and no others, and hosts outside go on sending to the router that had an address before until their
// neighbour unreachability detection gives it up. One node of a network does it for all.
func (d *Daemon) announceOutside(ctx context.Context) {
	told, due := map[place]bool{}, map[place]repeat{}
	d.moved.ring()
	for {
		var next <-chan time.Time
		if len(due) > 0 {
			first := slices.MinFunc(slices.Collect(maps.Values(due)), func(a, b repeat) int { return a.at.Compare(b.at) })
			next = time.After(time.Until(first.at))
		}
		select {
		case <-ctx.Done():
			return
		case <-d.moved:
			before := told
			told = d.outsidePlaces()
			maps.DeleteFunc(due, func(p place, _ repeat) bool { return !told[p] })
			for p := range told {
				if !before[p] {
					due[p] = repeat{left: advertisements}
				}
			}
		case <-next:
		}
		var now []place
		for p, r := range due {
			if time.Until(r.at) > 0 {
				continue
			}
			now = append(now, p)
			if due[p] = (repeat{r.left - 1, time.Now().Add(advertiseEvery)}); r.left == 1 {
				delete(due, p)
			}
		}
		advertise(ctx, now)
		// Many addresses that come at once are looked at together.
		pause := time.NewTimer(passInterval)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// outsidePlaces are those that this node has to tell. What they depend on and is not there yet rings the bell when it comes;
// caches know no other error.
func (d *Daemon) outsidePlaces() map[place]bool {
	bridges := d.announced()
	if len(bridges) == 0 {
		return nil
	}
	eips, _ := d.watches.eips.Lister().List(labels.Everything())
	places := map[place]bool{}
	for _, eip := range eips {
		if p, ok := d.placeOf(eip, bridges); ok {
			places[p] = true
		}
	}
	return places
}

// announced are the networks for which this node tells, with their bridges: those of which it is the first of the nodes that
// are connected.
func (d *Daemon) announced() map[string]string {
	bridges := map[string]string{}
	for _, p := range d.state.Load().Providers {
		network, err := d.watches.providers.Lister().Get(p.Name) // newer than the pass
		if err != nil || p.Gateway || p.Bridge == "" || len(network.Status.ReadyNodes) == 0 {
			continue
		}
		if slices.Min(network.Status.ReadyNodes) == d.cfg.NodeName {
			bridges[p.Name] = p.Bridge
		}
	}
	return bridges
}

// placeOf says where the outside finds the IPv6 address of an OvnEip, and whether this node has to tell it.
func (d *Daemon) placeOf(eip *kubeovnv1.OvnEip, bridges map[string]string) (place, bool) {
	subnet, err := d.watches.subnets.Lister().Get(eip.Spec.ExternalSubnet)
	if err != nil {
		return place{}, false
	}
	vlan, err := d.watches.vlans.Lister().Get(util.Effective(subnet).Spec.Vlan)
	if err != nil {
		return place{}, false
	}
	addr, err := netip.ParseAddr(eip.Status.V6Ip)
	bridge := bridges[vlan.Spec.Provider]
	return place{bridge, vlan.Spec.ID, addr, eip.Status.OutsideMac}, err == nil && bridge != "" && eip.Status.OutsideMac != ""
}

// advertise tells places, those of one bridge over one socket.
func advertise(ctx context.Context, places []place) {
	byBridge := map[string][]place{}
	for _, p := range places {
		byBridge[p.bridge] = append(byBridge[p.bridge], p)
	}
	for bridge, places := range byBridge {
		if err := advertiseOn(bridge, places); err != nil {
			klog.FromContext(ctx).Error(err, "Addresses outside were not announced", "bridge", bridge, "addresses", len(places))
		} else {
			klog.FromContext(ctx).V(2).Info("Announced addresses outside", "bridge", bridge, "addresses", len(places))
		}
	}
}

func advertiseOn(bridge string, places []place) error {
	ifi, err := net.InterfaceByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	proxy, err := announce.ListenProxy(ifi)
	if err != nil {
		return err
	}
	defer proxy.Close()
	var errs []error
	for _, p := range places {
		mac, err := net.ParseMAC(p.mac)
		if err == nil {
			err = proxy.Announce(p.vlan, p.addr, mac)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
