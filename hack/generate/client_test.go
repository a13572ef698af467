package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/fake"
	typedv1 "github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned/typed/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
)

// crdNames reads kind, plural and scope of the generated CRDs.
func crdNames(t *testing.T) map[string]struct {
	plural     string
	namespaced bool
} {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", crdsDir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	names := map[string]struct {
		plural     string
		namespaced bool
	}{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Names struct{ Kind, Plural string }
				Scope string
			}
		}
		if err := yaml.Unmarshal(data, &crd); err != nil {
			t.Fatal(err)
		}
		names[crd.Spec.Names.Kind] = struct {
			plural     string
			namespaced bool
		}{crd.Spec.Names.Plural, crd.Spec.Scope == "Namespaced"}
	}
	return names
}

// newObject makes an object of a registered kind.
func newObject(t *testing.T, kind, namespace, name string) runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kubeovnv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	object, err := scheme.New(kubeovnv1.SchemeGroupVersion.WithKind(kind))
	if err != nil {
		t.Fatal(err)
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		t.Fatal(err)
	}
	accessor.SetName(name)
	accessor.SetNamespace(namespace)
	return object
}

// typedClients calls visit with the index of each method that returns the client of a kind, that client's type, and the kind.
func typedClients(visit func(method reflect.Method, client reflect.Type, kind string)) {
	group := reflect.TypeFor[typedv1.KubeovnV1Interface]()
	for i := range group.NumMethod() {
		client := group.Method(i).Type.Out(0)
		// The getter of RESTClient returns a request alone.
		if getter, ok := client.MethodByName("Get"); ok && getter.Type.NumOut() == 2 {
			visit(group.Method(i), client, getter.Type.Out(0).Elem().Name())
		}
	}
}

// get calls the Get method that the client of a kind has.
func get(t *testing.T, client versioned.Interface, kind, namespace, name string) (object runtime.Object, err error) {
	t.Helper()
	found := false
	typedClients(func(method reflect.Method, _ reflect.Type, of string) {
		if of != kind {
			return
		}
		found = true
		arguments := []reflect.Value{reflect.ValueOf(namespace)}[:method.Type.NumIn()]
		typed := reflect.ValueOf(client.KubeovnV1()).MethodByName(method.Name).Call(arguments)[0]
		results := typed.MethodByName("Get").Call([]reflect.Value{
			reflect.ValueOf(t.Context()), reflect.ValueOf(name), reflect.ValueOf(metav1.GetOptions{}),
		})
		object, _ = results[0].Interface().(runtime.Object)
		err, _ = results[1].Interface().(error)
	})
	if !found {
		t.Fatalf("no client for %s", kind)
	}
	return object, err
}

func TestFakeClientsetFindsPresetObjects(t *testing.T) {
	for kind, names := range crdNames(t) {
		t.Run(kind, func(t *testing.T) {
			namespace := ""
			if names.namespaced {
				namespace = "ns1"
			}
			client := fake.NewSimpleClientset(newObject(t, kind, namespace, "preset"))
			object, err := get(t, client, kind, namespace, "preset")
			if err != nil {
				t.Fatal(err)
			}
			if accessor, _ := meta.Accessor(object); accessor.GetName() != "preset" {
				t.Errorf("found %v", object)
			}
			if _, err := get(t, client, kind, namespace, "other"); err == nil {
				t.Error("found an object that is not there")
			}
		})
	}
}

func TestFakeClientsetTakesLists(t *testing.T) {
	list := &kubeovnv1.OvnEipList{Items: []kubeovnv1.OvnEip{
		{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}},
	}}
	client := fake.NewSimpleClientset(list)
	got, err := client.KubeovnV1().OvnEips().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(got.Items) != 2 {
		t.Errorf("listed %v, %v", got, err)
	}
}

func TestInformersDeliverPresetObjects(t *testing.T) {
	client := fake.NewSimpleClientset(newObject(t, "QoSPolicy", "", "preset"))
	factory := externalversions.NewSharedInformerFactory(client, 0)
	lister := factory.Kubeovn().V1().QoSPolicies().Lister()
	factory.StartWithContext(t.Context())
	if err := factory.WaitForCacheSyncWithContext(t.Context()).Err; err != nil {
		t.Fatal(err)
	}
	if _, err := lister.Get("preset"); err != nil {
		t.Error(err)
	}
}

// The real client asks for the paths that an API server with the CRDs serves.
func TestClientsetAsksForThePathsOfTheCRDs(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		status := metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
			Status:   metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound,
		}
		w.WriteHeader(http.StatusNotFound)
		if err := json.NewEncoder(w).Encode(status); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	client, err := versioned.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range crdNames(t) {
		want := "/apis/kubeovn.io/v1/" + names.plural + "/x"
		if names.namespaced {
			want = "/apis/kubeovn.io/v1/namespaces/ns1/" + names.plural + "/x"
		}
		if _, err := get(t, client, kind, "ns1", "x"); err == nil {
			t.Errorf("%s: no error from a server without objects", kind)
		}
		if last := paths[len(paths)-1]; last != want {
			t.Errorf("%s: asked for %s, want %s", kind, last, want)
		}
	}
}

// Kinds with a status subresource can write it alone, the others cannot.
func TestStatusMethods(t *testing.T) {
	var without []string
	typedClients(func(_ reflect.Method, client reflect.Type, kind string) {
		if _, ok := client.MethodByName("UpdateStatus"); !ok {
			without = append(without, kind)
		}
	})
	slices.Sort(without)
	if got := fmt.Sprint(without); got != "[IP Vip]" {
		t.Errorf("without UpdateStatus: %s", got)
	}
}

func TestReplaceInFile(t *testing.T) {
	for _, row := range []struct{ why, content, want string }{
		{"once", "a old b", "a new b"},
		{"never", "a b", ""},
		{"twice", "old old", ""},
	} {
		t.Run(row.why, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte(row.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := replaceInFile(file, "old", "new")
			data, _ := os.ReadFile(file)
			switch {
			case row.want == "" && (err == nil || !strings.Contains(err.Error(), "not once") || string(data) != row.content):
				t.Errorf("error %v, file %q", err, data)
			case row.want != "" && (err != nil || string(data) != row.want):
				t.Errorf("error %v, file %q", err, data)
			}
		})
	}
}
