package vpc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/controller/reconcile"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// underlay is an external subnet of the seed that the subnet controller accepted.
func underlay(name, cidr, gateway string) *v1.Subnet {
	s := controllertest.Subnet(name, util.DefaultVpc, cidr, func(s *v1.SubnetSpec) { s.Vlan, s.Gateway = "vlan-"+name, gateway })
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	return s
}

func external204() *v1.Subnet { return underlay("external204", "10.5.204.0/24", "10.5.204.254") }
func extra() *v1.Subnet       { return underlay("extra", "10.10.204.0/24", "10.10.204.254") }

// gatewayNode is a node whose daemon told its chassis; labelled by the user or not.
func gatewayNode(name string, labelled bool) *corev1.Node {
	node := controllertest.Node(name)
	node.Annotations = map[string]string{util.ChassisAnnotation: "chassis-" + name}
	if labelled {
		node.Labels[util.ExternalGWLabel] = "true"
	}
	return node
}

// chassisOf are chassis of nodes about whose networks nothing is known.
func chassisOf(names ...string) (list []gatewayChassis) {
	for _, name := range names {
		list = append(list, gatewayChassis{name: name})
	}
	return list
}

func threeNodes(labelled bool) []runtime.Object {
	return []runtime.Object{gatewayNode("pc-node-1", labelled), gatewayNode("pc-node-2", labelled), gatewayNode("pc-node-3", labelled)}
}

func outside(s *v1.VpcSpec) { s.EnableExternal = true }

// configMap is that of seed 000 with changes; an empty value takes a key away.
func configMap(changes map[string]string) *corev1.ConfigMap {
	data := map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "pc-node-1,pc-node-2,pc-node-3", "type": "centralized",
		"external-gw-nic": "vlan", "external-gw-addr": "10.5.204.254/24",
	}
	maps.Copy(data, changes)
	maps.DeleteFunc(data, func(_, value string) bool { return value == "" })
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: util.ExternalGatewayConfig}, Data: data}
}

// buildExternal is build beside the switches of the external networks and who grants addresses.
func buildExternal(f *controllertest.Fixture) []*reconcile.Loop {
	return append(build(f), f.Given(ovs.LogicalSwitch{Name: "external204"}, ovs.LogicalSwitch{Name: "extra"}), granter(f))
}

// granter does with OvnEips what their controller does as far as VPCs can see: it grants addresses, which follow from the
// names here, and holds one that goes until its router port is gone.
func granter(f *controllertest.Fixture) *reconcile.Loop {
	source := f.Informers.Kubeovn().V1().OvnEips()
	api := f.KubeOVN.KubeovnV1().OvnEips()
	patch := func(ctx context.Context, before, after *v1.OvnEip, sub ...string) error {
		body, err := reconcile.LockedMergePatch(before, after)
		if err == nil && body != nil {
			_, err = api.Patch(ctx, before.Name, types.MergePatchType, body, metav1.PatchOptions{}, sub...)
		}
		return err
	}
	loop := reconcile.New("granter", 1, func(ctx context.Context, name string) error {
		eip, err := source.Lister().Get(name)
		if apierrors.IsNotFound(err) {
			return nil
		}
		after := eip.DeepCopy()
		if !eip.DeletionTimestamp.IsZero() {
			if _, exists := f.NB.UUID(ovs.LogicalRouterPort{Name: name}); exists {
				return reconcile.Wait("router port %s", name)
			}
			reconcile.RemoveFinalizer(after)
			return patch(ctx, eip, after)
		}
		subnet, err := f.Informers.Kubeovn().V1().Subnets().Lister().Get(eip.Spec.ExternalSubnet)
		if err != nil {
			return reconcile.Wait("subnet %s", eip.Spec.ExternalSubnet)
		}
		reconcile.AddFinalizer(after)
		sum := sha256.Sum256([]byte(name))
		if after.Spec.V4Ip == "" {
			network, _, _ := strings.Cut(subnet.Spec.CIDRBlock, ".0/")
			after.Spec.V4Ip = fmt.Sprintf("%s.%d", network, 101+int(sum[0])%100)
		}
		if after.Spec.MacAddress == "" {
			after.Spec.MacAddress = util.HashMAC(name, 7)
		}
		after.Status = v1.OvnEipStatus{
			Type: eip.Spec.Type, Ready: true, V4Ip: after.Spec.V4Ip, MacAddress: after.Spec.MacAddress,
			Conditions: []v1.Condition{{Type: v1.ConditionReady, Status: metav1.ConditionTrue}},
		}
		return patch(ctx, eip, after)
	})
	reconcile.Watch(loop, source, reconcile.Self[*v1.OvnEip])
	reconcile.Watch(loop, f.Informers.Kubeovn().V1().Subnets(), func(*v1.Subnet) []string {
		return source.Informer().GetIndexer().ListKeys()
	})
	return loop
}

// network1 is a started world of external networks.
type network1 struct {
	*controllertest.Fixture
	t *testing.T
}

func startedExternal(t *testing.T, objects ...runtime.Object) network1 {
	t.Helper()
	f := controllertest.New(t, objects...)
	f.Run(buildExternal)
	f.Settle()
	return network1{f, t}
}

// line is the row of the dump that begins with prefix, "" when there is none.
func (n network1) line(prefix string) string {
	n.t.Helper()
	for line := range strings.SplitSeq(n.Dump(), "\n") {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

func (n network1) port(name string) string { return n.line("Logical_Router_Port " + name + ":") }

// priorities are chassis in the order of their priority on a port.
func (n network1) priorities(port string) string {
	n.t.Helper()
	byPriority := map[string]string{}
	for line := range strings.SplitSeq(n.Dump(), "\n") {
		if !strings.HasPrefix(line, "Gateway_Chassis "+port+"-") {
			continue
		}
		_, rest, _ := strings.Cut(line, "chassis_name=")
		chassis, _, _ := strings.Cut(rest, " ")
		_, rest, _ = strings.Cut(line, "priority=")
		priority, _, _ := strings.Cut(rest, " ")
		byPriority[priority] = strings.TrimPrefix(chassis, "chassis-pc-node-")
	}
	var list []string
	for range byPriority {
		list = append(list, byPriority[fmt.Sprint(util.GatewayChassisPriority(len(list)))])
	}
	return strings.Join(list, " ")
}

// condition waits for the Ready condition of a VPC to have a reason, and returns its message.
func (n network1) condition(vpc, reason string) string {
	n.t.Helper()
	var message string
	n.Eventually(vpc+" has reason "+reason, func() bool {
		c := v1.FindCondition(controllertest.Stored(n.Fixture, controllertest.Vpc(vpc)).Status.Conditions, v1.ConditionReady)
		if c == nil || c.Reason != reason {
			return false
		}
		message = c.Message
		return true
	})
	return message
}

func (n network1) eip(name string) *v1.OvnEip {
	n.t.Helper()
	return controllertest.Stored(n.Fixture, lrpEip(name, ""))
}

func lrpEip(name, v4 string) *v1.OvnEip {
	return &v1.OvnEip{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.OvnEipSpec{ExternalSubnet: "external204", Type: util.EipTypeLRP, V4Ip: v4},
	}
}
