package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
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

// Name is the queue's name and the kind of the owner of its rows.
const Name = "node"

// Config is the part of the program's flags that shapes nodes.
type Config struct {
	DefaultVpc string
	JoinSubnet string
	// LocalDNS are the addresses of the DNS cache that each node runs for its own pods.
	LocalDNS []string
}

// Deps are what the controller may write.
type Deps struct {
	Config
	NB, SB *ovs.Client
	IPAM   *ipam.IPAM
	Nodes  typedcore.NodeInterface
	IPs    typed.IPInterface
	Events record.EventRecorder
}

// Sources are what the controller may read.
type Sources struct {
	Nodes   coreinformers.NodeInformer
	Subnets informers.SubnetInformer
	IPs     informers.IPInformer
}

type controller struct {
	Deps
	nodes   *reconcile.Fresh[*corev1.Node]
	lister  corelisters.NodeLister
	subnets listers.SubnetLister
	ips     reconcile.Writer[*v1.IP]
	told    map[string]string // what the last event of a node said, by name; the loop has one worker
}

// New wires the controller to its sources.
func New(deps Deps, sources Sources) *reconcile.Loop {
	c := &controller{Deps: deps, told: map[string]string{}}
	loop := reconcile.New(Name, 1, c.sync)
	c.nodes = reconcile.WatchFresh(loop, sources.Nodes, reconcile.Self[*corev1.Node], nodeMatters)
	c.lister = sources.Nodes.Lister()
	c.subnets = reconcile.Watch(loop, sources.Subnets, c.keysForSubnet, subnetMatters)
	c.ips = reconcile.NewWriter("ip", deps.IPs, reconcile.WatchFresh(loop, sources.IPs, keysForIP))
	deps.NB.OnDrift(Name, loop.Add)
	deps.SB.OnDrift(Name, loop.Add)
	deps.SB.Observe("Chassis", func(o ovs.Observation) {
		if host, ok := o.Columns["hostname"].(string); ok {
			loop.Add(host)
		}
	})
	return loop
}

// nodeMatters leaves out the status that kubelet writes every few seconds.
func nodeMatters(before, after *corev1.Node) bool {
	return !maps.Equal(before.Annotations, after.Annotations) || !slices.Equal(util.InternalIPs(before), util.InternalIPs(after)) ||
		before.UID != after.UID
}

// keysForSubnet maps the join subnet to every node, and another one to the nodes whose addresses it hides.
func (c *controller) keysForSubnet(subnet *v1.Subnet) []string {
	nodes, err := c.lister.List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, n := range nodes {
		if subnet.Name == c.JoinSubnet || c.hides(subnet, n).IsValid() {
			keys = append(keys, n.Name)
		}
	}
	return keys
}

func subnetMatters(before, after *v1.Subnet) bool {
	return util.InEffectChanged(before, after)
}

// keysForIP maps an IP object to the node whose join port it records.
func keysForIP(ip *v1.IP) []string {
	if node, ok := strings.CutPrefix(ip.Name, util.NodePortName("")); ok && ip.Spec.Namespace == "" {
		return []string{node}
	}
	return nil
}

func (c *controller) sync(ctx context.Context, name string) error {
	in, err := c.gather(name)
	if err != nil {
		return err
	}
	if in.node == nil {
		delete(c.told, name)
		return c.release(ctx, in)
	}
	c.warn(in)
	lease, err := c.claim(in)
	if err != nil {
		return fmt.Errorf("join address of node %s: %w", name, err)
	}
	if err := c.record(ctx, in, lease); err != nil {
		return err
	}
	owner := ovs.Owner{Kind: Name, Key: name}
	if _, err := c.NB.Apply(ctx, owner, rows(in, lease)); err != nil {
		return fmt.Errorf("apply rows of node %s: %w", name, err)
	}
	if err := c.annotate(ctx, in, lease); err != nil {
		return err
	}
	if _, err := c.SB.Apply(ctx, owner, chassis(in)); err != nil {
		return fmt.Errorf("mark chassis of node %s: %w", name, err)
	}
	return nil
}

// release takes everything back from a node that is gone; its address last, so that nobody gets it while it is in use.
func (c *controller) release(ctx context.Context, in inputs) error {
	owner := ovs.Owner{Kind: Name, Key: in.name}
	for _, db := range []*ovs.Client{c.NB, c.SB} {
		if _, err := db.Apply(ctx, owner, nil); err != nil {
			return fmt.Errorf("remove rows of node %s: %w", in.name, err)
		}
	}
	port := util.NodePortName(in.name)
	if in.ip != nil && in.ip.DeletionTimestamp.IsZero() {
		if err := c.IPs.Delete(ctx, port, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete ip %s: %w", port, err)
		}
		c.ips.Gone(port)
	}
	c.IPAM.ReleaseOwner(port)
	return nil
}

// claim returns the node's lease: the addresses of its annotations as long as they fit, so that a node keeps them.
func (c *controller) claim(in inputs) (ipam.Lease, error) {
	port := util.NodePortName(in.name)
	request := ipam.Request{Owner: port, NIC: port, Addresses: in.held, MAC: in.heldMAC}
	lease, err := c.IPAM.Claim(c.JoinSubnet, request)
	if errors.Is(err, ipam.ErrNoSubnet) {
		return lease, reconcile.Wait("addresses of subnet %s", c.JoinSubnet)
	}
	if err != nil && len(in.held) > 0 {
		return c.IPAM.Claim(c.JoinSubnet, ipam.Request{Owner: port, NIC: port})
	}
	return lease, err
}

// record writes the IP object, the durable form of the claim, before anything uses the address.
func (c *controller) record(ctx context.Context, in inputs, lease ipam.Lease) error {
	want := ipObject(in, lease)
	if in.ip == nil {
		err := c.ips.Create(want.Name, func() (*v1.IP, error) { return c.IPs.Create(ctx, want, metav1.CreateOptions{}) })
		if err != nil {
			return fmt.Errorf("create ip %s: %w", want.Name, err)
		}
		return nil
	}
	if !in.ip.DeletionTimestamp.IsZero() {
		return reconcile.Wait("the removal of the former ip %s", want.Name)
	}
	if have := in.ip.Spec; have.IPAddress != "" && (have.IPAddress != want.Spec.IPAddress || have.MacAddress != want.Spec.MacAddress) {
		// What an IP object records cannot be changed (api.md 7.2), so it is made anew.
		if err := c.IPs.Delete(ctx, want.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete ip %s: %w", want.Name, err)
		}
		c.ips.Gone(want.Name)
		return reconcile.Wait("the removal of the former ip %s", want.Name)
	}
	merged := in.ip.DeepCopy()
	merged.Spec = want.Spec
	merged.OwnerReferences = want.OwnerReferences
	for k, v := range want.Labels {
		metav1.SetMetaDataLabel(&merged.ObjectMeta, k, v)
	}
	reconcile.AddFinalizer(merged)
	_, err := c.ips.Patch(ctx, in.ip, merged)
	return err
}

// annotate tells the node's daemon its address.
func (c *controller) annotate(ctx context.Context, in inputs, lease ipam.Lease) error {
	after := in.node.DeepCopy()
	for key, value := range annotations(in, lease) {
		metav1.SetMetaDataAnnotation(&after.ObjectMeta, key, value)
	}
	if err := c.nodes.Merge(ctx, c.Nodes, in.node, after); err != nil {
		return fmt.Errorf("annotate node %s: %w", in.name, err)
	}
	return nil
}
