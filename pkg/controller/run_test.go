package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	nadfake "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned/fake"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/controller/controllertest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/pkg/util"
)

// cluster is a whole controller on a fake API and real databases.
type cluster struct {
	*controllertest.Fixture
	config  Config
	current *Controller
	stop    func()
}

func newCluster(t *testing.T, config Config, nodes ...*corev1.Node) *cluster {
	t.Helper()
	c := &cluster{Fixture: controllertest.New(t), config: config}
	sb := ovstest.Start(t, ovs.Southbound)
	c.config.Northbound = ovs.Config{Endpoints: []string{c.Server.Endpoint}}
	c.config.Southbound = ovs.Config{Endpoints: []string{sb.Endpoint}}
	for _, node := range nodes {
		c.Create(node)
	}
	for _, name := range []string{"default", "kube-system"} {
		c.Create(controllertest.Namespace(name))
	}
	c.start(t)
	t.Cleanup(func() { c.stop() })
	return c
}

// start runs a controller process; stop ends it.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	c.Fixture.Forget()
	process := New(c.config, Clients{Kube: c.Kube, KubeOVN: c.KubeOVN, Attachments: nadfake.NewSimpleClientset()})
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan error, 1)
	go func() { done <- process.Run(ctx) }()
	c.current = process
	c.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		c.stop = func() {}
	}
	c.Eventually("the controller serves", process.Serving)
}

func (c *cluster) vpc(name string) *v1.Vpc {
	return controllertest.Stored(c.Fixture, controllertest.Vpc(name))
}

func (c *cluster) subnetReady(name string) func() bool {
	return func() bool {
		if !c.Exists(controllertest.Subnet(name, "", "")) {
			return false
		}
		s := controllertest.Stored(c.Fixture, controllertest.Subnet(name, "", ""))
		return v1.IsConditionTrue(s.Status.Conditions, v1.ConditionReady)
	}
}

func (c *cluster) pod(namespace, name, node string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	c.Create(pod)
	return pod
}

func (c *cluster) address(pod *corev1.Pod) string {
	annotations := controllertest.Stored(c.Fixture, pod).Annotations
	if annotations[util.Key("ovn", util.Allocated)] != "true" || annotations[util.Key("ovn", util.Routed)] != "true" {
		return ""
	}
	return annotations[util.Key("ovn", util.IPAddress)]
}

// quiet waits until every loop has made its first pass and has nothing left to do, and nobody writes any more.
func (c *cluster) quiet() {
	c.Eventually("the loops are idle", func() bool {
		for _, loop := range c.current.running {
			select {
			case <-loop.FirstPass():
			default:
				return false
			}
			if !loop.Idle() {
				return false
			}
		}
		return true
	})
	c.Settle()
}

func count(dump, pattern string) int {
	return len(regexp.MustCompile("(?m)"+pattern).FindAllString(dump, -1))
}

var threeNodes = []*corev1.Node{
	controllertest.Node("node1", "192.168.123.21"), controllertest.Node("node2", "192.168.123.22"), controllertest.Node("node3", "192.168.123.23"),
}

// S-118 to S-123: the default VPC of a fresh cluster of three nodes, as seed 004 prints it.
func TestFreshCluster(t *testing.T) {
	c := newCluster(t, defaults(), threeNodes...)
	c.Eventually("eight policies", func() bool { return count(c.Dump(), "^Logical_Router_Policy ") == 8 })
	c.Eventually("both subnets are ready", func() bool { return c.subnetReady("join")() && c.subnetReady("ovn-default")() })
	c.Eventually("the vpc lists both", func() bool { return strings.Join(c.vpc(util.DefaultVpc).Status.Subnets, ",") == "join,ovn-default" })

	status := c.vpc(util.DefaultVpc).Status
	if !status.Standby || !status.Default || status.Router != "ovn-cluster" || status.DefaultLogicalSwitch != "ovn-default" {
		t.Errorf("vpc status %+v", status)
	}
	dump := c.Dump()
	for pattern, want := range map[string]int{
		`^Logical_Router ovn-cluster: `:                                                                                               1,
		`^Logical_Router_Port ovn-cluster-(join|ovn-default): `:                                                                       2,
		`^Logical_Router_Static_Route .*ip_prefix=0\.0\.0\.0/0 nexthop=100\.64\.0\.1 policy=dst-ip`:                                   1,
		`^Logical_Router_Policy 31000,.*action=allow external_ids=\{.*subnet=(join|ovn-default)\}`:                                    2,
		`^Logical_Router_Policy 30000,ip4\.dst == 192\.168\.123\.2[123]: action=reroute external_ids=\{address-family=4, .*node=node`: 3,
		`^Logical_Router_Policy 29000,ip4\.src == \$ovn\.default\.node[123]_ip4: action=reroute .*subnet=ovn-default\}`:               3,
		`^Logical_Router_Static_Route `:                                                                                               1,
		`^NAT `:                                                                                                                       0,
		`^Load_Balancer `:                                                                                                             0,
	} {
		if got := count(dump, pattern); got != want {
			t.Errorf("%d lines match %s, want %d", got, pattern, want)
		}
	}
	if t.Failed() {
		t.Log(dump)
	}
	for _, want := range []string{"use_ct_inv_match=false", "kube-ovn-version=" + util.Version} {
		if !strings.Contains(dump, want) {
			t.Errorf("NB_Global lacks %s", want)
		}
	}
}

// The quickstart: two tenants with the same prefix; their namespaces' pods get addresses there.
func TestTenants(t *testing.T) {
	c := newCluster(t, defaults(), threeNodes[:1]...)
	for _, tenant := range []struct{ vpc, subnet, namespace string }{{"test-vpc-1", "net1", "ns1"}, {"test-vpc-2", "net2", "ns2"}} {
		c.Create(controllertest.Namespace(tenant.namespace))
		c.Create(controllertest.Vpc(tenant.vpc, func(s *v1.VpcSpec) { s.Namespaces = []string{tenant.namespace} }))
		c.Create(controllertest.Subnet(tenant.subnet, tenant.vpc, "10.0.1.0/24", func(s *v1.SubnetSpec) { s.Namespaces = []string{tenant.namespace} }))
	}
	c.Eventually("the subnets are ready", func() bool { return c.subnetReady("net1")() && c.subnetReady("net2")() })
	c.Eventually("the namespaces have them", func() bool {
		get := func(name string) string {
			return controllertest.Stored(c.Fixture, controllertest.Namespace(name)).Annotations[util.NamespaceSubnetsAnnotation]
		}
		return get("ns1") == "net1" && get("ns2") == "net2" && get("default") == "ovn-default"
	})
	one, two, plain := c.pod("ns1", "vpc1-pod", "node1"), c.pod("ns2", "vpc2-pod", "node1"), c.pod("default", "pod", "node1")
	c.Eventually("the pods have addresses", func() bool {
		return c.address(one) == "10.0.1.2" && c.address(two) == "10.0.1.2" && strings.HasPrefix(c.address(plain), "10.16.0.")
	})
	c.Eventually("the subnet counts its pod", func() bool {
		return controllertest.Stored(c.Fixture, controllertest.Subnet("net1", "", "")).Status.V4UsingIPs.String() == "1"
	})

	c.Delete(one)
	c.Eventually("the pod's port and claim are gone", func() bool {
		return !strings.Contains(c.Dump(), "vpc1-pod.ns1") && !c.Exists(&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "vpc1-pod.ns1"}})
	})
}

// A restart on a converged cluster changes nothing: no transaction, no API write, the same addresses.
func TestRestartWritesNothing(t *testing.T) {
	c := newCluster(t, defaults(), threeNodes...)
	pods := []*corev1.Pod{c.pod("default", "a", "node1"), c.pod("default", "b", "node2")}
	c.Eventually("the pods have addresses", func() bool { return c.address(pods[0]) != "" && c.address(pods[1]) != "" })
	c.Eventually("they are counted", func() bool {
		s := controllertest.Stored(c.Fixture, controllertest.Subnet(util.DefaultSubnet, "", ""))
		join := controllertest.Stored(c.Fixture, controllertest.Subnet(util.JoinSubnet, "", ""))
		return s.Status.V4UsingIPs.String() == "2" && join.Status.V4UsingIPs.String() == "3" && c.subnetReady(util.JoinSubnet)()
	})
	c.quiet()
	before := c.Dump()
	c.stop()
	c.start(t)
	c.quiet()
	var writes []string
	for _, write := range c.Writes() {
		if !strings.Contains(write, "events/") {
			writes = append(writes, write)
		}
	}
	if len(writes) > 0 {
		t.Errorf("API writes:\n%s", strings.Join(writes, "\n"))
	}
	if n := c.current.nb.Stats().Transactions; n != 0 {
		t.Errorf("%d northbound transactions", n)
	}
	if after := c.Dump(); after != before {
		t.Errorf("rows changed from\n%s\nto\n%s", before, after)
	}
}

// What vanished while the controller was down is gone after its first pass, and an emptied database comes back.
func TestRecovery(t *testing.T) {
	c := newCluster(t, defaults(), threeNodes[:2]...)
	gone, stays := c.pod("default", "gone", "node1"), c.pod("default", "stays", "node2")
	c.Eventually("the pods have addresses", func() bool { return c.address(gone) != "" && c.address(stays) != "" })
	address := c.address(stays)
	c.stop()
	c.Vanish(gone)
	c.start(t)
	c.Eventually("the port of the pod that vanished is gone", func() bool { return !strings.Contains(c.Dump(), "gone.default") })
	if c.address(stays) != address {
		t.Errorf("the other pod's address became %s", c.address(stays))
	}
	c.quiet()
	before := c.Dump()
	c.Empty()
	c.WaitDump(before)
}

func TestSecondFamilyIsAdded(t *testing.T) {
	c := newCluster(t, defaults(), threeNodes[:1]...)
	c.Eventually("the default subnet is ready", c.subnetReady(util.DefaultSubnet))
	c.stop()
	c.config.DefaultCIDR, c.config.JoinCIDR = "10.99.0.0/16,fd00:10:16::/64", "100.64.0.0/16,fd00:100:64::/64"
	c.start(t)
	c.Eventually("the default subnet is dual stack", func() bool {
		s := controllertest.Stored(c.Fixture, controllertest.Subnet(util.DefaultSubnet, "", ""))
		return s.Spec.CIDRBlock == "10.16.0.0/16,fd00:10:16::/64" && s.Spec.Gateway == "10.16.0.1,fd00:10:16::1" && c.subnetReady(s.Name)()
	})
	c.Eventually("the router has both default routes", func() bool { return count(c.Dump(), "^Logical_Router_Static_Route ") == 2 })
}

func TestSubnetMetrics(t *testing.T) {
	subnet := func(protocol string, texts ...string) *v1.Subnet {
		var counts [4]v1.BigInt
		for i, text := range texts {
			counts[i].Decimal = text
		}
		s := controllertest.Subnet("s", "", "")
		s.Spec.Protocol = protocol
		s.Status.V4AvailableIPs, s.Status.V6AvailableIPs, s.Status.V4UsingIPs, s.Status.V6UsingIPs = counts[0], counts[1], counts[2], counts[3]
		return s
	}
	for _, test := range []struct {
		subnet          *v1.Subnet
		available, used float64
	}{
		{subnet(util.ProtocolIPv4, "10", "", "3", ""), 10, 3},
		{subnet(util.ProtocolIPv6, "", "18446744073709551616", "", "4"), 18446744073709551616, 4},
		{subnet(util.ProtocolDual, "10", "18446744073709551616", "3", "4"), 10, 4},
	} {
		if available, used := counts(test.subnet); available != test.available || used != test.used {
			t.Errorf("%s: %v available, %v used", test.subnet.Spec.Protocol, available, used)
		}
	}

	c := newCluster(t, defaults(), threeNodes[:1]...)
	c.Eventually("the default subnet is counted", c.subnetReady(util.DefaultSubnet))
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.current)
	c.Eventually("the metric of the default subnet", func() bool {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(families)
		return strings.Contains(text, "subnet_available_ip_count") && strings.Contains(text, "10.16.0.0/16") && strings.Contains(text, "65533")
	})
	c.Create(controllertest.Subnet("out", util.DefaultVpc, "10.18.0.0/24", func(s *v1.SubnetSpec) {
		s.GatewayType, s.GatewayNode, s.EnableEcmp, s.ExcludeIps = util.GatewayCentralized, "node1", true, []string{"10.18.0.1", "10.18.0.9..10.18.0.12"}
	}))
	var join string
	c.Eventually("the node's join address", func() bool {
		join = controllertest.Stored(c.Fixture, threeNodes[0]).Annotations["ovn.kubernetes.io/ip_address"]
		return join != ""
	})
	for _, want := range []string{
		`subnet_ipam_info{available="10.18.0.2-10.18.0.8,10.18.0.13-10.18.0.254",cidr="10.18.0.0/24",free="10.18.0.2-10.18.0.8,10.18.0.13-10.18.0.254",reserved="10.18.0.1,10.18.0.9-10.18.0.12",subnet_name="out",using=""} 1`,
		`subnet_ip_assign_info{ip="` + join + `",pod_name="node1",subnet_name="join"} 1`,
		`centralized_subnet_info{active_gateway="node1",enable_ecmp="true",gateway_node="node1",match="ip4.src == 10.18.0.0/24",nexthops="` + join + `",subnet_name="out"} 1`,
	} {
		c.Eventually(want, func() bool {
			recorder := httptest.NewRecorder()
			promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Contains(recorder.Body.String(), want)
		})
	}
	registry = prometheus.NewRegistry()
	registry.MustRegister(New(defaults(), Clients{}))
	if families, err := registry.Gather(); err != nil || len(families) > 0 {
		t.Errorf("a replica that does not lead tells %v, %v", families, err)
	}
}

// A missing permission is named instead of waited for.
func TestRunNeedsItsPermissions(t *testing.T) {
	f := controllertest.New(t)
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: v1.GroupName, Resource: "subnets"}, "", errors.New("no rule"))
	f.KubeOVN.PrependReactor("list", "subnets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, forbidden })
	err := New(defaults(), Clients{Kube: f.Kube, KubeOVN: f.KubeOVN, Attachments: nadfake.NewSimpleClientset()}).Run(t.Context())
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "list subnets") {
		t.Errorf("got %v", err)
	}
}

func TestRunFailsWithoutDatabase(t *testing.T) {
	config := defaults()
	config.Northbound = ovs.Config{Endpoints: []string{"unix:" + t.TempDir() + "/none"}, MaxRetry: 1}
	f := controllertest.New(t)
	err := New(config, Clients{Kube: f.Kube, KubeOVN: f.KubeOVN, Attachments: nadfake.NewSimpleClientset()}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "northbound") {
		t.Errorf("got %v", err)
	}
}
