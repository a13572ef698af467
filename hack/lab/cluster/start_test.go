package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
)

func startForTest(t *testing.T, opts Options) *ControlPlane {
	t.Helper()
	if _, err := cache.ProgramsDir(); err != nil {
		t.Skip(err)
	}
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestStartServesTheAPI(t *testing.T) {
	c := startForTest(t, Options{})
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.GitVersion != cache.KubernetesVersion {
		t.Errorf("server says %s, built was %s", version.GitVersion, cache.KubernetesVersion)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "fake"}}
	if _, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Error(err)
	}
	stranger := *c.Config
	stranger.CertFile, stranger.KeyFile, stranger.TLSClientConfig.CertData, stranger.TLSClientConfig.KeyData = "", "", nil, nil
	anonymous, err := kubernetes.NewForConfig(&stranger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("list without a certificate: got %v, want it refused", err)
	}
}

// A pod on a fake node needs all four programs: the service account comes from the controller manager, the node from the scheduler.
func TestStartWithControllersAndScheduler(t *testing.T) {
	c := startForTest(t, Options{ControllerManager: true, Scheduler: true})
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "fake"},
		Status: corev1.NodeStatus{
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")},
		},
	}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "service account default/default", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "c", Image: "none"}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
	if _, err := client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a node for pod default/web", func(ctx context.Context) (bool, error) {
		p, err := client.CoreV1().Pods("default").Get(ctx, "web", metav1.GetOptions{})
		return err == nil && p.Spec.NodeName == "fake", err
	})
}

func TestStopLeavesNothing(t *testing.T) {
	if _, err := cache.ProgramsDir(); err != nil {
		t.Skip(err)
	}
	c, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	processes := c.processes
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Dir); !os.IsNotExist(err) {
		t.Errorf("folder %s: got %v, want it removed", c.Dir, err)
	}
	for _, p := range processes {
		select {
		case <-p.done:
		default:
			t.Errorf("%s still runs", p.name)
		}
	}
	if conn, err := net.Dial("tcp", loopback(c.config.APIPort)); err == nil {
		conn.Close()
		t.Error("the API server's port still accepts connections")
	}
}

// A program that cannot start is named at once, with the reason it gave.
func TestStartNamesTheFailedProgram(t *testing.T) {
	if _, err := cache.ProgramsDir(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/etcd", 0o700), os.WriteFile(dir+"/etcd/member", nil, 0o600)); err != nil { // etcd wants a folder there
		t.Fatal(err)
	}
	start := time.Now()
	c, err := Start(t.Context(), Options{Dir: dir})
	if err == nil {
		t.Fatal(c.Stop())
	}
	if !strings.Contains(err.Error(), "etcd ended: exit status") || !strings.Contains(err.Error(), "member") {
		t.Errorf("got %v, want the program and its last words", err)
	}
	if time.Since(start) > 20*time.Second {
		t.Errorf("failed only after %s", time.Since(start))
	}
}

func eventually(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, condition); err != nil {
		t.Fatalf("no %s: %v", what, err)
	}
}
