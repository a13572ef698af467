package daemon

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/kubeovn/kube-ovn/pkg/daemon/node"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
)

func TestServiceCIDRs(t *testing.T) {
	cidr := func(name string, cidrs ...string) *networkingv1.ServiceCIDR {
		return &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: cidrs}}
	}
	for name, tc := range map[string]struct {
		known   bool
		objects []*networkingv1.ServiceCIDR
		want    string
	}{
		"old API server": {false, nil, "10.96.0.0/12"},
		"none yet":       {true, nil, "10.96.0.0/12"},
		"objects win":    {true, []*networkingv1.ServiceCIDR{cidr("kubernetes", "10.0.0.0/24", "fd00::/112")}, "10.0.0.0/24 fd00::/112"},
		"several": {true, []*networkingv1.ServiceCIDR{cidr("kubernetes", "10.0.0.0/24"), cidr("more", "10.0.1.0/24")},
			"10.0.0.0/24 10.0.1.0/24"},
		"one is broken": {true, []*networkingv1.ServiceCIDR{cidr("kubernetes", "10.0.0.0/24", "what")}, "10.0.0.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Daemon{cfg: Config{ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}}, watches: &watches{}}
			if tc.known {
				informer := informers.NewSharedInformerFactory(fake.NewClientset(), 0).Networking().V1().ServiceCIDRs()
				for _, o := range tc.objects {
					if err := informer.Informer().GetStore().Add(o); err != nil {
						t.Fatal(err)
					}
				}
				d.watches.services = informer.Lister()
			}
			got, err := d.serviceCIDRs()
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, p := range got {
				texts = append(texts, p.String())
			}
			slices.Sort(texts)
			if text := strings.Join(texts, " "); text != tc.want {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}

func TestHasServiceCIDRs(t *testing.T) {
	kube := fake.NewClientset()
	d := &Daemon{deps: Deps{Kube: kube}}
	if has, err := d.hasServiceCIDRs(); has || err != nil {
		t.Errorf("an API server without the group: %v, %v", has, err)
	}
	kube.Resources = []*metav1.APIResourceList{{GroupVersion: "networking.k8s.io/v1", APIResources: []metav1.APIResource{{Kind: "Ingress"}}}}
	if has, err := d.hasServiceCIDRs(); has || err != nil {
		t.Errorf("an API server without the kind: %v, %v", has, err)
	}
	kube.Resources[0].APIResources = append(kube.Resources[0].APIResources, metav1.APIResource{Kind: "ServiceCIDR"})
	if has, err := d.hasServiceCIDRs(); !has || err != nil {
		t.Errorf("an API server with the kind: %v, %v", has, err)
	}
	kube.PrependReactor("*", "*", func(ktesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
	if _, err := d.hasServiceCIDRs(); err == nil {
		t.Error("an API server that does not answer is no answer")
	}
}

func TestPublishChassis(t *testing.T) {
	server := ovstest.Start(t, ovs.OpenVSwitchDB)
	server.Transact(t, `{"op":"insert","table":"Open_vSwitch","row":{}}`)
	kube := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{"mine": "stays"}}})
	d := &Daemon{cfg: Config{NodeName: "n"}, deps: Deps{Kube: kube, VSwitch: server.Connect(t)}}
	inputs := func() node.Inputs {
		n, err := kube.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return node.Inputs{Name: "n", Nodes: []*corev1.Node{n}}
	}
	if err := d.publishChassis(t.Context(), inputs()); err == nil || !strings.Contains(err.Error(), "system-id") {
		t.Errorf("want an error about the missing system-id, got %v", err)
	}
	for _, id := range []string{"3f8d1c06-0000-4000-8000-000000000001", "3f8d1c06-0000-4000-8000-000000000002"} {
		if _, err := d.deps.VSwitch.Apply(t.Context(), ovs.Owner{Kind: "test", Key: "id"}, []ovs.Row{ovs.OpenVSwitch{ExternalIDs: map[string]string{"system-id": id}}}); err != nil {
			t.Fatal(err)
		}
		kube.ClearActions()
		for range 2 {
			if err := d.publishChassis(t.Context(), inputs()); err != nil {
				t.Fatal(err)
			}
		}
		n := inputs().Nodes[0]
		if n.Annotations["ovn.kubernetes.io/chassis"] != id || n.Annotations["mine"] != "stays" {
			t.Errorf("annotations %v, want chassis %s", n.Annotations, id)
		}
		patches := 0
		for _, a := range kube.Actions() {
			if a.GetVerb() == "patch" {
				patches++
			}
		}
		if patches != 1 {
			t.Errorf("%d patches for one change", patches)
		}
	}
}

func TestMirrorChanged(t *testing.T) {
	pod := func(annotations ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{}}}
		for i := 0; i < len(annotations); i += 2 {
			p.Annotations[annotations[i]] = annotations[i+1]
		}
		return p
	}
	const key = "ovn.kubernetes.io/mirror"
	for name, tc := range map[string]struct {
		old, now *corev1.Pod
		want     bool
	}{
		"nothing":           {pod(), pod("other", "x"), false},
		"asked for":         {pod(), pod(key, "true"), true},
		"taken back":        {pod(key, "true"), pod(), true},
		"as before":         {pod(key, "true"), pod(key, "true", "other", "x"), false},
		"second interface":  {pod(key, "true"), pod(key, "true", "net1.ns.ovn.kubernetes.io/mirror", "true"), true},
		"another interface": {pod("a.ns.ovn.kubernetes.io/mirror", "true"), pod("b.ns.ovn.kubernetes.io/mirror", "true"), true},
	} {
		if got := mirrorChanged(tc.old, tc.now); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// What the daemon cannot bind it reports before it touches the node.
func TestRunBindsFirst(t *testing.T) {
	porttest.Root(t)
	vswitch := ovstest.Start(t, ovs.OpenVSwitchDB).Connect(t)
	cfg := Config{NodeName: "n", Socket: t.TempDir() + "/nosuch/sock", Serving: Serving{Port: 0}}
	if err := New(cfg, Deps{VSwitch: vswitch}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("want an error that names the socket, got %v", err)
	}
	taken := http.Server{Addr: "127.0.0.1:18665"}
	listening := make(chan error, 1)
	go func() { listening <- taken.ListenAndServe() }()
	t.Cleanup(func() { _ = taken.Close() })
	porttest.Eventually(t, "the port is taken", func() error {
		res, err := http.Get("http://127.0.0.1:18665/")
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	})
	cfg.Socket = t.TempDir() + "/sock"
	cfg.Serving = Serving{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Port: 18665}
	if err := New(cfg, Deps{VSwitch: vswitch}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "18665") {
		t.Errorf("want an error that names the port, got %v", err)
	}
}
