package controller

import (
	"context"
	"fmt"
	"sync"

	nadclient "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	kubeovnscheme "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/scheme"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	"github.com/kubeovn/kube-ovn/pkg/controller/externalgw"
	"github.com/kubeovn/kube-ovn/pkg/controller/gateway"
	"github.com/kubeovn/kube-ovn/pkg/controller/ip"
	"github.com/kubeovn/kube-ovn/pkg/controller/ippool"
	"github.com/kubeovn/kube-ovn/pkg/controller/namespace"
	"github.com/kubeovn/kube-ovn/pkg/controller/node"
	"github.com/kubeovn/kube-ovn/pkg/controller/ovnnat"
	"github.com/kubeovn/kube-ovn/pkg/controller/pod"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/controller/subnet"
	"github.com/kubeovn/kube-ovn/pkg/controller/sweep"
	"github.com/kubeovn/kube-ovn/pkg/controller/underlay"
	"github.com/kubeovn/kube-ovn/pkg/controller/vip"
	"github.com/kubeovn/kube-ovn/pkg/controller/vpc"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// component is the source of our events.
const component = "kube-ovn-controller"

// Clients reach the API server.
type Clients struct {
	Kube        kubernetes.Interface
	KubeOVN     versioned.Interface
	Attachments nadclient.Interface
}

// Controller is the leader's work. Its zero value is not usable; New makes one.
type Controller struct {
	Config
	Clients

	mu      sync.Mutex
	nb, sb  *ovs.Client       // nil before Run has connected
	running []*reconcile.Loop // nil while Run is not there yet
	counted *sources          // what the metrics are made of, nil while Run is not there yet
}

// New returns a controller that does nothing before Run.
func New(config Config, clients Clients) *Controller {
	if config.CountDelay == 0 {
		config.CountDelay = defaultCountDelay
	}
	return &Controller{Config: config, Clients: clients}
}

// process is what exists only while Run runs.
type process struct {
	*Controller
	nb, sb      *ovs.Client
	book        *ipam.IPAM
	events      record.EventRecorder
	kube        informers.SharedInformerFactory
	config      informers.SharedInformerFactory // of the external gateway's ConfigMap alone
	kubeovn     externalversions.SharedInformerFactory
	attachments attachmentSource
}

// loops is THE list: every controller in start order.
func (p *process) loops() []*reconcile.Loop {
	kinds, core := p.kubeovn.Kubeovn().V1(), p.kube.Core().V1()
	api, kube := p.KubeOVN.KubeovnV1(), p.Kube.CoreV1()
	configMaps := p.config.Core().V1().ConfigMaps()
	loops := []*reconcile.Loop{
		p.global(),
		vpc.New(
			vpc.Deps{
				Config: vpc.Config{
					DefaultVpc: p.DefaultVpc, DefaultSubnet: p.DefaultSubnet, JoinSubnet: p.JoinSubnet,
					ExternalSwitch: p.ExternalSwitch, GatewayConfigNamespace: p.GatewayConfigNamespace,
				},
				NB: p.nb, Vpcs: api.Vpcs(), Eips: api.OvnEips(), Events: p.events,
			},
			vpc.Sources{
				Vpcs: kinds.Vpcs(), Subnets: kinds.Subnets(), Eips: kinds.OvnEips(), Fips: kinds.OvnFips(), Snats: kinds.OvnSnatRules(),
				Dnats: kinds.OvnDnatRules(), Nodes: core.Nodes(), Vlans: kinds.Vlans(), ConfigMaps: configMaps,
			},
		),
		externalgw.New(
			externalgw.Deps{
				Config: externalgw.Config{
					DefaultVpc: p.DefaultVpc, ExternalSwitch: p.ExternalSwitch, ExternalNet: p.ExternalNet, ExternalVlanID: p.ExternalVlanID,
					FormerPortName: p.FormerPortName,
				},
				NB: p.nb, IPAM: p.book, Nodes: kube.Nodes(),
			},
			externalgw.Sources{Vpcs: kinds.Vpcs(), Subnets: kinds.Subnets(), Nodes: core.Nodes()},
		),
		subnet.New(
			subnet.Deps{
				Config: subnet.Config{
					DefaultVpc: p.DefaultVpc, DefaultSubnet: p.DefaultSubnet, JoinSubnet: p.JoinSubnet,
					EnableLb: p.EnableLb, EnableEcmp: p.EnableEcmp, MTU: p.mtu(), APIServerIP: p.APIServerIP,
					ExternalSubnet: p.ExternalSwitch, CountDelay: p.CountDelay,
				},
				NB: p.nb, IPAM: p.book, Subnets: api.Subnets(), IPs: api.IPs(), Events: p.events,
			},
			subnet.Sources{
				Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(), Vlans: kinds.Vlans(), Providers: kinds.ProviderNetworks(),
				IPs: kinds.IPs(), Eips: kinds.OvnEips(), Vips: kinds.Vips(), Nodes: core.Nodes(),
			},
		),
		ippool.New(
			ippool.Deps{
				ExternalSubnet: p.ExternalSwitch, CountDelay: p.CountDelay,
				NB: p.nb, IPAM: p.book, Pools: api.IPPools(), Events: p.events,
			},
			ippool.Sources{
				Pools: kinds.IPPools(), Subnets: kinds.Subnets(), IPs: kinds.IPs(), Vips: kinds.Vips(), Eips: kinds.OvnEips(),
			},
		),
		namespace.New(
			namespace.Deps{
				Config:     namespace.Config{DefaultVpc: p.DefaultVpc, DefaultSubnet: p.DefaultSubnet},
				Namespaces: kube.Namespaces(),
			},
			namespace.Sources{Namespaces: core.Namespaces(), Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(), IPPools: kinds.IPPools()},
		),
		node.New(
			node.Deps{
				Config: node.Config{DefaultVpc: p.DefaultVpc, JoinSubnet: p.JoinSubnet, LocalDNS: p.NodeLocalDNSIPs},
				NB:     p.nb, SB: p.sb, IPAM: p.book, Nodes: kube.Nodes(), IPs: api.IPs(), Events: p.events,
			},
			node.Sources{Nodes: core.Nodes(), Subnets: kinds.Subnets(), IPs: kinds.IPs()},
		),
		gateway.New(
			gateway.Deps{
				Config: gateway.Config{DefaultVpc: p.DefaultVpc, JoinSubnet: p.JoinSubnet, ServiceCIDR: p.ServiceCIDR},
				NB:     p.nb, Subnets: api.Subnets(),
			},
			gateway.Sources{Subnets: kinds.Subnets(), Nodes: core.Nodes()},
		),
		ip.New(
			ip.Deps{IPAM: p.book, IPs: api.IPs(), Events: p.events},
			ip.Sources{IPs: kinds.IPs(), Subnets: kinds.Subnets(), Pods: core.Pods()},
		),
		pod.New(
			pod.Deps{
				Config: pod.Config{
					DefaultVpc: p.DefaultVpc, DefaultSubnet: p.DefaultSubnet, JoinSubnet: p.JoinSubnet,
					NicType: p.PodNicType, NonPrimary: p.NonPrimary, Workers: p.Workers * podWorkersPerWorker,
					EnableEipSnat:  p.EnableEipSnat,
					ExternalSwitch: p.ExternalSwitch,
				},
				NB: p.nb, IPAM: p.book, Kube: p.Kube, IPs: api.IPs(), Subnets: api.Subnets(), Events: p.events,
			},
			pod.Sources{
				Pods: core.Pods(), Namespaces: core.Namespaces(), Nodes: core.Nodes(), StatefulSets: p.kube.Apps().V1().StatefulSets(),
				Subnets: kinds.Subnets(), IPs: kinds.IPs(), Vips: kinds.Vips(), Vpcs: kinds.Vpcs(),
				Vlans: kinds.Vlans(), IPPools: kinds.IPPools(), Attachments: p.attachments,
			},
		),
		vip.New(
			vip.Deps{DefaultVpc: p.DefaultVpc, NB: p.nb, IPAM: p.book, Vips: api.Vips(), Events: p.events},
			vip.Sources{Vips: kinds.Vips(), Subnets: kinds.Subnets(), Pods: core.Pods()},
		),
	}
	loops = append(loops, underlay.New(
		underlay.Deps{
			DefaultProvider: p.DefaultProvider, NB: p.nb, Providers: api.ProviderNetworks(), Vlans: api.Vlans(), Nodes: kube.Nodes(),
			Events: p.events,
		},
		underlay.Sources{
			Providers: kinds.ProviderNetworks(), Vlans: kinds.Vlans(), Subnets: kinds.Subnets(), Nodes: core.Nodes(), Pods: core.Pods(),
		},
	)...)
	return append(loops, ovnnat.New(
		ovnnat.Deps{
			Config: ovnnat.Config{
				DefaultVpc: p.DefaultVpc, ExternalSubnet: p.ExternalSwitch, Workers: p.Workers * natWorkersPerWorker, UsesDelay: usesDelay,
			},
			NB: p.nb, IPAM: p.book, API: api, Events: p.events,
		},
		ovnnat.Sources{
			Eips: kinds.OvnEips(), Fips: kinds.OvnFips(), Snats: kinds.OvnSnatRules(), Dnats: kinds.OvnDnatRules(),
			IPs: kinds.IPs(), Vips: kinds.Vips(), Subnets: kinds.Subnets(), Vpcs: kinds.Vpcs(),
		},
	)...)
}

// Run does the leader's work until ctx ends (northbound.md 2.1); a dry run ends by itself when nothing is left to do. An error
// means that it could not start, or that the dry run is not complete.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.preflight(ctx); err != nil {
		return err
	}
	p, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.chooseExternalSwitch(ctx); err != nil {
		return err
	}
	loops := p.loops()
	if err := p.bootstrap(ctx); err != nil {
		return fmt.Errorf("make the cluster's own network: %w", err)
	}
	if err := p.fillCaches(ctx); err != nil {
		return err
	}
	if err := p.rebuild(ctx); err != nil {
		return fmt.Errorf("rebuild the address books: %w", err)
	}
	c.serve(loops, &sources{
		subnets: p.kubeovn.Kubeovn().V1().Subnets().Lister(), ips: p.kubeovn.Kubeovn().V1().IPs().Lister(),
	})
	defer c.serve(nil, nil)

	var running sync.WaitGroup
	ended, swept := make(chan error, len(loops)+1), make(chan struct{})
	for _, loop := range loops {
		running.Go(func() {
			if err := loop.Run(ctx); err != nil {
				ended <- err
			}
		})
	}
	running.Go(func() {
		defer close(swept)
		sweep.Run(ctx, sweep.Databases{p.nb, p.sb}, loops)
	})
	if c.Rehearsal != nil {
		running.Go(func() { ended <- p.finish(ctx, loops, swept) })
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	cancel()
	running.Wait()
	return err
}

// begin connects to the databases and makes informers and events.
func (c *Controller) begin(ctx context.Context) (*process, error) {
	if c.Rehearsal != nil {
		c.Northbound.DryRun, c.Southbound.DryRun = c.Rehearsal, c.Rehearsal
	}
	nb, err := ovs.Connect(ctx, ovs.Northbound, c.Northbound)
	if err != nil {
		return nil, fmt.Errorf("connect to the northbound database: %w", err)
	}
	sb, err := ovs.Connect(ctx, ovs.Southbound, c.Southbound)
	if err != nil {
		nb.Close()
		return nil, fmt.Errorf("connect to the southbound database: %w", err)
	}
	if err := kubeovnscheme.AddToScheme(scheme.Scheme); err != nil { // events name our kinds
		return nil, err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	if c.Rehearsal == nil {
		broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: c.Kube.CoreV1().Events("")})
	}
	one := func(o *metav1.ListOptions) { o.FieldSelector = gatewayConfig() }
	p := &process{
		Controller: c,
		nb:         nb,
		sb:         sb,
		book:       ipam.New(),
		events:     broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component}),
		kube:       informers.NewSharedInformerFactoryWithOptions(c.Kube, 0, informers.WithTransform(slim)),
		config: informers.NewSharedInformerFactoryWithOptions(c.Kube, 0, informers.WithTransform(slim),
			informers.WithNamespace(c.GatewayConfigNamespace), informers.WithTweakListOptions(one)),
		kubeovn:     externalversions.NewSharedInformerFactoryWithOptions(c.KubeOVN, 0, externalversions.WithTransform(slim)),
		attachments: newAttachmentSource(c.Attachments, absentPoll),
	}
	c.mu.Lock()
	c.nb, c.sb = nb, sb
	c.mu.Unlock()
	return p, nil
}

func (p *process) end() {
	p.nb.Close()
	p.sb.Close()
}

// fillCaches starts the informers and waits until each has its first list.
func (p *process) fillCaches(ctx context.Context) error {
	p.kube.Start(ctx.Done())
	p.config.Start(ctx.Done())
	p.kubeovn.Start(ctx.Done())
	go p.attachments.Informer().RunWithContext(ctx)
	for _, factory := range []informers.SharedInformerFactory{p.kube, p.config} {
		for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return fmt.Errorf("list %v: %w", kind, context.Cause(ctx))
			}
		}
	}
	for kind, synced := range p.kubeovn.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("list %v: %w", kind, context.Cause(ctx))
		}
	}
	if !cache.WaitForCacheSync(ctx.Done(), p.attachments.Informer().HasSynced) {
		return fmt.Errorf("list network attachments: %w", context.Cause(ctx))
	}
	klog.FromContext(ctx).Info("Caches are filled")
	return nil
}

// slim drops what no controller reads and every object carries.
func slim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func (c *Controller) serve(loops []*reconcile.Loop, counted *sources) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.counted = loops, counted
}

// Healthy says why only a restart helps, or nil: a database that does not come back. Before Run has connected it is nil.
func (c *Controller) Healthy() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, client := range map[string]*ovs.Client{"northbound": c.nb, "southbound": c.sb} {
		if client == nil {
			continue
		}
		if err := client.Healthy(); err != nil {
			return fmt.Errorf("%s database: %w", name, err)
		}
	}
	return nil
}

// Serving says whether the loops run: caches are filled and the address books rebuilt.
func (c *Controller) Serving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running != nil
}
