//go:build integration

// Package install runs install.sh and cleanup.sh against a real API server, scheduler and workload controllers. Only the
// kubelet is played: pods become ready without running, so the nodes' side is left to the lab.
package install

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
)

const images = "../../../dist/images"

// fixture is a control plane with three nodes that nobody runs.
type fixture struct {
	*testing.T
	client  kubernetes.Interface
	dynamic dynamic.Interface
	environ []string

	mu      sync.Mutex
	members map[string]bool // "node: NODE_IPS" of every ovn-central pod that ever ran
}

func setup(t *testing.T) *fixture {
	t.Helper()
	plane, err := cluster.Start(t.Context(), cluster.Options{ControllerManager: true, Scheduler: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	programs, err := cache.ProgramsDir()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, client: kubernetes.NewForConfigOrDie(plane.Config), dynamic: dynamic.NewForConfigOrDie(plane.Config), members: map[string]bool{}}
	f.environ = []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + plane.Kubeconfig,
		"KUBECTL_KO_DIR=", "DATAPATH=netdev", "IFACE=eth1", "ROLLOUT_TIMEOUT=60s", "TIMEOUT=60s"}
	for i, labels := range []map[string]string{{"node-role.kubernetes.io/control-plane": ""}, nil, nil} {
		f.node(fmt.Sprintf("node%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), labels)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := f.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("no default service account: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.playKubelet(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return f
}

func (f *fixture) node(name, address string, labels map[string]string) {
	f.Helper()
	capacity := corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("16Gi"), "pods": resource.MustParse("110")}
	all := map[string]string{"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
	for k, v := range labels {
		all[k] = v
	}
	node, err := f.client.CoreV1().Nodes().Create(f.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: all}}, metav1.CreateOptions{})
	if err != nil {
		f.Fatal(err)
	}
	node.Status = corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}, {Type: corev1.NodeHostName, Address: name}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
	}
	if _, err := f.client.CoreV1().Nodes().UpdateStatus(f.Context(), node, metav1.UpdateOptions{}); err != nil {
		f.Fatal(err)
	}
}

// playKubelet says of every bound pod that it runs, and lets go of deleted ones.
func (f *fixture) playKubelet(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	now := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		pods, err := f.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			switch {
			case pod.Spec.NodeName == "":
			case pod.DeletionTimestamp != nil:
				_ = f.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
			case pod.Status.Phase == corev1.PodPending:
				f.remember(pod)
				pod.Status = runningStatus(pod.Spec, "10.0.0.1")
				_, _ = f.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
			}
		}
	}
}

// remember notes with which members a pod of ovn-central ran.
func (f *fixture) remember(pod *corev1.Pod) {
	if pod.Labels["app"] != "ovn-central" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[pod.Spec.NodeName+": "+members(pod.Spec)] = true
}

func members(spec corev1.PodSpec) string {
	for _, e := range spec.Containers[0].Env {
		if e.Name == "NODE_IPS" {
			return e.Value
		}
	}
	return ""
}

func runningStatus(spec corev1.PodSpec, ip string) corev1.PodStatus {
	s := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}}
	for _, c := range spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}})
	}
	return s
}

// script runs install.sh or cleanup.sh and returns what it said.
func (f *fixture) script(name string, settings ...string) (string, error) {
	f.Helper()
	cmd := exec.CommandContext(f.Context(), filepath.Join(images, name))
	cmd.Env = append(append([]string{}, f.environ...), settings...)
	out, err := cmd.CombinedOutput()
	f.Logf("%s %v: %v\n%s", name, settings, err, out)
	return string(out), err
}

func (f *fixture) must(name string, settings ...string) {
	f.Helper()
	if out, err := f.script(name, settings...); err != nil {
		f.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// pod makes a running pod of somebody else.
func (f *fixture) pod(name, ip string, annotations map[string]string, change func(*corev1.PodSpec)) {
	f.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Annotations: annotations},
		Spec: corev1.PodSpec{NodeName: "node2", Containers: []corev1.Container{{Name: "c", Image: "pause"}}}}
	if change != nil {
		change(&pod.Spec)
	}
	created, err := f.client.CoreV1().Pods("default").Create(f.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		f.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(f.Context(), 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		created.Status = runningStatus(created.Spec, ip)
		_, err := f.client.CoreV1().Pods("default").UpdateStatus(ctx, created, metav1.UpdateOptions{})
		if errors.IsConflict(err) {
			created, err = f.client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
			return false, err
		}
		return err == nil, err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) podNames(namespace string) []string {
	f.Helper()
	list, err := f.client.CoreV1().Pods(namespace).List(f.Context(), metav1.ListOptions{})
	if err != nil {
		f.Fatal(err)
	}
	var names []string
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// generations are the versions of everything install.sh applies; equal ones mean that nothing was rolled out.
func (f *fixture) generations() map[string]int64 {
	f.Helper()
	out := map[string]int64{}
	deployments, err := f.client.AppsV1().Deployments("kube-system").List(f.Context(), metav1.ListOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range deployments.Items {
		out["deployment/"+d.Name] = d.Generation
	}
	daemonsets, err := f.client.AppsV1().DaemonSets("kube-system").List(f.Context(), metav1.ListOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range daemonsets.Items {
		out["daemonset/"+d.Name] = d.Generation
	}
	return out
}

func TestInstallAndCleanUp(t *testing.T) {
	f := setup(t)
	// Whatever runs before the first installation is on another network, even at an address that we give.
	f.pod("early", "10.16.0.7", map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.7"}, nil)
	f.pod("host", "10.0.0.2", nil, func(s *corev1.PodSpec) { s.HostNetwork = true })
	f.pod("job", "10.244.0.6", nil, func(s *corev1.PodSpec) { s.RestartPolicy = corev1.RestartPolicyNever })
	f.must("install.sh")
	if diff := cmp.Diff([]string{"host", "job"}, f.podNames("default")); diff != "" {
		t.Errorf("pods after the installation (-want +got):\n%s", diff)
	}
	t.Run("certificate", f.checkCertificate)
	t.Run("roles", f.checkRoles)
	t.Run("placement", f.checkPlacement)

	// An annotation of another key that holds newlines and an address must not be taken for ours.
	f.pod("other-network", "10.244.0.5", map[string]string{"note": "x\ndefault foreign 1.2.3.4\n", "ovn.kubernetes.io/ip_address": "10.16.0.9"}, nil)
	f.pod("ours", "10.16.0.5", map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.5", "a": "b\nc"}, nil)
	f.pod("ours-dual", "10.16.0.6", map[string]string{"ovn.kubernetes.io/ip_address": "10.16.0.6,fd00::6"}, nil)
	f.pod("ours-other-provider", "10.17.0.6", map[string]string{"nad.default.ovn.kubernetes.io/ip_address": "10.17.0.6"}, nil)
	installed := f.generations()
	pods := f.podNames("kube-system")
	f.must("install.sh")
	if diff := cmp.Diff([]string{"host", "job", "ours", "ours-dual", "ours-other-provider"}, f.podNames("default")); diff != "" {
		t.Errorf("pods of other networks are restarted by a second run, others stay (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(installed, f.generations()); diff != "" {
		t.Errorf("a second run changed (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(pods, f.podNames("kube-system")); diff != "" {
		t.Errorf("a second run replaced pods (-first +second):\n%s", diff)
	}
	// A certificate that ends soon, or is none, is renewed by the same authority.
	authority := f.secret(t, "kube-ovn-tls")["cacert"]
	if _, err := f.client.CoreV1().Secrets("kube-system").Patch(t.Context(), "kube-ovn-tls", types.MergePatchType,
		[]byte(`{"data":{"cert":"bm9uZQ=="}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	f.must("install.sh", "VERSION=v99")
	t.Run("renewed certificate", f.checkCertificate)
	if renewed := f.secret(t, "kube-ovn-tls")["cacert"]; !bytes.Equal(authority, renewed) {
		t.Error("the authority changed: running programs would refuse each other")
	}
	if upgraded := f.generations(); upgraded["daemonset/ovs-ovn"] == installed["daemonset/ovs-ovn"] {
		t.Error("a new version is not rolled out")
	}

	f.leaveTraces()
	if n := len(f.traces()); n < 50 {
		t.Errorf("only %d traces of an installed network: the search for them is wrong", n)
	}
	f.must("cleanup.sh")
	if left := f.traces(); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	node, err := f.client.CoreV1().Nodes().Get(t.Context(), "node2", metav1.GetOptions{})
	if err != nil || node.Labels["theirs"] == "" || node.Annotations["theirs/key"] == "" {
		t.Errorf("keys of others are gone: %v %v, %v", node.Labels, node.Annotations, err)
	}
	f.must("cleanup.sh") // harmless without anything to clean
}

func TestInstallRefusesAndGrows(t *testing.T) {
	f := setup(t)
	if out, err := f.script("install.sh", "LABEL=nobody", "DEPRECATED_LABEL=nobody-either"); err == nil || !strings.Contains(out, "no node has the label nobody") {
		t.Errorf("without a control plane: %v, %s", err, out)
	}
	if out, err := f.script("install.sh", "IPV6=true"); err == nil || !strings.Contains(out, "node node1 has no InternalIP of the wanted family") {
		t.Errorf("IPv6 on IPv4 nodes: %v, %s", err, out)
	}
	f.must("install.sh")
	label := func(node string) {
		t.Helper()
		_, err := f.client.CoreV1().Nodes().Patch(t.Context(), node, types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}`), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := f.script("install.sh", "OVN_CENTRAL_REPLICAS=3"); err == nil || !strings.Contains(out, "only 1 nodes of the control plane") {
		t.Errorf("three members on one node: %v, %s", err, out)
	}
	label("node2")
	label("node3")
	f.must("install.sh", "OVN_CENTRAL_REPLICAS=3")
	// The node with the data founds the cluster, so it comes first; and no other node may ever run a database alone.
	const all = "10.0.0.1,10.0.0.2,10.0.0.3"
	want := map[string]bool{"node1: ": true, "node1: " + all: true, "node2: " + all: true, "node3: " + all: true}
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.members); diff != "" {
		t.Errorf("members that ran (-want +got):\n%s", diff)
	}
	if out, err := f.script("install.sh"); err == nil || !strings.Contains(out, "a cluster does not shrink") {
		t.Errorf("back to one member: %v, %s", err, out)
	}
}

func (f *fixture) secret(t *testing.T, name string) map[string][]byte {
	t.Helper()
	secret, err := f.client.CoreV1().Secrets("kube-system").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Data
}

func (f *fixture) checkCertificate(t *testing.T) {
	tls, ca := f.secret(t, "kube-ovn-tls"), f.secret(t, "kube-ovn-tls-ca")
	if _, leaked := tls["cakey"]; leaked || len(tls) != 3 || len(tls["key"]) == 0 {
		t.Errorf("secret kube-ovn-tls has %d keys; the CA's key is in it: %t", len(tls), leaked)
	}
	if len(ca["cakey"]) == 0 {
		t.Error("the CA's key is lost")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(tls["cacert"]) {
		t.Fatal("no CA certificate")
	}
	block, _ := pem.Decode(tls["cert"])
	if block == nil {
		t.Fatal("no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: "ovn", KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("certificate for usage %d: %v", usage, err)
		}
	}
	if left := time.Until(certificate.NotAfter); left < 9*365*24*time.Hour {
		t.Errorf("certificate ends in %s", left)
	}
}

func (f *fixture) checkRoles(t *testing.T) {
	for _, test := range []struct {
		account, verb, group, resource, sub, namespace string
		want                                           bool
	}{
		{"ovn", "patch", "kubeovn.io", "subnets", "status", "", true},
		{"ovn", "delete", "kubeovn.io", "subnets", "", "", false},
		{"ovn", "list", "", "configmaps", "", "kube-system", false},
		{"ovn", "list", "discovery.k8s.io", "endpointslices", "", "", false},
		{"ovn", "create", "kubeovn.io", "ips", "", "", true},
		{"ovn", "patch", "", "pods", "", "default", true},
		{"ovn", "patch", "", "nodes", "", "", true},
		{"ovn", "create", "coordination.k8s.io", "leases", "", "kube-system", true},
		{"ovn", "create", "coordination.k8s.io", "leases", "", "default", false},
		{"ovn", "delete", "", "pods", "", "default", false},
		{"ovn", "get", "", "secrets", "", "kube-system", false},
		{"ovn", "create", "", "pods", "exec", "default", false},
		{"kube-ovn-cni", "watch", "kubeovn.io", "subnets", "", "", true},
		{"kube-ovn-cni", "list", "kubeovn.io", "ips", "", "", false},
		{"kube-ovn-cni", "patch", "", "nodes", "status", "", true},
		{"kube-ovn-cni", "create", "kubeovn.io", "subnets", "", "", false},
		{"kube-ovn-cni", "update", "kubeovn.io", "vpcs", "", "", false},
		{"kube-ovn-cni", "get", "", "secrets", "", "kube-system", false},
		{"ovn-ovs", "patch", "", "pods", "", "kube-system", true},
		{"ovn-ovs", "patch", "", "pods", "", "default", false},
		{"ovn-ovs", "list", "", "nodes", "", "", false},
	} {
		review, err := f.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:kube-system:" + test.account,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: test.verb, Group: test.group, Resource: test.resource,
					Subresource: test.sub, Namespace: test.namespace},
			}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed != test.want {
			t.Errorf("%s may %s %s/%s %s in %q: %t, want %t", test.account, test.verb, test.group, test.resource, test.sub,
				test.namespace, review.Status.Allowed, test.want)
		}
	}
}

func (f *fixture) checkPlacement(t *testing.T) {
	pods, err := f.client.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range pods.Items {
		got[p.Labels["app"]] += p.Spec.NodeName + " "
	}
	for app, want := range map[string]int{"ovn-central": 1, "kube-ovn-controller": 1, "ovs": 3, "kube-ovn-cni": 3} {
		if nodes := strings.Fields(got[app]); len(nodes) != want || want == 1 && nodes[0] != "node1" {
			t.Errorf("%s is on %q", app, got[app])
		}
	}
}

// leaveTraces does what users and our programs do to the cluster.
func (f *fixture) leaveTraces() {
	f.Helper()
	subnet := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "kubeovn.io/v1", "kind": "Subnet",
		"metadata": map[string]any{"name": "held", "finalizers": []any{"kubeovn.io/kube-ovn-controller"}},
		"spec":     map[string]any{"cidrBlock": "10.66.0.0/16", "protocol": "IPv4", "gateway": "10.66.0.1"}}}
	subnets := f.dynamic.Resource(schema.GroupVersionResource{Group: "kubeovn.io", Version: "v1", Resource: "subnets"})
	if _, err := subnets.Create(f.Context(), subnet, metav1.CreateOptions{}); err != nil {
		f.Fatal(err)
	}
	patch := []byte(`{"metadata":{"annotations":{"ovn.kubernetes.io/ip_address":"100.64.0.2","ovn.kubernetes.io/chassis":"x","theirs/key":"y"},
		"labels":{"pn1.provider-network.kubernetes.io/vlan_interfaces":"true","ovn.kubernetes.io/node-ext-gw":"true","ovn.kubernetes.io/external-gw":"true","theirs":"y"}}}`)
	if _, err := f.client.CoreV1().Nodes().Patch(f.Context(), "node2", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		f.Fatal(err)
	}
	patch = []byte(`{"metadata":{"annotations":{"ovn.kubernetes.io/logical_switch":"ovn-default"}}}`)
	if _, err := f.client.CoreV1().Namespaces().Patch(f.Context(), "default", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		f.Fatal(err)
	}
	patch = []byte(`{"metadata":{"annotations":{"net1.default.kubernetes.io/allocated":"true","net1.default.kubernetes.io/ip_address":"1.1.1.1"}}}`)
	if _, err := f.client.CoreV1().Pods("default").Patch(f.Context(), "ours", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		f.Fatal(err)
	}
}

// traces are all objects that have one of our names, of every kind there is, and the keys of our domains on the others.
func (f *fixture) traces() []string {
	f.Helper()
	skip := map[string]bool{"events": true, "componentstatuses": true}
	lists, err := discovery.ServerPreferredResources(f.client.Discovery())
	if err != nil {
		f.Fatal(err)
	}
	var out []string
	var mu sync.Mutex
	var all errgroup.Group // the first question after a kind is answered a second later
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			f.Fatal(err)
		}
		for _, r := range list.APIResources {
			if skip[r.Name] || strings.Contains(r.Name, "/") || !strings.Contains(r.Verbs.String(), "list") {
				continue
			}
			all.Go(func() error {
				objects, err := f.dynamic.Resource(group.WithResource(r.Name)).List(f.Context(), metav1.ListOptions{})
				if errors.IsNotFound(err) || errors.IsMethodNotSupported(err) {
					return nil // the kind was deleted while we looked
				}
				if err != nil {
					return fmt.Errorf("%s: %w", r.Name, err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, o := range objects.Items {
					out = append(out, traceOf(r.Name, o)...)
				}
				return nil
			})
		}
	}
	if err := all.Wait(); err != nil {
		f.Fatal(err)
	}
	return out
}

func traceOf(kind string, o unstructured.Unstructured) []string {
	var out []string
	for _, part := range []string{"ovn", "ovs", "vpc"} {
		if strings.Contains(o.GetName(), part) {
			out = append(out, fmt.Sprintf("%s %s/%s", kind, o.GetNamespace(), o.GetName()))
			break
		}
	}
	for _, keys := range []map[string]string{o.GetAnnotations(), o.GetLabels()} {
		for k := range keys {
			if strings.Contains(k, "ovn") || strings.Contains(k, "provider-network") || strings.HasSuffix(k, "kubernetes.io/allocated") {
				out = append(out, fmt.Sprintf("%s %s/%s has %s", kind, o.GetNamespace(), o.GetName(), k))
			}
		}
	}
	return out
}
