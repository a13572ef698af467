package node

import (
	"maps"
	"slices"
	"strings"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Networks are the keys of Open_vSwitch by which ovn-controller knows the networks outside of the cluster. Others may have
// entries in the same keys; only those that are listed as ours are touched.
type Networks struct {
	Mappings    string // "<network>:<bridge>,..."
	ChassisMACs string // "<network>:<MAC>,..."
	Ours        string // "<network>,..."
}

// NetworksOf reads them from the external_ids of Open_vSwitch.
func NetworksOf(ids map[string]string) Networks {
	return Networks{Mappings: ids[util.OvsBridgeMappings], ChassisMACs: ids[util.OvsChassisMACMappings], Ours: ids[util.OvsOwnNetworks]}
}

// Row is the row that has exactly these networks of ours: those of the providers whose bridge is there. Entries of others
// stay where they are.
func (n Networks) Row(providers []Provider, there func(bridge string) bool) ovs.OpenVSwitch {
	bridges, macs := map[string]string{}, map[string]string{}
	for _, p := range providers {
		if p.Bridge != "" && there(p.Bridge) {
			bridges[p.Name], macs[p.Name] = p.Bridge, p.MAC.String()
		}
	}
	return ovs.OpenVSwitch{ExternalIDs: map[string]string{
		util.OvsBridgeMappings:     replace(n.Mappings, n.ours(), bridges),
		util.OvsChassisMACMappings: replace(n.ChassisMACs, n.ours(), macs),
		util.OvsOwnNetworks:        strings.Join(slices.Sorted(maps.Keys(bridges)), ","),
	}}
}

func (n Networks) ours() []string { return entries(n.Ours) }

// foreign is the bridge to which somebody else has mapped a network, or "".
func (n Networks) foreign(network string) string {
	if slices.Contains(n.ours(), network) {
		return ""
	}
	for _, e := range entries(n.Mappings) {
		if name, bridge, _ := strings.Cut(e, ":"); name == network {
			return bridge
		}
	}
	return ""
}

// replace puts our entries behind those of others.
func replace(text string, ours []string, want map[string]string) string {
	var out []string
	for _, e := range entries(text) {
		name, _, _ := strings.Cut(e, ":")
		if _, wanted := want[name]; !wanted && !slices.Contains(ours, name) {
			out = append(out, e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		out = append(out, name+":"+want[name])
	}
	return strings.Join(out, ",")
}

func entries(text string) []string {
	var out []string
	for e := range strings.SplitSeq(text, ",") {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}
