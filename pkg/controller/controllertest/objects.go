package controllertest

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// Vpc is a VPC as a user writes it.
func Vpc(name string, edits ...func(*v1.VpcSpec)) *v1.Vpc {
	vpc := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, edit := range edits {
		edit(&vpc.Spec)
	}
	return vpc
}

// Subnet is a subnet as a user writes it; an empty vpc is left to the controller.
func Subnet(name, vpc, cidr string, edits ...func(*v1.SubnetSpec)) *v1.Subnet {
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr}}
	for _, edit := range edits {
		edit(&subnet.Spec)
	}
	return subnet
}

// Accepted marks a subnet as its controller does when it accepts the spec.
func Accepted(s *v1.Subnet) *v1.Subnet {
	s.Status.Accepted = &v1.AcceptedSubnet{Generation: max(s.Generation, 1), Spec: *s.Spec.DeepCopy()}
	s.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionTrue, ObservedGeneration: max(s.Generation, 1)}}
	return s
}

// Refused is an accepted subnet after an edit that its controller refuses.
func Refused(s *v1.Subnet, edit func(*v1.SubnetSpec)) *v1.Subnet {
	out := s.DeepCopy()
	edit(&out.Spec)
	out.Status.Conditions = []v1.Condition{{Type: v1.ConditionValidated, Status: metav1.ConditionFalse, ObservedGeneration: s.Generation + 1}}
	return out
}

// DefaultSubnets are the objects of the cluster's own network as they are after normalisation: the default VPC, the default
// subnet and the join subnet.
func DefaultSubnets() (*v1.Vpc, *v1.Subnet, *v1.Subnet) {
	def := Subnet(util.DefaultSubnet, util.DefaultVpc, "10.16.0.0/16", func(s *v1.SubnetSpec) {
		s.Default, s.NatOutgoing, s.GatewayType = true, true, "distributed"
		s.Gateway, s.ExcludeIps = "10.16.0.1", []string{"10.16.0.1"}
		s.Provider, s.Protocol = util.OvnProvider, util.ProtocolIPv4
	})
	join := Subnet(util.JoinSubnet, util.DefaultVpc, "100.64.0.0/16", func(s *v1.SubnetSpec) {
		s.Gateway, s.ExcludeIps, s.DisableInterConnection = "100.64.0.1", []string{"100.64.0.1"}, true
		s.Provider, s.Protocol = util.OvnProvider, util.ProtocolIPv4
	})
	return Vpc(util.DefaultVpc), def, join
}

// Namespace is a namespace with its standard label.
func Namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}}
}

// Node is a ready node with an internal address per given one.
func Node(name string, addresses ...string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, address := range addresses {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
	}
	return node
}
