package ovnnat

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Names of the queues, which are also the kinds of the owners of their rows.
const (
	EipName  = "ovn-eip"
	FipName  = "ovn-fip"
	SnatName = "ovn-snat-rule"
	DnatName = "ovn-dnat-rule"
)

// Config is the part of the program's flags that shapes outside addresses.
type Config struct {
	DefaultVpc string
	// ExternalSubnet is what an OvnEip without a subnet is from.
	ExternalSubnet string
	// Workers of each loop.
	Workers int
	// UsesDelay is how long after a rule its OvnEip tells, at the earliest, that it is used; 0 is at once.
	UsesDelay time.Duration
}

// Deps are what the controllers may write.
type Deps struct {
	Config
	NB     *ovs.Client
	IPAM   *ipam.IPAM
	API    typed.KubeovnV1Interface
	Events record.EventRecorder
}

// Sources are what the controllers may read.
type Sources struct {
	Eips    informers.OvnEipInformer
	Fips    informers.OvnFipInformer
	Snats   informers.OvnSnatRuleInformer
	Dnats   informers.OvnDnatRuleInformer
	IPs     informers.IPInformer
	Vips    informers.VipInformer
	Subnets informers.SubnetInformer
	Vpcs    informers.VpcInformer
}

// world is what the four controllers share: what they may write and the caches they read.
type world struct {
	Deps
	eips    listers.OvnEipLister
	ips     listers.IPLister
	vips    listers.VipLister
	subnets listers.SubnetLister
	vpcs    listers.VpcLister
	index   indexers
	loops   map[string]*reconcile.Loop // by name
	ports   *ports
}

// New wires the controllers to their sources.
func New(deps Deps, sources Sources) []*reconcile.Loop {
	w := &world{
		Deps:    deps,
		eips:    sources.Eips.Lister(),
		ips:     sources.IPs.Lister(),
		vips:    sources.Vips.Lister(),
		subnets: sources.Subnets.Lister(),
		vpcs:    sources.Vpcs.Lister(),
		index:   newIndexers(sources),
		loops:   map[string]*reconcile.Loop{},
		ports:   newPorts(),
	}
	loops := []*reconcile.Loop{
		newEips(w, sources),
		newRules(w, fips(w), sources, sources.Fips, deps.API.OvnFips()),
		newRules(w, snats(w), sources, sources.Snats, deps.API.OvnSnatRules()),
		newRules(w, dnats(w), sources, sources.Dnats, deps.API.OvnDnatRules()),
	}
	for _, loop := range loops {
		w.loops[loop.Name()] = loop
		if w.index.err != nil {
			loop.Fail(w.index.err)
		}
		deps.NB.OnDrift(loop.Name(), loop.Add)
	}
	w.watchRows()
	return loops
}

// busy says whether a queue has something to do.
func (w *world) busy() bool {
	for _, loop := range w.loops {
		if !loop.Idle() {
			return true
		}
	}
	return false
}

// watchInputs wakes the loop of a kind of rule by everything else its rules depend on.
func watchInputs(loop *reconcile.Loop, w *world, rules cache.Indexer, sources Sources) {
	every := func() []string { return rules.ListKeys() }
	addressed := func(ref, v4, v6 string) []string {
		keys := append(w.index.keys(rules, targetIndex, ref), w.index.contenders(rules, v4)...)
		return append(keys, w.index.contenders(rules, v6)...)
	}
	reconcile.Watch(loop, sources.Eips, func(eip *v1.OvnEip) []string {
		return w.index.keys(rules, eipIndex, eip.Name)
	}, func(a, b *v1.OvnEip) bool {
		return grantOf(a) != grantOf(b) || a.Spec.Type != b.Spec.Type || a.UID != b.UID ||
			len(a.Status.Conditions) != len(b.Status.Conditions)
	})
	reconcile.Watch(loop, sources.IPs, func(ip *v1.IP) []string {
		return addressed(ipRef(ip.Name), ip.Spec.V4IPAddress, ip.Spec.V6IPAddress)
	}, func(a, b *v1.IP) bool {
		return a.Spec.V4IPAddress != b.Spec.V4IPAddress || a.Spec.V6IPAddress != b.Spec.V6IPAddress ||
			a.Spec.MacAddress != b.Spec.MacAddress || a.Spec.Subnet != b.Spec.Subnet
	})
	reconcile.Watch(loop, sources.Vips, func(vip *v1.Vip) []string {
		return addressed(vipRef(vip.Name), vip.Status.V4ip, vip.Status.V6ip)
	}, func(a, b *v1.Vip) bool {
		return a.Status.V4ip != b.Status.V4ip || a.Status.V6ip != b.Status.V6ip || a.Spec.Subnet != b.Spec.Subnet ||
			len(a.Status.Conditions) != len(b.Status.Conditions)
	})
	// Those that another rule keeps from an OvnEip, of whatever kind, look again when that one changes or goes.
	kept := func(eip string) []string {
		var names []string
		objects(rules, w.index.keys(rules, eipIndex, eip), func(rule metav1.Object) bool {
			if c := readyOf(rule); c != nil && c.Reason == util.ReasonNatConflict {
				names = append(names, rule.GetName())
			}
			return false
		})
		return names
	}
	reconcile.Watch(loop, sources.Fips, func(r *v1.OvnFip) []string { return kept(r.Spec.OvnEip) }, func(a, b *v1.OvnFip) bool { return a.Generation != b.Generation })
	reconcile.Watch(loop, sources.Snats, func(r *v1.OvnSnatRule) []string { return kept(r.Spec.OvnEip) }, func(a, b *v1.OvnSnatRule) bool { return a.Generation != b.Generation })
	reconcile.Watch(loop, sources.Dnats, func(r *v1.OvnDnatRule) []string { return kept(r.Spec.OvnEip) }, func(a, b *v1.OvnDnatRule) bool { return a.Generation != b.Generation })
	reconcile.Watch(loop, sources.Subnets, func(*v1.Subnet) []string { return every() }, func(a, b *v1.Subnet) bool {
		a, b = util.Effective(a), util.Effective(b)
		return a.Spec.Vpc != b.Spec.Vpc || a.Spec.CIDRBlock != b.Spec.CIDRBlock || a.Spec.Provider != b.Spec.Provider ||
			a.Spec.Gateway != b.Spec.Gateway
	})
	reconcile.Watch(loop, sources.Vpcs, func(*v1.Vpc) []string { return every() }, vpcMatters)
}
