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

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// announceOutside tells the outside where the IPv6 addresses of OvnEips are when they get there, until ctx ends. OVN announces
// IPv4 addresses itself and no others, and hosts outside go on sending to the router that had an address before until their
// neighbour unreachability detection gives it up. One node of a network does it for all.
func (d *Daemon) announceOutside(ctx context.Context) {
	told, due := map[place]bool{}, map[place]int{} // due: how often yet
	ticker := time.NewTicker(advertiseEvery)
	defer ticker.Stop()
	d.moved.ring()
	for {
		// Many addresses that come at once are looked at together.
		pause := time.NewTimer(passInterval)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		var tick <-chan time.Time
		if len(due) > 0 {
			tick = ticker.C
		}
		var now []place
		select {
		case <-ctx.Done():
			return
		case <-d.moved:
			before := told
			told = d.outsidePlaces(ctx)
			maps.DeleteFunc(due, func(p place, _ int) bool { return !told[p] })
			for p := range told {
				if !before[p] {
					now, due[p] = append(now, p), advertisements
				}
			}
		case <-tick:
			now = slices.Collect(maps.Keys(due))
		}
		advertise(ctx, now)
		for _, p := range now {
			if due[p]--; due[p] == 0 {
				delete(due, p)
			}
		}
	}
}

// outsidePlaces are those that this node has to tell.
func (d *Daemon) outsidePlaces(ctx context.Context) map[place]bool {
	log := klog.FromContext(ctx)
	bridges, err := d.announced()
	if err != nil {
		log.Error(err, "No address outside is announced")
	}
	if len(bridges) == 0 {
		return nil
	}
	eips, err := d.watches.eips.Lister().List(labels.Everything())
	if err != nil {
		log.Error(err, "No address outside is announced")
	}
	places := map[place]bool{}
	for _, eip := range eips {
		if eip.Status.OutsideMac == "" {
			continue
		}
		if p, err := d.placeOf(eip, bridges); err != nil {
			log.Error(err, "An address outside is not announced", "eip", eip.Name)
		} else if p.bridge != "" {
			places[p] = true
		}
	}
	return places
}

// announced are the networks for which this node tells, with their bridges: those of which it is the first of the nodes that
// are connected.
func (d *Daemon) announced() (map[string]string, error) {
	bridges := map[string]string{}
	for _, p := range d.state.Load().Providers {
		if p.Gateway || p.Bridge == "" {
			continue
		}
		network, err := d.watches.providers.Lister().Get(p.Name) // newer than the pass
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("get provider network %s: %w", p.Name, err)
		case len(network.Status.ReadyNodes) > 0 && slices.Min(network.Status.ReadyNodes) == d.cfg.NodeName:
			bridges[p.Name] = p.Bridge
		}
	}
	return bridges, nil
}

// placeOf says where the outside finds the IPv6 address of an OvnEip; on no bridge when that is not for this node to tell.
func (d *Daemon) placeOf(eip *kubeovnv1.OvnEip, bridges map[string]string) (place, error) {
	subnet, err := d.watches.subnets.Lister().Get(eip.Spec.ExternalSubnet)
	if err != nil {
		return place{}, fmt.Errorf("subnet of ovn eip %s: %w", eip.Name, err)
	}
	vlan, err := d.watches.vlans.Lister().Get(util.Effective(subnet).Spec.Vlan)
	if err != nil {
		return place{}, fmt.Errorf("vlan of subnet %s: %w", subnet.Name, err)
	}
	addr, err := netip.ParseAddr(eip.Status.V6Ip)
	if err != nil {
		return place{}, fmt.Errorf("address of ovn eip %s: %w", eip.Name, err)
	}
	return place{bridge: bridges[vlan.Spec.Provider], vlan: vlan.Spec.ID, addr: addr, mac: eip.Status.OutsideMac}, nil
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
