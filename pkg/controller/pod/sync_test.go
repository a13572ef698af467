package pod

import (
	"context"
	"fmt"
	"strings"
	"testing"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	nadfake "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned/fake"
	nadlisters "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/listers/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// world is what the pods of a test live in.
type world struct {
	t       *testing.T
	config  Config
	subnets []*v1.Subnet
	nads    []*nadv1.NetworkAttachmentDefinition
	held    []ipam.Holding // of an earlier life
	books   *ipam.IPAM     // of the last start
	more    []ovs.Row      // rows of others besides switches and groups
	prepare func(f *controllertest.Fixture, books *ipam.IPAM)
}

func newWorld(t *testing.T, subnets ...*v1.Subnet) *world {
	return &world{t: t, config: config, subnets: subnets}
}

// objects are the API objects of the world with more.
func (w *world) objects(more ...runtime.Object) []runtime.Object {
	ns := controllertest.Namespace("ns")
	ns.Annotations = map[string]string{util.NamespaceSubnetsAnnotation: w.subnets[0].Name}
	all := []runtime.Object{ns}
	for _, s := range w.subnets {
		all = append(all, s)
	}
	return append(all, more...)
}

func (w *world) build(f *controllertest.Fixture) []*reconcile.Loop {
	w.books = ipam.New()
	var base []ovs.Row
	for _, s := range w.subnets {
		spec := ipam.Spec{Name: s.Name, CIDRBlock: s.Spec.CIDRBlock, Gateway: s.Spec.Gateway, ExcludeIPs: s.Spec.ExcludeIps}
		if err := w.books.SetSubnet(spec); err != nil {
			w.t.Fatal(err)
		}
		if !util.IsOvnProvider(s.Spec.Provider) {
			continue
		}
		base = append(base, ovs.LogicalSwitch{Name: s.Name})
		for _, node := range []string{"node1", "node2"} {
			base = append(base, ovs.PortGroup{Name: util.SubnetNodePortGroup(s.Name, node)})
		}
	}
	base = append(base, ovs.PortGroup{Name: util.NodePortGroup("node1")}, ovs.PortGroup{Name: util.NodePortGroup("node2")})
	f.Base(append(base, w.more...)...)
	if w.prepare != nil {
		w.prepare(f, w.books)
	}
	for _, err := range w.books.Rebuild(w.held) {
		w.t.Error(err)
	}
	nads := w.newAttachments(f.Context())
	loop := New(
		Deps{Config: w.config, NB: f.NB, IPAM: w.books, Kube: f.Kube, IPs: f.KubeOVN.KubeovnV1().IPs(), Subnets: f.KubeOVN.KubeovnV1().Subnets(), Events: f.Events},
		Sources{
			Pods: f.KubeInformers.Core().V1().Pods(), Namespaces: f.KubeInformers.Core().V1().Namespaces(),
			Nodes:        f.KubeInformers.Core().V1().Nodes(),
			StatefulSets: f.KubeInformers.Apps().V1().StatefulSets(), Subnets: f.Informers.Kubeovn().V1().Subnets(),
			IPs: f.Informers.Kubeovn().V1().IPs(), Vips: f.Informers.Kubeovn().V1().Vips(), Attachments: nads,
			Vpcs: f.Informers.Kubeovn().V1().Vpcs(), Vlans: f.Informers.Kubeovn().V1().Vlans(),
			IPPools: f.Informers.Kubeovn().V1().IPPools(),
		},
	)
	return []*reconcile.Loop{loop, w.finalizer(f)}
}

// finalizer stands for the ip controller: it lets deleted IP objects go.
func (w *world) finalizer(f *controllertest.Fixture) *reconcile.Loop {
	ips := f.KubeOVN.KubeovnV1().IPs()
	source := f.Informers.Kubeovn().V1().IPs()
	loop := reconcile.New("finalizer", 1, func(ctx context.Context, name string) error {
		ip, err := source.Lister().Get(name)
		if err != nil || ip.DeletionTimestamp.IsZero() || len(ip.Finalizers) == 0 {
			return nil
		}
		_, err = ips.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		return err
	})
	reconcile.Watch(loop, source, reconcile.Self[*v1.IP])
	return loop
}

// attachmentSource is an informer over a fixed list of attachments.
type attachmentSource struct{ informer cache.SharedIndexInformer }

func (s attachmentSource) Informer() cache.SharedIndexInformer { return s.informer }

func (s attachmentSource) Lister() nadlisters.NetworkAttachmentDefinitionLister {
	return nadlisters.NewNetworkAttachmentDefinitionLister(s.informer.GetIndexer())
}

func (w *world) newAttachments(ctx context.Context) attachmentSource {
	client := nadfake.NewSimpleClientset().K8sCniCncfIoV1()
	for _, nad := range w.nads {
		if _, err := client.NetworkAttachmentDefinitions(nad.Namespace).Create(ctx, nad, metav1.CreateOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
	api := client.NetworkAttachmentDefinitions(metav1.NamespaceAll)
	source := listOnly{&cache.ListWatch{
		ListWithContextFunc:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return api.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return api.Watch(ctx, o) },
	}}
	s := attachmentSource{cache.NewSharedIndexInformer(source, &nadv1.NetworkAttachmentDefinition{}, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
	go s.informer.RunWithContext(ctx)
	return s
}

// listOnly keeps the reflector from asking the fake for a streamed list, which it cannot give.
type listOnly struct{ *cache.ListWatch }

func (listOnly) IsWatchListSemanticsUnSupported() bool { return true }

func static(name, address string, more ...string) *corev1.Pod {
	return newPod(name, append([]string{"ovn.kubernetes.io/ip_address", address, "ovn.kubernetes.io/mac_address", macOf(address)}, more...)...)
}

func macOf(address string) string {
	return fmt.Sprintf("00:00:00:00:00:%02X", address[len(address)-1])
}

func TestLaws(t *testing.T) {
	second := newSubnet("second", "vpc1", "10.1.0.0/24", func(s *v1.SubnetSpec) { s.Provider = "net.ns.ovn" })
	under := newSubnet("under", util.DefaultVpc, "10.5.0.0/24", func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection = "vlan1", true })
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), second, under)
	w.nads = []*nadv1.NetworkAttachmentDefinition{attachment("net", `{"type":"kube-ovn","provider":"net.ns.ovn"}`)}
	one, two := static("one", "10.16.0.2"), static("two", "10.16.0.3")
	three := static("three", "10.16.0.4", "k8s.v1.cni.cncf.io/networks", "net", "net.ns.ovn.kubernetes.io/ip_address", "10.1.0.5",
		"net.ns.ovn.kubernetes.io/mac_address", "00:00:00:00:01:05")
	four := static("four", "10.5.0.4", "ovn.kubernetes.io/logical_switch", "under")
	host := newPod("host")
	host.Spec.HostNetwork = true
	controllertest.Laws(t, controllertest.Scenario{
		Build: w.build, Objects: w.objects(one, two, three, four, host, newVlan(10)), Removed: []runtime.Object{two, three, four},
	})
}

func attachment(name, config string) *nadv1.NetworkAttachmentDefinition {
	nad := &nadv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	nad.Spec.Config = config
	return nad
}

func address(f *controllertest.Fixture, pod *corev1.Pod) string {
	return controllertest.Stored(f, pod).Annotations["ovn.kubernetes.io/ip_address"]
}

// TestWrites counts what one pod costs: one IP object, one patch, one transaction.
func TestWrites(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	f := controllertest.New(t, w.objects()...)
	f.Run(w.build)
	f.Settle()
	f.Forget()
	before := f.Transactions()
	f.Create(newPod("a"))
	f.Settle()
	writes := f.Writes()
	if len(writes) != 3 || !strings.HasPrefix(writes[1], "patch pods/ns/a") || writes[2] != "create ips/a.ns" {
		t.Errorf("writes of the test and the controller: %q", writes)
	}
	if n := f.Transactions() - before; n != 1 {
		t.Errorf("%d transactions", n)
	}
	if n := len(f.Events.Events); n > 0 {
		t.Errorf("%d events, first %q", n, <-f.Events.Events)
	}
}

// TestUnboundWaits shows that a pod gets its network when it is bound to a node, not before.
func TestUnboundWaits(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	pod := newPod("a")
	pod.Spec.NodeName = ""
	f := controllertest.New(t, w.objects(pod)...)
	f.Run(w.build)
	f.Settle()
	if got := address(f, pod); got != "" {
		t.Errorf("an unbound pod has %s", got)
	}
	bound := controllertest.Stored(f, pod).DeepCopy()
	bound.Spec.NodeName = "node2"
	f.Update(bound)
	f.Eventually("an address", func() bool { return address(f, pod) == "10.16.0.2" })
	f.Eventually("the groups of node2", func() bool { return strings.Contains(f.Dump(), "ovn.default.node2") })
}

// TestConflictHeals shows a pod that asks for the address of another: it is told once whose it is, and gets it when that
// pod goes; a third pod is served meanwhile.
func TestConflictHeals(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	holder := newPod("holder", "ovn.kubernetes.io/ip_address", "10.16.0.9")
	f := controllertest.New(t, w.objects(holder)...)
	f.Run(w.build)
	f.Eventually("the holder has it", func() bool { return address(f, holder) == "10.16.0.9" && f.Exists(ipNamed("holder.ns")) })
	seeker := newPod("seeker", "ovn.kubernetes.io/ip_address", "10.16.0.9")
	seeker.UID = "other"
	f.Create(seeker)
	event := nextEvent(f)
	if !strings.HasPrefix(event, "Warning AcquireAddressFailed") || !strings.Contains(event, "ns/holder") {
		t.Errorf("event %q", event)
	}
	third := newPod("third")
	f.Create(third)
	f.Eventually("the queue moves on", func() bool { return address(f, third) == "10.16.0.2" })
	f.Delete(holder)
	f.Eventually("the seeker has it", func() bool {
		return controllertest.Stored(f, seeker).Annotations["ovn.kubernetes.io/allocated"] == "true"
	})
	if n := len(f.Events.Events); n > 0 {
		t.Errorf("told again: %q", <-f.Events.Events)
	}
}

// nextEvent waits for an event, with the fixture's deadline.
func nextEvent(f *controllertest.Fixture) string {
	f.Eventually("an event", func() bool { return len(f.Events.Events) > 0 })
	return <-f.Events.Events
}

func ipNamed(name string) *v1.IP { return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}} }

// TestTold shows what pods are told that cannot be served, one event each.
func TestTold(t *testing.T) {
	full := newSubnet("full", "vpc1", "10.3.0.0/30")
	full.Spec.ExcludeIps = []string{"10.3.0.1..10.3.0.2"}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"outside":              {newPod("p", "ovn.kubernetes.io/ip_address", "10.99.0.1"), "10.99.0.1"},
		"malformed address":    {newPod("p", "ovn.kubernetes.io/ip_address", "10.16.0.256"), "ip_address"},
		"malformed pool":       {newPod("p", "ovn.kubernetes.io/ip_pool", "10.16.0.2;x"), "ip_pool"},
		"malformed mac":        {newPod("p", "ovn.kubernetes.io/mac_address", "zz"), "zz"},
		"malformed port vips":  {newPod("p", "ovn.kubernetes.io/port_vips", "foo,10.16.0.9"), `port_vips: "foo" is not an address`},
		"malformed security":   {newPod("p", "ovn.kubernetes.io/port_security", "yes"), `port_security: "yes" is neither`},
		"malformed l2 forward": {newPod("p", "ovn.kubernetes.io/layer2_forward", "1"), `layer2_forward: "1" is neither`},
		"unknown pool":         {newPod("p", "ovn.kubernetes.io/ip_pool", "nowhere"), "nowhere"},
		"unknown subnet":       {newPod("p", "ovn.kubernetes.io/logical_switch", "nowhere"), "subnet nowhere does not exist"},
		"full subnet":          {newPod("p", "ovn.kubernetes.io/logical_switch", "full"), "subnet full"},
		"join subnet":          {newPod("p", "ovn.kubernetes.io/logical_switch", "join"), "nodes' own"},
		"unknown attachment":   {newPod("p", "k8s.v1.cni.cncf.io/networks", "nowhere"), "ns/nowhere"},
		"malformed networks":   {newPod("p", "k8s.v1.cni.cncf.io/networks", "[{"), "networks"},
		"gateway":              {newPod("p", "ovn.kubernetes.io/ip_address", "10.16.0.1"), "10.16.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), full)
			f := controllertest.New(t, w.objects(c.pod)...)
			f.Run(w.build)
			event := nextEvent(f)
			if !strings.Contains(event, c.want) {
				t.Errorf("event %q does not say %q", event, c.want)
			}
			f.Settle()
			if n := len(f.Events.Events); n > 0 {
				t.Errorf("%d more events, first %q", n, <-f.Events.Events)
			}
			if got := controllertest.Stored(f, c.pod).Annotations["ovn.kubernetes.io/allocated"]; got != "" {
				t.Error("it is marked allocated")
			}
		})
	}
}

// TestStatefulSet shows that a set's pod keeps its address while the set wants it, and gives it back on scale-down.
func TestStatefulSet(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	two := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set-uid"}, Spec: appsv1.StatefulSetSpec{Replicas: &two}}
	member := func(name string) *corev1.Pod {
		pod := newPod(name)
		yes := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", UID: "set-uid", Controller: &yes}}
		return pod
	}
	f := controllertest.New(t, w.objects(set, member("web-1"))...)
	f.Run(w.build)
	f.Eventually("web-1 has .2", func() bool { return address(f, member("web-1")) == "10.16.0.2" && f.Exists(ipNamed("web-1.ns")) })
	f.Settle()
	f.Delete(member("web-1"))
	f.Eventually("its port is gone", func() bool { return !strings.Contains(f.Dump(), "web-1.ns") })
	f.Settle()
	if !f.Exists(ipNamed("web-1.ns")) {
		t.Fatal("its IP object went although the set makes the pod again")
	}
	f.Create(newPod("stranger"))
	f.Eventually("a stranger gets another one", func() bool { return address(f, newPod("stranger")) == "10.16.0.3" })
	f.Create(member("web-1"))
	f.Eventually("web-1 has .2 again", func() bool { return address(f, member("web-1")) == "10.16.0.2" })
	f.Settle()
	f.Delete(member("web-1"))
	f.Settle()
	scaled := controllertest.Stored(f, set).DeepCopy()
	one := int32(1)
	scaled.Spec.Replicas = &one
	scaled.Generation++
	f.Update(scaled)
	f.Eventually("the address is given back", func() bool { return !f.Exists(ipNamed("web-1.ns")) })
}

// TestMovedAddress shows a pod that comes back under its name and asks for another address: its IP object, which cannot be
// changed, is made anew.
func TestMovedAddress(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	f := controllertest.New(t, w.objects(newPod("a", "ovn.kubernetes.io/ip_address", "10.16.0.7"))...)
	f.Run(w.build)
	f.Eventually("the first address", func() bool { return f.Exists(ipNamed("a.ns")) })
	f.Settle()
	first := controllertest.Stored(f, ipNamed("a.ns"))
	f.Delete(newPod("a"))
	f.Create(newPod("a", "ovn.kubernetes.io/ip_address", "10.16.0.8"))
	f.Eventually("an object of the second address", func() bool {
		if !f.Exists(ipNamed("a.ns")) {
			return false
		}
		ip := controllertest.Stored(f, ipNamed("a.ns"))
		return ip.Spec.V4IPAddress == "10.16.0.8" && ip.UID != first.UID
	})
	f.Eventually("the lease of the first is gone", func() bool { return len(w.books.SubnetLeases("ovn-default")) == 1 })
}

// TestFreshReservation shows that an IP object a user has just made is not taken for one that a pod left behind, and that its
// pod waits until the reservation is taken up.
func TestFreshReservation(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	reservation := ipNamed("db.ns")
	reservation.Spec = v1.IPSpec{PodName: "db", Namespace: "ns", Subnet: "ovn-default", V4IPAddress: "10.16.0.2", IPAddress: "10.16.0.2"}
	f := controllertest.New(t, w.objects(reservation)...)
	f.Run(w.build)
	f.Settle()
	if !f.Exists(reservation) {
		t.Fatal("it was deleted")
	}
	f.Create(newPod("db"))
	f.Settle()
	if got := controllertest.Stored(f, newPod("db")).Annotations["ovn.kubernetes.io/allocated"]; got != "" {
		t.Error("the pod did not wait")
	}
	taken := controllertest.Stored(f, reservation).DeepCopy()
	taken.Labels = map[string]string{util.IPReservedLabel: "true"}
	taken.Finalizers = []string{util.Finalizer}
	f.Update(taken)
	f.Eventually("the pod has the reserved address", func() bool { return address(f, newPod("db")) == "10.16.0.2" })
	if got := controllertest.Stored(f, reservation).Labels[util.IPReservedLabel]; got != "true" {
		t.Errorf("the reservation's label became %q", got)
	}
}

// TestNotYetBound shows a pod that is made between a tenant's subnet and the annotation of the namespace: it waits for the
// annotation and never gets into the default VPC.
func TestNotYetBound(t *testing.T) {
	for name, claim := range map[string]func(*v1.SubnetSpec){
		"by name": func(s *v1.SubnetSpec) { s.Namespaces = []string{"ns"} },
		"by label": func(s *v1.SubnetSpec) {
			s.NamespaceSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{corev1.LabelMetadataName: "ns"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), newSubnet("net1", "vpc1", "10.0.1.0/24", claim))
			f := controllertest.New(t, w.objects(newPod("a"))...)
			f.Run(w.build)
			if event := nextEvent(f); !strings.Contains(event, "net1") {
				t.Errorf("event %q does not name the subnet", event)
			}
			f.Settle()
			if got := address(f, newPod("a")); got != "" {
				t.Fatalf("the pod got %s", got)
			}
			bound := controllertest.Namespace("ns")
			bound.Annotations = map[string]string{util.NamespaceSubnetsAnnotation: "net1"}
			f.Update(bound)
			f.Eventually("an address of the tenant", func() bool { return address(f, newPod("a")) == "10.0.1.2" })
		})
	}
}

// TestUnplug shows that an interface that is no longer asked for takes its port, object, address and annotations with it.
func TestUnplug(t *testing.T) {
	second := newSubnet("second", "vpc1", "10.1.0.0/24", func(s *v1.SubnetSpec) { s.Provider = "net.ns.ovn" })
	under := newSubnet("under", util.DefaultVpc, "10.5.0.0/24", func(s *v1.SubnetSpec) { s.Vlan, s.U2OInterconnection = "vlan1", true })
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"), second, under)
	w.nads = []*nadv1.NetworkAttachmentDefinition{attachment("net", `{"plugins":[{"type":"kube-ovn","provider":"net.ns.ovn"}]}`)}
	pod := newPod("a", "k8s.v1.cni.cncf.io/networks", "net")
	f := controllertest.New(t, w.objects(pod)...)
	f.Run(w.build)
	f.Eventually("both interfaces", func() bool {
		got := controllertest.Stored(f, pod).Annotations
		return got["net.ns.ovn.kubernetes.io/ip_address"] == "10.1.0.2" && got["ovn.kubernetes.io/ip_address"] == "10.16.0.2"
	})
	f.Settle()
	unplugged := controllertest.Stored(f, pod).DeepCopy()
	delete(unplugged.Annotations, "k8s.v1.cni.cncf.io/networks")
	f.Update(unplugged)
	f.Eventually("the object is gone", func() bool { return !f.Exists(ipNamed("a.ns.net.ns.ovn")) })
	f.Settle()
	if strings.Contains(f.Dump(), "a.ns.net.ns.ovn") {
		t.Error("the port is still there")
	}
	for key := range controllertest.Stored(f, pod).Annotations {
		if strings.HasPrefix(key, "net.ns.ovn.") {
			t.Errorf("annotation %s is left", key)
		}
	}
	if leases := w.books.SubnetLeases("second"); len(leases) > 0 {
		t.Errorf("leases %v are left", leases)
	}
}

// TestRestartKeepsAddresses shows that a restart on a converged database, rebuilt from IP objects, writes nothing.
func TestRestartKeepsAddresses(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	f := controllertest.New(t, w.objects(newPod("a"), newPod("b"))...)
	f.Run(w.build)
	f.Eventually("both have addresses", func() bool { return address(f, newPod("a")) != "" && address(f, newPod("b")) != "" })
	f.Settle()
	for _, lease := range w.books.SubnetLeases("ovn-default") {
		w.held = append(w.held, ipam.Holding{Lease: lease})
	}
	before := f.Dump()
	f.Restart(w.build)
	f.Forget()
	f.Settle()
	if writes := f.Writes(); len(writes) > 0 {
		t.Errorf("writes %q", writes)
	}
	if after := f.Dump(); after != before {
		t.Errorf("rows changed from\n%sto\n%s", before, after)
	}
}

// TestVlanIsTold shows that a pod of an underlay subnet waits for the Vlan and follows it.
func TestVlanIsTold(t *testing.T) {
	w := newWorld(t, newSubnet("under", "vpc1", "10.5.0.0/24", func(s *v1.SubnetSpec) { s.Vlan = "vlan1" }))
	pod := newPod("a")
	f := controllertest.New(t, w.objects(pod)...)
	f.Run(w.build)
	f.Settle()
	if got := address(f, pod); got != "" {
		t.Errorf("it has %s and nobody can say on which network", got)
	}
	told := func() string {
		a := controllertest.Stored(f, pod).Annotations
		return a["ovn.kubernetes.io/vlan_id"] + " of " + a["ovn.kubernetes.io/provider_network"]
	}
	f.Create(newVlan(10))
	f.Eventually("the pod is served", func() bool { return address(f, pod) == "10.5.0.2" })
	if got := told(); got != "10 of net1" {
		t.Errorf("told %s", got)
	}
	f.Update(newVlan(20))
	f.Eventually("the new tag is told", func() bool { return told() == "20 of net1" })
	if n := len(f.Events.Events); n > 0 {
		t.Errorf("%d events, first %q", n, <-f.Events.Events)
	}
}

// What a pod asks for in vain is told once, and it has its network all the same.
func TestUnservedAnnotations(t *testing.T) {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, "10.16.0.0/16"))
	pod := newPod("a", "ovn.kubernetes.io/security_groups", "nosuch", "ovn.kubernetes.io/dhcp-v4-options", "bad", "ovn.kubernetes.io/ingress_rate", "3")
	f := controllertest.New(t, w.objects(pod)...)
	f.Run(w.build)
	event := nextEvent(f)
	const want = "Warning NotSupported this version does not act on annotation ovn.kubernetes.io/dhcp-v4-options, ovn.kubernetes.io/security_groups"
	if event != want {
		t.Errorf("event %q", event)
	}
	f.Eventually("an address", func() bool { return address(f, pod) == "10.16.0.2" })
	f.Resync("ns/a")
	f.Settle()
	if n := len(f.Events.Events); n > 0 {
		t.Errorf("%d more events, first %q", n, <-f.Events.Events)
	}
}
