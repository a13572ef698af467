package controller

import (
	"errors"
	"testing"
	"time"

	nadv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	nadfake "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/client/clientset/versioned/fake"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

var attachmentType = schema.GroupResource{Group: "k8s.cni.cncf.io", Resource: "network-attachment-definitions"}

// A cluster without Multus has no attachments and is not held up by that; when the type comes, its objects appear.
func TestAttachmentsWithoutTheirType(t *testing.T) {
	client := nadfake.NewSimpleClientset()
	missing := make(chan struct{})
	gone := func() bool {
		select {
		case <-missing:
			return false
		default:
			return true
		}
	}
	notFound := apierrors.NewNotFound(attachmentType, "")
	client.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return gone(), nil, notFound })
	client.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) { return gone(), nil, notFound })

	source := newAttachmentSource(client, 10*time.Millisecond)
	go source.Informer().RunWithContext(t.Context())
	ctx := t.Context()
	if !cache.WaitForCacheSync(ctx.Done(), source.Informer().HasSynced) {
		t.Fatal("not synced")
	}
	if _, err := source.Lister().NetworkAttachmentDefinitions("ns").Get("net"); !apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	close(missing)
	definition := &nadv1.NetworkAttachmentDefinition{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "net"}}
	deadline := time.After(10 * time.Second)
	if _, err := client.K8sCniCncfIoV1().NetworkAttachmentDefinitions("ns").Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := source.Lister().NetworkAttachmentDefinitions("ns").Get("net"); err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the new definition does not appear")
		case <-tick.C:
		}
	}
}

func TestAbsent(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{apierrors.NewNotFound(attachmentType, ""), true},
		{apierrors.NewForbidden(attachmentType, "", errors.New("rbac")), false},
		{errors.New("connection refused"), false},
		{nil, false},
	} {
		if got := absent(test.err); got != test.want {
			t.Errorf("absent(%v) = %v", test.err, got)
		}
	}
}
