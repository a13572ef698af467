package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/kubeovn/kube-ovn/hack/lab/cluster"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/ovs/ovstest"
	"github.com/kubeovn/kube-ovn/test/framework"
)

// Plane is a Kubernetes API that knows our kinds and has no kubelet, scheduler or controller manager behind it.
type Plane struct {
	Config     *rest.Config // of the administrator
	Kubeconfig string       // the same as a file
	Kube       kubernetes.Interface
	OVN        versioned.Interface
	Meta       metadata.Interface // all objects as metadata only

	control *cluster.ControlPlane
	kinds   []schema.GroupVersionResource // ours
}

// StartPlane starts a control plane and installs the CRDs of the checkout.
func StartPlane(ctx context.Context) (*Plane, error) {
	control, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return nil, err
	}
	p := &Plane{Config: control.Config, Kubeconfig: control.Kubeconfig, control: control}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(err, control.Stop())
	}
	return p, nil
}

// Stop ends the API server and etcd.
func (p *Plane) Stop() error { return p.control.Stop() }

func (p *Plane) prepare(ctx context.Context) error {
	// Core objects go as protobuf: the test's own part of the work is to be small.
	core := rest.CopyConfig(p.Config)
	core.ContentType = "application/vnd.kubernetes.protobuf"
	core.AcceptContentTypes = core.ContentType + ",application/json"
	var err error
	if p.Kube, err = kubernetes.NewForConfig(core); err != nil {
		return err
	}
	if p.OVN, err = versioned.NewForConfig(p.Config); err != nil {
		return err
	}
	if p.Meta, err = metadata.NewForConfig(p.Config); err != nil {
		return err
	}
	if err := p.installCRDs(ctx); err != nil {
		return err
	}
	for _, ns := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		if err := p.AddNamespace(ctx, ns); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) installCRDs(ctx context.Context) error {
	client, err := apiextensions.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	root, err := framework.Checkout()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, "dist/images/crds/*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in dist/images/crds: %w", err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if _, err := client.ApiextensionsV1().CustomResourceDefinitions().Create(ctx, crd, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		names = append(names, crd.Name)
		for _, v := range crd.Spec.Versions {
			p.kinds = append(p.kinds, schema.GroupVersionResource{Group: crd.Spec.Group, Version: v.Name, Resource: crd.Spec.Names.Plural})
		}
	}
	for _, name := range names {
		if err := poll(ctx, "CRD "+name+" is served", func() (bool, error) {
			crd, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, name, metav1.GetOptions{})
			return err == nil && established(crd), err
		}); err != nil {
			return err
		}
	}
	return nil
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, c := range crd.Status.Conditions {
		if c.Type == apiextensionsv1.Established {
			return c.Status == apiextensionsv1.ConditionTrue
		}
	}
	return false
}

// poll looks until done, or fails with what after half a minute.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		var ok bool
		ok, last = done()
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("not in time: %s: %w", what, errors.Join(err, last))
	}
	return nil
}

// AddNamespace makes a namespace with the service account that the API server wants for every pod.
func (p *Plane) AddNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := p.Kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: name}}
	_, err := p.Kube.CoreV1().ServiceAccounts(name).Create(ctx, account, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// resources are the kinds of objects that tests and programs make, without namespaces.
func (p *Plane) resources() []schema.GroupVersionResource {
	core := corev1.SchemeGroupVersion.WithResource
	return append([]schema.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "statefulsets"}, core("pods"), core("nodes"), core("events"),
		{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	}, p.kinds...)
}

// Versions are the resource versions of all objects but leases, by kind, namespace and name; equal ones mean that nothing was
// written.
func (p *Plane) Versions(tb ovstest.TB) map[string]string {
	tb.Helper()
	versions := map[string]string{}
	for _, gvr := range append(p.resources(), corev1.SchemeGroupVersion.WithResource("namespaces")) {
		if gvr.Resource == "leases" { // the API server renews its own
			continue
		}
		list, err := p.Meta.Resource(gvr).List(tb.Context(), metav1.ListOptions{})
		if err != nil {
			tb.Fatal(err)
		}
		for _, item := range list.Items {
			versions[gvr.Resource+"/"+item.Namespace+"/"+item.Name] = item.ResourceVersion
		}
	}
	return versions
}

// Purge removes everything that a test made, with no regard for finalizers, so that the next one finds a fresh cluster.
func (p *Plane) Purge(ctx context.Context) error {
	// At once: a new API server answers the first question after each kind of ours a second later.
	var all errgroup.Group
	for _, gvr := range p.resources() {
		all.Go(func() error {
			if err := p.purge(ctx, gvr); err != nil {
				return fmt.Errorf("purge %s: %w", gvr.Resource, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	namespaces, err := p.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, ns := range namespaces.Items {
		switch ns.Name {
		case metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease:
			ns.Annotations = nil
			_, err = p.Kube.CoreV1().Namespaces().Update(ctx, &ns, metav1.UpdateOptions{})
		default:
			err = p.endNamespace(ctx, ns.Name)
		}
		if err != nil {
			return fmt.Errorf("purge namespace %s: %w", ns.Name, err)
		}
	}
	return nil
}

// endNamespace does what the controller manager would.
func (p *Plane) endNamespace(ctx context.Context, name string) error {
	if err := p.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	ended := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := p.Kube.CoreV1().Namespaces().Finalize(ctx, ended, metav1.UpdateOptions{})
	return err
}

func (p *Plane) purge(ctx context.Context, gvr schema.GroupVersionResource) error {
	all, err := p.Meta.Resource(gvr).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	at := int64(0)
	for _, item := range all.Items {
		objects := p.Meta.Resource(gvr).Namespace(item.Namespace)
		if len(item.Finalizers) > 0 {
			patch := []byte(`{"metadata":{"finalizers":null}}`)
			if _, err := objects.Patch(ctx, item.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		if err := objects.Delete(ctx, item.Name, metav1.DeleteOptions{GracePeriodSeconds: &at}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
