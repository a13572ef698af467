package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cnitypes "github.com/containernetworking/cni/pkg/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	kubeovnfake "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/fake"
	kubeovninformers "github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func TestMain(m *testing.M) { porttest.Main(m) }

// fixture is a server on a real socket; the API server is a fake clientset, the node is real where a test needs one.
type fixture struct {
	t      testing.TB
	kube   *fake.Clientset
	client *api.Client
	server *Server
	socket string
	events chan string

	mu    sync.Mutex
	bound []string
}

// newFixture starts a server; change edits its configuration. Without a node no interface can be made.
func newFixture(t testing.TB, node *porttest.Node, change func(*Config)) *fixture {
	t.Helper()
	recorder := record.NewFakeRecorder(100)
	f := &fixture{t: t, events: recorder.Events, socket: filepath.Join(t.TempDir(), "cni.sock")}
	f.kube = fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}})
	ovn := kubeovnfake.NewSimpleClientset(
		&kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "net1"}, Spec: kubeovnv1.SubnetSpec{Provider: "ovn"}},
		&kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "net2"}, Spec: kubeovnv1.SubnetSpec{Provider: "nad.ns1.ovn"}})
	core := informers.NewSharedInformerFactory(f.kube, 0)
	own := kubeovninformers.NewSharedInformerFactory(ovn, 0)
	cfg := Config{
		NodeName: "node1", Pods: core.Core().V1().Pods(), Nodes: core.Core().V1().Nodes(), Subnets: own.Kubeovn().V1().Subnets(),
		LookupPod: func(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
			return f.kube.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		BindIP:   f.bind,
		Recorder: recorder, WaitTimeout: 10 * time.Second,
		Defaults: port.Defaults{MTU: 1400},
	}
	if node != nil {
		cfg.Ports = port.NewManager(node.Vswitch, port.Config{Userspace: true, Background: t.Context()})
	}
	if change != nil {
		change(&cfg)
	}
	server, err := New(cfg)
	must(t, err)
	core.Start(t.Context().Done())
	own.Start(t.Context().Done())
	core.WaitForCacheSync(t.Context().Done())
	own.WaitForCacheSync(t.Context().Done())
	f.serve(server)
	return f
}

func (f *fixture) serve(s *Server) {
	f.t.Helper()
	l, err := Listen(f.t.Context(), f.socket)
	must(f.t, err)
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	})
	f.server, f.client = s, api.NewClient(f.socket)
}

func (f *fixture) bind(_ context.Context, ip, subnet string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bound = append(f.bound, ip+" in "+subnet)
	return errors.New("the IP object is for the controller to write")
}

func (f *fixture) boundIPs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.bound)
}

// pod is number n with 10.1.0.n on net1, as the controller leaves it.
func pod(n int) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("p%d", n), Namespace: "default", UID: types.UID(fmt.Sprintf("uid-%d", n)),
		Annotations: map[string]string{
			"ovn.kubernetes.io/allocated":      "true",
			"ovn.kubernetes.io/routed":         "true",
			"ovn.kubernetes.io/ip_address":     fmt.Sprintf("10.1.0.%d", n),
			"ovn.kubernetes.io/mac_address":    fmt.Sprintf("00:00:00:00:01:%02x", n),
			"ovn.kubernetes.io/cidr":           "10.1.0.0/24",
			"ovn.kubernetes.io/gateway":        "10.1.0.1",
			"ovn.kubernetes.io/logical_switch": "net1",
		},
	}}
}

// request asks for the interface of pod n.
func request(n int) api.Request {
	return api.Request{
		CNIType: "kube-ovn", PodName: fmt.Sprintf("p%d", n), PodNamespace: "default", PodUID: fmt.Sprintf("uid-%d", n),
		ContainerID: fmt.Sprintf("cid%d", n), NetNS: "/run/netns/none", IfName: "eth0", Network: "kube-ovn",
		DNS: cnitypes.DNS{Nameservers: []string{"10.96.0.10"}},
	}
}

func (f *fixture) create(p *corev1.Pod) {
	f.t.Helper()
	_, err := f.kube.CoreV1().Pods(p.Namespace).Create(f.t.Context(), p, metav1.CreateOptions{})
	must(f.t, err)
}

func (f *fixture) update(p *corev1.Pod) {
	f.t.Helper()
	_, err := f.kube.CoreV1().Pods(p.Namespace).Update(f.t.Context(), p, metav1.UpdateOptions{})
	must(f.t, err)
}

func (f *fixture) remove(p *corev1.Pod) {
	f.t.Helper()
	must(f.t, f.kube.CoreV1().Pods(p.Namespace).Delete(f.t.Context(), p.Name, metav1.DeleteOptions{}))
}

// event waits for the next event.
func (f *fixture) event() string {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(10 * time.Second):
		f.t.Fatal("no event")
		return ""
	}
}

// assertFailure looks at code and text of an error of the client.
func assertFailure(t testing.TB, err error, code uint, text string) {
	t.Helper()
	var told *cnitypes.Error
	if !errors.As(err, &told) || told.Code != code || !strings.Contains(told.Msg, text) {
		t.Errorf("got %#v, want code %d and %q", err, code, text)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !look() {
		if time.Now().After(deadline) {
			t.Fatalf("%s never happens", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
