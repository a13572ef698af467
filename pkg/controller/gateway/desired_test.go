package gateway

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

func node(name, join string, ready bool, labels ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}, Labels: map[string]string{}}}
	if join != "" {
		n.Annotations["ovn.kubernetes.io/allocated"] = "true"
		n.Annotations["ovn.kubernetes.io/ip_address"] = join
	}
	for _, l := range labels {
		n.Labels[l] = "true"
	}
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
	return n
}

func subnet(name string, change ...func(*v1.Subnet)) *v1.Subnet {
	s := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
	s.Spec = v1.SubnetSpec{Vpc: util.DefaultVpc, Provider: util.OvnProvider, CIDRBlock: "10.16.0.0/16", GatewayType: util.GatewayDistributed}
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue}}
	for _, f := range change {
		f(s)
	}
	return s
}

func centralized(gatewayNode string) func(*v1.Subnet) {
	return func(s *v1.Subnet) {
		s.Spec.GatewayType, s.Spec.GatewayNode = util.GatewayCentralized, gatewayNode
	}
}

func dual(s *v1.Subnet) { s.Spec.CIDRBlock = "10.16.0.0/16,fd00:10:16::/112" }

// interconnected is an underlay subnet that the router is not the gateway of.
func interconnected(s *v1.Subnet) { s.Spec.Vlan, s.Spec.U2OInterconnection = "vlan10", true }

func ecmp(s *v1.Subnet) { s.Spec.EnableEcmp = true }

func TestRows(t *testing.T) {
	three := []*corev1.Node{node("node1", "100.64.0.2", true), node("node2", "100.64.0.3", true), node("node3", "100.64.0.4", true)}
	for name, c := range map[string]struct {
		subnet *v1.Subnet
		nodes  []*corev1.Node
	}{
		"distributed": {subnet("ovn-default"), three},
		"distributed dual stack": {subnet("ovn-default", dual), []*corev1.Node{
			node("node1", "100.64.0.2,fd00:100:64::2", true), node("node2", "100.64.0.3", true)}},
		"distributed without join address": {subnet("ovn-default"), []*corev1.Node{node("node1", "", true), three[1]}},
		"centralized":                      {subnet("net1", centralized("node2, node1:10.0.0.9")), three},
		"interconnected without load balancers": {subnet("under", dual, interconnected), []*corev1.Node{
			node("node1", "100.64.0.2,fd00:100:64::2", true), node("node2", "100.64.0.3", true)}},
		"centralized dual stack ecmp": {subnet("net1", dual, ecmp, centralized("node1,node2")), []*corev1.Node{
			node("node1", "100.64.0.2,fd00:100:64::2", true), node("node2", "100.64.0.3,fd00:100:64::3", true)}},
		"centralized without ready node": {subnet("net1", centralized("node9")), three},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputsOf(t, c.subnet, c.nodes)
			controllertest.Golden(t, name, controllertest.Rows(in.rows(in.active())))
		})
	}
}

// inputsOf is gather without listers.
func inputsOf(t *testing.T, s *v1.Subnet, nodes []*corev1.Node) inputs {
	t.Helper()
	in, err := newInputs(util.DefaultVpc, s, nodes)
	if err != nil {
		t.Fatal(err)
	}
	in.services = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00:10:96::/112")}
	return in
}

func TestActive(t *testing.T) {
	one, two, three := node("node1", "100.64.0.2", true, "gw"), node("node2", "100.64.0.3", true), node("node3", "100.64.0.4", true, "gw")
	down := node("node1", "100.64.0.2", false, "gw")
	bare := node("node1", "", true, "gw")
	present := func(name string) func(*v1.Subnet) {
		return func(s *v1.Subnet) { s.Status.ActivateGateway = name }
	}
	byLabel := func(s *v1.Subnet) {
		s.Spec.GatewayType = util.GatewayCentralized
		s.Spec.GatewayNodeSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"gw": "true"}}}
	}
	for name, c := range map[string]struct {
		subnet *v1.Subnet
		nodes  []*corev1.Node
		want   []string
	}{
		"distributed has none":            {subnet("s"), []*corev1.Node{one}, nil},
		"first of the list":               {subnet("s", centralized("node2,node1")), []*corev1.Node{one, two}, []string{"node2"}},
		"present one stays":               {subnet("s", centralized("node2,node1"), present("node1")), []*corev1.Node{one, two}, []string{"node1"}},
		"present one went down":           {subnet("s", centralized("node1,node2"), present("node1")), []*corev1.Node{down, two}, []string{"node2"}},
		"present one left the list":       {subnet("s", centralized("node2"), present("node1")), []*corev1.Node{one, two}, []string{"node2"}},
		"ecmp takes all that are ready":   {subnet("s", ecmp, centralized("node3,node2,node1")), []*corev1.Node{down, two, three}, []string{"node3", "node2"}},
		"node without join address":       {subnet("s", centralized("node1")), []*corev1.Node{bare}, nil},
		"selectors, by name":              {subnet("s", byLabel), []*corev1.Node{one, two, three}, []string{"node1"}},
		"selectors with ecmp":             {subnet("s", byLabel, ecmp), []*corev1.Node{one, two, three}, []string{"node1", "node3"}},
		"neither nodes nor selectors":     {subnet("s", centralized("")), []*corev1.Node{one}, nil},
		"egress addresses are not a name": {subnet("s", centralized(" node2:10.0.0.1 , node1:10.0.0.2")), []*corev1.Node{one, two}, []string{"node2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, n := range inputsOf(t, c.subnet, c.nodes).active() {
				got = append(got, n.name)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestNodeChanged(t *testing.T) {
	before := node("node1", "100.64.0.2", true)
	heartbeat := before.DeepCopy()
	heartbeat.Status.Conditions[0].LastHeartbeatTime = metav1.Now()
	for name, c := range map[string]struct {
		after *corev1.Node
		want  bool
	}{
		"heartbeat":    {heartbeat, false},
		"down":         {node("node1", "100.64.0.2", false), true},
		"join address": {node("node1", "100.64.0.9", true), true},
		"label":        {node("node1", "100.64.0.2", true, "gw"), true},
	} {
		if got := nodeChanged(before, c.after); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The nodes of a centralized gateway have no part in a subnet with a physical one.
func TestPhysicalGatewayHasNoActiveNode(t *testing.T) {
	in := inputsOf(t, subnet("under", interconnected, centralized("node1")), []*corev1.Node{node("node1", "100.64.0.2", true)})
	if active := in.active(); active != nil {
		t.Errorf("a physical gateway and active nodes %v", active)
	}
}
