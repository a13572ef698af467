package node

import (
	"fmt"
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// gateway adds the external gateway of the default VPC (node.md 5) where this node is one: a bridge with a dedicated NIC. A
// provider network that has the NIC or the bridge's name owns the bridge; the gateway is only mapped to it then. Only the
// label and a gateway that is switched off end what works: the NIC in the bridge stays there until another one is fit.
func (v *view) gateway(tunnel *Tunnel, providers []Provider, bridges []bridge.Spec) ([]Provider, []bridge.Spec) {
	settings, name := v.in.Gateway, v.in.Config.GatewaySwitch
	if name == "" || settings != nil && !settings.Enabled || v.label(util.ExternalGWLabel) != "true" {
		return providers, bridges
	}
	if slices.ContainsFunc(providers, func(p Provider) bool { return p.Name == name && !p.Excluded }) {
		return providers, bridges
	}
	attached := v.nicIn(util.ProviderBridge(name))
	wanted := attached
	switch {
	case settings != nil:
		wanted = settings.NIC
	case attached == "":
		return providers, bridges // what is wanted will be known in a moment
	}
	p := v.gatewayOn(wanted, tunnel, providers)
	if p.Refused != "" && attached != "" {
		if kept := v.gatewayOn(attached, tunnel, providers); kept.Refused == "" {
			kept.Refused = fmt.Sprintf("%s; %s stays in bridge %s", p.Refused, attached, kept.Bridge)
			p = kept
		}
	}
	providers = append(providers, p)
	if p.Bridge == "" {
		return providers, bridges
	}
	for k := range bridges {
		if bridges[k].Name == p.Bridge {
			// The tag of the gateway's port is known to the controller only: the NIC carries all VLANs.
			bridges[k].Trunks = nil
			return providers, bridges
		}
	}
	return providers, append(bridges, bridge.Spec{
		Name: p.Bridge, NIC: p.NIC, Userspace: v.in.Facts.Netdev, OtherConfig: v.otherConfig(), Dedicated: true,
	})
}

// nicIn is the NIC in a bridge of ours, or "".
func (v *view) nicIn(bridge string) string {
	for _, l := range v.in.Facts.Links {
		if l.Bridge == bridge {
			return l.Name
		}
	}
	return ""
}

// gatewayOn is the gateway with a NIC: on its provider network's bridge or on one of its own, or refused.
func (v *view) gatewayOn(nic string, tunnel *Tunnel, providers []Provider) Provider {
	name := v.in.Config.GatewaySwitch
	p := Provider{Name: name, NIC: nic, Gateway: true, MAC: v.networkMAC(name)}
	bridgeName := util.ProviderBridge(name)
	if i := slices.IndexFunc(providers, func(o Provider) bool { return o.NIC == nic && o.Bridge != "" }); i >= 0 {
		bridgeName = providers[i].Bridge
	} else {
		p.Refused = v.unfitGateway(nic, tunnel)
	}
	if theirs := v.in.Facts.Networks.foreign(name); p.Refused == "" && theirs != "" && theirs != bridgeName {
		p.Refused = fmt.Sprintf("somebody else has mapped the network to bridge %s", theirs)
	}
	if p.Refused != "" {
		return p
	}
	p.Bridge = bridgeName
	if l, ok := v.link(nic); ok {
		p.MTU = l.MTU
	}
	return p
}

// unfitGateway says why a NIC cannot be the external gateway's own, or "".
func (v *view) unfitGateway(nic string, tunnel *Tunnel) string {
	name := v.in.Config.GatewaySwitch
	if nic == "" {
		return fmt.Sprintf("ConfigMap %s has no %s", util.ExternalGatewayConfig, util.ExternalGatewayConfigNIC)
	}
	if reason := v.unfit(name, nic, tunnel); reason != "" {
		return reason
	}
	if tunnel != nil && tunnel.NIC == nic {
		return nic + " is the tunnel NIC"
	}
	l, ok := v.link(nic)
	if !ok {
		return "this node has no NIC " + nic
	}
	if l.Bridge == util.ProviderBridge(name) {
		return "" // whatever it has been given since
	}
	addresses := l.Addresses
	if l.Bridge != "" { // which gives them back
		b, _ := v.link(l.Bridge)
		addresses = append(slices.Clone(addresses), b.Addresses...)
	}
	for _, a := range addresses {
		if !a.Addr().IsLinkLocalUnicast() {
			return fmt.Sprintf("%s has addresses (%s), and the NIC of the external gateway must be dedicated; a ProviderNetwork moves addresses to its bridge", nic, a.Addr())
		}
	}
	return ""
}
