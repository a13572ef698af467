package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// networkTimeout bounds the wait for vswitchd to open the NIC of one provider network.
const networkTimeout = 10 * time.Second

// gatherNetworks reads what decides about the networks outside of the cluster.
func (d *Daemon) gatherNetworks(in *node.Inputs) (err error) {
	if in.Providers, err = d.watches.providers.Lister().List(labels.Everything()); err != nil {
		return fmt.Errorf("list provider networks: %w", err)
	}
	if in.Vlans, err = d.watches.vlans.Lister().List(labels.Everything()); err != nil {
		return fmt.Errorf("list VLANs: %w", err)
	}
	vpc, err := d.watches.vpcs.Lister().Get(d.cfg.Node.ClusterRouter)
	switch {
	case err == nil:
		in.Gateway = gatewayOf(vpc)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("get vpc %s: %w", d.cfg.Node.ClusterRouter, err)
	}
	in.Facts.Networks = d.networkKeys()
	return nil
}

// gatewayOf is what the controller has put in effect for the external gateway of the default VPC; nil while a VPC that is
// connected does not say how.
func gatewayOf(vpc *kubeovnv1.Vpc) *util.ExternalGateway {
	settings, on := util.DecodeExternalGateway(vpc.Annotations)
	if !on && vpc.Spec.EnableExternal {
		return nil
	}
	return &settings
}

func (d *Daemon) networkKeys() node.Networks {
	o, _ := d.deps.VSwitch.Get(vswitchTable, vswitchRow)
	return node.NetworksOf(o.ExternalIDs)
}

// applyNetworks makes the bridges of provider networks and of the external gateway (node.md 4.2, 4.4, 5), and tells what came
// of it. One that fails stops no other.
func (d *Daemon) applyNetworks(ctx context.Context, in node.Inputs, s node.State) error {
	if !slices.ContainsFunc(in.Nodes, func(n *corev1.Node) bool { return n.Name == in.Name }) {
		return fmt.Errorf("node %s: the API server does not show it, its provider networks stay as they are", in.Name)
	}
	// ovn-controller lets go of a bridge before it goes.
	errs := []error{d.mapNetworks(ctx, s), d.removeBridges(ctx, s)}
	failed := map[string]string{}
	for _, spec := range s.Bridges {
		err := d.attachNetwork(ctx, spec)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		for _, p := range s.Providers {
			if p.Bridge == spec.Name {
				failed[p.Name] = err.Error()
			}
		}
	}
	for _, p := range s.Providers {
		if p.Refused != "" {
			failed[p.Name] = p.Refused
		}
	}
	errMap := d.mapNetworks(ctx, s)
	if ctx.Err() != nil {
		return errors.Join(append(errs, errMap)...) // an end of ours is no news
	}
	return errors.Join(append(errs, errMap, d.tellNetworks(ctx, s.Providers, failed))...)
}

// attachNetwork gives up sooner than the tunnel does: other parts of the next pass wait behind it.
func (d *Daemon) attachNetwork(ctx context.Context, spec bridge.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	spec.Protected = d.cfg.Protected
	return d.bridges.Attach(ctx, spec)
}

// mapNetworks tells ovn-controller which of the wanted networks are on which of the bridges that are there.
func (d *Daemon) mapNetworks(ctx context.Context, s node.State) error {
	bridges := d.bridges.Names()
	row := d.networkKeys().Row(s.Providers, func(name string) bool { return slices.Contains(bridges, name) })
	if _, err := d.deps.VSwitch.Apply(ctx, d.owner(ownerNets), []ovs.Row{row}); err != nil {
		return fmt.Errorf("map provider networks to bridges: %w", err)
	}
	return nil
}

// removeBridges gives back the NICs of bridges that are not wanted, also what an interrupted set-up or removal has left.
func (d *Daemon) removeBridges(ctx context.Context, s node.State) error {
	wanted := []string{util.TunnelBridge}
	var exchanged, devices []string
	for _, spec := range s.Bridges {
		wanted = append(wanted, spec.Name)
		devices = append(devices, spec.NIC, spec.Name)
		if spec.Exchange {
			exchanged = append(exchanged, spec.NIC)
		}
	}
	var errs []error
	for _, name := range d.bridges.Names() {
		if !slices.Contains(wanted, name) {
			errs = append(errs, d.bridges.Remove(ctx, name))
		}
	}
	return errors.Join(append(errs, d.bridges.RestoreNames(ctx, exchanged), d.bridges.RemoveVLANs(devices))...)
}
