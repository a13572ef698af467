package pod

import (
	"net/netip"
	"strconv"
	"strings"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// nic is one interface with what it asks of IPAM.
type nic struct {
	prefix  string // of its annotations
	name    string // of its port, lease and IP object
	subnets []*v1.Subnet
	request ipam.Request
	pools   []*v1.IPPool // to draw from, when the request says nothing; empty: what is in no pool
}

// plan turns the pod's wishes into requests. It fails with Invalid when an annotation cannot be read.
func plan(in inputs) ([]nic, error) {
	nics := make([]nic, 0, len(in.networks))
	for _, n := range in.networks {
		r, err := requestOf(in, n)
		if err == nil {
			err = checkPort(in.pod, n.prefix)
		}
		if err == nil && in.vip != nil && n.prefix == util.OvnProvider {
			err = fromVip(in.vip, &r)
		}
		if err != nil {
			return nil, err
		}
		name := util.PodPortName(in.pod.Name, in.pod.Namespace, n.prefix)
		r.Owner, r.NIC = in.pod.Namespace+"/"+in.pod.Name, name
		planned := nic{prefix: n.prefix, name: name, subnets: n.subnets, request: r}
		if n.prefix == util.OvnProvider && len(r.Addresses) == 0 && len(r.Candidates) == 0 && r.Pool == "" {
			planned.pools = in.pools
		}
		nics = append(nics, planned)
	}
	return nics, nil
}

func requestOf(in inputs, n network) (r ipam.Request, err error) {
	get := func(suffix string) string { return strings.TrimSpace(in.pod.Annotations[util.Key(n.prefix, suffix)]) }
	invalid := func(suffix string, err error) error {
		return reconcile.Invalid(util.EventValidatePodNetworkFailed, "annotation %s: %v", util.Key(n.prefix, suffix), err)
	}
	address := get(util.IPAddress)
	if address == "" && n.ifname != "" {
		address = in.pod.Annotations[n.attachment+".kubernetes.io/"+util.IPAddress+"."+n.ifname]
	}
	if address == "" {
		address = strings.Join(n.ips, ",")
	}
	if r.Addresses, err = util.ParseAddrs(address); err != nil {
		return r, invalid(util.IPAddress, err)
	}
	r.MAC = get(util.MACAddress)
	if r.MAC == "" && n.ifname != "" {
		r.MAC = in.pod.Annotations[n.attachment+".kubernetes.io/"+util.MACAddress+"."+n.ifname]
	}
	r.MAC = orDefault(r.MAC, n.mac)
	if r.Family, err = ipam.ParseFamily(get(util.IPFamily)); err != nil {
		return r, invalid(util.IPFamily, err)
	}
	if pool := get(util.IPPool); pool != "" && len(r.Addresses) == 0 {
		if r.Pool, r.Candidates, err = parsePool(pool); err != nil {
			return r, invalid(util.IPPool, err)
		}
		if err := pickOrdinal(in, &r); err != nil {
			return r, invalid(util.IPPool, err)
		}
	}
	r.NoMAC = !util.IsOvnProvider(n.subnets[0].Spec.Provider)
	return r, nil
}

// parsePool reads annotation ip_pool (api.md 3.1): the name of an IPPool, or addresses. Entries are divided by ";", each then
// one address or a "v4,v6" pair, else by ","; exactly two items of different families are one pair.
func parsePool(text string) (pool string, candidates [][]netip.Addr, err error) {
	entries := strings.Split(text, ";")
	if len(entries) == 1 {
		entries = strings.Split(text, ",")
		if len(entries) == 2 {
			if pair, err := util.ParseAddrs(text); err == nil && len(pair) == 2 {
				return "", [][]netip.Addr{pair}, nil
			}
		}
		if _, err := netip.ParseAddr(strings.TrimSpace(entries[0])); err != nil && len(entries) == 1 {
			return text, nil, nil
		}
	}
	for _, entry := range entries {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		addrs, err := util.ParseAddrs(entry)
		if err != nil {
			return "", nil, err
		}
		candidates = append(candidates, addrs)
	}
	return "", candidates, nil
}

// pickOrdinal gives a pod of a StatefulSet the entry of its ordinal.
func pickOrdinal(in inputs, r *ipam.Request) error {
	if in.set == nil || len(r.Candidates) == 0 {
		return nil
	}
	i := ordinal(in.pod.Name, in.set.Name)
	if i < 0 {
		return nil
	}
	if in.set.Spec.Ordinals != nil {
		i -= int(in.set.Spec.Ordinals.Start)
	}
	if i < 0 || i >= len(r.Candidates) {
		return reconcile.Invalid(util.EventValidatePodNetworkFailed, "%d addresses, none for ordinal %d", len(r.Candidates), i)
	}
	r.Addresses, r.Candidates = r.Candidates[i], nil
	return nil
}

// ordinal is the number at the end of a StatefulSet's pod name, -1 when the pod is not one of the set's.
func ordinal(pod, set string) int {
	digits, ok := strings.CutPrefix(pod, set+"-")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
