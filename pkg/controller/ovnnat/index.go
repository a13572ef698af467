package ovnnat

import (
	"errors"

	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Indexes of the caches. Their names are this package's, because other controllers index the same caches.
const (
	eipIndex     = "ovnnat/eip"     // rules by the OvnEip they ask for or still have
	targetIndex  = "ovnnat/target"  // rules by what is inside, a ref
	portIndex    = "ovnnat/port"    // dnat rules by OvnEip, protocol and outside port
	addressIndex = "ovnnat/address" // IPs, Vips by address; Subnets by CIDR
	subnetIndex  = "ovnnat/subnet"  // OvnEips by external subnet
)

// A ref is how a rule names what is inside.
func ipRef(name string) string         { return "ip/" + name }
func vipRef(name string) string        { return "vip/" + name }
func subnetRef(name string) string     { return "subnet/" + name }
func addressRef(address string) string { return "address/" + address }

// indexers are the caches' indexes.
type indexers struct {
	eips, fips, snats, dnats cache.Indexer
	ips, vips, subnets       cache.Indexer
	err                      error
}

// rules are the caches of the three kinds of rules by the name of their queue.
func (x indexers) rules() map[string]cache.Indexer {
	return map[string]cache.Indexer{FipName: x.fips, SnatName: x.snats, DnatName: x.dnats}
}

func newIndexers(s Sources) indexers {
	x := indexers{
		eips: s.Eips.Informer().GetIndexer(), fips: s.Fips.Informer().GetIndexer(), snats: s.Snats.Informer().GetIndexer(),
		dnats: s.Dnats.Informer().GetIndexer(), ips: s.IPs.Informer().GetIndexer(), vips: s.Vips.Informer().GetIndexer(),
		subnets: s.Subnets.Informer().GetIndexer(),
	}
	x.err = errors.Join(
		s.Eips.Informer().AddIndexers(cache.Indexers{subnetIndex: reconcile.IndexBy(func(e *v1.OvnEip) []string {
			return []string{subnetRef(e.Spec.ExternalSubnet)}
		})}),
		s.Fips.Informer().AddIndexers(cache.Indexers{
			eipIndex: reconcile.IndexBy(func(r *v1.OvnFip) []string { return eipNames(r.Spec.OvnEip, r.Annotations) }),
			targetIndex: reconcile.IndexBy(func(r *v1.OvnFip) []string {
				return insideRefs(r.Spec.IPType, r.Spec.IPName, r.Spec.V4Ip, r.Spec.V6Ip)
			}),
		}),
		s.Snats.Informer().AddIndexers(cache.Indexers{
			eipIndex:    reconcile.IndexBy(func(r *v1.OvnSnatRule) []string { return eipNames(r.Spec.OvnEip, r.Annotations) }),
			targetIndex: reconcile.IndexBy(snatRefs),
		}),
		s.Dnats.Informer().AddIndexers(cache.Indexers{
			eipIndex: reconcile.IndexBy(func(r *v1.OvnDnatRule) []string { return eipNames(r.Spec.OvnEip, r.Annotations) }),
			targetIndex: reconcile.IndexBy(func(r *v1.OvnDnatRule) []string {
				return insideRefs(r.Spec.IPType, r.Spec.IPName, r.Spec.V4Ip, r.Spec.V6Ip)
			}),
			portIndex: reconcile.IndexBy(func(r *v1.OvnDnatRule) []string { return []string{portKey(r)} }),
		}),
		s.IPs.Informer().AddIndexers(cache.Indexers{addressIndex: reconcile.IndexBy(func(ip *v1.IP) []string {
			return []string{normal(ip.Spec.V4IPAddress), normal(ip.Spec.V6IPAddress)}
		})}),
		s.Vips.Informer().AddIndexers(cache.Indexers{addressIndex: reconcile.IndexBy(func(vip *v1.Vip) []string {
			return []string{normal(vip.Status.V4ip), normal(vip.Status.V6ip)}
		})}),
		s.Subnets.Informer().AddIndexers(cache.Indexers{addressIndex: reconcile.IndexBy(func(s *v1.Subnet) []string {
			v4, v6 := util.SplitDual(s.Spec.CIDRBlock)
			return []string{normal(v4), normal(v6)}
		})}),
	)
	return x
}

func eipNames(spec string, annotations map[string]string) []string {
	bound := annotations[util.VpcEipAnnotation]
	if bound == spec {
		bound = ""
	}
	return []string{spec, bound}
}

// insideRefs of a FIP or dnat rule. A name wins over addresses (S-045).
func insideRefs(ipType, ipName, v4, v6 string) []string {
	switch {
	case ipName != "" && ipType == util.IPTypeVip:
		return []string{vipRef(ipName)}
	case ipName != "":
		return []string{ipRef(ipName)}
	}
	return addressRefs(v4, v6)
}

// snatRefs in the order of precedence of northbound.md 4.16.
func snatRefs(r *v1.OvnSnatRule) []string {
	switch {
	case r.Spec.V4IpCidr != "" || r.Spec.V6IpCidr != "":
		return addressRefs(r.Spec.V4IpCidr, r.Spec.V6IpCidr)
	case r.Spec.VpcSubnet != "":
		return []string{subnetRef(r.Spec.VpcSubnet)}
	case r.Spec.IPName != "":
		return []string{ipRef(r.Spec.IPName)}
	}
	return nil
}

func addressRefs(texts ...string) []string {
	var refs []string
	for _, text := range texts {
		if inside := normal(text); inside != "" {
			refs = append(refs, addressRef(inside))
		}
	}
	return refs
}

// keys are the names of the objects that have value in an index.
func (x indexers) keys(store cache.Indexer, index, value string) []string {
	if value == "" {
		return nil
	}
	keys, err := store.IndexKeys(index, value)
	if err != nil {
		return nil
	}
	return keys
}

// contenders are the names of the rules that have inside, an address or a CIDR, in whatever way they name it. In another
// VPC it is something else: that is for the caller to see.
func (x indexers) contenders(rules cache.Indexer, inside string) []string {
	if inside = normal(inside); inside == "" {
		return nil
	}
	names := x.keys(rules, targetIndex, addressRef(inside))
	for _, holders := range []struct {
		store cache.Indexer
		ref   func(string) string
	}{{x.ips, ipRef}, {x.vips, vipRef}, {x.subnets, subnetRef}} {
		for _, name := range x.keys(holders.store, addressIndex, inside) {
			names = append(names, x.keys(rules, targetIndex, holders.ref(name))...)
		}
	}
	return names
}

// objects are those of names that are wanted.
func objects[T any](store cache.Indexer, names []string, wanted func(T) bool) []T {
	var list []T
	for _, name := range names {
		object, exists, err := store.GetByKey(name)
		if typed, ok := object.(T); err == nil && exists && ok && wanted(typed) {
			list = append(list, typed)
		}
	}
	return list
}
