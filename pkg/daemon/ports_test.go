package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/kubeovn/kube-ovn/pkg/daemon/api"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port"
	"github.com/kubeovn/kube-ovn/pkg/daemon/port/porttest"
)

func testPod(name, uid, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(uid)},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

func TestGone(t *testing.T) {
	for name, tc := range map[string]struct {
		port   port.Port
		cached *corev1.Pod
		live   *corev1.Pod
		fail   bool
		want   bool
	}{
		"runs":                            {port: port.Port{Pod: "a", PodUID: "1"}, cached: testPod("a", "1", "n"), live: testPod("a", "1", "n")},
		"runs, recorded without UID":      {port: port.Port{Pod: "a"}, cached: testPod("a", "1", "n"), live: testPod("a", "1", "n")},
		"virtual machine of another name": {port: port.Port{Pod: "vm", PodUID: "1"}, cached: testPod("virt-launcher-vm", "1", "n")},
		"not seen yet":                    {port: port.Port{Pod: "a", PodUID: "1"}, live: testPod("a", "1", "n")},
		"deleted":                         {port: port.Port{Pod: "a", PodUID: "1"}, want: true},
		"made anew under its name":        {port: port.Port{Pod: "a", PodUID: "1"}, cached: testPod("a", "2", "n"), live: testPod("a", "2", "n"), want: true},
		"runs elsewhere":                  {port: port.Port{Pod: "a"}, live: testPod("a", "1", "other"), want: true},
		"API server does not answer":      {port: port.Port{Pod: "a", PodUID: "1"}, fail: true},
		"no pod is recorded":              {port: port.Port{Namespace: "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			kube := fake.NewClientset()
			if tc.live != nil {
				kube = fake.NewClientset(tc.live)
			}
			if tc.fail {
				kube.PrependReactor("get", "pods", func(ktesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
			}
			informer := informers.NewSharedInformerFactory(kube, 0).Core().V1().Pods()
			if tc.cached != nil {
				if err := informer.Informer().GetStore().Add(tc.cached); err != nil {
					t.Fatal(err)
				}
			}
			if tc.port.Namespace == "" {
				tc.port.Namespace = "default"
			}
			d := &Daemon{cfg: Config{NodeName: "n"}, deps: Deps{Kube: kube}, watches: &watches{pods: informer}}
			if got := d.gone(t.Context(), tc.port); got != tc.want {
				t.Errorf("gone is %v, want %v", got, tc.want)
			}
		})
	}
}

// A pod's interface is made over the socket, follows its bandwidth annotations, and goes with its pod.
func TestDaemonServesPods(t *testing.T) {
	m := newMachine(t)
	m.allocate()
	m.start()
	m.awaitReady()
	netns, req := m.runPod()
	ctx := context.WithoutCancel(t.Context())
	client := api.NewClient(m.cfg.Socket)
	pods := m.kube.CoreV1().Pods("default")
	pod, err := pods.Get(ctx, "web", metav1.GetOptions{})
	m.must(err)
	if out, err := porttest.In(netns, "ping", "-c", "1", "-W", "2", "10.16.0.1"); err != nil {
		t.Errorf("the pod does not reach its gateway: %v\n%s", err, out)
	}
	m.must(client.Status(ctx))
	m.must(client.Check(ctx, req))

	pod.Annotations["ovn.kubernetes.io/egress_rate"] = "10"
	_, err = pods.Update(ctx, pod, metav1.UpdateOptions{})
	m.must(err)
	host := m.hostLink()
	porttest.Eventually(t, "bandwidth", func() error {
		if got := m.Vsctl("get", "interface", host, "ingress_policing_rate"); got != "10000\n" {
			return fmt.Errorf("ingress_policing_rate %q", got)
		}
		return nil
	})
	porttest.Eventually(t, "event", func() error {
		events, err := m.kube.CoreV1().Events("default").List(ctx, metav1.ListOptions{})
		m.must(err)
		for _, e := range events.Items {
			if e.Reason == "PodQoSUpdated" {
				return nil
			}
		}
		return fmt.Errorf("%d events, none of them PodQoSUpdated", len(events.Items))
	})

	// The pod goes while no daemon is there to hear of it; the next one cleans up.
	m.stop()
	m.must(pods.Delete(ctx, "web", metav1.DeleteOptions{}))
	m.start()
	m.awaitReady()
	porttest.Eventually(t, "stale port", func() error {
		if left, _ := filepath.Glob("/sys/class/net/*_h"); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
	if got := m.Vsctl("--columns=name", "find", "interface", "external_ids:iface-id=web.default"); got != "" {
		t.Errorf("the port of a pod that is gone is left: %s", got)
	}
}

// hostLink is the only pod interface of the node.
func (m *machine) hostLink() string {
	m.t.Helper()
	found, err := filepath.Glob("/sys/class/net/*_h")
	m.must(err)
	if len(found) != 1 {
		m.t.Fatalf("pod interfaces: %v", found)
	}
	return filepath.Base(found[0])
}
