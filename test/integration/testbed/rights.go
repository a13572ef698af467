package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeovn/kube-ovn/test/framework"
)

// account is the service account of the controller's Deployment.
const account = "ovn"

// Restrict installs the product's own roles and returns a kubeconfig with which a program may do what the controller's
// service account may, and no more.
func (p *Plane) Restrict(ctx context.Context) (kubeconfig string, err error) {
	root, err := framework.Checkout()
	if err != nil {
		return "", err
	}
	if err := p.Apply(ctx, filepath.Join(root, "dist/images/manifests/rbac.yaml")); err != nil {
		return "", err
	}
	config, err := clientcmd.LoadFromFile(p.Kubeconfig)
	if err != nil {
		return "", err
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + metav1.NamespaceSystem + ":" + account
		user.ImpersonateGroups = []string{"system:serviceaccounts", "system:serviceaccounts:" + metav1.NamespaceSystem, "system:authenticated"}
	}
	kubeconfig = filepath.Join(p.control.Dir, account+".kubeconfig")
	return kubeconfig, clientcmd.WriteToFile(*config, kubeconfig)
}

// Apply creates the objects of a manifest; those that exist stay as they are.
func (p *Plane) Apply(ctx context.Context, file string) error {
	client, err := dynamic.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	documents := yaml.NewYAMLOrJSONDecoder(f, 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(object.Object) == 0 {
			continue
		}
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		objects := client.Resource(resource).Namespace(object.GetNamespace())
		if _, err := objects.Create(ctx, object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("%s: %s %s: %w", file, object.GetKind(), object.GetName(), err)
		}
	}
}
