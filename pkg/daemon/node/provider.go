package node

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/daemon/bridge"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Provider is what a network outside of the cluster is on this node (node.md 4.1). Either it is excluded, or it is refused, or
// it has a bridge. The external gateway keeps the bridge it had when the NIC that it is to have is refused.
type Provider struct {
	Name     string
	Excluded bool
	Refused  string // why this node cannot have it as it is wanted
	NIC      string // by the name that users know
	Bridge   string // maybe that of another network with the same NIC
	MTU      int    // of the NIC, bytes; 0: the NIC is not there yet
	VLANs    bool   // VLAN devices of the NIC are ports of the bridge
	MAC      net.HardwareAddr
	Gateway  bool // the external gateway of the default VPC; there is no object of that name
	Object   *kubeovnv1.ProviderNetwork
}

// String prints the network for tests and people.
func (p Provider) String() string {
	what := "provider " + p.Name
	if p.Gateway {
		what = "external gateway " + p.Name
	}
	switch {
	case p.Excluded:
		return what + " excluded\n"
	case p.Refused != "" && p.Bridge == "":
		return fmt.Sprintf("%s nic %s refused: %s\n", what, p.NIC, p.Refused)
	case p.Refused != "":
		what += " kept: " + p.Refused + ":"
	}
	return fmt.Sprintf("%s nic %s bridge %s mtu %d vlan_interfaces %t mac %s\n", what, p.NIC, p.Bridge, p.MTU, p.VLANs, p.MAC)
}

func bridgeText(s bridge.Spec) string {
	out := fmt.Sprintf("bridge %s nic %s netdev %t trunks %v other_config %v", s.Name, s.NIC, s.Userspace, s.Trunks, s.OtherConfig)
	for _, f := range []struct {
		set  bool
		text string
	}{{s.Exchange, " exchanged"}, {s.Dedicated, " dedicated"}, {s.CreateVLAN != "", " create for " + s.CreateVLAN}} {
		if f.set {
			out += f.text
		}
	}
	for _, v := range s.VLANs {
		out += fmt.Sprintf(" vlan %s tag %d of %s", v.Name, v.Tag, v.Device)
	}
	return out + "\n"
}

// uplink is a NIC with the networks that want it, older ones first.
type uplink struct {
	nic      string
	networks []*kubeovnv1.ProviderNetwork
}

// providers decides the networks of this node and the bridges that they need. Networks that name one NIC share a bridge: that
// of the network which has the NIC already, else that of the oldest one.
func (v *view) providers(tunnel *Tunnel) ([]Provider, []bridge.Spec) {
	var out []Provider
	var uplinks []uplink
	for _, pn := range v.providerNetworks() {
		p := Provider{Name: pn.Name, NIC: v.nicOf(pn), Object: pn, MAC: v.networkMAC(pn.Name)}
		takesPart, err := v.takesPart(pn)
		switch {
		case err != nil:
			p.Refused = err.Error()
		case !takesPart:
			p.Excluded = true
		default:
			p.Refused = v.unfit(p.Name, p.NIC, tunnel)
		}
		out = append(out, p)
		if p.Excluded || p.Refused != "" {
			continue
		}
		i := slices.IndexFunc(uplinks, func(u uplink) bool { return u.nic == p.NIC })
		if i < 0 {
			uplinks, i = append(uplinks, uplink{nic: p.NIC}), len(uplinks)
		}
		uplinks[i].networks = append(uplinks[i].networks, pn)
	}
	var bridges []bridge.Spec
	for _, u := range uplinks {
		bridges = append(bridges, v.bridgeOf(u, uplinks))
	}
	for i := range out {
		v.place(&out[i], uplinks, bridges)
	}
	// Only those that are wanted after all.
	bridges = slices.DeleteFunc(bridges, func(s bridge.Spec) bool {
		return !slices.ContainsFunc(out, func(p Provider) bool { return p.Bridge == s.Name })
	})
	slices.SortFunc(out, func(a, b Provider) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(bridges, func(a, b bridge.Spec) int { return cmp.Compare(a.Name, b.Name) })
	return v.gateway(tunnel, out, bridges)
}

// providerNetworks are those that are there to stay, oldest first: the removal of one waits for its VLANs, which have traffic
// until they go.
func (v *view) providerNetworks() []*kubeovnv1.ProviderNetwork {
	out := slices.DeleteFunc(slices.Clone(v.in.Providers), func(pn *kubeovnv1.ProviderNetwork) bool {
		return pn.DeletionTimestamp != nil && len(pn.Status.Vlans) == 0
	})
	slices.SortFunc(out, func(a, b *kubeovnv1.ProviderNetwork) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// takesPart says whether a network is wanted on this node: a selector alone decides, else the list of excluded nodes.
func (v *view) takesPart(pn *kubeovnv1.ProviderNetwork) (bool, error) {
	if pn.Spec.NodeSelector == nil {
		return !slices.Contains(pn.Spec.ExcludeNodes, v.in.Name), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(pn.Spec.NodeSelector)
	if err != nil {
		return false, fmt.Errorf("nodeSelector: %w", err)
	}
	return v.self != nil && selector.Matches(labels.Set(v.self.Labels)), nil
}

// nicOf is the NIC of a network on this node.
func (v *view) nicOf(pn *kubeovnv1.ProviderNetwork) string {
	for _, c := range pn.Spec.CustomInterfaces {
		if slices.Contains(c.Nodes, v.in.Name) {
			return c.Interface
		}
	}
	return pn.Spec.DefaultInterface
}

// unfit says why a network cannot be on a NIC, or "".
func (v *view) unfit(network, nic string, tunnel *Tunnel) string {
	switch name := util.ProviderBridge(network); name {
	case util.IntegrationBridge, util.TunnelBridge:
		return "its bridge would be called " + name + ", which is another bridge of this node"
	}
	switch {
	case nic == "":
		return "no NIC is named for this node"
	case nic == util.IntegrationBridge || nic == util.TunnelBridge || nic == util.NodeNIC || nic == util.MirrorNIC ||
		slices.ContainsFunc(v.in.Providers, func(pn *kubeovnv1.ProviderNetwork) bool { return util.ProviderBridge(pn.Name) == nic }):
		return nic + " is a device of Open vSwitch"
	case tunnel != nil && tunnel.Bridge != "" && tunnel.NIC == nic:
		return fmt.Sprintf("%s is the tunnel NIC, which the userspace datapath needs in bridge %s", nic, tunnel.Bridge)
	}
	if l, ok := v.link(nic); ok && l.Bridge == util.TunnelBridge {
		return fmt.Sprintf("%s is in bridge %s", nic, l.Bridge)
	}
	return ""
}

// link finds a NIC by the name that users know.
func (v *view) link(nic string) (Link, bool) {
	for _, l := range v.in.Facts.Links {
		if l.Former == nic {
			return l, true
		}
	}
	for _, l := range v.in.Facts.Links {
		if l.Name == nic && l.Former == "" {
			return l, true
		}
	}
	return Link{}, false
}

// names are what the bridge and the NIC of a network are called in the kernel.
func names(pn *kubeovnv1.ProviderNetwork, nic string) (bridgeName, device string) {
	if pn.Spec.ExchangeLinkName {
		return nic, util.ProviderBridge(pn.Name)
	}
	return util.ProviderBridge(pn.Name), nic
}

// bridgeOf is the bridge of a NIC for all networks that want it.
func (v *view) bridgeOf(u uplink, all []uplink) bridge.Spec {
	owner := u.networks[0]
	if l, ok := v.link(u.nic); ok && l.Bridge != "" {
		for _, pn := range u.networks {
			if name, device := names(pn, u.nic); l.Bridge == name && l.Name == device {
				owner = pn
				break
			}
		}
	}
	s := bridge.Spec{Exchange: owner.Spec.ExchangeLinkName, Userspace: v.in.Facts.Netdev, OtherConfig: v.otherConfig()}
	s.Name, s.NIC = names(owner, u.nic)
	s.VLANs = v.vlanPorts(s.Name, u, all)
	for _, pn := range u.networks {
		s.Trunks = append(s.Trunks, v.vlanIDs(pn)...)
		if _, _, ok := bridge.SplitVLAN(u.nic); ok && pn.Spec.AutoCreateVlanSubinterfaces && s.CreateVLAN == "" {
			s.CreateVLAN = pn.Name
		}
	}
	for _, port := range s.VLANs {
		s.Trunks = append(s.Trunks, port.Tag)
	}
	s.Trunks = append(s.Trunks, 0)
	slices.Sort(s.Trunks)
	s.Trunks = slices.Compact(s.Trunks)
	return s
}

func (v *view) otherConfig() map[string]string {
	return map[string]string{"mac-learning-fallback": strconv.FormatBool(v.in.Config.MACLearningFallback)}
}

// vlanIDs are the tags of the VLANs that the controller has accepted on a network.
func (v *view) vlanIDs(pn *kubeovnv1.ProviderNetwork) []int {
	var out []int
	for _, vlan := range v.in.Vlans {
		if slices.Contains(pn.Status.Vlans, vlan.Name) {
			out = append(out, vlan.Spec.ID)
		}
	}
	return out
}

// vlanPorts are the VLAN devices of a NIC that must go on working: those listed, or all.
func (v *view) vlanPorts(bridgeName string, u uplink, all []uplink) []bridge.VLANPort {
	var out []bridge.VLANPort
	for _, l := range v.in.Facts.Links {
		base, id, ok := bridge.SplitVLAN(l.Name)
		wanted := slices.ContainsFunc(u.networks, func(pn *kubeovnv1.ProviderNetwork) bool {
			return pn.Spec.PreserveVlanInterfaces || slices.Contains(pn.Spec.VlanInterfaces, l.Name)
		})
		taken := slices.ContainsFunc(all, func(other uplink) bool { return other.nic == l.Name })
		if ok && base == u.nic && wanted && !taken && l.Bridge == "" {
			out = append(out, bridge.VLANPort{Name: vlanPortName(bridgeName, id), Tag: id, Device: l.Name})
		}
	}
	slices.SortFunc(out, func(a, b bridge.VLANPort) int { return cmp.Compare(a.Tag, b.Tag) })
	return out
}

// vlanPortName is a name of at most 15 characters for the port of a VLAN on a bridge (node.md 4.3).
func vlanPortName(bridgeName string, id int) string {
	name := fmt.Sprintf("%s-vlan%d", bridgeName, id)
	if len(name) <= 15 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
	return fmt.Sprintf("kv%d-%s", id, hash)[:15]
}

// place writes down where a network ends up, unless somebody else has mapped its name.
func (v *view) place(p *Provider, uplinks []uplink, bridges []bridge.Spec) {
	if p.Excluded || p.Refused != "" {
		return
	}
	i := slices.IndexFunc(uplinks, func(u uplink) bool { return u.nic == p.NIC })
	if theirs := v.in.Facts.Networks.foreign(p.Name); theirs != "" && theirs != bridges[i].Name {
		p.Refused = fmt.Sprintf("somebody else has mapped the network to bridge %s", theirs)
		return
	}
	p.Bridge, p.VLANs = bridges[i].Name, len(bridges[i].VLANs) > 0
	if l, ok := v.link(p.NIC); ok {
		p.MTU = l.MTU
	}
}

// networkMAC is what this node calls itself on a network; it needs no store to stay the same. It is a unicast address of the
// locally administered range.
func (v *view) networkMAC(network string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(v.in.Name + "/" + network))
	mac := net.HardwareAddr(slices.Clone(sum[:6]))
	mac[0] = mac[0]&^1 | 2
	return mac
}
