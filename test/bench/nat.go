package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Sizes of the runs of natReport: OvnEips made at once, each with an OvnFip.
var natSizes = []int{200, 2000}

// natReport measures how long OvnEips and OvnFips that are made at once take until all are Ready, and how long they take when
// a null loop makes the same API writes and nothing else.
func natReport(ctx context.Context, o options) error {
	return in(ctx, func(s *scope) error {
		bottom, err := startFloor(s, o)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		b, err := startController(s)
		if err != nil {
			return err
		}
		if err := b.connectOutside(); err != nil {
			return err
		}
		profiled := b.profile(b.under, o)
		took := map[int]time.Duration{}
		first := 0
		for _, n := range natSizes {
			least := bottom.floatingIPs(first, n)
			before := b.counted()
			took[n] = b.floatingIPs(first, n)
			b.settle()
			now := b.counted()
			line(fmt.Sprintf("nat.fip_%d.ready", n), took[n].Seconds(), "s")
			line(fmt.Sprintf("nat.fip_%d.floor", n), least.Seconds(), "s")
			line(fmt.Sprintf("nat.fip_%d.floor_ratio", n), least.Seconds()/took[n].Seconds(), "x")
			line(fmt.Sprintf("nat.fip_%d.api_writes_per_pair", n), float64(now.writes.Since(before.writes).Total())/float64(n)-2, "count")
			line(fmt.Sprintf("nat.fip_%d.nb_txns_per_pair", n), float64(now.transactions-before.transactions)/float64(n), "count")
			line(fmt.Sprintf("nat.fip_%d.cpu_per_1000_pairs", n), (now.cpu-before.cpu).Seconds()*1000/float64(n), "s")
			first += n
		}
		if err := profiled(); err != nil {
			return err
		}
		small, large := natSizes[0], natSizes[1]
		line("nat.fip.growth", took[large].Seconds()/float64(large)/(took[small].Seconds()/float64(small)), "x")
		return nil
	})
}

const (
	outsideSubnet = "external"
	outsideVpc    = "bench"
)

// connectOutside makes a VPC with a port to an outside network, on nodes that are only objects.
func (b *bench) connectOutside() error {
	api, kube := b.plane.OVN.KubeovnV1(), b.plane.Kube.CoreV1()
	none := metav1.CreateOptions{}
	for i := range nodes {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:"true"},"annotations":{%q:"chassis-%d"}}}`, util.ExternalGWLabel, util.ChassisAnnotation, i+1)
		if _, err := kube.Nodes().Patch(b.ctx, fmt.Sprintf("node%d", i+1), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	if _, err := api.ProviderNetworks().Create(b.ctx, &v1.ProviderNetwork{
		ObjectMeta: named(outsideSubnet), Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"},
	}, none); err != nil {
		return err
	}
	if _, err := api.Vlans().Create(b.ctx, &v1.Vlan{ObjectMeta: named("vlan0"), Spec: v1.VlanSpec{Provider: outsideSubnet}}, none); err != nil {
		return err
	}
	for _, s := range []*v1.Subnet{
		{ObjectMeta: named(outsideSubnet), Spec: v1.SubnetSpec{CIDRBlock: "10.200.0.0/16", Gateway: "10.200.255.254", Vlan: "vlan0"}},
		{ObjectMeta: named("inside"), Spec: v1.SubnetSpec{CIDRBlock: "10.100.0.0/16", Vpc: outsideVpc}},
	} {
		if _, err := api.Subnets().Create(b.ctx, s, none); err != nil {
			return err
		}
	}
	vpc := &v1.Vpc{ObjectMeta: named(outsideVpc), Spec: v1.VpcSpec{EnableExternal: true}}
	if _, err := api.Vpcs().Create(b.ctx, vpc, none); err != nil {
		return err
	}
	b.until("the vpc is connected to the outside", func() error {
		vpc, err := api.Vpcs().Get(b.ctx, outsideVpc, metav1.GetOptions{})
		if err == nil && !vpc.Status.EnableExternal {
			err = fmt.Errorf("it is not: %+v", vpc.Status.Conditions)
		}
		return err
	})
	b.settle()
	return nil
}

// floatingIPs makes n OvnEips and OvnFips, numbered from first, and returns the time until the last FIP is Ready.
func (b *bench) floatingIPs(first, n int) time.Duration {
	var ready atomic.Int64
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	factory := externalversions.NewSharedInformerFactory(b.plane.OVN, 0)
	informer := factory.Kubeovn().V1().OvnFips().Informer()
	count := func(old, new any) {
		before, _ := old.(*v1.OvnFip)
		after, ok := new.(*v1.OvnFip)
		if ok && after.Status.Ready && (before == nil || !before.Status.Ready) {
			ready.Add(1)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { count(nil, obj) }, UpdateFunc: count,
	}); err != nil {
		b.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	b.until("the watch has caught up", func() error {
		if got := ready.Load(); got != int64(first) {
			return fmt.Errorf("%d of %d FIPs", got, first)
		}
		return nil
	})

	began := time.Now()
	failed := make(chan error, creators)
	for worker := range creators {
		go func() { failed <- b.makePairs(first+worker, first+n) }()
	}
	for range creators {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	b.until(fmt.Sprintf("%d FIPs are ready", n), func() error {
		if got := ready.Load(); got < int64(first+n) {
			return fmt.Errorf("%d are", got-int64(first))
		}
		return nil
	})
	return time.Since(began)
}

// makePairs makes every creators-th OvnEip and OvnFip up to end.
func (b *bench) makePairs(from, end int) error {
	api, none := b.plane.OVN.KubeovnV1(), metav1.CreateOptions{}
	for i := from; i < end; i += creators {
		meta := metav1.ObjectMeta{Name: fmt.Sprintf("eip-%d", i)}
		eip := &v1.OvnEip{ObjectMeta: meta, Spec: v1.OvnEipSpec{ExternalSubnet: outsideSubnet, Type: util.EipTypeNAT}}
		if _, err := api.OvnEips().Create(b.ctx, eip, none); err != nil {
			return err
		}
		fip := &v1.OvnFip{ObjectMeta: meta, Spec: v1.OvnFipSpec{
			OvnEip: meta.Name, Vpc: outsideVpc, V4Ip: fmt.Sprintf("10.100.%d.%d", (i+256)/250, i%250+1),
		}}
		if _, err := api.OvnFips().Create(b.ctx, fip, none); err != nil {
			return err
		}
	}
	return nil
}
