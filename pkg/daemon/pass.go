package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/ipset"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/iptables"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/link"
	"github.com/kubeovn/kube-ovn/pkg/daemon/kernel/route"
	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// openTimeout bounds the wait for vswitchd to open ovn0.
const openTimeout = 10 * time.Second

// gather reads caches and kernel into the inputs of one decision.
func (d *Daemon) gather() (node.Inputs, error) {
	in := node.Inputs{Name: d.cfg.NodeName, Config: d.cfg.Node}
	nodes, err := d.watches.nodes.Lister().List(labels.Everything())
	if err != nil {
		return in, fmt.Errorf("list nodes: %w", err)
	}
	subnets, err := d.watches.subnets.Lister().List(labels.Everything())
	if err != nil {
		return in, fmt.Errorf("list subnets: %w", err)
	}
	in.Nodes, in.Subnets = nodes, subnets
	if err := d.gatherNetworks(&in); err != nil {
		return in, err
	}
	if in.ServiceCIDRs, err = d.serviceCIDRs(); err != nil {
		return in, err
	}
	in.Facts.Netdev = d.userspace
	in.Facts.RandomFully = d.deps.IPTables.RandomFully()
	if in.Facts.KubeSets, err = (ipset.Driver{}).Names(); err != nil {
		return in, err
	}
	in.Facts.Links, err = links(d.bridges)
	return in, err
}

// serviceCIDRs are those of the ServiceCIDR objects, or of the flag where there are none.
func (d *Daemon) serviceCIDRs() ([]netip.Prefix, error) {
	if d.watches.services == nil {
		return d.cfg.ServiceCIDRs, nil
	}
	list, err := d.watches.services.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list ServiceCIDRs: %w", err)
	}
	var out []netip.Prefix
	for _, s := range list {
		for _, text := range s.Spec.CIDRs {
			if p, err := netip.ParsePrefix(text); err == nil {
				out = append(out, p.Masked())
			}
		}
	}
	if len(out) == 0 {
		return d.cfg.ServiceCIDRs, nil
	}
	return out, nil
}

// pass makes everything agree once. One part that fails does not stop the others.
func (d *Daemon) pass(ctx context.Context) error {
	in, err := d.gather()
	if err != nil {
		return err
	}
	s := node.Desired(in)
	d.tell(ctx, &s)
	errs := []error{d.publishChassis(ctx, in), d.applyTunnel(ctx, s), d.applyMirror(ctx)}
	if d.cfg.NonPrimary {
		return errors.Join(append(errs, d.applyJoin(ctx, s.Join), d.removeRules(ctx), d.applyNetworks(ctx, in, s))...)
	}
	sets, errRules := ipset.Driver{}, error(nil)
	errSets := sets.Ensure(s.Sets)
	if errSets == nil {
		for _, r := range s.Rulesets {
			errRules = errors.Join(errRules, d.deps.IPTables.Sync(ctx, r))
		}
	}
	errs = append(errs, errSets, errRules, d.applyJoin(ctx, s.Join))
	if errSets == nil && errRules == nil {
		errs = append(errs, sets.Prune(ctx, s.Sets))
	}
	// Last, because it may wait for vswitchd to open a NIC.
	return errors.Join(append(errs, d.applyNetworks(ctx, in, s))...)
}

// tell keeps the state for the other loops and logs its problems when they are new.
func (d *Daemon) tell(ctx context.Context, s *node.State) {
	old := d.state.Swap(s)
	if old != nil && slices.Equal(old.Problems, s.Problems) {
		return
	}
	for _, p := range s.Problems {
		klog.FromContext(ctx).Info("An input was left out", "problem", p)
	}
}

// publishChassis tells the controller under which name ovn-controller registers this node.
func (d *Daemon) publishChassis(ctx context.Context, in node.Inputs) error {
	o, _ := d.deps.VSwitch.Get(vswitchTable, vswitchRow)
	id := o.ExternalIDs[util.OvsSystemID]
	if id == "" {
		return errors.New("the vswitch database has no system-id")
	}
	for _, n := range in.Nodes {
		if n.Name == in.Name && n.Annotations[util.ChassisAnnotation] == id {
			return nil
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{util.ChassisAnnotation: id}}})
	if err != nil {
		return fmt.Errorf("chassis annotation: %w", err)
	}
	if _, err := d.deps.Kube.CoreV1().Nodes().Patch(ctx, in.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("annotate node %s with its chassis: %w", in.Name, err)
	}
	return nil
}

// applyTunnel puts the tunnel NIC in its place and tells ovn-controller.
func (d *Daemon) applyTunnel(ctx context.Context, s node.State) error {
	t := s.Tunnel
	if t == nil {
		return fmt.Errorf("node %s: %s", d.cfg.NodeName, strings.Join(s.Problems, "; "))
	}
	if t.Bridge != "" {
		spec := bridge.Spec{Name: t.Bridge, NIC: t.NIC, Userspace: d.userspace, Protected: d.cfg.Protected}
		if err := d.bridges.Attach(ctx, spec); err != nil {
			return err
		}
	}
	if _, err := d.deps.VSwitch.Apply(ctx, d.owner(ownerNode), []ovs.Row{t.Settings}); err != nil {
		return fmt.Errorf("write tunnel settings: %w", err)
	}
	d.once.Do(func() { d.tunnelled <- t.PodMTU })
	return d.tunnelChecksums()
}

// tunnelChecksums leaves the checksum of the outer packet to software: NICs get that of tunnels wrong (node.md 1.2 step 9).
// The userspace datapath has no tunnel devices.
func (d *Daemon) tunnelChecksums() error {
	devices := []string{util.GeneveDevice}
	if d.cfg.SetVxlanTxOff {
		devices = append(devices, util.VxlanDevice)
	}
	for _, name := range devices {
		if _, err := netlink.LinkByName(name); err != nil {
			continue
		}
		if err := link.DisableOffloads(name, link.TxChecksum); err != nil {
			return err
		}
	}
	return nil
}

// applyJoin makes ovn0 and its routes. Nothing is known before the controller has given the node its address, and what is
// there stays.
func (d *Daemon) applyJoin(ctx context.Context, j *node.Join) error {
	if j == nil {
		return nil
	}
	if _, err := d.deps.VSwitch.Apply(ctx, d.owner(ownerJoin), []ovs.Row{j.Port}); err != nil {
		return fmt.Errorf("port %s: %w", j.Port.Name, err)
	}
	if err := d.awaitOpen(ctx, j.Port.Name); err != nil {
		return err
	}
	if err := (link.Driver{}).Sync(j.Device); err != nil {
		return err
	}
	return (route.Driver{}).Sync(j.Routes)
}

// awaitOpen waits until vswitchd has made a device.
func (d *Daemon) awaitOpen(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := d.deps.VSwitch.WaitFor(ctx, "Interface", name, opened); err != nil {
		o, _ := d.deps.VSwitch.Get("Interface", name)
		return fmt.Errorf("vswitchd has not opened %s (error %v): %w", name, o.Columns["error"], err)
	}
	return nil
}

// opened says whether vswitchd has a device for an interface.
func opened(o ovs.Observation) bool {
	n, ok := o.Columns["ofport"].(int)
	return ok && n > 0
}

// removeRules takes away what an earlier daemon in primary mode left.
func (d *Daemon) removeRules(ctx context.Context) error {
	for _, family := range []iptables.Family{iptables.IPv4, iptables.IPv6} {
		if err := d.deps.IPTables.Sync(ctx, iptables.Ruleset{Family: family}); err != nil {
			return err
		}
	}
	return (ipset.Driver{}).Prune(ctx, nil)
}

func (d *Daemon) owner(kind string) ovs.Owner { return ovs.Owner{Kind: kind, Key: d.cfg.NodeName} }
