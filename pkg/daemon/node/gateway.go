package node

import (
	"fmt"
	"slices"

	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// gateway adds the external gateway of the default VPC (node.md 5) where this node is one: a bridge with a dedicated NIC. A
// provider network that has the NIC or the bridge's name owns the bridge; the gateway is only mapped to it then.
func (v *view) gateway(tunnel *Tunnel, providers []Provider, bridges []bridge.Spec) ([]Provider, []bridge.Spec) {
	config, name := v.in.Gateway, v.in.Config.GatewaySwitch
	if config == nil || name == "" || config[util.ExternalGatewayConfigEnable] == "false" || v.label(util.ExternalGWLabel) != "true" {
		return providers, bridges
	}
	if slices.ContainsFunc(providers, func(p Provider) bool { return p.Name == name && !p.Excluded }) {
		return providers, bridges
	}
	p := Provider{Name: name, NIC: config[util.ExternalGatewayConfigNIC], Gateway: true, MAC: v.networkMAC(name)}
	if i := slices.IndexFunc(providers, func(o Provider) bool { return o.NIC == p.NIC && o.Bridge != "" }); i >= 0 {
		p.Bridge, p.MTU = providers[i].Bridge, providers[i].MTU
		if theirs := v.in.Facts.Networks.foreign(name); theirs != "" && theirs != p.Bridge {
			p.Bridge, p.Refused = "", fmt.Sprintf("somebody else has mapped the network to bridge %s", theirs)
			return append(providers, p), bridges
		}
		// The tag of the gateway's port is known to the controller only: the NIC carries all VLANs.
		for k := range bridges {
			if bridges[k].Name == p.Bridge {
				bridges[k].Trunks = nil
			}
		}
		return append(providers, p), bridges
	}
	spec := bridge.Spec{
		Name: util.ProviderBridge(name), NIC: p.NIC, Userspace: v.in.Facts.Netdev, OtherConfig: v.otherConfig(), Dedicated: true,
	}
	if p.Refused = v.unfitGateway(p, spec, tunnel); p.Refused != "" {
		return append(providers, p), bridges
	}
	p.Bridge = spec.Name
	if l, ok := v.link(p.NIC); ok {
		p.MTU = l.MTU
	}
	return append(providers, p), append(bridges, spec)
}

// unfitGateway says why a NIC cannot be the external gateway's own, or "".
func (v *view) unfitGateway(p Provider, spec bridge.Spec, tunnel *Tunnel) string {
	if p.NIC == "" {
		return fmt.Sprintf("ConfigMap %s has no %s", util.ExternalGatewayConfig, util.ExternalGatewayConfigNIC)
	}
	if reason := v.unfit(p.Name, p.NIC, tunnel); reason != "" {
		return reason
	}
	if tunnel != nil && tunnel.NIC == p.NIC {
		return p.NIC + " is the tunnel NIC"
	}
	if theirs := v.in.Facts.Networks.foreign(p.Name); theirs != "" && theirs != spec.Name {
		return fmt.Sprintf("somebody else has mapped the network to bridge %s", theirs)
	}
	l, _ := v.link(p.NIC)
	if l.Bridge == spec.Name {
		return "" // whatever it has been given since
	}
	addresses := l.Addresses
	if l.Bridge != "" { // which gives them back
		b, _ := v.link(l.Bridge)
		addresses = append(slices.Clone(addresses), b.Addresses...)
	}
	for _, a := range addresses {
		if !a.Addr().IsLinkLocalUnicast() {
			return fmt.Sprintf("%s has addresses (%s), and the NIC of the external gateway must be dedicated; a ProviderNetwork moves addresses to its bridge", p.NIC, a.Addr())
		}
	}
	return ""
}
