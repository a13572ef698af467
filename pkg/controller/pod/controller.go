package pod

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsinformers "k8s.io/client-go/informers/apps/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	nadlisters "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/listers/k8s.cni.cncf.io/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	typed "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	informers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions/kubeovn/v1"
	listers "github.com/kubeovn/kube-ovn/pkg/client/listers/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovnnb"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Name is the queue's name and the kind of the owner of its rows.
const Name = "pod"

// Config is the part of the program's flags that shapes pods.
type Config struct {
	DefaultVpc    string
	DefaultSubnet string
	JoinSubnet    string
	// NicType is the annotation pod_nic_type of pods that do not say.
	NicType string
	// NonPrimary: another plugin serves the pods' first interface.
	NonPrimary bool
	// EnableEipSnat: the annotations eip and snat count.
	EnableEipSnat bool
	// ExternalSwitch is the external network of the default VPC: its switch and address book, and its Subnet if there is one.
	ExternalSwitch string
	Workers        int
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB   *ovs.Client
	IPAM *ipam.IPAM
	Kube kubernetes.Interface
	IPs  typed.IPInterface
	// Subnets are only read, where the watch may be behind.
	Subnets typed.SubnetInterface
	Events  record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Pods         coreinformers.PodInformer
	Namespaces   coreinformers.NamespaceInformer
	Nodes        coreinformers.NodeInformer
	StatefulSets appsinformers.StatefulSetInformer
	Subnets      informers.SubnetInformer
	IPs          informers.IPInformer
	Vips         informers.VipInformer
	Vpcs         informers.VpcInformer
	Vlans        informers.VlanInformer
	IPPools      informers.IPPoolInformer
	Attachments  reconcile.Source[nadlisters.NetworkAttachmentDefinitionLister]
}

type controller struct {
	Deps
	loop        *reconcile.Loop
	pods        *reconcile.Fresh[*corev1.Pod]
	ips         reconcile.Writer[*v1.IP]
	namespaces  corelisters.NamespaceLister
	sets        appslisters.StatefulSetLister
	subnets     listers.SubnetLister
	attachments nadlisters.NetworkAttachmentDefinitionLister
	vips        listers.VipLister
	vpcs        listers.VpcLister
	vlans       listers.VlanLister
	pools       listers.IPPoolLister
	byPod       cache.Indexer // IP objects, by byPodIndex
	byNamespace cache.Indexer // Subnets, by byNamespaceIndex
	byVlan      cache.Indexer // Subnets, by byVlanIndex
	byWish      cache.Indexer // Pods, by byOutsideIndex and byVipIndex
	byUser      cache.Indexer // IPPools, by byUserIndex
	byNode      cache.Indexer // Nodes, by byAddressIndex
	seekers     *seekers
	blocked     *blocked
	unclaimed   unclaimed
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, seekers: newSeekers(), blocked: newBlocked()}
	loop := reconcile.New(Name, deps.Workers, c.sync)
	c.loop = loop
	c.pods = reconcile.WatchFresh(loop, sources.Pods, keysForPod, podMatters)
	c.ips = reconcile.NewWriter("ip", deps.IPs, reconcile.WatchFresh(loop, sources.IPs, keysForIP, ipMatters))
	c.byPod = index(loop, sources.IPs.Informer(), byPodIndex, keysForIP)
	c.byNamespace = index(loop, sources.Subnets.Informer(), byNamespaceIndex, namespacesOf)
	c.byVlan = index(loop, sources.Subnets.Informer(), byVlanIndex, vlansOfSubnet)
	c.namespaces = reconcile.Watch(loop, sources.Namespaces, c.keysForNamespace, namespaceMatters)
	c.sets = reconcile.Watch(loop, sources.StatefulSets, c.keysForSet, setMatters)
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	c.vlans = reconcile.Watch(loop, sources.Vlans, c.keysForVlan, vlanMatters)
	c.byUser = index(loop, sources.IPPools.Informer(), byUserIndex, func(p *v1.IPPool) []string { return p.Spec.Namespaces })
	c.byNode = index(loop, sources.Nodes.Informer(), byAddressIndex, addressesOf)
	reconcile.Watch(loop, sources.Nodes, func(*corev1.Node) []string { return nil }) // known before the first claim
	c.pools = reconcile.Watch(loop, sources.IPPools, func(*v1.IPPool) []string { return c.seekers.everybody() }, poolMatters)
	c.attachments = reconcile.Watch(loop, sources.Attachments, c.keysForAttachment)
	c.watchWishes(sources)
	deps.NB.OnDrift(Name, loop.Add)
	return loop
}

func (c *controller) sync(ctx context.Context, key string) error {
	if _, _, err := cache.SplitMetaNamespaceKey(key); err != nil {
		return reconcile.Invalid(util.EventValidatePodNetworkFailed, "key %q: %v", key, err)
	}
	pod, exists := c.pods.Get(key)
	if exists && pod.Spec.HostNetwork {
		return nil
	}
	now := time.Now()
	if !exists || over(pod, now) {
		return c.release(ctx, key)
	}
	if !pod.DeletionTimestamp.IsZero() {
		c.loop.AddAfter(key, pod.DeletionTimestamp.Sub(now))
	}
	if pod.Spec.NodeName == "" {
		return nil // the binding wakes us; before it nobody needs the network
	}
	err := c.serve(ctx, key, pod)
	var nat *natError
	if err != nil && !errors.As(err, &nat) {
		c.seekers.failed(key, err)
	}
	return c.tell(pod, err)
}

// serve claims, records, writes and announces the pod's network.
func (c *controller) serve(ctx context.Context, key string, pod *corev1.Pod) error {
	in, err := c.gather(ctx, pod)
	if err != nil {
		return err
	}
	nics, err := plan(in)
	if err != nil {
		return err
	}
	c.warn(pod, nics)
	ports, err := c.claim(key, nics)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if err := c.record(ctx, in, p); err != nil {
			return err
		}
	}
	nat, wished, unfulfilled := c.translate(key, in, ports)
	in.nat = nat
	if err := c.write(ctx, key, in, ports); err != nil {
		if !errors.As(err, new(*natError)) {
			return err
		}
		unfulfilled = err
	}
	c.releaseOutside(key, wished)
	dropped, err := c.releaseDropped(ctx, key, ports)
	if err != nil {
		return err
	}
	if err := c.annotate(ctx, in, ports, dropped); err != nil {
		return err
	}
	return unfulfilled
}

// write makes the database hold the pod's rows. When a router's row of the pod is somebody else's, the pod loses its
// translation and not its network; the answer is then a natError.
func (c *controller) write(ctx context.Context, key string, in inputs, ports []port) error {
	owner := ovs.Owner{Kind: Name, Key: key}
	_, err := c.NB.Apply(ctx, owner, rows(in, ports))
	var owned *ovs.OwnedError
	if !in.nat.steers() || !errors.As(err, &owned) || owned.Table == ovnnb.LogicalSwitchPortTable {
		c.blocked.forget(key)
		if err != nil {
			return fmt.Errorf("apply ports of pod %s: %w", key, err)
		}
		return nil
	}
	c.blocked.remember(key, owned.Name)
	in.nat = translation{}
	if _, err := c.NB.Apply(ctx, owner, rows(in, ports)); err != nil {
		return fmt.Errorf("apply ports of pod %s: %w", key, err)
	}
	return unfulfilled(util.EventPodNetworkUpdateFailed, "%s, which %s has", owned.Name, owned.Owner)
}

// record writes the IP object of one port.
func (c *controller) record(ctx context.Context, in inputs, p port) error {
	want := ipObject(in, p)
	have, exists := c.ips.Get(want.Name)
	if !exists {
		err := c.ips.Create(want.Name, func() (*v1.IP, error) { return c.IPs.Create(ctx, want, metav1.CreateOptions{}) })
		if err != nil {
			return fmt.Errorf("create ip %s: %w", want.Name, err)
		}
		return nil
	}
	if !have.DeletionTimestamp.IsZero() {
		return reconcile.Wait("the removal of the former ip %s", want.Name)
	}
	if util.IsReservation(have) && have.Labels[util.IPReservedLabel] == "" {
		return reconcile.Wait("the reservation %s to be taken up", want.Name)
	}
	if outdated(have.Spec, want.Spec) {
		if util.IsReservation(have) {
			return unavailable([]string{p.subnet.Name}, "ip %s reserves %s for this port, not %s", have.Name, have.Spec.IPAddress, want.Spec.IPAddress)
		}
		if err := c.ips.Delete(ctx, "ip", c.IPs, have); err != nil {
			return err
		}
		return reconcile.Wait("the removal of the former ip %s", want.Name)
	}
	merged := have.DeepCopy()
	podType := want.Spec.PodType
	if podType == "" {
		podType = have.Spec.PodType // of a reservation
	}
	merged.Spec = want.Spec
	merged.Spec.PodType, merged.Spec.ContainerID = podType, have.Spec.ContainerID
	for k, v := range want.Labels {
		if k == util.IPReservedLabel && have.Labels[k] != "" {
			continue // a reservation stays one while its pod runs
		}
		metav1.SetMetaDataLabel(&merged.ObjectMeta, k, v)
	}
	for k, v := range want.Annotations {
		metav1.SetMetaDataAnnotation(&merged.ObjectMeta, k, v)
	}
	reconcile.AddFinalizer(merged)
	_, err := c.ips.Patch(ctx, have, merged)
	return err
}

// outdated says that an IP object records another lease. What it records cannot be changed (api.md 7.2), so it is made anew.
func outdated(have, want v1.IPSpec) bool {
	differs := func(a, b string) bool { return a != "" && a != b }
	return differs(have.Subnet, want.Subnet) || differs(have.V4IPAddress, want.V4IPAddress) ||
		differs(have.V6IPAddress, want.V6IPAddress) || differs(have.MacAddress, want.MacAddress)
}

// annotate tells the node's daemon, in one patch for all interfaces; what was told of a dropped interface goes.
func (c *controller) annotate(ctx context.Context, in inputs, ports []port, dropped []string) error {
	patch, err := reconcile.MergePatch(annotated{in.pod.Annotations}, annotated{annotations(in, ports, dropped)})
	if err != nil || patch == nil {
		return err
	}
	// With the UID in it, the API server refuses to give these annotations to another pod of the same name.
	body := fmt.Appendf(nil, `{"metadata":{"uid":%q,%s}`, in.pod.UID, patch[1:])
	patched, err := c.Kube.CoreV1().Pods(in.pod.Namespace).Patch(ctx, in.pod.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return reconcile.Wait("news of pod %s/%s, which is gone", in.pod.Namespace, in.pod.Name)
	}
	if err != nil {
		return fmt.Errorf("annotate pod %s/%s: %w", in.pod.Namespace, in.pod.Name, err)
	}
	c.pods.Wrote(patched)
	return nil
}

// annotated is the part of an object's metadata that this package writes.
type annotated struct {
	Annotations map[string]string `json:"annotations,omitempty"`
}

// tell reports a failure to the pod's user as an event, once per message, and returns how the queue is to treat it.
func (c *controller) tell(pod *corev1.Pod, err error) error {
	reason := eventReason(err)
	if c.seekers.news(pod.Namespace+"/"+pod.Name, pod.UID, reason, err) {
		c.Events.Event(pod, corev1.EventTypeWarning, reason, err.Error())
	}
	var (
		unavailable *unavailableError
		nat         *natError
	)
	switch {
	case errors.As(err, &unavailable):
		return reconcile.Wait("an address for pod %s/%s: %v", pod.Namespace, pod.Name, err)
	case errors.As(err, &nat):
		return nat.asOutcome(pod)
	}
	return err
}

// eventReason is the reason of the event that an error deserves, "" for none.
func eventReason(err error) string {
	var (
		unavailable *unavailableError
		owned       *ovs.OwnedError
		nat         *natError
	)
	invalid, isInvalid := reconcile.AsInvalid(err)
	switch {
	case isInvalid:
		return invalid.Reason
	case errors.As(err, &nat):
		return nat.reason
	case errors.As(err, &unavailable):
		return util.EventAcquireAddressFailed
	case errors.As(err, &owned):
		return util.EventCreateOVNPortFailed
	}
	return ""
}

// over says that a pod uses no network any more: it has ended for good, or is deleted and past its grace period.
func over(pod *corev1.Pod, now time.Time) bool {
	if pod.DeletionTimestamp != nil && now.After(pod.DeletionTimestamp.Time) {
		return true
	}
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
