package controller

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// globalName is the queue and the owner's kind of the settings of the whole database; its one key is the same.
const globalName = "global"

// Timing of BFD between gateway chassis (ovn-nb(5), NB_Global options): milliseconds between two packets, and packets whose
// loss means that a chassis is dead.
const (
	chassisBFDInterval   = "300"
	chassisBFDMultiplier = "4"
)

// global keeps the options of NB_Global. Its row is shared with others and cannot carry an owner, so drift is found by
// observing it.
func (p *process) global() *reconcile.Loop {
	loop := reconcile.New(globalName, 1, func(ctx context.Context, key string) error {
		if key != globalName {
			return nil
		}
		if _, err := p.nb.Apply(ctx, ovs.Owner{Kind: globalName, Key: key}, []ovs.Row{p.globalOptions()}); err != nil {
			return fmt.Errorf("apply options of NB_Global: %w", err)
		}
		return nil
	})
	p.nb.OnDrift(globalName, loop.Add)
	loop.Add(globalName)
	return loop
}

// globalOptions are those of northbound.md 2.2 and the version that wrote them; an empty value removes the key.
func (c *Config) globalOptions() ovs.NBGlobal {
	return ovs.NBGlobal{ExternalIDs: map[string]string{util.VersionID: util.Version}, Options: map[string]string{
		"ls_dnat_mod_dl_dst":       strconv.FormatBool(c.DNATModDLDst),
		"use_ct_inv_match":         "false",
		"ls_ct_skip_dst_lport_ips": strconv.FormatBool(c.SkipCTLocalPorts),
		"node_local_dns_ip":        strings.Join(c.NodeLocalDNSIPs, ","),
		"skip_conntrack_dst_cidrs": c.SkipConntrackDstCIDRs,
		// Gateway nodes watch each other by BFD over the tunnels. OVN's defaults find a dead one after 5 s.
		"bfd-min-rx": chassisBFDInterval,
		"bfd-min-tx": chassisBFDInterval,
		"bfd-mult":   chassisBFDMultiplier,
	}}
}
