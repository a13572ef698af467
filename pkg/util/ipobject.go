package util

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

// Values of IP spec.podType: the owner whose life decides how long the address is kept.
const (
	PodTypeStatefulSet    = "StatefulSet"
	PodTypeVirtualMachine = "VirtualMachine"
)

// PortLease is what the IP object of one port records: the durable claim of its addresses (northbound.md 4.4).
type PortLease struct {
	Port      string // name of the switch port and of the object
	Pod       string
	Namespace string
	Node      string
	Subnet    string
	V4, V6    string
	MAC       string
	PodType   string
}

// Object is the lease as an IP object with its labels and finalizer. The empty lists are what older readers expect.
func (l PortLease) Object() *v1.IP {
	return &v1.IP{
		ObjectMeta: metav1.ObjectMeta{
			Name: l.Port,
			Labels: map[string]string{
				SubnetLabel:     l.Subnet,
				NodeNameLabel:   l.Node,
				l.Subnet:        "",
				IPReservedLabel: "false",
			},
			Finalizers: []string{Finalizer},
		},
		Spec: v1.IPSpec{
			PodName:       l.Pod,
			Namespace:     l.Namespace,
			Subnet:        l.Subnet,
			NodeName:      l.Node,
			IPAddress:     JoinDual(l.V4, l.V6),
			V4IPAddress:   l.V4,
			V6IPAddress:   l.V6,
			MacAddress:    l.MAC,
			PodType:       l.PodType,
			AttachSubnets: []string{},
			AttachIPs:     []string{},
			AttachMacs:    []string{},
		},
	}
}
