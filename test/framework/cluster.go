package framework

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
)

// Cluster is a running lab.
type Cluster struct {
	Config *rest.Config
	Kube   kubernetes.Interface
	OVN    versioned.Interface

	name    string // of the lab
	root    string // of the checkout
	env     []string
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// Load connects to the lab whose `.lab/env` stands in the checkout that holds the working directory.
func Load() (*Cluster, error) {
	root, err := Checkout()
	if err != nil {
		return nil, err
	}
	env, err := readEnv(filepath.Join(root, ".lab", "env"))
	if err != nil {
		return nil, fmt.Errorf("no lab is up (make lab-up): %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", env["KUBECONFIG"])
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of the lab: %w", err)
	}
	config.QPS, config.Burst = 500, 1000
	c := &Cluster{Config: config, name: env["LAB"], root: root, env: os.Environ()}
	for k, v := range env {
		c.env = append(c.env, k+"="+v)
	}
	if c.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	if c.OVN, err = versioned.NewForConfig(config); err != nil {
		return nil, err
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
	return c, nil
}

// Checkout is the nearest folder above the working directory that holds go.mod.
func Checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the working directory is not inside a checkout")
}

// readEnv reads `export NAME="value"` lines; $PATH in a value is the current one.
func readEnv(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	env := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
		if ok && !strings.HasPrefix(name, "#") {
			env[name] = os.ExpandEnv(strings.Trim(value, `"'`))
		}
	}
	return env, lines.Err()
}

// Root is the folder of the checkout.
func (c *Cluster) Root() string { return c.root }

// Objects decodes a YAML or JSON stream of manifests.
func Objects(manifests []byte) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	var list []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		switch err := decoder.Decode(&u.Object); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		case len(u.Object) > 0:
			list = append(list, u)
		}
	}
}

// Apply creates or updates every object of a stream, in order, as `kubectl apply -f` does.
func (c *Cluster) Apply(ctx context.Context, manifests []byte) error {
	list, err := Objects(manifests)
	if err != nil {
		return err
	}
	for _, u := range list {
		if err := c.apply(ctx, u); err != nil {
			return fmt.Errorf("apply %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

func (c *Cluster) apply(ctx context.Context, u *unstructured.Unstructured) error {
	r, err := c.resource(u)
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: "test", Force: true}
	got, err := r.Apply(ctx, u.GetName(), u, options)
	if err == nil && isNamespace(u) && got.GetDeletionTimestamp() != nil { // one that Delete did not wait for
		if err = c.gone(ctx, u); err == nil {
			_, err = r.Apply(ctx, u.GetName(), u, options)
		}
	}
	return err
}

func isNamespace(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Namespace")
}

// Delete removes every object of a stream, last one first, and waits until all are gone but the namespaces: Kubernetes looks
// at one five seconds after its end was asked for. NoNamespaceEnds waits for them.
func (c *Cluster) Delete(ctx context.Context, manifests []byte) error {
	list, err := Objects(manifests)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	for _, u := range list {
		if err := c.delete(ctx, u); err != nil {
			return err
		}
	}
	for _, u := range list {
		if isNamespace(u) {
			continue
		}
		if err := c.gone(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// NoNamespaceEnds waits until no namespace is about to end.
func (c *Cluster) NoNamespaceEnds(ctx context.Context) error {
	return Poll(ctx, "all ending namespaces are gone", func() error {
		list, err := c.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, ns := range list.Items {
			if ns.DeletionTimestamp != nil {
				return fmt.Errorf("namespace %s still exists: %+v", ns.Name, ns.Status.Conditions)
			}
		}
		return nil
	})
}

func (c *Cluster) delete(ctx context.Context, u *unstructured.Unstructured) error {
	r, err := c.resource(u)
	if err != nil {
		return err
	}
	options := metav1.DeleteOptions{}
	if zero := int64(0); u.GetKind() == "Pod" {
		options.GracePeriodSeconds = &zero
	}
	if err := IgnoreNotFound(r.Delete(ctx, u.GetName(), options)); err != nil {
		return fmt.Errorf("delete %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// gone waits until an object that was deleted is no more.
func (c *Cluster) gone(ctx context.Context, u *unstructured.Unstructured) error {
	r, err := c.resource(u)
	if err != nil {
		return err
	}
	return Poll(ctx, u.GetKind()+" "+u.GetName()+" is gone", func() error {
		left, err := r.Get(ctx, u.GetName(), metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("it still exists with finalizers %v", left.GetFinalizers())
		}
		return IgnoreNotFound(err)
	})
}

func (c *Cluster) resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	m, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		c.mapper.Reset()
		if m, err = c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
			return nil, err
		}
	}
	if m.Scope.Name() == "root" {
		return c.dynamic.Resource(m.Resource), nil
	}
	ns := u.GetNamespace()
	if ns == "" {
		ns = metav1.NamespaceDefault
	}
	return c.dynamic.Resource(m.Resource).Namespace(ns), nil
}

// Exec runs argv in the first container of a pod and returns its output, stderr behind stdout.
func (c *Cluster) Exec(ctx context.Context, namespace, pod string, argv ...string) (string, error) {
	req := c.Kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: argv, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(c.Config, "POST", req.URL())
	if err != nil {
		return "", err
	}
	var out, stderr bytes.Buffer // two, because both streams are written at once
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &stderr})
	out.Write(stderr.Bytes())
	if err != nil {
		err = fmt.Errorf("%s/%s: %s: %w: %s", namespace, pod, strings.Join(argv, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), err
}

// Node runs argv in the namespaces of a node of the lab.
func (c *Cluster) Node(ctx context.Context, node string, argv ...string) (string, error) {
	return c.Run(ctx, filepath.Join(c.root, "bin", "lab"), append([]string{"exec", node, "--"}, argv...)...)
}

// Lab runs a verb of the lab program: "stop", "start", "kill", ...
func (c *Cluster) Lab(ctx context.Context, args ...string) (string, error) {
	return c.Run(ctx, filepath.Join(c.root, "bin", "lab"), args...)
}

// Ko runs a command of the plugin that is installed for `kubectl ko`.
func (c *Cluster) Ko(ctx context.Context, args ...string) (string, error) {
	return c.Run(ctx, "kubectl-ko", args...)
}

// Nbctl runs ovn-nbctl through the plugin.
func (c *Cluster) Nbctl(ctx context.Context, args ...string) (string, error) {
	return c.Ko(ctx, append([]string{"nbctl"}, args...)...)
}

// Kubectl runs kubectl with the lab's environment.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.Run(ctx, "kubectl", args...)
}

// Run runs a program of this machine with the lab's environment and returns its output, stderr behind stdout.
func (c *Cluster) Run(ctx context.Context, name string, args ...string) (string, error) {
	if !strings.Contains(name, "/") {
		name = c.lookPath(name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = c.env, c.root
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), err
}

// lookPath finds a program in the lab's PATH.
func (c *Cluster) lookPath(name string) string {
	for i := len(c.env) - 1; i >= 0; i-- {
		if path, ok := strings.CutPrefix(c.env[i], "PATH="); ok {
			for dir := range strings.SplitSeq(path, ":") {
				if s, err := os.Stat(filepath.Join(dir, name)); err == nil && !s.IsDir() {
					return filepath.Join(dir, name)
				}
			}
			break
		}
	}
	return name
}

// Ping sends n echo requests from a pod and succeeds when an answer came.
func (c *Cluster) Ping(ctx context.Context, namespace, pod, address string) error {
	_, err := c.Exec(ctx, namespace, pod, "ping", "-c", "1", "-W", "2", address)
	return err
}

// Connect opens a TCP connection from a pod.
func (c *Cluster) Connect(ctx context.Context, namespace, pod, address string, port int) error {
	_, err := c.Exec(ctx, namespace, pod, "sh", "-c", `echo | timeout 5 nc -w 3 "$0" "$1" >/dev/null`, address, fmt.Sprint(port))
	return err
}

// PodReady waits until the Ready condition of a pod is true and returns the pod.
func (c *Cluster) PodReady(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	var pod *corev1.Pod
	err := Poll(ctx, "pod "+namespace+"/"+name+" is ready", func() error {
		var err error
		if pod, err = c.Kube.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		for _, cond := range pod.Status.Conditions {
			if cond.Type == corev1.PodReady && cond.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("phase %s on node %q: %s", pod.Status.Phase, pod.Spec.NodeName, c.lastEvent(ctx, pod))
	})
	return pod, err
}

// lastEvent is the message of a pod's newest event, for error texts.
func (c *Cluster) lastEvent(ctx context.Context, pod *corev1.Pod) string {
	events, err := c.Kube.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(pod.UID)})
	if err != nil || len(events.Items) == 0 {
		return "no event"
	}
	newest := events.Items[0]
	for _, e := range events.Items {
		if e.LastTimestamp.After(newest.LastTimestamp.Time) {
			newest = e
		}
	}
	return newest.Reason + ": " + newest.Message
}
