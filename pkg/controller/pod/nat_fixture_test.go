package pod

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ipam"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// gateway is the default VPC with the settings of seed 002 in effect; pairs are more keys and values.
func gateway(pairs ...string) *v1.Vpc {
	data := map[string]string{
		"enable-external-gw": "true", "external-gw-nodes": "kube-ovn-worker", "external-gw-nic": "eth1",
		"nic-ip": "172.56.0.100/16", "nic-mac": "16:52:f3:13:6a:25", "external-gw-addr": "172.56.0.1/16, fd00:56::1/64",
	}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	vpc := controllertest.Vpc(util.DefaultVpc)
	vpc.Annotations = map[string]string{util.ExternalGatewayInEffect: util.EncodeExternalGateway(data)}
	return vpc
}

var (
	router     = ovs.LogicalRouter{Name: util.DefaultVpc}
	routerPort = ovs.LogicalRouterPort{
		Router: util.DefaultVpc, Name: util.DefaultVpc + "-external", MAC: "16:52:f3:13:6a:25", Networks: []string{"172.56.0.100/16", "fd00:56::64/64"},
	}
)

// natWorld is a default VPC with an external network, whose address book is rebuilt at each start as the program does.
func natWorld(t *testing.T, cidr string, rows ...ovs.Row) *world {
	w := newWorld(t, newSubnet("ovn-default", util.DefaultVpc, cidr))
	w.more = append([]ovs.Row{router}, rows...)
	w.prepare = func(f *controllertest.Fixture, books *ipam.IPAM) {
		spec := ipam.Spec{Name: "external", CIDRBlock: "172.56.0.0/16,fd00:56::/64", Gateway: "172.56.0.1,fd00:56::1", ExcludeIPs: []string{"172.56.0.200..172.56.0.210"}}
		if err := books.SetSubnet(spec); err != nil {
			t.Fatal(err)
		}
		held := NatHoldings(f.NB.LiveNATs(), "external")
		ips, err := f.KubeOVN.KubeovnV1().IPs().List(f.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ip := range ips.Items {
			lease := testLease(ip.Spec.IPAddress)
			lease.Subnet, lease.NIC, lease.MAC = ip.Spec.Subnet, ip.Name, ip.Spec.MacAddress
			lease.Owner = ip.Spec.Namespace + "/" + ip.Spec.PodName
			held = append(held, ipam.Holding{Lease: lease})
		}
		for _, err := range books.Rebuild(held) {
			t.Error(err)
		}
		claimFor(t, books, "OvnEip ovn-cluster-external", "ovn-cluster-external", "172.56.0.100")
	}
	return w
}

// claimFor leases an outside address for somebody else.
func claimFor(t *testing.T, books *ipam.IPAM, owner, port, address string) {
	t.Helper()
	r := ipam.Request{Owner: owner, NIC: port, Addresses: testLease(address).Addresses(), Family: ipam.IPv4Only, ShareWith: func(l ipam.Lease) bool {
		return strings.HasSuffix(l.Owner, " snat")
	}}
	if _, err := books.Claim("external", r); err != nil {
		t.Fatal(err)
	}
}

const (
	eipKey, snatKey, northKey = "ovn.kubernetes.io/eip", "ovn.kubernetes.io/snat", "ovn.kubernetes.io/north_gateway"
	routedKey                 = "ovn.kubernetes.io/routed"
)

// nats is a running natWorld.
type nats struct {
	*controllertest.Fixture
	*world
}

func startNats(w *world, objects ...runtime.Object) *nats {
	f := controllertest.New(w.t, w.objects(objects...)...)
	f.Run(w.build)
	return &nats{f, w}
}

// annotate changes a pod as a user does; an empty value takes the key away.
func (n *nats) annotate(name string, pairs ...string) {
	n.t.Helper()
	n.Eventually("annotation of pod "+name, func() bool {
		pod := controllertest.Stored(n.Fixture, newPod(name)).DeepCopy()
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				delete(pod.Annotations, pairs[i])
			} else {
				metav1.SetMetaDataAnnotation(&pod.ObjectMeta, pairs[i], pairs[i+1])
			}
		}
		_, err := n.Kube.CoreV1().Pods(pod.Namespace).Update(n.Context(), pod, metav1.UpdateOptions{})
		return err == nil
	})
}

// rows are the NAT and policy rows of the database in short.
func (n *nats) natRows() string {
	var lines []string
	for _, line := range strings.Split(n.Dump(), "\n") {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "NAT ") {
			lines = append(lines, strings.TrimSuffix(fields[1], ":"))
		}
		if strings.HasPrefix(line, "Logical_Router_Policy ") {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "Logical_Router_Policy "), ": ")
			_, hops, _ := strings.Cut(line, "nexthops=")
			hops, _, _ = strings.Cut(hops, " ")
			lines = append(lines, name+" "+hops)
		}
	}
	return strings.Join(lines, "; ")
}

func (n *nats) wantRows(what, want string) {
	n.t.Helper()
	defer func() {
		n.t.Helper()
		if got := n.natRows(); got != want {
			n.t.Errorf("%s: rows %q, want %q", what, got, want)
		}
	}()
	n.Eventually(what, func() bool { return n.natRows() == want })
}

// served waits until a pod was told of its network.
func (n *nats) served(name string) {
	n.t.Helper()
	n.Eventually("network of "+name, func() bool { return controllertest.Stored(n.Fixture, newPod(name)).Annotations[routedKey] == "true" })
}

// inGatewayGroup says whether a pod leaves by its subnet's gateway.
func (n *nats) inGatewayGroup(name string) bool {
	for _, line := range strings.Split(n.Dump(), "\n") {
		if strings.HasPrefix(line, "Logical_Switch_Port "+name+".ns:") {
			return strings.Contains(line, "ovn.default.node1")
		}
	}
	n.t.Errorf("pod %s has no port", name)
	return false
}

func uidPod(name string, annotations ...string) *corev1.Pod {
	pod := newPod(name, annotations...)
	pod.UID = "" // each its own: events are told once per pod
	return pod
}
