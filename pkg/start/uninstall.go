package start

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Uninstall removes everything the network made on this node. It runs when no other part of the network runs any more,
// does as much as it can, and returns all that failed.
//
// HOST_ROOT is where the host's directories are mounted; empty outside of a container.
func Uninstall(ctx context.Context, get Getenv) error {
	e := &env{get: get}
	root := e.text("HOST_ROOT", "/")
	var wrong []error
	try := func(what string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", what, err))
			return
		}
		klog.InfoS("Removed", "what", what)
	}
	interfaces, err := readInterfaces(ctx, filepath.Join(root, "etc/origin/openvswitch/conf.db"))
	if err != nil {
		wrong = append(wrong, fmt.Errorf("read the vswitch database: %w", err))
	}
	try("bridges and devices", removeDevices(ctx, interfaces))
	try("ingress drop table", removeIngressTable(ctx))
	try("iptables rules and chains", removeIPTables(ctx))
	try("ip sets", removeIPSets())
	try("routing rules", removeRoutingRules())
	try("files", removeFiles(hostFiles{
		root: root, logs: e.text("LOG_DIR", "/var/log"),
		cniConf: e.text("CNI_CONF_DIR", "/etc/cni/net.d"), cniBin: e.text("CNI_BIN_DIR", "/opt/cni/bin"),
	}))
	return errors.Join(wrong...)
}

// vswitchInterface is an Interface row with the bridge it is on.
type vswitchInterface struct {
	bridge, name, kind string
	exchanged          bool   // the NIC of the bridge was called as the bridge is
	vlanDevice         string // whose addresses an internal port has
}

// internal says whether OVS made the device, so that it goes away with OVS.
func (i vswitchInterface) internal() bool { return i.kind == "internal" || i.name == i.bridge }

// readInterfaces reads the database file of a stopped ovsdb-server; no file, no interfaces.
func readInterfaces(ctx context.Context, file string) ([]vswitchInterface, error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	query := `["Open_vSwitch",` +
		`{"op":"select","table":"Bridge","where":[],"columns":["name","ports","external_ids"]},` +
		`{"op":"select","table":"Port","where":[],"columns":["_uuid","interfaces"]},` +
		`{"op":"select","table":"Interface","where":[],"columns":["_uuid","name","type","external_ids"]}]`
	out, err := run(ctx, "ovsdb-tool", "query", file, query)
	if err != nil {
		return nil, err
	}
	var results []struct {
		Rows []struct {
			UUID       []string `json:"_uuid"`
			Name, Type string
			Ports      json.RawMessage
			Interfaces json.RawMessage
			IDs        json.RawMessage `json:"external_ids"`
		}
	}
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) < 3 {
		return nil, fmt.Errorf("unexpected content of %s: %q: %w", file, out, err)
	}
	portInterfaces := map[string][]string{}
	for _, port := range results[1].Rows {
		portInterfaces[port.UUID[1]] = uuids(port.Interfaces)
	}
	byUUID := map[string]vswitchInterface{}
	for _, i := range results[2].Rows {
		byUUID[i.UUID[1]] = vswitchInterface{name: i.Name, kind: i.Type, vlanDevice: ovsMap(i.IDs)[util.IfaceVlanDevice]}
	}
	var all []vswitchInterface
	for _, bridge := range results[0].Rows {
		for _, port := range uuids(bridge.Ports) {
			for _, id := range portInterfaces[port] {
				i := byUUID[id]
				i.bridge, i.exchanged = bridge.Name, ovsMap(bridge.IDs)[util.BridgeExchanged] == "true"
				all = append(all, i)
			}
		}
	}
	return all, nil
}

// uuids reads an OVSDB set of UUIDs (RFC 7047, 5.1): one atom ["uuid", x] or ["set", [atoms]].
func uuids(raw json.RawMessage) []string {
	var atom []string
	if json.Unmarshal(raw, &atom) == nil && len(atom) == 2 && atom[0] == "uuid" {
		return atom[1:]
	}
	var set []json.RawMessage
	if json.Unmarshal(raw, &set) != nil || len(set) != 2 {
		return nil
	}
	var members [][]string
	if json.Unmarshal(set[1], &members) != nil {
		return nil
	}
	var out []string
	for _, m := range members {
		if len(m) == 2 {
			out = append(out, m[1])
		}
	}
	return out
}

// ovsMap reads an OVSDB map of strings (RFC 7047, 5.1): ["map", [[key, value], ...]].
func ovsMap(raw json.RawMessage) map[string]string {
	var outer []json.RawMessage
	var pairs [][]string
	out := map[string]string{}
	if json.Unmarshal(raw, &outer) != nil || len(outer) != 2 || json.Unmarshal(outer[1], &pairs) != nil {
		return out
	}
	for _, p := range pairs {
		if len(p) == 2 {
			out[p[0]] = p[1]
		}
	}
	return out
}

// removeIPTables deletes our chains and every rule that refers to them or to our ip sets, in both backends and families.
func removeIPTables(ctx context.Context) error {
	var wrong []error
	for _, backend := range []string{"xtables-nft-multi", "xtables-legacy-multi"} {
		for _, family := range []string{"iptables", "ip6tables"} {
			saved, err := run(ctx, backend, family+"-save")
			if err != nil {
				// A kernel without this backend has no rules in it.
				klog.V(2).InfoS("No such iptables backend", "backend", backend, "family", family, "err", err)
				continue
			}
			script := removalScript(saved)
			if script == "" {
				continue
			}
			if err := runInput(ctx, script, backend, family+"-restore", "--noflush"); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return errors.Join(wrong...)
}

// removalScript turns the output of iptables-save into input of iptables-restore that removes what is ours; empty when
// nothing is.
func removalScript(saved string) string {
	var script, table strings.Builder
	var chains []string
	name := ""
	for line := range strings.Lines(saved) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			name, chains = line, nil
			table.Reset()
		case strings.HasPrefix(line, ":OVN-"):
			chain, _, _ := strings.Cut(line[1:], " ")
			chains = append(chains, chain)
		case strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "-A OVN-") && ourRule(line):
			table.WriteString("-D " + line[len("-A "):] + "\n")
		case line == "COMMIT":
			for _, option := range []string{"-F ", "-X "} {
				for _, chain := range chains {
					table.WriteString(option + chain + "\n")
				}
			}
			if table.Len() > 0 {
				script.WriteString(name + "\n" + table.String() + "COMMIT\n")
			}
		}
	}
	return script.String()
}

// ourRule recognises rules in the chains of others (node.md 3.2, 3.4).
func ourRule(rule string) bool {
	for _, mark := range []string{"-j OVN-", "--match-set ovn40", "--match-set ovn60", `--comment "ovn-subnet-gateway,`,
		"--comment ovn-subnet-gateway,", "--dport 6081 -j MARK --set-xmark 0x0/", "--dport 4789 -j MARK --set-xmark 0x0/"} {
		if strings.Contains(rule, mark) {
			return true
		}
	}
	return false
}

func removeIngressTable(ctx context.Context) error {
	out, err := run(ctx, "nft", "list", "tables")
	if err != nil || !strings.Contains(out+"\n", "table netdev "+util.NftTable+"\n") {
		return nil // without nftables there is no table either
	}
	_, err = run(ctx, "nft", "delete", "table", "netdev", util.NftTable)
	return err
}

// hostFiles are directories of the host, below root.
type hostFiles struct{ root, logs, cniConf, cniBin string }

// removeFiles empties the host of our files. Directories that other software shares keep what is not ours.
func removeFiles(h hostFiles) error {
	confs, err := filepath.Glob(filepath.Join(h.root, h.cniConf, "*-kube-ovn.conflist"))
	wrong := []error{err}
	for _, conf := range confs {
		wrong = append(wrong, os.Remove(conf))
	}
	for _, path := range []string{
		filepath.Join(h.cniBin, "kube-ovn"), "usr/local/bin/kubectl-ko",
		"etc/origin/openvswitch", "etc/origin/ovn", "etc/origin/ovs_ipsec_keys", "run/openvswitch", "run/ovn",
		filepath.Join(h.logs, "openvswitch"), filepath.Join(h.logs, "ovn"), filepath.Join(h.logs, "kube-ovn"),
	} {
		wrong = append(wrong, os.RemoveAll(filepath.Join(h.root, path)))
	}
	_ = os.Remove(filepath.Join(h.root, "etc/origin")) // only when nobody else uses it
	return errors.Join(wrong...)
}
