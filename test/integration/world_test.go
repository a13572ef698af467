//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/util"
	"github.com/kubeovn/kube-ovn/test/integration/testbed"
)

// patience is how long a test waits for a state before it fails; reaching it is always a failure.
const patience = 60 * time.Second

// world is one test's cluster.
type world struct {
	*testing.T
	*testbed.Central
	plane       *plane
	controllers []*testbed.Process
}

// newWorld is an empty API, two empty databases and ovn-northd, beside the worlds of other tests. No controller runs yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	p := <-planes
	t.Cleanup(func() { planes <- p })
	if err := p.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, plane: p, Central: testbed.StartCentral(t)}
	w.StartNorthd()
	t.Cleanup(func() {
		for _, c := range w.controllers {
			if t.Failed() {
				t.Log(c.Tail())
			}
		}
	})
	return w
}

// converged is a world with n nodes whose controller has nothing left to do.
func converged(t *testing.T, nodes int, args ...string) (*world, *testbed.Process) {
	t.Helper()
	w := newWorld(t)
	w.addNodes(nodes)
	c := w.start("controller-0", args...)
	w.waitNodes(nodes)
	w.settle()
	return w, c
}

// start runs a controller as the pod of that name. Leases are short, so that a successor need not wait long.
func (w *world) start(name string, args ...string) *testbed.Process {
	w.Helper()
	args = append([]string{"--kubeconfig=" + w.plane.kubeconfig, "--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms",
		"--v=3"}, args...)
	c := testbed.StartController(w.T, program, w.plane.Plane, w.Central, name, args...)
	w.controllers = append(w.controllers, c)
	return c
}

// eventually waits until check is nil, and fails the test with what check said last.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	w.every(50*time.Millisecond, what, check)
}

// every is eventually for a check that costs more than a look.
func (w *world) every(interval time.Duration, what string, check func() error) {
	w.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			w.Fatalf("not within %s: %s: %v", patience, what, err)
		}
		<-tick.C
	}
}

// settle waits until neither the API nor the rows have been written for a while, longer than any delay of ours.
func (w *world) settle() {
	w.Helper()
	w.settleFor(1500 * time.Millisecond)
}

func (w *world) settleFor(quiet time.Duration) {
	w.Helper()
	last, since := "", time.Now()
	w.every(quiet/6, "nothing is written any more", func() error {
		state := fmt.Sprint(w.plane.Writes(w.T), w.Versions())
		if state != last {
			last, since = state, time.Now()
		}
		if still := time.Since(since); still < quiet {
			return fmt.Errorf("last change %s ago", still)
		}
		return nil
	})
}

func (w *world) addNodes(n int) {
	w.Helper()
	if err := w.plane.AddNodes(w.Context(), n); err != nil {
		w.Fatal(err)
	}
}

// waitNodes waits until n nodes have their join ports.
func (w *world) waitNodes(n int) {
	w.Helper()
	w.eventually(fmt.Sprintf("%d nodes are served", n), func() error {
		nodes, err := w.plane.Kube.CoreV1().Nodes().List(w.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		served := 0
		for _, node := range nodes.Items {
			if node.Annotations[util.Key(util.OvnProvider, util.Allocated)] == "true" {
				served++
			}
		}
		if served != n {
			return fmt.Errorf("%d are", served)
		}
		return nil
	})
}

func (w *world) createPod(pod *corev1.Pod) {
	w.Helper()
	if _, err := w.plane.Kube.CoreV1().Pods(pod.Namespace).Create(w.Context(), pod, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// deletePods removes pods as their kubelet does after the last container has ended.
func (w *world) deletePods(namespace string, names ...string) {
	w.Helper()
	now := int64(0)
	for _, name := range names {
		err := w.plane.Kube.CoreV1().Pods(namespace).Delete(w.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			w.Fatal(err)
		}
	}
}

func (w *world) pods(namespace string) []corev1.Pod {
	w.Helper()
	pods, err := w.plane.Kube.CoreV1().Pods(namespace).List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return pods.Items
}

// waitPods waits until a namespace has n pods and all are served, and returns them.
func (w *world) waitPods(namespace string, n int) []corev1.Pod {
	w.Helper()
	var pods []corev1.Pod
	w.eventually(fmt.Sprintf("%d pods of namespace %s are served", n, namespace), func() error {
		pods = w.pods(namespace)
		served := 0
		for i := range pods {
			if testbed.Served(&pods[i]) {
				served++
			}
		}
		if served != n || len(pods) != n {
			return fmt.Errorf("%d of %d are", served, len(pods))
		}
		return nil
	})
	return pods
}

// waitPod waits until one pod is served, and returns it.
func (w *world) waitPod(namespace, name string) *corev1.Pod {
	w.Helper()
	var pod *corev1.Pod
	w.eventually("pod "+name+" is served", func() error {
		var err error
		if pod, err = w.plane.Kube.CoreV1().Pods(namespace).Get(w.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		if !testbed.Served(pod) {
			return fmt.Errorf("annotations %v, events %q", pod.Annotations, w.events(pod.Name))
		}
		return nil
	})
	return pod
}

// address is the primary address of a served pod.
func address(pod *corev1.Pod) string { return pod.Annotations["ovn.kubernetes.io/ip_address"] }

// events are "Type Reason message" of all events on objects of that name.
func (w *world) events(name string) []string {
	w.Helper()
	list, err := w.plane.Kube.CoreV1().Events("").List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var texts []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == name {
			texts = append(texts, e.Type+" "+e.Reason+" "+e.Message)
		}
	}
	return texts
}

// waitEvent waits for an event whose text contains every part.
func (w *world) waitEvent(name string, parts ...string) {
	w.Helper()
	w.eventually(fmt.Sprintf("event %q on %s", parts, name), func() error {
		texts := w.events(name)
		if !slices.ContainsFunc(texts, func(text string) bool { return containsAll(text, parts) }) {
			return fmt.Errorf("events are %q", texts)
		}
		return nil
	})
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

func (w *world) createVpc(name string, edits ...func(*v1.VpcSpec)) {
	w.Helper()
	vpc := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, edit := range edits {
		edit(&vpc.Spec)
	}
	if _, err := w.plane.OVN.KubeovnV1().Vpcs().Create(w.Context(), vpc, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// createSubnet returns the API server's refusal, if any.
func (w *world) createSubnet(name, vpc, cidr string, edits ...func(*v1.SubnetSpec)) error {
	w.Helper()
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr}}
	for _, edit := range edits {
		edit(&subnet.Spec)
	}
	_, err := w.plane.OVN.KubeovnV1().Subnets().Create(w.Context(), subnet, metav1.CreateOptions{})
	return err
}

// waitSubnet waits until a subnet is ready, and returns it.
func (w *world) waitSubnet(name string) *v1.Subnet {
	w.Helper()
	var subnet *v1.Subnet
	w.eventually("subnet "+name+" is ready", func() error {
		var err error
		if subnet, err = w.plane.OVN.KubeovnV1().Subnets().Get(w.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		if c := v1.FindCondition(subnet.Status.Conditions, v1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("conditions %+v", subnet.Status.Conditions)
		}
		return nil
	})
	return subnet
}

// waitRefused waits until a subnet's Ready condition is false and its message contains every part.
func (w *world) waitRefused(name string, parts ...string) {
	w.Helper()
	w.eventually(fmt.Sprintf("subnet %s says %q", name, parts), func() error {
		subnet, err := w.plane.OVN.KubeovnV1().Subnets().Get(w.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		c := v1.FindCondition(subnet.Status.Conditions, v1.ConditionReady)
		if c == nil || c.Status != metav1.ConditionFalse || !containsAll(c.Message, parts) {
			return fmt.Errorf("conditions %+v", subnet.Status.Conditions)
		}
		return nil
	})
}

// createNamespace makes a namespace with what pods in it need.
func (w *world) createNamespace(name string) {
	w.Helper()
	if err := w.plane.AddNamespace(w.Context(), name); err != nil {
		w.Fatal(err)
	}
}

// ips are all IP objects by name.
func (w *world) ips() map[string]v1.IP {
	w.Helper()
	list, err := w.plane.OVN.KubeovnV1().IPs().List(w.Context(), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	all := map[string]v1.IP{}
	for _, ip := range list.Items {
		all[ip.Name] = ip
	}
	return all
}

// waitNoIPs waits until no IP object of a namespace's pods is left.
func (w *world) waitNoIPs(namespace string) {
	w.Helper()
	w.eventually("no IP object of namespace "+namespace+" is left", func() error {
		var left []string
		for name, ip := range w.ips() {
			if ip.Spec.Namespace == namespace {
				left = append(left, name)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d are, %q", len(left), left[:min(len(left), 5)])
		}
		return nil
	})
}

// waitRows waits until the Northbound database looks like want.
func (w *world) waitRows(want string) {
	w.Helper()
	w.eventually("the expected rows", func() error {
		if diff := cmp.Diff(want, w.rows()); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

// rows is the Northbound database as text, without what ovn-northd writes.
func (w *world) rows() string {
	w.Helper()
	var kept []string
	for line := range strings.Lines(w.NB.Dump(w.T)) {
		if !strings.HasPrefix(line, "NB_Global") && !strings.HasPrefix(line, "Connection") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// checkNorthd fails the test when ovn-northd found fault with our rows.
func (w *world) checkNorthd() {
	w.Helper()
	w.Sync()
	if complaints := w.NorthdComplaints(); len(complaints) > 0 {
		w.Errorf("ovn-northd:\n%s", strings.Join(complaints, "\n"))
	}
}

// podNames are prefix-0, prefix-1, ...
func podNames(prefix string, n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
	}
	return names
}

// createPods makes pods in parallel, spread over the nodes.
func (w *world) createPods(namespace string, nodes int, names []string) {
	w.Helper()
	const parallel = 8
	errs := make(chan error, parallel)
	for worker := range parallel {
		go func() {
			for i := worker; i < len(names); i += parallel {
				pod := testbed.Pod(namespace, names[i], fmt.Sprintf("node%d", i%nodes+1))
				if _, err := w.plane.Kube.CoreV1().Pods(namespace).Create(w.Context(), pod, metav1.CreateOptions{}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range parallel {
		if err := <-errs; err != nil {
			w.Fatal(err)
		}
	}
}
