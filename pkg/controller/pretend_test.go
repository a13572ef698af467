package controller

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/client/clientset/versioned"
	"github.com/kubeovn/kube-ovn/pkg/client/informers/externalversions"
)

// servedSubnets is an API server that has two subnets and refuses everything but GET.
func servedSubnets(t *testing.T) (versioned.Interface, *Rehearsal) {
	t.Helper()
	const path = "/apis/kubeovn.io/v1/subnets"
	object := func(name string, finalizers ...string) *v1.Subnet {
		return &v1.Subnet{
			TypeMeta:   metav1.TypeMeta{APIVersion: "kubeovn.io/v1", Kind: "Subnet"},
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), ResourceVersion: "7", Generation: 3, Finalizers: finalizers},
			Spec:       v1.SubnetSpec{CIDRBlock: "10.0.0.0/16"},
		}
	}
	free, held := object("free"), object("held", "f")
	answers := map[string]any{
		path + "/free": free, path + "/held": held,
		path: &v1.SubnetList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}, Items: []v1.Subnet{*free, *held}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s reached the API server", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		found, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			found = apierrors.NewNotFound(schema.GroupResource{Resource: "x"}, "x").Status()
		}
		if err := json.NewEncoder(w).Encode(found); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	rehearsal := NewRehearsal(io.Discard)
	config := &rest.Config{Host: server.URL}
	rehearsal.Configure(config)
	return versioned.NewForConfigOrDie(config), rehearsal
}

// TestPretendedWrites: what is written through the clients is read back as an API server would store it, and no write leaves.
func TestPretendedWrites(t *testing.T) {
	client, rehearsal := servedSubnets(t)
	ctx, subnets := t.Context(), client.KubeovnV1().Subnets()
	patch := func(name, text string, subresources ...string) (*v1.Subnet, error) {
		return subnets.Patch(ctx, name, types.MergePatchType, []byte(text), metav1.PatchOptions{}, subresources...)
	}
	get := func(name string) *v1.Subnet {
		t.Helper()
		s, err := subnets.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	if s, err := patch("free", `{"spec":{"cidrBlock":"10.0.0.0/16"}}`); err != nil || s.ResourceVersion != "7" {
		t.Errorf("a patch that changes nothing: %v, %v", s, err)
	}
	first, err := patch("free", `{"metadata":{"resourceVersion":"6"},"spec":{"cidrBlock":"10.1.0.0/16","gateway":null}}`)
	if err != nil || first.Generation != 4 || first.ResourceVersion == "7" {
		t.Errorf("patched %+v, %v", first, err)
	}
	if s, err := patch("free", `{"status":{"v4usingIPs":18446744073709551616},"spec":{"cidrBlock":"x"}}`, "status"); err != nil || s.Generation != 4 ||
		s.Spec.CIDRBlock != "10.1.0.0/16" || s.Status.V4UsingIPs.String() != "18446744073709551616" {
		t.Errorf("status patched %+v, %v", s, err)
	}
	if _, err := patch("free", `{"metadata":{"resourceVersion":"`+first.ResourceVersion+`","labels":{"a":"b"}}}`); !apierrors.IsConflict(err) {
		t.Errorf("a patch of a former version: %v", err)
	}
	if s := get("free"); s.Spec.CIDRBlock != "10.1.0.0/16" || s.Status.V4UsingIPs.String() != "18446744073709551616" || len(s.Labels) > 0 {
		t.Errorf("read back %+v", s)
	}
	if _, err := patch("none", `{"spec":{"vpc":"v"}}`); !apierrors.IsNotFound(err) {
		t.Errorf("a patch of nothing: %v", err)
	}

	if _, err := subnets.Create(ctx, &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "free"}}, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("made what exists: %v", err)
	}
	made, err := subnets.Create(ctx, &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "made"}}, metav1.CreateOptions{})
	if err != nil || made.UID == "" || made.Generation != 1 || made.CreationTimestamp.IsZero() {
		t.Errorf("made %+v, %v", made, err)
	}

	other := types.UID("other")
	if err := subnets.Delete(ctx, "made", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}); !apierrors.IsConflict(err) {
		t.Errorf("deleted another one: %v", err)
	}
	for _, name := range []string{"made", "held"} {
		if err := subnets.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := subnets.Get(ctx, "made", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a deleted object: %v", err)
	}
	if s := get("held"); s.DeletionTimestamp.IsZero() || s.Generation != 4 {
		t.Errorf("held by a finalizer: %+v", s.ObjectMeta)
	}
	if _, err := patch("held", `{"metadata":{"finalizers":null}}`); err != nil {
		t.Error(err)
	}
	if _, err := subnets.Get(ctx, "held", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its last finalizer: %v", err)
	}
	list, err := subnets.List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Spec.CIDRBlock != "10.1.0.0/16" {
		t.Errorf("list %+v, %v", list, err)
	}
	if n := rehearsal.progress(); n != 6 {
		t.Errorf("%d writes counted, want 6", n)
	}
	if _, err := subnets.Update(ctx, get("free"), metav1.UpdateOptions{}); !apierrors.IsMethodNotSupported(err) {
		t.Errorf("an update, which no controller makes: %v", err)
	}
}

// TestPretendedWritesWakeInformers: an informer sees what was written before it began and what is written later.
func TestPretendedWritesWakeInformers(t *testing.T) {
	client, _ := servedSubnets(t)
	ctx, subnets := t.Context(), client.KubeovnV1().Subnets()
	create := func(name string) {
		t.Helper()
		if _, err := subnets.Create(ctx, &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create("early")
	factory := externalversions.NewSharedInformerFactory(client, 0)
	lister := factory.Kubeovn().V1().Subnets().Lister()
	informer := factory.Kubeovn().V1().Subnets().Informer()
	running, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { informer.RunWithContext(running) })
	defer ended.Wait()
	defer stop()
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not in time: %s", what)
			}
		}
	}
	until("the list", informer.HasSynced)
	for _, name := range []string{"early", "free", "held"} {
		if _, err := lister.Get(name); err != nil {
			t.Errorf("listed: %v", err)
		}
	}
	create("late")
	if err := subnets.Delete(ctx, "free", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until("the new one", func() bool { _, err := lister.Get("late"); return err == nil })
	until("the end of the old one", func() bool { _, err := lister.Get("free"); return apierrors.IsNotFound(err) })
}

func TestPlaces(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/pods":                                              "/api/v1/pods // ",
		"/api/v1/namespaces/a/pods/b":                               "/api/v1/pods a/b ",
		"/api/v1/namespaces/a":                                      "/api/v1/namespaces /a ",
		"/apis/kubeovn.io/v1/subnets/s/status":                      "/apis/kubeovn.io/v1/subnets /s status",
		"/k8s/clusters/c/apis/apps/v1/namespaces/a/statefulsets/s/": "/apis/apps/v1/statefulsets a/s ",
		"/version":  "",
		"/api":      "",
		"/apis/x/v": "",
	} {
		at, subresource, ok := placeOf(path)
		got := ""
		if ok {
			got = at.collection + " " + at.namespace + "/" + at.name + " " + subresource
		}
		if got != strings.Replace(want, "//", "/", 1) {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
